package cuts

import (
	"slices"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// TestLawsBite holds the laws to defects of the initiator that a cut brings out: each has to break one where the sound initiator breaks none.
func TestLawsBite(t *testing.T) {
	for _, bad := range []struct {
		text, law string
		set       func(d *initiator.Deviations)
	}{
		{"profile=plain scenario=write seed=1 faults=reset:pdu=data-out", "ended 0 times", func(d *initiator.Deviations) { d.Queue.ForgetInFlight = true }},
		{"profile=plain scenario=write seed=1 faults=reset:pdu=data-out", "TRANSPORT-LOST", func(d *initiator.Deviations) { d.Queue.FailInFlight = true }},
		{"profile=plain scenario=read seed=1 faults=reset:pdu=data-in,nth=8", "ISID", func(d *initiator.Deviations) { d.Loss.RandomISID = true }},
		{"profile=plain scenario=read seed=1 faults=reset:pdu=data-in,nth=8", "session", func(d *initiator.Deviations) { d.Identity.NewOnRelogin = true }},
		{"profile=plain scenario=read seed=1 faults=fin:pdu=data-in,nth=9,byte=data+1", "moved", func(d *initiator.Deviations) { d.Loss.PartialIsWhole = true }},
	} {
		t.Run(bad.law, func(t *testing.T) {
			c, err := ParseCase(bad.text)
			if err != nil {
				t.Fatal(err)
			}
			clean := Case{Station: c.Station, Scenario: c.Scenario, Seed: c.Seed}.Do(t, nil, true)
			tell(t, c.Do(t, clean.Run, true))
			c.Deviations = new(initiator.Deviations)
			bad.set(c.Deviations)
			if r := c.Do(t, clean.Run, true); r.Verdict != scenarios.Fail || !strings.Contains(strings.Join(r.Broken, "\n"), bad.law) {
				t.Errorf("%s with a defect: %s %q: want a failure that tells of %q", c, r.Verdict, r.Broken, bad.law)
			}
		})
	}
}

// TestLawsSeeWhatATraceSays changes the trace of a sound run as a defect would, and expects the law that forbids it to be broken.
func TestLawsSeeWhatATraceSays(t *testing.T) {
	c, err := ParseCase("profile=plain scenario=read seed=1 faults=reset:pdu=data-in,nth=8")
	if err != nil {
		t.Fatal(err)
	}
	sound := c.Do(t, nil, true)
	tell(t, sound)
	is := func(kind trace.Kind, state string) func(e trace.Event) bool {
		return func(e trace.Event) bool { return e.Kind == kind && e.State == state }
	}
	for _, bad := range []struct {
		law    string
		change func(events trace.Events) trace.Events
	}{
		{"still at the array", func(events trace.Events) trace.Events {
			return slices.DeleteFunc(events, is(trace.KindTarget, "session-closed"))
		}},
		{"completed again", func(events trace.Events) trace.Events {
			i := slices.IndexFunc(events, is(trace.KindRequest, sessions.RequestCompleted))
			return slices.Insert(events, i, events[i])
		}},
		{"never completed", func(events trace.Events) trace.Events {
			i := slices.IndexFunc(events, is(trace.KindRequest, sessions.RequestCompleted))
			return slices.Delete(events, i, i+1)
		}},
		{"ended 2 times", func(events trace.Events) trace.Events {
			i := slices.IndexFunc(events, is(trace.KindOp, trace.OpEnd))
			return slices.Insert(events, i, events[i])
		}},
		{"is not in the listing", func(events trace.Events) trace.Events {
			return slices.DeleteFunc(events, is(trace.KindOp, "row"))
		}},
	} {
		t.Run(bad.law, func(t *testing.T) {
			r := &sessions.Run{Plan: sound.Run.Plan, Ended: sound.Run.Ended, Events: bad.change(slices.Clone(sound.Run.Events))}
			l := &laws{}
			l.common(r)
			c.Scenario.judge(l, r)
			if !strings.Contains(strings.Join(l.broken, "\n"), bad.law) {
				t.Errorf("broken laws are %q: want one that tells of %q", l.broken, bad.law)
			}
		})
	}
}
