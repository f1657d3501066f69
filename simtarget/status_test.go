package simtarget

import (
	"context"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// What was counted on a connection is the same before and after it is over.
func TestCountersOutliveConnections(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		p.works()
		bad := p.command([]byte{0xff, 0, 0, 0, 0, 0})
		p.send(bad)
		if r := p.status(); r.Status != 2 {
			t.Fatalf("status 0x%02x for an unknown operation code", r.Status)
		}
		p.send(&pdu.SNACKRequest{Type: 3, ITT: 0xffffffff, TTT: 0xffffffff})
		get[*pdu.Reject](p)
		live := b.settled().Counters()
		if live.Connections != 1 || live.LoginsGranted != 1 || live.Commands != 2 || live.CheckConditions != 1 || live.Rejects != 1 {
			t.Errorf("live: %+v", live)
		}
		if live.PDUsIn != 4 || live.PDUsOut != 4 || live.BytesIn < 4*48 {
			t.Errorf("traffic: %+v", live.Traffic)
		}
		if s, all := b.settled().SessionStatuses(10); all != 1 || len(s) != 1 || len(s[0].Connections) != 1 || s[0].Connections[0].Traffic != live.Traffic ||
			s[0].Negotiated.MaxBurstLength == 0 {
			t.Errorf("sessions: %+v", s)
		}
		p.conn.Close()
		time.Sleep(time.Second)
		live.ConnectionsLost = 1
		if over := b.settled().Counters(); over != live {
			t.Errorf("after the connection: %+v, before: %+v", over, live)
		}
		p = b.dial("A")
		p.target = "iqn.2026-01.io.iscsispec:nobody"
		p.tryLogin()
		if n := b.settled().Counters(); n.LoginsRefused != 1 || n.LoginsGranted != 1 {
			t.Errorf("after a refusal: %+v", n)
		}
	})
}

func TestPortalsAndTargetsAreTold(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		b.apply(Action{Portal: &PortalState{Name: "C"}}, Action{LUN: &LUNChange{Remove: []uint32{1}}})
		portals, targets := b.array.Portals(), b.array.Targets()
		if len(portals) != 4 || !portals[0].Up || portals[2].Up || portals[3].Tag != 2 || portals[0].Address != b.array.Address("A") {
			t.Errorf("portals %+v", portals)
		}
		if len(targets) != 2 || len(targets[0].LUNs) != 2 || targets[0].LUNs[1].Number != 5 || targets[0].LUNs[1].BlockSize != 4096 {
			t.Errorf("targets %+v", targets)
		}
	})
}

func TestShutdownAsksForLogout(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		began := time.Now()
		type outcome struct {
			left int
			at   time.Duration
		}
		ended := make(chan outcome, 1)
		go func() {
			left, err := b.array.Shutdown(context.Background(), 4500*time.Millisecond)
			if err != nil {
				t.Error(err)
			}
			ended <- outcome{left, time.Since(began)}
		}()
		m := get[*pdu.AsyncMessage](p)
		p.counts(m.StatSN)
		if m.Event != pdu.AsyncLogoutRequest || m.Parameter3 != 5 {
			t.Errorf("event %s, Parameter3 %d", m.Event, m.Parameter3)
		}
		if _, err := b.host.DialContext(b.Context(), "tcp", b.array.Address("A")); err == nil {
			t.Error("the array still listens")
		}
		time.Sleep(time.Second)
		p.logout(pdu.LogoutCloseSession, 0, pdu.LogoutSuccess)
		p.conn.Close()
		if o := <-ended; o.left != 0 || o.at > 2*time.Second {
			t.Errorf("%+v", o)
		}
	})
}

func TestShutdownClosesAtTheDeadline(t *testing.T) {
	for _, within := range []time.Duration{0, 3 * time.Second} {
		inBubble(t, "plain", nil, nil, func(b *bench) {
			b.dial("A").login()
			began := time.Now()
			left, err := b.array.Shutdown(context.Background(), within)
			if took := time.Since(began); left != 1 || err != nil || took != within {
				t.Errorf("%d sessions left, error %v, after %v", left, err, took)
			}
		})
	}
}
