package sessions

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Run is what one run of a plan left behind: plain data, all that a judge looks at. A run that was stored can be judged again.
type Run struct {
	Plan Plan
	// Events is the trace in canonical order, up to the end of the run: what the teardown does is not in it.
	Events trace.Events
	// Ended is the instant at which the run ended.
	Ended time.Duration
	// Faults tells how often each planned fault fired.
	Faults []scenarios.Fault
	// Trouble lists why the run did not go as planned: a step that was late or could not be done. Any makes a pass inconclusive.
	Trouble []string
	// Late are those of them that tell of a step which began late, because the one before it had lasted longer than the plan left it time.
	Late []string

	// What AllOps found, once it was asked. A run that is over may be looked at from several goroutines.
	opsOnce sync.Once
	ops     []OpRun
}

// Outcomes of ops. A command that the target answered has the name of its SCSI status; the rest is about why there is none, or about an
// operation that is no command.
const (
	OK             = "OK"              // an operation that is no command succeeded
	Good           = "GOOD"            // SCSI status 00h
	CheckCondition = "CHECK CONDITION" // SCSI status 02h; OpRun.Sense tells more
	Busy           = "BUSY"            // SCSI status 08h
	TaskSetFull    = "TASK SET FULL"   // SCSI status 28h
	LoggedOut      = "LOGGED-OUT"      // the session was logged off by its user
	DeviceRemoved  = "DEVICE-REMOVED"  // the device left the stack
	QueueFull      = "QUEUE-FULL"      // the queue of a session that is down is full
	TransportLost  = "TRANSPORT-LOST"  // the connection was lost before the answer
	AuthFailed     = "AUTH-FAILED"     // authentication failed
	NotSupported   = "NOT-SUPPORTED"   // the initiator does not do that, and sent nothing
	Timeout        = "TIMEOUT"         // nobody answered within the step's deadline or the initiator's own
	Aborted        = "ABORTED"         // task management ended the request
	Exists         = "EXISTS"          // there is such a session already; OpRun.Session names it
	BootDevice     = "BOOT-DEVICE"     // refused: it would take the boot device away
	LoginFailed    = "LOGIN-FAILED"    // a Login Response carried a failure, which OpRun.Status names, or what the initiator cannot accept
	Unreachable    = "UNREACHABLE"     // no connection came about, or it ended during the login
	Miscompare     = "MISCOMPARE"      // a Load with Verify read other bytes than it had written
	Failed         = "ERROR"           // any other error; OpRun.Err has its text
	Pending        = "PENDING"         // still under way when the run ended
)

// OpRun is one op as it went.
type OpRun struct {
	// Label is the step's, Name the op's. N counts the instances of one label from 1: rounds of a Poll, requests of a Submit.
	Label, Name string
	N           int
	// Begin and End are its instants; End is the run's while the outcome is PENDING.
	Begin, End time.Duration
	// Outcome is one of the constants of this package; Err is the error's text.
	Outcome, Err string
	// Session is the local session ID: the one made, or the one used, or the one in the way.
	Session uint64
	// Device and LUN are those that a request went to; LUN is -1 where there is none.
	Device string
	LUN    int
	// Status is the login status, "0x0203"; Sense is key, code and qualifier of a CHECK CONDITION, "05/25/00".
	Status, Sense string
	// LBA and Blocks of a Read or Write.
	LBA    uint64
	Blocks int
	// Length is how many bytes moved; Digest is a hash of them, so that equal data show; Head is how they begin, as text where
	// they are a stamp and in hexadecimal otherwise.
	Length       int
	Digest, Head string
	// Content tells of a Read with Content what each block held: the stamp of the write whose bytes fill it, see [Stamp], or a hash of
	// what else it is.
	Content []string
	// Rows are the rows of a listing or of an answer.
	Rows []trace.Event
	// Began and Finished are the events that tell of it; Finished is zero while the outcome is PENDING.
	Began, Finished trace.Event
}

// Took is how long the op was under way.
func (o OpRun) Took() time.Duration { return o.End - o.Begin }

// Is tells whether the outcome is one of those named.
func (o OpRun) Is(outcomes ...string) bool { return slices.Contains(outcomes, o.Outcome) }

// Evidence are the op's events.
func (o OpRun) Evidence() []trace.Event {
	if o.Began.Kind == "" {
		return nil
	}
	if o.Finished.Kind == "" {
		return []trace.Event{o.Began}
	}
	return []trace.Event{o.Began, o.Finished}
}

