package simtarget_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// One profile, played twice with a session manager before it, leaves one trace, byte for byte.
func TestScriptsLeaveOneTrace(t *testing.T) {
	for _, c := range []struct {
		profile, portal, step string
		target                int
	}{
		{"ha-ip-takeover", "address", "takeover", 0}, {"svip-per-volume", "svip", "svip-moves", 0},
		{"svm-multi-tpgt", "lif-1", "takeover", 0}, {"group-ip-redirect", "group", "member-1-fails", 0},
		{"dual-controller-per-port", "A0", "controller-a-lost", 3}, {"node-iqn-pair", "node-a", "node-a-reboots", 1},
	} {
		t.Run(c.profile, func(t *testing.T) {
			play := func() []byte {
				// What comes after is the end of the scene: all parts go at one instant, in any order.
				var events []trace.Event
				onScene(t, c.profile, func(s *scene) {
					k := s.kept(c.target, c.portal)
					s.at(17 * time.Second)
					s.call(c.step)
					s.at(700 * time.Second)
					k.is(initiator.StateConnected, must(k.Session(k.id)).Logins, len(s.profile.Targets[c.target].LUNs), "")
					events = s.log.Events()
				})
				var b bytes.Buffer
				if err := trace.WriteJSONL(&b, events); err != nil {
					t.Fatal(err)
				}
				return b.Bytes()
			}
			first, second := play(), play()
			if !bytes.Equal(first, second) {
				t.Error("two runs differ")
			}
			if bytes.Count(first, []byte(`"state":"script"`)) == 0 {
				t.Error("the script did nothing")
			}
		})
	}
}

// Every moment that a step may have comes when it should, and repetitions as often as they should.
func TestStepsHappenAtTheirMoments(t *testing.T) {
	text := `
- {name: later, after: 5s, do: [{ping: {}}]}
- {name: often, after: 7s, every: 3s, times: 3, do: [{ping: {}}]}
- {name: second-login, logins: 2, do: [{ping: {}}]}
- {name: after-second-login, logins: 2, after: 4s, do: [{ping: {}}]}
- {name: called, on_call: true, do: [{ping: {}}]}
- {name: called-later, on_call: true, after: 2s, do: [{ping: {}}]}
- {name: same-instant, after: 5s, do: [{ping: {}}]}
`
	script, err := simtarget.ParseScript("script", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	printed, err := script.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := simtarget.ParseScript("printed", printed); err != nil || !reflect.DeepEqual(again, script) {
		t.Errorf("printed and read again: %v\n%s", err, printed)
	}
	log := onScene(t, "plain", func(s *scene) {
		p := *s.profile
		p.Portals = []simtarget.Portal{{Name: "B", Address: "10.0.0.7:3260", Tag: 1}}
		p.Failover.Script = script
		var err error
		if s.array, err = simtarget.New(&p, simtarget.Options{Log: s.log, Seed: 1, Node: "scripted"}); err != nil {
			s.Fatal(err)
		}
		defer s.array.Close()
		if err := s.array.Start(s.network.Host("other", "10.0.8.2").Listen); err != nil {
			s.Fatal(err)
		}
		s.at(time.Second)
		s.granted(0, "B")
		s.at(10500 * time.Millisecond)
		s.granted(0, "B")
		s.call("called")
		s.call("called-later")
		s.at(30 * time.Second)
		if err := s.array.Apply(simtarget.Action{Call: &simtarget.StepCall{Step: "later"}}); err == nil {
			s.Error("a step that waits for no call can be called")
		}
	})
	var got []string
	for _, e := range log.Events() {
		if e.State == "script" {
			got = append(got, e.Op+" "+e.At.Round(100*time.Millisecond).String())
		}
	}
	want := []string{"later 5s", "same-instant 5s", "often 7s", "often 10s", "second-login 10.5s", "called 10.5s", "called-later 12.5s", "often 13s",
		"after-second-login 14.5s"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the steps happened\n%q, want\n%q", got, want)
	}
}

// What scripts can do beside what the shipped profiles show: each action over Apply, as a program does it to a running array.
func TestActionsOfFailover(t *testing.T) {
	onScene(t, "multi-portal", func(s *scene) {
		k := s.kept(0, "A")
		s.apply(simtarget.Action{Suspend: &simtarget.Suspend{Status: simtarget.Status(iscsi.StatusTargetRemoved), Portal: "B"}})
		s.refused(iscsi.StatusTargetRemoved, 0, "B")
		s.granted(0, "C")
		s.apply(simtarget.Action{Suspend: &simtarget.Suspend{Portal: "B", Over: true}})
		s.granted(0, "B")
		s.apply(simtarget.Action{Suspend: &simtarget.Suspend{For: 5 * time.Second}})
		s.refused(iscsi.StatusServiceUnavailable, 0, "C")
		time.Sleep(6 * time.Second)
		s.granted(0, "C")
		k.is(initiator.StateConnected, 1, 3, "A")

		// The address of A is answered by C: it lands in C's portal group, and SendTargets says so.
		s.apply(simtarget.Action{Move: &simtarget.PortalMove{From: "A", To: "C", Then: simtarget.EndRST}})
		time.Sleep(time.Second)
		k.is(initiator.StateConnected, 2, 3, "A")
		if lines := must(s.told("B")); lines[0] != "iqn.2026-01.io.iscsispec:multi-portal 10.0.0.1:3260,2" {
			s.Errorf("SendTargets tells %q, want the address with the portal group that answers", lines[0])
		}
		s.apply(simtarget.Action{Move: &simtarget.PortalMove{From: "A", To: "A", Then: simtarget.EndFIN}})
		time.Sleep(10 * time.Second)
		k.is(initiator.StateConnected, 3, 3, "A")

		// The inventory changes, and the identity of a unit: told by a message and by unit attentions.
		s.apply(simtarget.Action{LUN: &simtarget.LUNChange{Add: []simtarget.LUN{{Number: 9, Size: 1 << 20}}, Report: simtarget.ReportBoth}})
		time.Sleep(10 * time.Second)
		k.is(initiator.StateConnected, 3, 4, "A")
	})
}

// A shutdown is announced where the profile wants it.
func TestShutdownIsAnnounced(t *testing.T) {
	for _, event := range []int{2, 3} {
		onScene(t, "plain", func(s *scene) {
			policy := s.profile.Failover
			policy.ShutdownEvent = event
			s.apply(simtarget.Action{Policy: &simtarget.Policy{Failover: &policy}})
			asked := make(chan initiator.AsyncEvent, 4)
			s.granted(0, "A", func(c *initiator.LoginConfig) { c.OnAsync = func(e initiator.AsyncEvent) { asked <- e } })
			if err := s.array.Close(); err != nil {
				s.Fatal(err)
			}
			select {
			case e := <-asked:
				if int(e.Event) != event {
					s.Errorf("event %d, want %d", e.Event, event)
				}
			case <-time.After(time.Second):
				s.Errorf("no event, want %d", event)
			}
		})
	}
}
