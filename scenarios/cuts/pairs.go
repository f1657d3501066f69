package cuts

import (
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// mending is how long after a first cut a second one may fall: in that time the loss is noticed, and the session is back.
const mending = 25 * time.Second

// Pairs lists cases of two cuts, at most so many, spread evenly over all of them: the first before any PDU of the subject, by a reset or by silence; the second at
// any place of what follows, in any way. What follows shows only in a run with the first cut, so one is made for each. The number of all pairs comes along.
func (s Survey) Pairs(t *testing.T, most int) (pairs []Case, all int) {
	for _, first := range s.Cuts {
		f := first.Faults[0]
		if f.Byte != (faults.Position{}) || f.Verb != faults.Reset && (f.Verb != faults.Silence || f.Dir != faults.Both) {
			continue
		}
		r := first.Do(t, s.Clean.Run, false)
		if r.Run == nil {
			continue // the single cut tells of it
		}
		for _, second := range secondCuts(r.Run, f) {
			c := first
			c.Faults = []faults.Fault{f, second}
			pairs = append(pairs, c)
		}
	}
	all = len(pairs)
	if all <= most {
		return pairs, all
	}
	chosen := make([]Case, most)
	for i := range chosen {
		chosen[i] = pairs[i*all/most]
	}
	return chosen, all
}

// secondCuts lists the cuts at the places that follow the first one, one for each class of places that are alike. What is sent into a connection that a reset
// has ended goes nowhere, and no fault counts it; the PDU that the first cut strikes is no place for a second one.
func secondCuts(r *sessions.Run, struck faults.Fault) []faults.Fault {
	i := slices.IndexFunc(r.Events, func(e trace.Event) bool { return e.Kind == trace.KindFault && e.State == struck.String() })
	if i < 0 {
		return nil
	}
	first := r.Events[i]
	met, struckMet := 0, false
	counted := withoutLost(r.Events).Where(func(e *trace.Event) bool {
		if e.Kind != trace.KindPDUSent || e.PDU == nil || e.Conn != first.Conn && struckMet {
			return true
		}
		if struckMet {
			return first.Op != string(faults.Reset)
		}
		if faults.PDUName(e.PDU.Opcode()) == struck.PDU {
			met++
			struckMet = met == max(struck.Nth, 1)
		}
		return true
	})
	places := slices.DeleteFunc(placesWithin(counted, first.At+1, first.At+mending), func(p faults.Place) bool {
		return p.PDU == struck.PDU && p.Nth == max(struck.Nth, 1)
	})
	var cuts []faults.Fault
	for _, kind := range Kinds() {
		known := map[likeness]bool{}
		for _, p := range places {
			k := likenessOf(p, kind)
			if f, fits := p.Fault(kind); fits && !known[k] {
				known[k] = true
				cuts = append(cuts, f)
			}
		}
	}
	return cuts
}