// The keys of the attributes of "op" events.
const (
	attrLabel  = "label"
	attrNumber = "n"
	attrLBA    = "lba"
	attrBlocks = "blocks"
	attrStatus = "status"
	attrSense  = "sense"
	attrLength = "length"
	attrDigest = "digest"
	attrHead   = "head"
	// attrContent is what blocks held, separated by spaces.
	attrContent = "content"
	attrLate    = "late"
	stateRow    = "row"
)

// AllOps gives every op of the run in the order of their beginnings.
func (r *Run) AllOps() []OpRun { return slices.Clone(r.known()) }

// known gives the ops without a copy.
func (r *Run) known() []OpRun {
	r.opsOnce.Do(func() { r.ops = r.findOps() })
	return r.ops
}

// findOps takes the beginnings first: an op that ends at the instant of its beginning may stand before it in the canonical order.
func (r *Run) findOps() []OpRun {
	ops := []OpRun{}
	place := map[uint64]int{}
	for _, e := range r.Events {
		if e.Kind == trace.KindOp && e.State == trace.OpBegin {
			place[e.Request] = len(ops)
			ops = append(ops, opBegun(e, r.Ended))
		}
	}
	for _, e := range r.Events {
		i, begun := place[e.Request]
		if e.Kind != trace.KindOp || !begun {
			continue
		}
		switch e.State {
		case trace.OpEnd:
			ops[i].finish(e)
		case stateRow:
			ops[i].Rows = append(ops[i].Rows, e)
		}
	}
	return ops
}

func opBegun(e trace.Event, runEnd time.Duration) OpRun {
	o := OpRun{Name: e.Op, N: 1, Begin: e.At, End: runEnd, Outcome: Pending, Session: e.Session, Device: e.Device, LUN: -1, Began: e}
	o.Label, _ = e.Attr(attrLabel)
	if n, err := strconv.Atoi(attr(e, attrNumber)); err == nil {
		o.N = n
	}
	if e.LUN != nil {
		o.LUN = int(*e.LUN)
	}
	o.LBA, _ = strconv.ParseUint(attr(e, attrLBA), 10, 64)
	o.Blocks, _ = strconv.Atoi(attr(e, attrBlocks))
	return o
}

func (o *OpRun) finish(e trace.Event) {
	o.End, o.Outcome, o.Err, o.Finished = e.At, e.Reason, e.Err, e
	if e.Session != 0 {
		o.Session = e.Session
	}
	o.Status, o.Sense = attr(e, attrStatus), attr(e, attrSense)
	o.Length, _ = strconv.Atoi(attr(e, attrLength))
	o.Digest, o.Head = attr(e, attrDigest), attr(e, attrHead)
	o.Content = strings.Fields(attr(e, attrContent))
}

func attr(e trace.Event, key string) string {
	value, _ := e.Attr(key)
	return value
}

// Ops gives all instances of the labelled op, in the order of their beginnings.
func (r *Run) Ops(label string) []OpRun {
	found := []OpRun{}
	for _, o := range r.known() {
		if o.Label == label {
			found = append(found, o)
		}
	}
	return found
}

// Op gives the first instance of the labelled op. A label that never ran gives an OpRun whose outcome is "" and whose instants are the end of
// the run; the run is inconclusive then anyway.
func (r *Run) Op(label string) OpRun {
	ops := r.known()
	if i := slices.IndexFunc(ops, func(o OpRun) bool { return o.Label == label }); i >= 0 {
		return ops[i]
	}
	return OpRun{Label: label, Begin: r.Ended, End: r.Ended, LUN: -1}
}

// At gives the instant at which the labelled op ended: the one to use for link ops, which take no time.
func (r *Run) At(label string) time.Duration { return r.Op(label).End }

// Session gives the local session ID that the labelled login was given; 0 when it failed. The sessions of a LoginAll or a Restart are
// label.1, label.2 ...
func (r *Run) Session(label string) uint64 {
	if o := r.Op(label); o.Outcome == OK {
		return o.Session
	}
	parent, n := numbered(label)
	if rows := r.Op(parent).Rows; 0 < n && n <= len(rows) {
		return rows[n-1].Session
	}
	return 0
}

// numbered splits "all.2" into "all" and 2; the number is 0 where there is none.
func numbered(label string) (parent string, n int) {
	if i := strings.LastIndexByte(label, '.'); i > 0 {
		if n, err := strconv.Atoi(label[i+1:]); err == nil && n > 0 {
			return label[:i], n
		}
	}
	return label, 0
}

// fields splits an attribute that holds a list.
func fields(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
