package simtarget

import "time"

// PortalMove lets another part of the array answer at a portal's address, as when a virtual address is taken over. Sessions that came there
// are forgotten without a word, and from then on until Silence has passed nobody answers at the address.
type PortalMove struct {
	// From is the portal whose address moves.
	From string `json:"from" yaml:"from"`
	// To is the portal that answers at the address afterwards: with its tag, its targets, its target port group and its policies. Empty
	// or From itself means that nothing changes but the machine behind it.
	To string `json:"to,omitempty" yaml:"to,omitempty"`
	// Silence is how long nobody answers at the address. Connections that are made meanwhile are taken and never answered.
	Silence time.Duration `json:"silence,omitempty" yaml:"silence,omitempty"`
	// Then is how the new owner of the address ends the old connections when Silence has passed: rst, fin, or empty to leave them without an
	// answer for ever.
	Then Ending `json:"then,omitempty" yaml:"then,omitempty"`
}

// OwnerChange makes a portal the one that serves a target, which is where redirects that pick the owner lead.
type OwnerChange struct {
	// Target is the target's name; empty means the first.
	Target string `json:"target,omitempty" yaml:"target,omitempty"`
	// Portal is the name of the portal.
	Portal string `json:"portal" yaml:"portal"`
	// Drop ends the target's Normal sessions at other portals: fin, rst, async or silent. Empty leaves them.
	Drop Ending `json:"drop,omitempty" yaml:"drop,omitempty"`
}

// Suspend refuses logins of Normal sessions for a time. A later one takes the place of those before it that are about the same logins.
type Suspend struct {
	// Portal and Target say which logins; empty means all.
	Portal string `json:"portal,omitempty" yaml:"portal,omitempty"`
	Target string `json:"target,omitempty" yaml:"target,omitempty"`
	// Status is the status; 0 means the profile's SuspendedStatus.
	Status Status `json:"status,omitempty" yaml:"status,omitempty"`
	// For is how long; 0 until a Suspend with Over.
	For time.Duration `json:"for,omitempty" yaml:"for,omitempty"`
	// Over ends it.
	Over bool `json:"over,omitempty" yaml:"over,omitempty"`
}

// ALUAChange changes the asymmetric access state of a target port group (SPC-4, Section 5.16.2). Initiators learn of it by the unit
// attention ASYMMETRIC ACCESS STATE CHANGED, on every nexus. Where the profile has a transition time, the group is transitioning for
// so long before it has the state.
type ALUAChange struct {
	// Group is the target port group.
	Group uint16 `json:"group" yaml:"group"`
	// State is the state to come.
	State ALUAState `json:"state" yaml:"state"`
}

// StepCall makes the step of the profile's script happen that has the name and waits for a call.
type StepCall struct {
	// Step is the step's name.
	Step string `json:"step" yaml:"step"`
}
