package sessions

import "time"

// Login logs in: the step's label is the session's handle from then on. It ends when the login has succeeded or failed.
type Login struct {
	// Kind is discovery, informational, data or boot; empty means data. Other words are passed on, to be refused.
	Kind string `yaml:"kind,omitempty"`
	// Target is the target's name; empty means the first target of the array that Portal belongs to. "-" asks for no name.
	Target string `yaml:"target,omitempty"`
	// Portal is where: a letter (see [Portals]), an address, or empty for A. "-" asks for no portal.
	Portal string `yaml:"portal,omitempty"`
	// Port is the number of the initiator port, from 1; 0 means the first.
	Port int `yaml:"port,omitempty"`
	// BootLUN is the boot unit of a boot session.
	BootLUN int `yaml:"boot-lun,omitempty"`
	// Settings override the initiator's.
	Settings LoginSettings `yaml:"settings,omitempty"`
}

// OpName is "login".
func (Login) OpName() string { return "login" }

// LoginAll discovers at a portal and logs in to every target found, over every initiator port: the sessions that an initiator starts with.
type LoginAll struct {
	// Portals are where to discover: letters or addresses; none means A.
	Portals []string `yaml:"portals,flow,omitempty"`
}

// OpName is "login-all".
func (LoginAll) OpName() string { return "login-all" }

// AddSession adds a session: a clone of another, or one at a chosen portal. The step's label is its handle.
type AddSession struct {
	// Clone is the label of the session to copy.
	Clone string `yaml:"clone,omitempty"`
	// Without Clone: as in Login.
	Kind   string `yaml:"kind,omitempty"`
	Target string `yaml:"target,omitempty"`
	Portal string `yaml:"portal,omitempty"`
	Port   int    `yaml:"port,omitempty"`
	// Settings override the original's or the initiator's.
	Settings LoginSettings `yaml:"settings,omitempty"`
}

// OpName is "add-session".
func (AddSession) OpName() string { return "add-session" }

func (o AddSession) labels() []string { return []string{o.Clone} }

// Logout logs a session off, as its user would.
type Logout struct {
	// Session is the label of the step that made it; empty means the latest.
	Session string `yaml:"session,omitempty"`
	// Force overrules a refusal.
	Force bool `yaml:"force,omitempty"`
}

// OpName is "logout".
func (Logout) OpName() string { return "logout" }

func (o Logout) labels() []string { return []string{o.Session} }

// RemoveSession removes a session, as the tool that displays and removes sessions would.
type RemoveSession struct {
	// Session is the label of the step that made it; empty means the latest.
	Session string `yaml:"session,omitempty"`
}

// OpName is "remove-session".
func (RemoveSession) OpName() string { return "remove-session" }

func (o RemoveSession) labels() []string { return []string{o.Session} }

// Discover sends SendTargets on a discovery session; the targets found are rows of its end.
type Discover struct {
	// Session is the label of the step that made it; empty means the latest.
	Session string `yaml:"session,omitempty"`
}

// OpName is "discover".
func (Discover) OpName() string { return "discover" }

func (o Discover) labels() []string { return []string{o.Session} }

// Ping sends a NOP-Out on a session and waits for its echo.
type Ping struct {
	Session string `yaml:"session,omitempty"`
	// Size is the number of data bytes.
	Size int `yaml:"size,omitempty"`
}

// OpName is "ping".
func (Ping) OpName() string { return "ping" }

func (o Ping) labels() []string { return []string{o.Session} }

// SendText sends key=value pairs in a Text Request on a session; the answers are rows of its end.
type SendText struct {
	Session string `yaml:"session,omitempty"`
	// Pairs are "Key=Value", in order.
	Pairs []string `yaml:"pairs"`
}

// OpName is "send-text".
func (SendText) OpName() string { return "send-text" }

func (o SendText) labels() []string { return []string{o.Session} }

// ListSessions lists all sessions: one row each, see [SessionRow].
type ListSessions struct{}

// OpName is "list-sessions".
func (ListSessions) OpName() string { return "list-sessions" }

// ListDevices lists all devices with their paths: one row each, see [DeviceRow].
type ListDevices struct{}

// OpName is "list-devices".
func (ListDevices) OpName() string { return "list-devices" }

// Set changes the initiator's configuration while it runs. What is zero stays as it is.
type Set struct {
	Settings `yaml:",inline"`
	// Login is what sessions offer that are logged in from now on.
	Login LoginSettings `yaml:"login,omitempty"`
}

// OpName is "set-config".
func (Set) OpName() string { return "set-config" }

// Restart ends the initiator abruptly, as a crash of its host would, and starts it anew with the same configuration and what it keeps
// persistently. The sessions that come back have IDs of their own; list-sessions shows them.
type Restart struct {
	// Down is how long the host is away.
	Down time.Duration `yaml:"down,omitempty"`
}

// OpName is "restart".
func (Restart) OpName() string { return "restart" }
