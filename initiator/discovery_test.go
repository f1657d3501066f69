package initiator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// discover runs SendTargets=All against a target that answers with these parts, all but the last with F=0, those in partial with C=1.
func discover(t *testing.T, parts []string, partial ...bool) (targets []DiscoveredTarget, err error) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			var tag uint32
			for i, part := range parts {
				p := expect[*pdu.TextRequest](e)
				if p == nil {
					return
				}
				if i == 0 {
					tag = p.ITT
					if got := textOf(p.Data).String(); got != base("SendTargets=All").String() || p.TTT != pdu.ReservedTag || !p.Final {
						t.Errorf("first request %+v with %s", p, got)
					}
				} else if p.ITT != tag || p.TTT != uint32(0x42+i) || p.LUN != uint64(i) || len(p.Data) != 0 {
					t.Errorf("request %d: %+v", i, p)
				}
				r := &pdu.TextResponse{ITT: p.ITT, TTT: uint32(0x43 + i), LUN: uint64(i + 1), Data: []byte(part)}
				r.Continue = i < len(partial) && partial[i]
				if r.Final = i == len(parts)-1; r.Final {
					r.TTT = pdu.ReservedTag
				}
				e.write(r)
			}
			e.disk(nil, nil)
		}))
		cfg := config()
		cfg.Type, cfg.TargetName, cfg.PingInterval = DiscoverySession, "", 0
		s := mustLogin(t, n, cfg)
		targets, err = s.SendTargets(t.Context(), "All")
		if err == nil {
			err = s.Logout(t.Context())
		}
	})
	return targets, err
}

func TestSendTargets(t *testing.T) {
	portal := func(host string, port, tag uint16) iscsi.TargetAddress {
		return iscsi.TargetAddress{Address: iscsi.Address{Host: host, Port: port}, Tag: tag, HasTag: true}
	}
	want := []DiscoveredTarget{
		{Name: "iqn.2001-04.test:a", Addresses: []iscsi.TargetAddress{portal("192.0.2.7", 3261, 1), portal("2001:db8::7", 0, 2)}},
		{Name: "iqn.2001-04.test:b"},
	}
	const a = "TargetName=iqn.2001-04.test:a\x00TargetAddress=192.0.2.7:3261,1\x00TargetAddress=[2001:db8::7],2\x00"
	const b = "TargetName=iqn.2001-04.test:b\x00"
	for name, c := range map[string]struct {
		parts   []string
		partial []bool
	}{
		"at once":          {parts: []string{a + b}},
		"in two":           {parts: []string{a, b}},
		"cut within a key": {parts: []string{a[:40], a[40:] + b[:5], b[5:]}, partial: []bool{true, true}},
		"empty at the end": {parts: []string{a + b, ""}},
		"with repetitions": {parts: []string{a + b + a, "TargetAlias=x\x00MaxRecvDataSegmentLength=512\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := discover(t, c.parts, c.partial...)
			if err != nil || !cmp.Equal(got, want) {
				t.Errorf("%v\n%s", err, cmp.Diff(want, got))
			}
		})
	}
	if got, err := discover(t, []string{""}); err != nil || len(got) != 0 {
		t.Errorf("no targets: %v, %v", got, err)
	}
	for name, parts := range map[string][]string{
		"address first": {"TargetAddress=192.0.2.7,1\x00" + a},
		"bad name":      {"TargetName=nonsense\x00"},
		"bad address":   {b + "TargetAddress=[::1,1\x00"},
		"no zero byte":  {b[:len(b)-1]},
		"rejected":      {"SendTargets=Reject\x00"},
	} {
		if _, err := discover(t, parts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDiscoverySessionCarriesNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var end *fakeEnd
		n.at(portalA, func(e *fakeEnd) { end = e; accepts()(e) })
		cfg := config()
		cfg.Type, cfg.TargetName, cfg.PingInterval = DiscoverySession, "", 0
		s := mustLogin(t, n, cfg)
		if kind, _ := textOf(end.logins[0].Data).Get("SessionType"); kind != "Discovery" {
			t.Errorf("SessionType %q", kind)
		}
		if err := s.Do(t.Context(), readRequest(0, 512)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("command: %v", err)
		}
		if _, err := s.Ping(t.Context(), nil); !errors.Is(err, ErrNotSupported) {
			t.Errorf("ping: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := s.SendTargets(context.Background(), "All"); errors.Is(err, nil) {
			t.Error("the fake does not answer text")
		}
	})
}

func TestTextIsOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.TextRequest](e)
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncNegotiation, Parameter3: 3})
			time.Sleep(5 * time.Second)
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag})
			if q := expect[*pdu.TextRequest](e); q.ITT == p.ITT {
				t.Error("the tag was used again at once")
			} else {
				e.write(&pdu.TextResponse{Final: true, ITT: q.ITT, TTT: pdu.ReservedTag})
			}
			e.read()
		}))
		s := mustLogin(t, n, config())
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := s.Text(t.Context(), nil)
				done <- err
			}()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}

func TestTextThatNeverEnds(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for {
				p, ok := e.read().(*pdu.TextRequest)
				if !ok {
					return
				}
				e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 1, Continue: true, Data: make([]byte, 8192)})
			}
		}))
		s := mustLogin(t, n, config())
		var broken *ProtocolError
		if _, err := s.Text(t.Context(), nil); !errors.As(err, &broken) {
			t.Errorf("got %v", err)
		}
		<-s.Done()
	})
}

func TestTextAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.TextRequest](e)
			time.Sleep(5 * time.Second)
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 9})
			e.disk(make([]byte, 512), nil)
		}))
		s := mustLogin(t, n, config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Text(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil || s.tasks.live != 0 {
			t.Errorf("%v, %d tasks left", err, s.tasks.live)
		}
	})
}

func TestSendTargetsBySession(t *testing.T) {
	for _, c := range []struct {
		which     string
		discovery bool
		want      bool
	}{
		{"All", true, true}, {testTarget, true, true}, {"", true, false}, {"nonsense", true, false},
		{"All", false, false}, {testTarget, false, true}, {"", false, true},
	} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				p, ok := e.read().(*pdu.TextRequest)
				if ok != c.want {
					t.Errorf("SendTargets=%s sent: %t", c.which, ok)
				}
				if ok {
					if got, _ := textOf(p.Data).Get("SendTargets"); got != c.which {
						t.Errorf("asked for %q, want %q", got, c.which)
					}
					e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag, Data: base("TargetName=" + testTarget).Append(nil)})
					e.read()
				}
			}))
			cfg := config()
			if c.discovery {
				discoveryConfig(&cfg)
			}
			s := mustLogin(t, n, cfg)
			got, err := s.SendTargets(t.Context(), c.which)
			if (err == nil) != c.want || c.want && (len(got) != 1 || got[0].Name != testTarget) {
				t.Errorf("SendTargets=%s in a session of type %v: %v, %v", c.which, cfg.Type, got, err)
			}
			s.Close()
		})
	}
}

// TestTargetsOfDataSession asks for the addresses of a session's own target, which are then known for further sessions.
func TestTargetsOfDataSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		if _, err := m.Discover(t.Context(), id); !errors.Is(err, ErrNotSupported) {
			t.Errorf("a discovery through a data session: %v", err)
		}
		targets, err := m.SendTargets(t.Context(), id, "")
		if err != nil || len(targets) != 1 || len(targets[0].Addresses) != 2 {
			t.Errorf("targets %+v, %v", targets, err)
		}
		if known := m.Discovered(); !cmp.Equal(known, targets) {
			t.Errorf("known %+v", known)
		}
	})
}
