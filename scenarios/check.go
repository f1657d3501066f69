package scenarios

import (
	"context"
	"hash/fnv"
	"net"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Capability names something that a peer may lack, in the catalogue's words: "chap", "multi-portal", "redirect".
type Capability string

// CapabilityWritable is the capability of a logical unit that the operator allows to be written to.
const CapabilityWritable Capability = "writable-lun"

// Abilities says what is known about a peer before a check starts. A capability that is absent from the map is
// unknown: the check tries and skips by itself.
type Abilities map[Capability]Ability

// Ability is one known answer; Reason says how it is known, and stands in the record of a skipped check.
type Ability struct {
	Present bool   `json:"present"`
	Reason  string `json:"reason,omitempty"`
}

// Risk is what a check may do to the peer and to others that use it.
type Risk uint8

// The risks, mildest first.
const (
	// Safe checks read, log in and out, and misbehave on connections of their own.
	Safe Risk = iota
	// Writes checks change the content of a logical unit.
	Writes
	// Disruptive checks may harm other initiators: target resets, lost sessions, exhausted limits.
	Disruptive
)

// String returns the risk's word as --allow takes it.
func (r Risk) String() string {
	switch r {
	case Safe:
		return "safe"
	case Writes:
		return "writes"
	case Disruptive:
		return "disruptive"
	}
	return "unknown"
}

// MarshalText writes the risk's word.
func (r Risk) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnitUse is what a check does to a logical unit that others may use meanwhile.
type UnitUse uint8

// The uses. Those who share a logical unit keep to blocks of their own (Env.Range). Who spares it notices nothing of what becomes of its
// tasks and its blocks. Who seizes it may end the tasks of others, or keep others out.
const (
	UnitShared UnitUse = iota
	UnitSpared
	UnitSeized
)

// Limits bound one check. A zero field means the default of the runner.
type Limits struct {
	// Run is the check's own deadline, on the clock that the check sees: virtual in a bubble, else the wall clock.
	Run time.Duration
	// Wall is when the watchdog gives the check up, always on the wall clock.
	Wall time.Duration
}

// Check is the code for one row. A check is a value: it holds no state between runs, and Run may be called by several
// workers at once.
type Check struct {
	// ID is the catalogue row's.
	ID string
	// Needs are the capabilities without which the check is skipped. Registering fills it from the row when nil.
	Needs []Capability
	// Risk is what the operator has to allow.
	Risk Risk
	// Sessions is how many sessions the check has at once at most, where it may run beside others at one real peer: it neither changes what
	// they see nor depends on what they do, sessions that come and go and writes to other blocks included. 0 means that it runs alone.
	Sessions int
	// Unit says what the check does to the logical unit under test, where it runs beside others.
	Unit UnitUse
	// Waits is how long the check lasts at least, since it waits, on a peer that gives it no reason to end before; 0 where that is less than
	// some seconds. WaitsFor says what for.
	Waits    time.Duration
	WaitsFor string
	// Limits may widen or narrow the runner's.
	Limits Limits
	// Accepts lists all accepted outcomes in words, for "Expected: a or b". An Outcome may narrow them.
	Accepts []string
	// Run does the work. It sees the context's deadline, and should return soon after. A panic is caught and becomes
	// Broken. Where a Stage opens a bubble, Run is inside it.
	Run func(ctx context.Context, env *Env) Outcome
	// Deviations are the defects by which the check proves itself: with each of them in the peer, the check must not
	// pass. The first ones are the row's own defect. Their names are understood by the suite's Stage or by Run itself.
	Deviations []Deviation

	// Row is the catalogue's, Suite the list's; registering fills both.
	Row   *Row
	Suite string
}

// Deviation is a named defect that a peer of this project can be given.
type Deviation struct {
	// Name is permanent and unique in its suite, for example "Reconnect.IntervalSixSeconds".
	Name string
	// Apply is what the suite needs to bring the deviation about. Core only carries it.
	Apply any
}

// Peer is what a check of a foreign or embedded peer talks to. The Stage makes one for each run of a check.
type Peer struct {
	// URL names the portal, the target, the logical unit and the credentials. Its String hides secrets.
	URL iscsi.URL
	// Dial opens a connection, tapped into Env.Log. It takes "tcp" and "host:port".
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Control, where not nil, is the embedded peer itself, for checks that need an action outside the wire.
	Control any
}

// Env is what one run of a check works with.
type Env struct {
	// T lends its identity to bubbles. Nothing asserts through it.
	T *testing.T
	// Check is the one that runs.
	Check *Check
	// Seed is the check's own, derived from the run's seed and the ID, so that neither selection nor order matters.
	Seed uint64
	// Virtual tells whether the clock of the run is a bubble's.
	Virtual bool
	// Strict asks for failures where the catalogue names a leniency.
	Strict bool
	// Allow is the gravest risk that the operator permits.
	Allow Risk
	// Limits are the check's own over the runner's, both set. A stage that opens a bubble hands Limits.Run to Bubble:
	// a context made outside must not be waited for inside.
	Limits Limits
	// Deviation, where not nil, is the defect that the peer is to have.
	Deviation *Deviation
	// Abilities says what is known about the peer.
	Abilities Abilities
	// Beside tells that other checks of the same peer may run meanwhile. Of the Ranges into which they divide the blocks of the logical unit,
	// the check keeps to the one with the number Range, from 0; with 0 Ranges the unit is all its own.
	Beside        bool
	Range, Ranges int

	// Peer and Log are the Stage's. They are nil where the suite brings its own peers.
	Peer *Peer
	Log  *trace.Log
}

// Stage puts a peer before a check: it may open a bubble, must fill env.Peer and env.Log, calls run exactly once on the
// goroutine of its choice, clears away, and returns what run returned with Trace and Duration filled in. Where the
// peer could not be put up it returns an Inconclusive or Broken outcome instead.
type Stage func(ctx context.Context, env *Env, run func(ctx context.Context, env *Env) Outcome) Outcome

// BareStage calls run as it is: for checks that build their own bubble and peers.
func BareStage(ctx context.Context, env *Env, run func(ctx context.Context, env *Env) Outcome) Outcome {
	return run(ctx, env)
}

// SeedFor derives the seed of a named part from the seed of the whole, the same in every process: FNV-1a over the
// seed's eight bytes and the name.
func SeedFor(seed uint64, name string) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for i := range b {
		b[i] = byte(seed >> (8 * i))
	}
	h.Write(b[:])
	h.Write([]byte(name))
	return h.Sum64()
}
