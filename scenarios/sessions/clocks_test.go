package sessions

import (
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/trace"
)

// clockTerms are the terms of a plan in virtual time; false for a plan that changes them while it runs.
func clockTerms(p Plan) (clocks.Terms, bool) {
	t := clocks.Guideline()
	if p.Initiator.Interval > 0 {
		t.Interval = p.Initiator.Interval
	}
	t.Jitter, t.FreshISID = p.Initiator.Jitter, p.Initiator.Login.FreshISID
	t.Latency = latencyOf(p.Initiator.Removal, t.Latency)
	t.BootLatency = latencyOf(p.Initiator.BootRemoval, t.BootLatency)
	return t, !sets(p.Steps)
}

func latencyOf(setting string, otherwise time.Duration) time.Duration {
	switch setting {
	case "":
		return otherwise
	case "never":
		return clocks.Never
	}
	d, err := time.ParseDuration(setting)
	if err != nil {
		panic(err)
	}
	return d
}

func sets(steps []Step) bool {
	for _, s := range steps {
		switch op := s.Do.(type) {
		case Set:
			return true
		case Repeat:
			if sets(op.Steps) {
				return true
			}
		}
	}
	return false
}

// The three clocks of the sound initiator are exact in every run of every check.
func TestClocksOfEveryRun(t *testing.T) {
	t.Parallel()
	for _, c := range Checks() {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			for i, p := range c.Runs {
				terms, steady := clockTerms(p)
				if !steady {
					continue
				}
				r, err := Execute(p, Options{T: t, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range clocks.Faults(clocks.Judge(r.Events, terms)) {
					t.Errorf("plan %d %s: %s: %s", i+1, p.Name, f.Part, f.Reason)
				}
			}
		})
	}
}

// wireOnly leaves of a trace what somebody sees who has the wire alone: at the initiator's end, or at the arrays'.
func wireOnly(events trace.Events, atArrays bool) []trace.Event {
	return events.Where(func(e *trace.Event) bool {
		switch {
		case e.Is(trace.KindSession, trace.KindDevice, trace.KindRequest, trace.KindOp):
			return false
		case atArrays:
			return e.Node != trace.NodeInitiator && !e.Is(trace.KindDial, trace.KindDialFailed)
		}
		return e.Node == trace.NodeInitiator || e.Node == trace.NodeNetwork
	})
}

// restarts tells whether the initiator's process ends and begins anew, which from afar looks like a loss.
func restarts(p Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { _, is := s.Do.(Restart); return is })
}

// Of a trace that has the wire alone the judges tell no more than the wire shows: none of them ever complains of the sound initiator.
func TestClocksOfTheWireAlone(t *testing.T) {
	t.Parallel()
	judged := map[bool]int{}
	for _, c := range Checks() {
		for i, p := range c.Runs {
			terms, steady := clockTerms(p)
			if !steady || restarts(p) {
				continue
			}
			r, err := Execute(p, Options{T: t, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, atArrays := range []bool{false, true} {
				if terms.Tolerance = 0; atArrays { // what the array sees has travelled: here the latency of the network is part of it
					terms.Tolerance = 5 * time.Millisecond
				}
				findings := clocks.Judge(wireOnly(r.Events, atArrays), terms)
				judged[atArrays] += len(findings)
				for _, f := range clocks.Faults(findings) {
					t.Errorf("%s, plan %d %s, at the arrays %v: %s: %s", c.ID, i+1, p.Name, atArrays, f.Part, f.Reason)
				}
			}
		}
	}
	if judged[false] < 300 || judged[true] < 300 {
		t.Errorf("only %v findings", judged)
	}
}
