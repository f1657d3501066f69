package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Driver asks an initiator for operations. Do waits for the operation's end and may be called from several goroutines at once; what it
// cannot do at all gives a Result whose Err is ErrNoOp. Close ends the initiator abruptly and waits until nothing of it runs.
type Driver interface {
	// Has tells whether the driver has an operation at all. What the initiator lacks may still show as ErrNoOp.
	Has(op Op) bool
	Do(ctx context.Context, op Op, p *Pending) Result
	Close()
}

// ErrNoOp says that a driver lacks an operation: the row is not testable with it.
var ErrNoOp = errors.New("the driver has no such operation")

// Result is what became of an operation.
type Result struct {
	// Err is nil when the operation succeeded; of a command, when the target answered with any status.
	Err error
	// Status and Sense are a command's. Data is what a read brought, or the echo of a ping.
	Status scsi.Status
	Sense  []byte
	Data   []byte
	// Request is the own initiator's, for what only it tells: residuals, transferred bytes. It is nil otherwise.
	Request *ini.Request
	// Session is the session that was opened or used.
	Session ini.SessionID
	// Pairs answer a Text Request.
	Pairs text.Pairs
	// Targets, Sessions and Devices are listings.
	Targets  []ini.DiscoveredTarget
	Sessions []ini.SessionStatus
	Devices  []ini.DeviceInfo
	// At is when the operation ended, since the start of the run.
	At time.Duration
}

// Good tells whether the operation succeeded, a command with GOOD.
func (r Result) Good() bool { return r.Err == nil && r.Status == scsi.StatusGood }

// String tells the result in words that can stand after "Actual:".
func (r Result) String() string {
	switch {
	case r.Err != nil && ini.OutcomeOf(r.Err) == "ERROR":
		return r.Err.Error()
	case r.Err != nil:
		return fmt.Sprintf("%s (%v)", ini.OutcomeOf(r.Err), r.Err)
	case r.Request != nil && r.Status != scsi.StatusGood:
		return r.Status.String()
	case r.Request != nil:
		return fmt.Sprintf("%v with %d bytes", r.Status, r.Request.Transferred)
	}
	return "success"
}

// Pending is an operation that was started.
type Pending struct {
	// Op is what was asked for, Number counts the check's operations from 1.
	Op     Op
	Number int

	t       *T
	began   time.Duration
	done    chan struct{}
	result  Result       // valid when done is closed
	ends    int          // how often the requester was told; T's lock holds it
	request *ini.Request // of a command of the own initiator; T's lock holds it
	told    bool         // its end is in the trace
}

// String names the operation in the trace, where no address of memory may stand.
func (p *Pending) String() string { return fmt.Sprintf("operation %d", p.Number) }

// Ended tells whether the operation is over.
func (p *Pending) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Start asks the initiator for an operation and goes on. On virtual time it has reached the initiator when Start returns.
func (t *T) Start(op Op) *Pending {
	if !t.driver.Has(op) {
		t.Skip("NOT-TESTABLE: the driver has no operation %q.", op.OpName())
	}
	t.breathe()
	t.ops++
	p := &Pending{Op: op, Number: t.ops, t: t, began: t.env.Log.Now(), done: make(chan struct{})}
	t.pending = append(t.pending, p)
	t.env.Log.Record(trace.Event{Kind: trace.KindOp, Node: trace.NodeDriver, Op: op.OpName(), State: trace.OpBegin, Request: uint64(p.Number),
		Attrs: []trace.Attr{trace.A("asked", fmt.Sprintf("%+v", op))}})
	driver := t.driver
	t.beside.Go(func() {
		r := driver.Do(t.ctx, op, p)
		r.At = t.env.Log.Now()
		p.result = r
		close(p.done)
		t.ring()
	})
	t.breathe()
	if p.Ended() && errors.Is(p.result.Err, ErrNoOp) {
		t.Skip("NOT-TESTABLE: the driver has no operation %q.", op.OpName())
	}
	return p
}

// breathe moves on to an instant of the driver's own, when everybody else has worked off what there was.
func (t *T) breathe() {
	if !t.env.Virtual {
		return
	}
	now := t.env.Log.Now()
	time.Sleep(now - now%faults.Grain + faults.Grain - now)
}

// tell puts the ends of operations into the trace, in an order that does not depend on the goroutines that brought them: what else ends at
// this instant is waited for first.
func (t *T) tell() {
	t.breathe()
	for {
		var first *Pending
		for _, p := range t.pending {
			if p.Ended() && !p.told && (first == nil || p.result.At < first.result.At) {
				first = p
			}
		}
		if first == nil {
			return
		}
		first.told = true
		t.env.Log.RecordAt(trace.Event{At: first.result.At, Kind: trace.KindOp, Node: trace.NodeDriver, Op: first.Op.OpName(), State: trace.OpEnd,
			Request: uint64(first.Number), Reason: ini.OutcomeOf(first.result.Err), Err: trace.ErrorText(first.result.Err),
			Attrs: []trace.Attr{trace.A("status", first.result.Status)}})
	}
}

// address is a portal's, in the form that drivers take.
func (t *T) address(letter string) (iscsi.Address, error) {
	if letter == "" {
		letter = "A"
	}
	p, err := t.listen(letter)
	if err != nil {
		return iscsi.Address{}, err
	}
	return p.address, nil
}
