package simtarget

import "time"

// LUNReport says how initiators learn of a change of the logical unit inventory.
type LUNReport string

// The ways.
const (
	ReportNone      LUNReport = "none"
	ReportAttention LUNReport = "unit-attention" // REPORTED LUNS DATA HAS CHANGED (SPC-4, Section 6.33) for every nexus
	ReportAsync     LUNReport = "async"          // an Asynchronous Message of event 0 with that sense data on every session of the target
	ReportBoth      LUNReport = "both"           // the message, and the unit attention behind it
)

// ALUAState is an asymmetric access state (SPC-4, Section 5.16.2).
type ALUAState string

// The states.
const (
	ALUAOptimized     ALUAState = "active-optimized"
	ALUANonOptimized  ALUAState = "active-non-optimized"
	ALUAStandby       ALUAState = "standby"
	ALUAUnavailable   ALUAState = "unavailable"
	ALUATransitioning ALUAState = "transitioning"
)

// ALUAPolicy divides the portals into target port groups.
type ALUAPolicy struct {
	// Groups are the target port groups, at most 16; none means that the array has no asymmetric access.
	Groups []ALUAGroup `yaml:"groups,omitempty"`
	// Explicit lets initiators change states by SET TARGET PORT GROUPS; otherwise the array alone does.
	Explicit bool `yaml:"explicit,omitempty"`
	// Transition is how long a group is transitioning when the script or an action changes its state; 0 changes it at once.
	Transition time.Duration `yaml:"transition,omitempty"`
}

// ALUAGroup is a target port group (SPC-4, Section 5.16.2): portals whose state towards the logical units changes together. It has nothing
// to do with portal group tags.
type ALUAGroup struct {
	// ID is the target port group's number, 1 to 65535.
	ID uint16 `yaml:"id"`
	// Portals are the names of its portals. A portal is in one group at most; one that is in none is always active and optimized.
	Portals []string `yaml:"portals"`
	// State is the state at the beginning.
	State ALUAState `yaml:"state"`
	// Preferred sets the PREF bit.
	Preferred bool `yaml:"preferred,omitempty"`
}

// Script is what an array does on its own account: steps that each wait for their moment. Steps that are due at one instant happen in the
// order of the list.
type Script []Step

// Step is one event in the life of an array. Without Logins and OnCall its moment is After behind the array's start.
type Step struct {
	// Name is what Action.Call and the trace call it; empty means its place in the list, from 1.
	Name string `yaml:"name,omitempty"`
	// After is waited behind the start of the array, the login or the call. Choose a time at which nothing else is due.
	After time.Duration `yaml:"after,omitempty"`
	// Logins makes the moment that at which so many Normal sessions were opened since the start.
	Logins int `yaml:"logins,omitempty"`
	// OnCall makes it wait for Action.Call.
	OnCall bool `yaml:"on_call,omitempty"`
	// Every repeats it so often; 0 does not. Times is how often it then happens in all, 0 for ever.
	Every time.Duration `yaml:"every,omitempty"`
	Times int           `yaml:"times,omitempty"`
	// Do is what happens, in order.
	Do []Action `yaml:"do"`
}

// The bounds of scripts.
const (
	stepsMax       = 256
	stepActionsMax = 64
	aluaGroupsMax  = 16
)
