package initiator

import (
	"sync/atomic"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Request is one SCSI command and its outcome. The submitter fills the first part and must not touch
// the Request, nor the memory of CDB, Read and Write, from Submit until Done is called (or Do returns). A finished
// Request may be submitted again; nothing is allocated then.
type Request struct {
	// LUN is the logical unit number in its eight-byte wire form (scsi.LUN).
	LUN uint64
	// CDB is the command descriptor block, 1 to 260 bytes. What exceeds 16 bytes travels in an additional header segment
	// (RFC 7143, Section 11.2.2.3).
	CDB []byte
	// Read receives data from the target; its length is the expected transfer length. A Request with both Read and Write is a
	// bidirectional command.
	Read []byte
	// Write is sent to the target; its length is the expected transfer length.
	Write []byte
	// Attr is the task attribute; its zero value is sent as it is (untagged).
	Attr pdu.TaskAttribute
	// Done is called exactly once when the request is over, from a goroutine of the session; requests that are over at the same time may be
	// told from two goroutines. It must not block; it may call Submit and Cancel, but neither Do nor Logout. It may be nil.
	Done func(*Request)

	// Err is nil when the target answered the command with any SCSI status; otherwise it says why there is no
	// status: ErrTransportLost, ErrLoggedOut, ErrAborted, *TargetFailureError, *RejectError, a context's error ...
	Err error
	// Status is the SCSI status byte (0 GOOD, 2 CHECK CONDITION ...).
	Status byte
	// Sense holds the sense data without the two length bytes that precede it on the wire. Its memory is reused
	// when the Request is submitted again.
	Sense []byte
	// Transferred counts the bytes of Read that were filled or of Write that the target took, after the residual. Of a bidirectional
	// command it and the three fields after it are about Write.
	Transferred int
	// Residual is the residual count, meaningful when Overflow or Underflow is set (RFC 7143, Section 11.4.5).
	Residual uint32
	// Overflow says that the target had or wanted Residual more bytes than offered.
	Overflow bool
	// Underflow says that Residual bytes of the offered were not transferred.
	Underflow bool
	// Inbound is what became of Read in a bidirectional command; zero for any other.
	Inbound Inbound
	// Sent says that the command was handed to the connection; a request that failed with Sent false never reached the target.
	Sent bool

	task requestState
	// unhurried exempts the request from LoginConfig.CommandTimeout.
	unhurried bool
	// intercept, when not nil, is called instead of Done: the upper layer's way of seeing a completion first.
	intercept func(*Request)
}

// Inbound is the outcome of the read part of a bidirectional command (RFC 7143, Sections 11.4.1 and 11.4.5.2).
type Inbound struct {
	// Transferred counts the bytes of Request.Read that were filled, after the residual.
	Transferred int
	// Residual is the Bidirectional Read Residual Count, meaningful when Overflow or Underflow is set.
	Residual uint32
	// Overflow says that the target had Residual more bytes than Request.Read takes.
	Overflow bool
	// Underflow says that Residual bytes of Request.Read were not filled.
	Underflow bool
}

// requestState is what a session keeps in a Request while it is under way. The session's mutex guards it.
type requestState struct {
	// phase is written by the one who carries the request on; atomic, because the end of a request, which is told without the
	// mutex, may meet a Cancel.
	phase atomic.Uint32
	task  *task
	prev  *Request // Neighbours among those that wait for the command window.
	next  *Request
	after *Request // The next to be answered.
	ahs   []byte   // Additional header segments of the command, if any.

	waited bool          // Do waits on wake.
	wake   chan struct{} // Made once, capacity 1.
}

// The phases of a request.
const (
	requestIdle    uint32 = iota // Not with a session.
	requestWaiting               // In the session's FIFO, not sent.
	requestSent                  // In the task table.
	requestOver                  // Decided; Done is about to be called.
)

// begin clears the outcome of an earlier submission.
func (r *Request) begin() {
	r.Err, r.Status, r.Sense = nil, 0, r.Sense[:0]
	r.Transferred, r.Residual, r.Overflow, r.Underflow, r.Sent = 0, 0, false, false, false
	r.Inbound = Inbound{}
}

// finish tells the requester. No mutex is held.
func (r *Request) finish() {
	waited, wake := r.task.waited, r.task.wake
	r.task.waited = false
	r.task.phase.Store(requestIdle)
	if r.intercept != nil {
		r.intercept(r)
	} else if r.Done != nil {
		r.Done(r)
	}
	if waited {
		wake <- struct{}{}
	}
}

// requestList is a FIFO of waiting requests, linked through the requests themselves.
type requestList struct{ first, last *Request }

func (l *requestList) push(r *Request) {
	r.task.prev, r.task.next = l.last, nil
	if l.last == nil {
		l.first = r
	} else {
		l.last.task.next = r
	}
	l.last = r
}

func (l *requestList) remove(r *Request) {
	if r.task.prev == nil {
		l.first = r.task.next
	} else {
		r.task.prev.task.next = r.task.next
	}
	if r.task.next == nil {
		l.last = r.task.prev
	} else {
		r.task.next.task.prev = r.task.prev
	}
	r.task.prev, r.task.next = nil, nil
}

// completions are requests and exchanges that are decided, in order, and whose owners are to be told once the
// mutex is free.
type completions struct {
	first, last *Request
	exchanges   []*exchange
}

// add decides r. A request is added once only.
func (l *completions) add(r *Request) {
	if r.task.phase.Load() == requestOver {
		panic("initiator: request completed twice")
	}
	r.task.task, r.task.after = nil, nil
	r.task.phase.Store(requestOver)
	if l.last == nil {
		l.first = r
	} else {
		l.last.task.after = r
	}
	l.last = r
}

// run tells all owners and leaves the list empty. The mutex must not be held.
func (l *completions) run() {
	for r := l.first; r != nil; {
		next := r.task.after
		r.task.after = nil
		r.finish()
		r = next
	}
	l.first, l.last = nil, nil
	for i, x := range l.exchanges {
		l.exchanges[i] = nil
		x.finish()
	}
	l.exchanges = l.exchanges[:0]
}
