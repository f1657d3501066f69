package clocks

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// life is what a session manager tells of a session with one device: logged in at 1 s, lost at 10 s, attempts at the instants given, the device
// gone at another, or never for 0.
func life(attempts []float64, gone, until float64) trace.Events {
	lun := uint64(0)
	session := func(t float64, state, was string) trace.Event {
		return trace.Event{At: at(t), Kind: trace.KindSession, Node: trace.NodeInitiator, Session: 1, State: state, Was: was}
	}
	device := func(t float64, state, reason string) trace.Event {
		return trace.Event{At: at(t), Kind: trace.KindDevice, Node: trace.NodeInitiator, Session: 1, Device: "naa.5", LUN: &lun, State: state, Reason: reason}
	}
	attempt := func(t float64) trace.Event {
		return trace.Event{At: at(t), Kind: trace.KindSession, Op: opAttempt, Node: trace.NodeInitiator, Session: 1, To: "10.0.0.1:3260"}
	}
	events := trace.Events{session(1, stateConnecting, stateNone), attempt(1), session(1.001, stateConnected, stateConnecting), device(1.002, deviceArrived, ""),
		session(10, stateReconnecting, stateConnected)}
	for _, t := range attempts {
		failed := attempt(t)
		failed.Op = opAttemptFailed
		events = append(events, attempt(t), failed)
	}
	if gone > 0 {
		events = append(events, device(gone, deviceRemoved, expired))
	}
	events = append(events, trace.Event{At: at(until), Kind: trace.KindNote, Node: trace.NodeDriver})
	trace.Sort(events)
	return events
}

func verdict(findings []scenarios.Finding) string {
	var words []string
	for _, f := range Faults(findings) {
		words = append(words, f.Reason)
	}
	return strings.Join(words, "; ")
}

func TestRemovalHasNoToleranceThatIsNotGiven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		gone    float64 // counted from the loss; 0 for never
		lasts   float64
		latency time.Duration
		within  time.Duration // tolerance
		sound   bool
	}{
		{"at 59.999 s", 59.999, 70, at(60), 0, false},
		{"at 60 s", 60, 70, at(60), 0, true},
		{"at 60.001 s", 60.001, 70, at(60), 0, false},
		{"at 59.999 s, a millisecond allowed", 59.999, 70, at(60), time.Millisecond, true},
		{"at 60.001 s, a millisecond allowed", 60.001, 70, at(60), time.Millisecond, true},
		{"at 60.002 s, a millisecond allowed", 60.002, 70, at(60), time.Millisecond, false},
		{"never in 70 s", 0, 70, at(60), 0, false},
		{"not in 59.999 s", 0, 59.999, at(60), 0, true},
		{"latency 0, kept", 0, 1, 0, 0, false},
		{"latency 5 s, at 5 s", 5, 30, at(5), 0, true},
		{"latency 5 s, at 60 s", 60, 70, at(5), 0, false},
		{"kept for ever, gone in a day", 86400, 86401, Never, 0, false},
		{"kept for ever, there after a day", 0, 86400, Never, 0, true},
	} {
		gone := c.gone
		if gone > 0 {
			gone += 10
		}
		for _, s := range Sessions(life(nil, gone, 10+c.lasts)) {
			findings := Removal(s, Terms{Latency: c.latency, Tolerance: c.within})
			if said := verdict(findings); len(findings) != 1 || (said == "") != c.sound {
				t.Errorf("%s: %d findings: %q", c.name, len(findings), said)
			}
		}
	}
}

func TestCadenceOfAttempts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		attempts []float64
		until    float64
		terms    Terms
		says     string
	}{
		{"on the cadence", []float64{10, 15, 20}, 24, Terms{Interval: at(5)}, ""},
		{"a millisecond early", []float64{10, 14.999, 20}, 24, Terms{Interval: at(5)}, "attempt 2: expected 15s, got 14.999s"},
		{"a millisecond late", []float64{10, 15, 20.001}, 24, Terms{Interval: at(5)}, "attempt 3: expected 20s, got 20.001s"},
		{"a millisecond late, allowed", []float64{10, 15, 20.001}, 25, Terms{Interval: at(5), Tolerance: time.Millisecond}, ""},
		{"late for the first", []float64{12}, 13, Terms{Interval: at(5)}, "attempt 1: expected 10s, got 12s"},
		{"none", nil, 30, Terms{Interval: at(5)}, "expected one by 10s"},
		{"one left out at the end", []float64{10, 15}, 20.001, Terms{Interval: at(5)}, "expected one by 20s"},
		{"one left out in between", []float64{10, 20}, 24, Terms{Interval: at(5)}, "attempt 2: expected 15s, got 20s"},
		{"jittered", []float64{10, 14.6, 20}, 24, Terms{Interval: at(5), Jitter: 0.1}, ""},
		{"beyond the jitter", []float64{10, 14.4}, 16, Terms{Interval: at(5), Jitter: 0.1}, "attempt 2"},
		{"a young session waits", []float64{19}, 20, Terms{Interval: at(18)}, ""},
	} {
		for _, s := range Sessions(life(c.attempts, 0, c.until)) {
			said := verdict(Cadence(s, c.terms))
			if (c.says == "") != (said == "") || !strings.Contains(said, c.says) {
				t.Errorf("%s: %q, want %q", c.name, said, c.says)
			}
		}
	}
}

func TestAnIDIsGivenOnceByALogin(t *testing.T) {
	t.Parallel()
	sound := life([]float64{10}, 0, 11)
	if said := verdict(Identity(Sessions(sound), Guideline())); said != "" {
		t.Error(said)
	}
	changed := append(trace.Events{}, sound...)
	changed = append(changed, trace.Event{At: at(12), Kind: trace.KindSession, Session: 2, State: stateConnected, Was: stateReconnecting})
	if said := verdict(Identity(Sessions(changed), Guideline())); !strings.Contains(said, "appears connected") {
		t.Errorf("an ID out of nothing: %q", said)
	}
	again := append(trace.Events{}, sound...)
	again = append(again, trace.Event{At: at(12), Kind: trace.KindSession, Session: 1, State: stateClosed, Was: stateReconnecting},
		trace.Event{At: at(13), Kind: trace.KindSession, Session: 1, State: stateConnecting, Was: stateNone})
	if said := verdict(Identity(Sessions(again), Guideline())); !strings.Contains(said, "given again") {
		t.Errorf("an ID given twice: %q", said)
	}
	if findings := Judge(nil, Guideline()); len(findings) != 0 {
		t.Errorf("an empty trace: %v", findings)
	}
}
