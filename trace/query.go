package trace

import (
	"iter"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Events is a list of events in canonical order, with the questions that judges ask.
type Events []Event

// Where gives the events for which keep holds. Keep must not hold on to the pointer.
func (es Events) Where(keep func(*Event) bool) Events {
	var found Events
	for i := range es {
		if keep(&es[i]) {
			found = append(found, es[i])
		}
	}
	return found
}

// OfKind gives the events of the kinds.
func (es Events) OfKind(kinds ...Kind) Events {
	return es.Where(func(e *Event) bool { return e.Is(kinds...) })
}

// OfNode gives what one node recorded.
func (es Events) OfNode(node string) Events {
	return es.Where(func(e *Event) bool { return e.Node == node })
}

// OfConn gives the events of one connection.
func (es Events) OfConn(conn string) Events {
	return es.Where(func(e *Event) bool { return e.Conn == conn })
}

// OfSession gives the events of one session of the initiator.
func (es Events) OfSession(id uint64) Events {
	return es.Where(func(e *Event) bool { return e.Session == id })
}

// Between gives the events from one instant on, and before another one.
func (es Events) Between(from, before time.Duration) Events {
	return es.Where(func(e *Event) bool { return e.At >= from && e.At < before })
}

// Conns gives the names of all connections in order of appearance.
func (es Events) Conns() []string {
	var names []string
	for i := range es {
		if c := es[i].Conn; c != "" && !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	return names
}

// End gives the instant of the last event; 0 when there is none.
func (es Events) End() time.Duration {
	if len(es) == 0 {
		return 0
	}
	return es[len(es)-1].At
}

// PDUs walks over the PDUs that were sent or received, decoded one at a time. A PDU with an undefined opcode comes as nil.
func (es Events) PDUs() iter.Seq2[*Event, pdu.PDU] {
	return func(yield func(*Event, pdu.PDU) bool) {
		for i := range es {
			e := &es[i]
			if e.PDU == nil {
				continue
			}
			p, err := e.PDU.Decode()
			if err != nil {
				p = nil
			}
			if !yield(e, p) {
				return
			}
		}
	}
}
