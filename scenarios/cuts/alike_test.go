package cuts

import (
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/trace"
)

// TestPlacesInsideAPDUAreAlike holds what makes one run stand for several: cuts at places of one class leave the same trace, byte for byte, apart from the
// wire that is not in it. Digests make PDUs of all parts; without them the header ends many.
func TestPlacesInsideAPDUAreAlike(t *testing.T) {
	every := 97
	if os.Getenv("ISCSISPEC_EXHAUSTIVE") == "1" {
		every = 1
	}
	type pair struct{ one, other Case }
	var pairs []pair
	alike := 0
	for _, profile := range []string{"chap", "digest-required", "single-session", "vrrp-gateway"} {
		at, err := NewStation(profile)
		if err != nil {
			t.Fatal(err)
		}
		for _, sc := range Scenarios() {
			s := NewSurvey(t, at, sc, 1)
			if s.Refused != "" {
				continue
			}
			for _, p := range likePlaces(sc.Places(s.Clean.Case.Do(t, nil, false).Run)) {
				for _, kind := range Kinds() {
					if class(p[0], kind) != class(p[1], kind) {
						continue
					}
					if alike++; alike%every != 0 {
						continue
					}
					one, other := s.Clean.Case, s.Clean.Case
					one.Faults, other.Faults = placed(t, p[0], kind), placed(t, p[1], kind)
					pairs = append(pairs, pair{one, other})
				}
			}
		}
	}
	if len(pairs) == 0 {
		t.Fatal("no two places are alike")
	}
	differ := make([]string, len(pairs))
	Sweep(runtime.GOMAXPROCS(0), len(pairs), func(i int) {
		a, b := pairs[i].one.Do(t, nil, true).Run, pairs[i].other.Do(t, nil, true).Run
		if a == nil || b == nil {
			differ[i] = "a run could not be ended"
		} else {
			differ[i] = cmp.Diff(told(a.Events), told(b.Events))
		}
	})
	for i, d := range differ {
		if d != "" {
			t.Errorf("%s\n%s\n%s", pairs[i].one, pairs[i].other, d)
		}
	}
	t.Logf("%d of %d pairs of places that are alike compared", len(pairs), alike)
}

// likePlaces pairs each place with the one before it in the same PDU.
func likePlaces(places []faults.Place) [][2]faults.Place {
	var pairs [][2]faults.Place
	for i, p := range places {
		if i > 0 && places[i-1].PDU == p.PDU && places[i-1].Nth == p.Nth {
			pairs = append(pairs, [2]faults.Place{places[i-1], p})
		}
	}
	return pairs
}

func placed(t *testing.T, p faults.Place, kind faults.Fault) []faults.Fault {
	t.Helper()
	f, fits := p.Fault(kind)
	if !fits {
		t.Fatalf("%v does not fit %v", kind, p)
	}
	return []faults.Fault{f}
}

// told are the lines of a trace.
func told(events trace.Events) []string {
	var lines []string
	for _, e := range events {
		lines = append(lines, line(e))
	}
	return lines
}
