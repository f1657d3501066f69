package scripted

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// latency is how long a piece of the array's takes. It is no divisor of what anybody else waits for.
const latency = 100*time.Microsecond + 17*time.Nanosecond

// recordsMax bounds the record of a run. A run that goes beyond is a finding of its own.
const recordsMax = 4096

// happening is what a record tells.
type happening byte

const (
	dialled happening = iota + 1 // the initiator dials an address; conn is 0 where nobody listens
	heard                        // a PDU of the initiator
	said                         // a PDU of the array, at the instant of its last byte
	closed                       // by the initiator
	ended                        // by the array
	status                       // what the session manager says of the session
	over                         // the login operation ended
)

// record is one thing that happened in a run.
type record struct {
	at      time.Duration
	what    happening
	conn    int
	address string
	frame   pdu.Frame
	step    int    // of the flow that made the array do it, from 1; 0 for what a sound array does
	broken  bool   // of what was said: the PDU never arrives whole
	raw     []byte // of what was heard and is no PDU
	session *ini.SessionStatus
	err     error
}

// array is the scripted array of one run: sound, but for the steps of the flow. The lock guards all of it and the records.
type array struct {
	setup setup
	flow  fuzz.Flow
	steps [fuzz.ConnsMax + 1][]int // by connection: places in flow.Steps
	begin time.Time

	mu      sync.Mutex
	links   []*link
	last    time.Time // when the last delivery is due
	records []record
	full    bool // the record is
	down    bool // the run is over
	poke    chan struct{}
	// lastError asks the session manager why the latest attempt failed; nil before there is a session.
	lastError func() error
}

func newArray(f fuzz.Flow, setup setup) *array {
	a := &array{setup: setup, flow: f, begin: time.Now(), poke: make(chan struct{}, 1)}
	for i, s := range f.Steps {
		a.steps[s.Conn] = append(a.steps[s.Conn], i)
	}
	return a
}

// now is the time since the run began.
func (a *array) now() time.Duration { return time.Since(a.begin) }

// note adds to the record. The lock is held.
func (a *array) note(r record) {
	if len(a.records) >= recordsMax || a.down {
		a.full = a.full || !a.down
		return
	}
	if r.at == 0 {
		r.at = a.now()
	}
	a.records = append(a.records, r)
}

// ring tells the conductor that something happened.
func (a *array) ring() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// DialContext makes the array the initiator's network.
func (a *array) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	a.mu.Lock()
	why := a.lastError
	a.mu.Unlock()
	var failed error
	if why != nil {
		failed = why()
	}
	portal, listens, silent := portalOf(address)
	a.mu.Lock()
	r := record{what: dialled, address: address, err: failed}
	if listens {
		r.conn = len(a.links) + 1
		a.links = append(a.links, newLink(a, r.conn, portal))
	}
	a.note(r)
	a.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if !listens {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.links[r.conn-1]
	l.served = newServed(a, l)
	return l, nil
}

// heard takes in what the initiator writes.
func (a *array) heard(l *link, b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l.splitter.Feed(b)
	for {
		piece, ok := l.splitter.Next()
		if !ok {
			return
		}
		if piece.Frame == nil {
			a.note(record{what: heard, conn: l.number, raw: piece.Raw})
			continue
		}
		a.note(record{what: heard, conn: l.number, frame: *piece.Frame})
		l.served.take(piece.Frame)
	}
}

// left notes that the initiator has closed a connection.
func (a *array) left(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(record{what: closed, conn: l.number})
	a.ring()
}

// due is the instant of the next delivery, at least d from now. The lock is held.
func (a *array) due(d time.Duration) time.Time {
	at := time.Now().Add(d + latency)
	if !at.After(a.last) {
		at = a.last.Add(61 * time.Nanosecond)
	}
	a.last = at
	return at
}

// after does f, with the lock held, at the instant of a delivery.
func (a *array) after(d time.Duration, f func()) {
	at := a.due(d)
	time.AfterFunc(time.Until(at), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.down {
			f()
		}
	})
}

// end ends a connection from this side at the instant of a delivery. The lock is held.
func (a *array) end(l *link, how fuzz.Ending, step int, d time.Duration) {
	if how == fuzz.EndSilence {
		return
	}
	a.after(d, func() {
		err := io.EOF
		if how == fuzz.EndReset {
			err = error(syscall.ECONNRESET)
		}
		a.note(record{what: ended, conn: l.number, step: step, err: err})
		l.end(err)
		a.ring()
	})
}

// pieces is into how many parts a PDU is cut that comes slowly.
const pieces = 16

// send lets bytes of a PDU arrive: all at once, or slowly over a time. The lock is held.
func (a *array) send(l *link, b []byte, r record, wait, slowly time.Duration) {
	r.what, r.conn = said, l.number
	if slowly <= 0 {
		at := a.due(wait)
		r.at = at.Sub(a.begin)
		a.note(r)
		time.AfterFunc(time.Until(at), func() { l.arrive(b) })
		return
	}
	size := (len(b) + pieces - 1) / pieces
	var at time.Time
	for i := 0; i*size < len(b); i++ {
		part := b[i*size : min(len(b), (i+1)*size)]
		at = a.due(wait)
		time.AfterFunc(time.Until(at), func() { l.arrive(part) })
		wait += slowly / pieces
	}
	r.at = at.Sub(a.begin)
	a.note(r)
}

// retire ends what is left when the run is over.
func (a *array) retire() {
	a.mu.Lock()
	a.down = true
	links := a.links
	a.mu.Unlock()
	for _, l := range links {
		l.end(io.EOF)
	}
}

// stepsOf are the places of the steps of a connection: its own, or those of the first one in a setup that loops.
func (a *array) stepsOf(number int) []int {
	switch {
	case a.setup.loop:
		return a.steps[1]
	case number <= fuzz.ConnsMax:
		return a.steps[number]
	}
	return nil
}

// String names a record for a finding.
func (r record) String() string {
	switch r.what {
	case dialled:
		return fmt.Sprintf("%v: dials %s", r.at, r.address)
	case heard:
		return fmt.Sprintf("%v: connection %d, the initiator sends %v", r.at, r.conn, &r.frame)
	case said:
		return fmt.Sprintf("%v: connection %d, the array sends %v", r.at, r.conn, &r.frame)
	case closed:
		return fmt.Sprintf("%v: connection %d, closed by the initiator", r.at, r.conn)
	case ended:
		return fmt.Sprintf("%v: connection %d, ended by the array: %v", r.at, r.conn, r.err)
	case status:
		return fmt.Sprintf("%v: session %v %v", r.at, r.session.ID, r.session.State)
	}
	return fmt.Sprintf("%v: the login ends: %v", r.at, r.err)
}
