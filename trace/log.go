package trace

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The limits of a Log where Limits leaves them zero.
const (
	DefaultMaxEvents       = 1 << 20
	DefaultMaxBytes        = 512 << 20
	DefaultMaxDataBytesPDU = 64 << 10
)

// Limits bounds what a Log keeps. Zero stands for the default.
type Limits struct {
	MaxEvents       int // events; what comes later is counted and dropped
	MaxBytes        int // bytes of PDUs and raw bytes together; further ones are kept without data
	MaxDataBytesPDU int // bytes of one data segment; the rest is cut and counted
}

func (l Limits) orDefault() Limits {
	if l.MaxEvents <= 0 {
		l.MaxEvents = DefaultMaxEvents
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxDataBytesPDU <= 0 {
		l.MaxDataBytesPDU = DefaultMaxDataBytesPDU
	}
	return l
}

// Log collects the events of one run. A nil *Log records nothing. All methods may be called from any goroutine and never block.
// Connections of a Log with a Sink wait for it; see NewStreamLog.
type Log struct {
	start  time.Time
	limits Limits
	sink   Sink // of a Log that keeps nothing itself; else nil

	accepted atomic.Uint64 // connections of Listeners
	dialled  atomic.Uint64 // connections that NameDialled has named

	mu      sync.Mutex
	events  []Event
	bytes   int
	dropped int
}

// NewLog returns an empty Log with the default limits. Its clock starts now.
func NewLog() *Log { return NewLimitedLog(Limits{}) }

// NewLimitedLog returns an empty Log whose clock starts now.
func NewLimitedLog(l Limits) *Log { return &Log{start: time.Now(), limits: l.orDefault()} }

// NameDialled gives a connection to an address a name that no other one of this Log has: "127.0.0.1:3260#2" is the second that was named,
// to whatever address. A nil Log names all of them alike.
func (l *Log) NameDialled(address string) string {
	if l == nil {
		return address
	}
	return fmt.Sprintf("%s#%d", address, l.dialled.Add(1))
}

// Enabled reports whether anybody listens.
func (l *Log) Enabled() bool { return l != nil }

// Start gives the instant that events count from; zero for a nil Log.
func (l *Log) Start() time.Time {
	if l == nil {
		return time.Time{}
	}
	return l.start
}

// Now gives the time since the start, as events carry it.
func (l *Log) Now() time.Duration {
	if l == nil {
		return 0
	}
	return time.Since(l.start)
}

// Record keeps an event and stamps it with the present instant.
func (l *Log) Record(e Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = time.Since(l.start)
	l.keep(e)
}

// RecordAt keeps an event with the instant that it carries, for events that were seen elsewhere.
func (l *Log) RecordAt(e Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(e)
}

func (l *Log) keep(e Event) {
	if l.sink != nil {
		l.sink.Take(e)
		return
	}
	if len(l.events) >= l.limits.MaxEvents {
		l.dropped++
		return
	}
	if l.bytes += size(&e); l.bytes > l.limits.MaxBytes {
		e = withoutData(e)
	}
	l.events = append(l.events, e)
}

// Note records a remark for the reader.
func (l *Log) Note(node, text string) { l.Record(Event{Kind: KindNote, Node: node, Reason: text}) }

// Dropped gives how many events the limit kept out.
func (l *Log) Dropped() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Len gives how many events are kept.
func (l *Log) Len() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// Events gives a copy of all events so far, in canonical order. See Sort.
func (l *Log) Events() Events {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	events := slices.Clone(l.events)
	l.mu.Unlock()
	Sort(events)
	return events
}

// Sort brings events into canonical order: by instant, and inside one instant by the stream that they belong to (node, connection,
// session), while each stream keeps its own order. What several goroutines record at one instant thus comes out the same in every run.
// The network's stream goes before the others, because what it does is a cause for them.
func Sort(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(
			cmp.Compare(a.At, b.At),
			cmp.Compare(rank(a.Node), rank(b.Node)),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.Conn, b.Conn),
			cmp.Compare(a.Session, b.Session),
		)
	})
}

func rank(node string) int {
	if node == NodeNetwork {
		return 0
	}
	return 1
}

func size(e *Event) int {
	n := len(e.Raw)
	if e.PDU != nil {
		n += len(e.PDU.Header) + len(e.PDU.AHS) + len(e.PDU.Data)
	}
	return n
}

// withoutData keeps the event and the header of its PDU, and counts the rest as cut.
func withoutData(e Event) Event {
	if e.PDU != nil {
		p := *e.PDU
		p.Cut += len(p.Data)
		p.Data = nil
		e.PDU = &p
	}
	if len(e.Raw) > 0 {
		e.Attrs = append(slices.Clone(e.Attrs), A("bytes-not-kept", len(e.Raw)))
		e.Raw = nil
	}
	return e
}
