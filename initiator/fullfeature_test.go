package initiator

import (
	"errors"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// script lets every login in and then runs f.
func script(f func(e *fakeEnd), limits ...string) func(*fakeEnd) {
	return func(e *fakeEnd) {
		if e.login(limits...) {
			f(e)
		}
	}
}

func TestPing(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.NOPOut](e)
			if !p.Immediate || p.TTT != pdu.ReservedTag || p.ITT == pdu.ReservedTag {
				t.Errorf("ping %+v", p)
			}
			e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag, Data: p.Data})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		if got, err := s.Ping(t.Context(), []byte("hello")); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := s.Ping(t.Context(), make([]byte, 65537)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("too long: %v", err)
		}
	})
}

func TestTargetsPingIsAnswered(t *testing.T) {
	const lun = 0x0001000000000000
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.NOPIn{LUN: lun, ITT: pdu.ReservedTag, TTT: 0x01020304})
			p := expect[*pdu.NOPOut](e)
			if p.LUN != lun || p.TTT != 0x01020304 || p.ITT != pdu.ReservedTag || !p.Immediate || len(p.Data) != 0 || p.ExpStatSN != e.statSN {
				t.Errorf("answer %+v", p)
			}
			e.disk(make([]byte, 512), nil)
		}))
		s := mustLogin(t, n, config())
		time.Sleep(time.Second)
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
			t.Error(err)
		}
	})
}

func TestSilentTargetIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		pings := 0
		n.at(portalA, script(func(e *fakeEnd) {
			for range 3 {
				p := expect[*pdu.NOPOut](e)
				e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag})
				pings++
			}
			for e.read() != nil {
			}
		}))
		cfg := config()
		cfg.PingInterval = 0
		s := mustLogin(t, n, cfg)
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); took != 4*DefaultPingInterval+DefaultPingTimeout || pings != 3 {
			t.Errorf("given up after %v and %d pings", took, pings)
		}
		if l := s.Loss(); !errors.Is(l.Cause, ErrPingTimeout) || !errors.Is(l.Cause, ErrTimeout) || l.Planned {
			t.Errorf("loss %+v", l)
		}
	})
}

func TestBusyTargetIsNotPinged(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for range 10 {
				time.Sleep(7 * time.Second)
				e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			}
		}))
		cfg := config()
		cfg.PingInterval = 0
		s := mustLogin(t, n, cfg)
		<-s.Done()
		if len(s.tasks.slots) != 0 {
			t.Error("a target that spoke was pinged")
		}
	})
}

func TestLogout(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.window = 2
			first, second := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
			p := expect[*pdu.LogoutRequest](e)
			if p.Reason != pdu.LogoutCloseSession || p.CID != 0 || p.ITT == first.ITT || p.ITT == second.ITT {
				t.Errorf("logout %+v", p)
			}
			e.good(first.ITT)
			e.write(&pdu.LogoutResponse{ITT: p.ITT, Time2Wait: 7})
			if p := e.read(); p != nil {
				t.Errorf("after the logout came %T", p)
			}
		}, "DefaultTime2Wait=3"))
		s := mustLogin(t, n, config())
		s.window.max = s.window.next + 1
		var outcomes [3]error
		for i := range outcomes {
			s.Submit(&Request{CDB: make([]byte, 6), Done: func(r *Request) { outcomes[i] = r.Err }})
		}
		time.Sleep(time.Second)
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if outcomes[0] != nil || !errors.Is(outcomes[1], ErrLoggedOut) || !errors.Is(outcomes[2], ErrLoggedOut) {
			t.Errorf("outcomes %v", outcomes)
		}
		if l := s.Loss(); !errors.Is(l.Cause, ErrLoggedOut) || !l.Planned || l.Time2Wait != 3*time.Second {
			t.Errorf("loss %+v", l)
		}
		if err := s.Do(t.Context(), readRequest(0, 512)); !errors.Is(err, ErrLoggedOut) {
			t.Errorf("after the logout: %v", err)
		}
	})
}

func TestLogoutEndsWhateverTheTargetDoes(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(e *fakeEnd, p *pdu.LogoutRequest)
		check func(err error) bool
		took  time.Duration
	}{
		"silence": {func(e *fakeEnd, _ *pdu.LogoutRequest) { e.read() }, func(err error) bool { return errors.Is(err, ErrTimeout) }, DefaultLogoutTimeout},
		"close":   {func(*fakeEnd, *pdu.LogoutRequest) {}, func(err error) bool { return err != nil }, 0},
		"failure": {func(e *fakeEnd, p *pdu.LogoutRequest) {
			e.write(&pdu.LogoutResponse{ITT: p.ITT, Response: pdu.LogoutCleanupFailed, Time2Wait: 5})
			e.read()
		}, func(err error) bool { var l *LogoutError; return errors.As(err, &l) }, 0},
		"reject": {func(e *fakeEnd, p *pdu.LogoutRequest) {
			var h pdu.BHS
			p.EncodeBHS(&h)
			e.write(&pdu.Reject{Reason: pdu.RejectProtocolError, Data: h[:]})
			e.read()
		}, func(err error) bool { var r *RejectError; return errors.As(err, &r) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) { c.serve(e, expect[*pdu.LogoutRequest](e)) }))
				s := mustLogin(t, n, config())
				start := time.Now()
				if err := s.Logout(t.Context()); !c.check(err) || time.Since(start) != c.took {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}
