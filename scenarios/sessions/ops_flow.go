package sessions

import "time"

// Wait does nothing: with At or After it moves the run on to an instant, with For it lasts.
type Wait struct {
	For time.Duration `yaml:"for,omitempty"`
}

// OpName is "wait".
func (Wait) OpName() string { return "wait" }

// WaitFor waits until a session is in a state, or leaves the listing (State "gone"). Its outcome is TIMEOUT when that has not come about Within; the
// run is inconclusive then unless the judge finds something worse.
type WaitFor struct {
	// Session is the label of the step that made it; empty means the latest.
	Session string `yaml:"session,omitempty"`
	// State is connected, reconnecting, gone, or "ready" for connected with nothing queued.
	State string `yaml:"state"`
	// Within bounds the wait; 0 means 10 minutes.
	Within time.Duration `yaml:"within,omitempty"`
}

// OpName is "wait-for".
func (WaitFor) OpName() string { return "wait-for" }

func (o WaitFor) labels() []string { return []string{o.Session} }

// Poll does one op over and over: at once, and then every Every until For has passed. All rounds share the step's label.
type Poll struct {
	Every time.Duration `yaml:"every"`
	For   time.Duration `yaml:"for"`
	// Do is the op.
	Do Step `yaml:"step"`
}

// OpName is "poll".
func (Poll) OpName() string { return "poll" }

// Repeat does steps over and over. In the second round and later, absolute instants are not looked at: use After and At.
type Repeat struct {
	Times int    `yaml:"times"`
	Steps []Step `yaml:"steps"`
}

// OpName is "repeat".
func (Repeat) OpName() string { return "repeat" }
