package monitor

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Options say whom to judge, and from where.
type Options struct {
	// Judge is the side under test; empty judges both.
	Judge scenarios.Role
	// At are the nodes whose recordings are preferred where both ends of a connection were recorded, best first. Where none of them took part,
	// the end that was recorded first is taken.
	At []string
}

// OfTargets is the monitor of checks of targets: it looks at the target from the probe's end, as there is no other with a foreign target.
func OfTargets() scenarios.Monitor {
	return Options{Judge: scenarios.RoleTarget, At: []string{trace.NodeProbe}}.monitor
}

// OfInitiators is the monitor of wire checks of initiators: it looks at the initiator from the end of the target that is played by hand.
func OfInitiators() scenarios.Monitor {
	return Options{Judge: scenarios.RoleInitiator, At: []string{trace.NodeTarget}}.monitor
}

// OfSessions is the monitor of checks that cut links: it looks at the initiator from its own end, where no fault of the network stands between.
func OfSessions() scenarios.Monitor {
	return Options{Judge: scenarios.RoleInitiator, At: []string{trace.NodeInitiator}}.monitor
}

func (o Options) monitor(events []trace.Event) []scenarios.Finding { return Judge(events, o) }

// Judge holds a trace against all rules. The findings stand in the order of their first sightings; their rows are the catalogue's, and their
// verdicts are those before the row's level has its say.
func Judge(events []trace.Event, o Options) []scenarios.Finding {
	ends := endsOf(events, o.At)
	w := NewWatcher(o)
	for i := range events {
		e := &events[i]
		if e.Conn != "" && ends[e.Conn] != e.Node && isWire(e.Kind) {
			continue
		}
		w.Take(e)
	}
	return w.Findings()
}

// isWire tells events that both ends of a connection record.
func isWire(k trace.Kind) bool {
	switch k {
	case trace.KindPDUSent, trace.KindPDUReceived, trace.KindBytes, trace.KindConnUp, trace.KindConnClosed:
		return true
	}
	return false
}

// endsOf picks for each connection the node from whose end it is looked at.
func endsOf(events []trace.Event, at []string) map[string]string {
	ends := map[string]string{}
	rank := func(node string) int {
		if i := slices.Index(at, node); i >= 0 {
			return i
		}
		return len(at)
	}
	for i := range events {
		e := &events[i]
		if e.Conn == "" || !isWire(e.Kind) {
			continue
		}
		if present, ok := ends[e.Conn]; !ok || rank(e.Node) < rank(present) {
			ends[e.Conn] = e.Node
		}
	}
	return ends
}

// Watcher follows connections event by event. It is not safe for concurrent use.
type Watcher struct {
	judged   [2]bool
	conns    map[string]*conn
	sessions []*session
	seen     map[string]*sighting
	order    []*sighting
}

// The limits of what a Watcher keeps. What goes beyond is no longer judged.
const (
	maxConns    = 1 << 14 // connections under way
	maxSessions = 1 << 12 // sessions that a further connection could join
	maxTasks    = 1 << 14 // requests of a session that wait for their answers
	maxDone     = 1 << 10 // task tags of a session whose status was sent
	maxHeaders  = 256     // headers of an initiator that a Reject may give back
	maxPings    = 1 << 10 // pings of a target that wait for an answer
	maxText     = 1 << 20 // bytes of one text that comes in parts
	maxRecent   = 5       // PDUs of a connection that are kept as evidence
)

// sighting is a row that was broken, and how often.
type sighting struct {
	finding scenarios.Finding
	times   int
}

// NewWatcher returns a Watcher that has seen nothing yet. Where both ends of a connection were recorded, it looks from the one that comes first:
// Options.At is Judge's alone.
func NewWatcher(o Options) *Watcher {
	w := &Watcher{conns: map[string]*conn{}, seen: map[string]*sighting{}}
	w.judged[initiator] = o.Judge != scenarios.RoleTarget
	w.judged[target] = o.Judge != scenarios.RoleInitiator
	return w
}

// Take looks at the next event. It holds on to the event's PDU for as long as that may become evidence.
func (w *Watcher) Take(e *trace.Event) {
	if c := w.conns[e.Conn]; c != nil && c.node != e.Node && isWire(e.Kind) {
		return // the other end's recording of the same
	}
	switch e.Kind {
	case trace.KindConnUp:
		w.open(e)
	case trace.KindConnClosed:
		if c := w.conns[e.Conn]; c != nil {
			c.closes(e)
		}
	case trace.KindBytes:
		w.conn(e).stray(e)
	case trace.KindPDUSent, trace.KindPDUReceived:
		if e.PDU != nil {
			w.conn(e).pdu(e)
		}
	case trace.KindFolded:
		// What was taken out may have been anything.
		for _, c := range w.conns {
			c.lose(everything)
		}
	}
}

// Lost tells that PDUs of a connection were not recorded, or not in their order: only the form of what follows is judged.
func (w *Watcher) Lost(connection string) {
	if c := w.conns[connection]; c != nil {
		c.lose(everything)
	}
}

// Findings returns what was found so far: one finding for each row, in the order of the first sightings.
func (w *Watcher) Findings() []scenarios.Finding {
	var all []scenarios.Finding
	for _, s := range w.order {
		f := s.finding
		f.Times = s.times
		all = append(all, f)
	}
	return all
}

// open begins a connection.
func (w *Watcher) open(e *trace.Event) *conn {
	if len(w.conns) >= maxConns {
		for name, c := range w.conns {
			if c.closed {
				delete(w.conns, name)
			}
		}
	}
	c := newConn(w, e)
	if len(w.conns) < maxConns {
		w.conns[e.Conn] = c
	}
	return c
}

// conn finds the connection of an event. One that was not seen from its beginning is judged as far as that goes.
func (w *Watcher) conn(e *trace.Event) *conn {
	if c := w.conns[e.Conn]; c != nil {
		return c
	}
	c := w.open(e)
	c.midway = true
	return c
}

// note keeps a breach: the first one of a row with its evidence, of others only that they were.
func (w *Watcher) note(c *conn, r *rule, verdict scenarios.Verdict, reason string) {
	key := r.row
	s := w.seen[key]
	if s != nil {
		s.times++
		if scenarios.Worse(s.finding.Verdict, verdict) == s.finding.Verdict {
			return
		}
	}
	f := scenarios.Finding{Verdict: verdict, Firm: r.firm, Row: r.row, Rule: r.name, Clause: r.clause, At: c.now.At,
		Reason: fmt.Sprintf("%s: %s", c.name, reason)}
	for _, e := range c.recent {
		f.Evidence = append(f.Evidence, *e)
	}
	if s != nil { // a graver one of the same row takes the place of the first
		s.finding = f
		return
	}
	s = &sighting{finding: f, times: 1}
	w.seen[key] = s
	w.order = append(w.order, s)
}
