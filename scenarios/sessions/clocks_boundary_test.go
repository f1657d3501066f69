package sessions

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/scenarios/clocks"
)

// judgedExactly runs a plan and holds it to its terms, without any tolerance.
func judgedExactly(t *testing.T, p Plan) *Run {
	t.Helper()
	r := mustExecute(t, p)
	terms, steady := clockTerms(p)
	if !steady || len(r.Trouble) > 0 {
		t.Fatalf("%s: steady %v, trouble %v", p.Name, steady, r.Trouble)
	}
	for _, f := range clocks.Faults(clocks.Judge(r.Events, terms)) {
		t.Errorf("%s: %s: %s", p.Name, f.Part, f.Reason)
	}
	return r
}

// A login that is complete a millisecond before the latency has passed keeps the devices and what waits; a millisecond after, both are gone. What comes
// at 60 s takes its time on the wire, and so comes after.
func TestALoginAtTheEndOfTheLatency(t *testing.T) {
	for _, c := range []struct {
		back time.Duration
		kept bool
	}{{59*time.Second + 999*time.Millisecond, true}, {60 * time.Second, false}, {60*time.Second + time.Millisecond, false}} {
		r := judgedExactly(t, closeRace(fmt.Sprint(c.back), c.back-loginLatency))
		in := r.Dials(DialledFrom(r.At("cut")), LoggedIn)
		if len(in) != 1 {
			t.Fatalf("%v: %d logins", c.back, len(in))
		}
		complete := r.Regained(r.Session("s"), r.At("cut")) - r.Lost(r.Session("s"), r.At("cut"))
		if off := complete - c.back; off < 0 || off > time.Millisecond/2 {
			t.Errorf("%v: the login was complete at %v", c.back, complete)
		}
		gone := r.Devices(r.Session("s"), DeviceGone)
		want := DeviceRemoved
		if c.kept {
			want = Good
		}
		for _, o := range r.Ops("write") {
			if o.Outcome != want || (len(gone) == 0) != c.kept {
				t.Fatalf("%v: %d removals, a write ended %s, want %s", c.back, len(gone), o.Outcome, want)
			}
		}
	}
}

// loginLatency is what the PDUs of the login in closeRace take at least, so that what is asked for is when it is complete.
const loginLatency = 700 * time.Microsecond

// Latencies of nothing, five seconds and for ever, over outages that are longer.
func TestLatenciesOverAnOutage(t *testing.T) {
	for removal, want := range map[string]time.Duration{"0s": 0, "5s": 5 * time.Second, "never": clocks.Never, "": defaultLatency} {
		r := judgedExactly(t, Plan{Name: "latency " + removal, Initiator: Initiator{Settings: Settings{Removal: removal}}, Until: seconds(150),
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{healed(seconds(100))})})
		id := r.Session("s")
		gone, lost := r.Devices(id, DeviceGone), r.Lost(id, r.At("cut"))
		switch {
		case want == clocks.Never && len(gone) != 0:
			t.Errorf("%q: %d removals", removal, len(gone))
		case want != clocks.Never && (len(gone) != 1 || gone[0].At-lost != want):
			t.Errorf("%q: removals %v after a loss at %v", removal, gone, lost)
		}
	}
}

// A link that comes and goes as it likes: the clocks are exact over every sequence of outages and of times between them.
func TestClocksOfAFlappingLink(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Plan{Steps: established(), Initiator: Initiator{Settings: Settings{
			Removal:  rapid.SampledFrom([]string{"", "0s", "5s", "never", "7s"}).Draw(rt, "latency"),
			Interval: rapid.SampledFrom([]time.Duration{0, seconds(1), seconds(7)}).Draw(rt, "interval"),
		}}}
		at := seconds(1)
		for range rapid.IntRange(1, 12).Draw(rt, "outages") {
			down := time.Duration(rapid.SampledFrom([]int{1, 300, 4999, 5000, 5001, 59_999, 60_000, 60_001, 61_000}).Draw(rt, "down")) * time.Millisecond
			up := time.Duration(rapid.IntRange(0, 12_000).Draw(rt, "up")) * time.Millisecond
			at += up + time.Millisecond
			p.Steps = append(p.Steps, Step{At: at, Do: Refuse{}}, Step{Do: Sever{}})
			at += down
			p.Steps = append(p.Steps, Step{At: at, Do: Heal{}})
		}
		p.Until = at + seconds(70)
		terms, _ := clockTerms(p)
		r, err := Execute(p, Options{T: t, Seed: 1})
		if err != nil {
			rt.Fatal(err)
		}
		for _, f := range clocks.Faults(clocks.Judge(r.Events, terms)) {
			rt.Errorf("%s: %s\n%s", f.Part, f.Reason, p)
		}
	})
}
