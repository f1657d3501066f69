package trace

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

const (
	maxPeriod  = 32 // events in one round of a repetition
	minRepeats = 4  // rounds from which on folding pays
)

// Fold thins a list of events that has more than limit of them; a limit of 0 or less means that it is thinned at any length, and as far as
// repetitions allow.
//
// First go rounds that repeat (a dial refused every five seconds, a ping every ten): they keep their first and their last one, with an
// event of KindFolded between them that says how many were taken out, in the attribute "events", and the instant of the last one of
// them, in the attribute "until". When more than limit events remain, PDUs and requests in the middle are taken out in the same way
// while changes of links, sessions and devices stay; and when that is not enough, the whole middle.
//
// Two events are alike when they tell of the same thing, apart from instants, sequence numbers and the count in the connection's name.
func Fold(events []Event, limit int) []Event {
	if limit > 0 && len(events) <= limit {
		return append([]Event(nil), events...)
	}
	folded := foldRepeats(events)
	if limit <= 0 || len(folded) <= limit {
		return folded
	}
	for _, turn := range []func(*Event) bool{isTurn, isSharpTurn} {
		for _, end := range []int{(limit - 1) / 2, limit / 3, limit / 4} {
			if turns := foldBetweenTurns(folded, end, turn); len(turns) <= limit {
				return turns
			}
		}
	}
	head := limit / 2
	tail := max(limit-1-head, 0)
	middle := folded[head : len(folded)-tail]
	out := append([]Event(nil), folded[:head]...)
	out = append(out, foldedEvent(middle, fmt.Sprintf("%d events left out", count(middle))))
	return append(out, folded[len(folded)-tail:]...)
}

// foldBetweenTurns keeps end events at either end, and between them only the turns that a story takes.
func foldBetweenTurns(events []Event, end int, isTurn func(*Event) bool) []Event {
	out := append([]Event(nil), events[:end]...)
	for i := end; i < len(events)-end; {
		next := i
		for next < len(events)-end && !isTurn(&events[next]) {
			next++
		}
		if between := events[i:next]; len(between) > 2 {
			out = append(out, foldedEvent(between, fmt.Sprintf("%d events left out", count(between))))
		} else {
			out = append(out, between...)
		}
		for ; next < len(events)-end && isTurn(&events[next]); next++ {
			out = append(out, events[next])
		}
		i = next
	}
	return append(out, events[len(events)-end:]...)
}

// isTurn reports whether the event changes what comes after it, or was asked for.
func isTurn(e *Event) bool {
	return isSharpTurn(e) || e.Kind == KindOp || e.Kind == KindTarget
}

// isSharpTurn reports whether the event changes what comes after it.
func isSharpTurn(e *Event) bool {
	switch e.Kind {
	case KindLink, KindFault, KindDevice:
		return true
	case KindSession:
		return e.Op == ""
	}
	return false
}

func foldRepeats(events []Event) []Event {
	keys := make([]string, len(events))
	for i := range events {
		keys[i] = likeness(&events[i])
	}
	var out []Event
	for i := 0; i < len(events); {
		period, rounds := repetition(keys[i:])
		if rounds < minRepeats {
			out = append(out, events[i])
			i++
			continue
		}
		last := i + period*(rounds-1)
		out = append(out, events[i:i+period]...)
		text := fmt.Sprintf("%d more rounds of %s like this", rounds-2, plural(period, "event"))
		out = append(out, foldedEvent(events[i+period:last], text))
		out = append(out, events[last:last+period]...)
		i = last + period
	}
	return out
}

// repetition finds the period with which keys begin to repeat, preferring what covers most, and how many whole rounds there are.
func repetition(keys []string) (period, rounds int) {
	rounds = 1
	for p := 1; p <= maxPeriod && p*minRepeats <= len(keys); p++ {
		same := 0
		for same+p < len(keys) && keys[same] == keys[same+p] {
			same++
		}
		if n := same/p + 1; n >= minRepeats && n*p > rounds*max(period, 1) {
			period, rounds = p, n
		}
	}
	return max(period, 1), rounds
}

// likeness gives what two events share that tell of the same thing.
func likeness(e *Event) string {
	conn, _, _ := strings.Cut(e.Conn, "#")
	op := ""
	if e.PDU != nil {
		op = e.PDU.Opcode().String()
		if e.PDU.Opcode() == pdu.OpSCSICommand {
			op += fmt.Sprintf(" %x", e.PDU.Header[32:35]) // which command it is, and which page it asks for
		}
	}
	return strings.Join([]string{string(e.Kind), e.Node, conn, e.Device, e.Op, e.State, e.Was, e.Reason, e.Err, op, fmt.Sprint(e.Session)}, "\x00")
}

func foldedEvent(out []Event, text string) Event {
	e := Event{Kind: KindFolded, Reason: text, Attrs: []Attr{A("events", count(out))}}
	if len(out) > 0 {
		e.At = out[0].At
		e.Attrs = append(e.Attrs, A("until", out[len(out)-1].At))
	}
	return e
}

// count tells how many events a list stands for.
func count(events []Event) int {
	n := 0
	for i := range events {
		n++
		if events[i].Kind != KindFolded {
			continue
		}
		if v, ok := events[i].Attr("events"); ok {
			inside := 0
			if _, err := fmt.Sscan(v, &inside); err == nil {
				n += inside - 1
			}
		}
	}
	return n
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
