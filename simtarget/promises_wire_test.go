package simtarget_test

import (
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// This file holds shipped profiles to promises that show only in numbers and instants on the wire.

// pings are the instants at which the array has asked for an answer, since an instant.
func (s *scene) pings(since time.Duration) []time.Duration {
	var at []time.Duration
	for e, p := range s.log.Events().OfNode("array").OfKind(trace.KindPDUSent).PDUs() {
		if ping, is := p.(*pdu.NOPIn); is && ping.TTT != pdu.ReservedTag && e.At >= since {
			at = append(at, e.At)
		}
	}
	return at
}

// Of a host that answers, the next ping comes an interval later; of one that is gone, the session ends when the time for an answer is over.
func TestProfilesPingAsTheySay(t *testing.T) {
	for name, promise := range map[string]struct {
		portal           string
		interval, answer time.Duration
	}{
		"gateway-pair":          {"gateway-a", 15 * time.Second, 30 * time.Second},
		"portal-group-redirect": {"A", 5 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onScene(t, name, func(s *scene) {
				s.granted(0, promise.portal)
				since := s.log.Now()
				time.Sleep(4*promise.interval + promise.interval/2)
				pings := s.pings(since)
				if len(pings) != 4 {
					s.Fatalf("pings at %v, want 4", pings)
				}
				before := since
				for i, at := range pings {
					if gap := at - before; gap < promise.interval-10*time.Millisecond || gap > promise.interval+10*time.Millisecond {
						s.Errorf("ping %d comes after %v, want %v", i+1, gap, promise.interval)
					}
					before = at
				}
				if err := s.network.Blackhole(faults.Scope{Host: "host-10.0.9.1"}); err != nil {
					s.Fatal(err)
				}
				gone := promise.interval/2 + promise.answer // from here to the end of the time for the next ping
				time.Sleep(gone - time.Second)
				if n := len(s.array.Sessions()); n != 1 {
					s.Errorf("%d sessions before the time is over, want 1", n)
				}
				time.Sleep(2 * time.Second)
				if n := len(s.array.Sessions()); n != 0 {
					s.Errorf("%d sessions when the time is over, want none", n)
				}
			})
		})
	}
}

// One Data-In in sixteen has a wrong digest, sixteen times, however fast they follow each other.
func TestOneDigestInSixteenIsWrong(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0, "after a minute": time.Minute, "slowly": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			onScene(t, "digest-liar", func(s *scene) {
				session := s.granted(0, "A", digests)
				if name == "after a minute" {
					time.Sleep(pause)
					pause = 0
				}
				var wrong, want []int
				for n := 1; n <= 16*16+48; n++ {
					r := &initiator.Request{CDB: scsi.Read10(0, 1), Read: make([]byte, 512)}
					if err := session.Do(s.Context(), r); err != nil {
						wrong = append(wrong, n)
						session = s.granted(0, "A", digests)
					}
					time.Sleep(pause)
				}
				for k := range 16 {
					want = append(want, 16*(k+1))
				}
				if !slices.Equal(wrong, want) {
					s.Errorf("wrong digests in reads %v, want %v", wrong, want)
				}
			})
		})
	}
}

// Sessions are told apart by name and ISID where the profile says so, and by nothing else: not by the portal, not by the portal group.
func TestSessionsAreReplacedWhateverThePortal(t *testing.T) {
	for name, portals := range map[string][2]string{
		"portal-group-redirect": {"B", "A"}, "svip-per-volume": {"node-1", "node-2"}, "session-pool-128": {"A", "B"},
	} {
		t.Run(name, func(t *testing.T) {
			onScene(t, name, func(s *scene) {
				port := func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
				other := func(c *initiator.LoginConfig) { c.ISID, c.InitiatorName = iscsi.RandomISID(9, 9), otherName }
				first, stranger := s.granted(0, portals[0], port), s.granted(0, portals[0], other)
				clone := s.granted(0, portals[1])
				if over(first) || over(stranger) || over(clone) {
					s.Error("a session of another name or ISID replaces one")
				}
				second := s.granted(0, portals[1], port)
				time.Sleep(time.Second) // the end of the old one is on its way
				if !over(first) || over(second) || over(stranger) || over(clone) {
					s.Errorf("over: the first %v, the second %v, another name's %v, another ISID's %v; want the first alone", over(first), over(second), over(stranger), over(clone))
				}
			})
		})
	}
}
