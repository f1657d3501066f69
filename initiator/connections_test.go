package initiator

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// joinLogin accepts the login of a further connection, whose requests it returns.
func (e *fakeEnd) joinLogin(cmdSN uint32) []pdu.LoginRequest {
	for {
		p := e.readLogin()
		if p == nil {
			return e.logins
		}
		e.expCmdSN = cmdSN
		e.answerLogin(p, nil)
		if p.Transit && p.NSG == pdu.StageFullFeature {
			return e.logins
		}
	}
}

// twoEnds logs in a session at portal A and a further connection at portal B, and returns both ends, which the test plays.
func twoEnds(t *testing.T, n *fakeNetwork, change func(*LoginConfig), limits ...string) (s *Session, a, b *fakeEnd) {
	ends := make(chan *fakeEnd)
	stay := t.Context().Done()
	hand := func(e *fakeEnd) { // An end that is made while the session is closed, to recover a connection, has no taker.
		select {
		case ends <- e:
			<-stay
		case <-stay:
		}
	}
	n.at(portalA, func(e *fakeEnd) {
		if e.login(append(limits, "MaxConnections=2")...) {
			hand(e)
		}
	})
	n.at(portalB, func(e *fakeEnd) {
		e.statSN = 50000
		if len(e.joinLogin(1)) > 0 {
			hand(e)
		}
	})
	cfg := offering(map[string]string{
		text.KeyMaxConnections: "4", text.KeyErrorRecoveryLevel: "2", text.KeyDefaultTime2Retain: "30",
	})
	if change != nil {
		change(&cfg)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		if s, err = Login(t.Context(), n, cfg); err == nil {
			_, err = s.AddConnection(t.Context(), iscsi.Address{Host: "192.0.2.2"})
		}
		done <- err
	}()
	if a, b = <-ends, <-ends; a.logins[0].TSIH != 0 {
		a, b = b, a // whichever end tells first that it is through its login
	}
	if err := <-done; err != nil {
		t.Fatalf("login: %v", err)
	}
	t.Cleanup(func() {
		_, _ = a.Close(), b.Close()
		s.Close()
		<-s.Done()
	})
	return s, a, b
}

// started submits requests and returns the channel of their ends.
func started(s *Session, requests ...*Request) <-chan *Request {
	over := make(chan *Request, len(requests))
	for _, r := range requests {
		r.Done = func(r *Request) { over <- r }
		s.Submit(r)
	}
	return over
}

func TestFurtherConnectionJoins(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		s, a, b := twoEnds(t, n, nil)
		first, further := a.logins[0], b.logins[0]
		if further.TSIH != fakeTSIH || further.ISID != first.ISID || further.CID == first.CID || further.CmdSN != 1 || further.ExpStatSN != 0 {
			t.Errorf("login of the second connection: %+v", further)
		}
		for _, pair := range b.keys {
			switch pair.Key {
			case text.KeyInitiatorName, text.KeyTargetName, text.KeyAuthMethod, text.KeyHeaderDigest, text.KeyDataDigest, text.KeyMaxRecvDataSegmentLength:
			default:
				t.Errorf("the second connection negotiates %s", pair.Key)
			}
		}
		list := s.Connections()
		if len(list) != 2 || list[0].CID != first.CID || list[1].CID != further.CID || list[1].Current.Host != "192.0.2.2" {
			t.Errorf("connections: %+v", list)
		}
		if _, err := s.AddConnection(t.Context(), iscsi.Address{}); !errors.Is(err, ErrConnectionLimit) {
			t.Errorf("third connection: %v", err)
		}
	})
}

func TestCommandsSpreadAndStay(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		s, a, b := twoEnds(t, n, nil)
		over := started(s, readRequest(0, 512), readRequest(1, 512), readRequest(2, 512), readRequest(3, 512))
		var sns []uint32
		var tags [][]uint32
		for _, e := range []*fakeEnd{a, b} {
			var mine []uint32
			for range 2 {
				p := expect[*pdu.SCSICommand](e)
				if want := e.statSN; p.ExpStatSN != want {
					t.Errorf("ExpStatSN %d, want %d", p.ExpStatSN, want)
				}
				sns, mine = append(sns, p.CmdSN), append(mine, p.ITT)
			}
			tags = append(tags, mine)
		}
		if sns[0] != 1 || sns[1] != 3 || sns[2] != 2 || sns[3] != 4 {
			t.Errorf("CmdSN on the connections: %v", sns)
		}
		for i, e := range []*fakeEnd{a, b} {
			for _, itt := range tags[i] {
				e.expCmdSN = 5
				e.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: itt, Data: make([]byte, 512)})
			}
		}
		for range 4 {
			if r := <-over; r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
}

func TestRemovedConnectionLeavesTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		s, a, b := twoEnds(t, n, nil)
		over := started(s, readRequest(0, 512), readRequest(1, 512), readRequest(2, 512), readRequest(3, 512))
		held := []*pdu.SCSICommand{expect[*pdu.SCSICommand](a), expect[*pdu.SCSICommand](a)}
		seen, lost := expect[*pdu.SCSICommand](b), expect[*pdu.SCSICommand](b)
		removed := make(chan error, 1)
		go func() { removed <- s.RemoveConnection(t.Context(), b.logins[0].CID) }()
		p := expect[*pdu.LogoutRequest](b)
		if p.Reason != pdu.LogoutCloseConnection || p.CID != b.logins[0].CID {
			t.Errorf("logout: %+v", p)
		}
		b.expCmdSN = lost.CmdSN // The first of its commands was acknowledged, the second was not.
		b.write(&pdu.LogoutResponse{ITT: p.ITT})
		if err := <-removed; err != nil {
			t.Errorf("remove: %v", err)
		}
		again := expect[*pdu.SCSICommand](a)
		if again.CmdSN != lost.CmdSN || again.ITT != lost.ITT || again.CDB != lost.CDB {
			t.Errorf("retry %+v of %+v", again, lost)
		}
		if r := <-over; !errors.Is(r.Err, ErrTransportLost) || r.CDB[5] != seen.CDB[5] {
			t.Errorf("acknowledged command of the removed connection: %v", r.Err)
		}
		a.expCmdSN = 5
		for _, p := range append(held, again) {
			a.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: make([]byte, 512)})
			if r := <-over; r.Err != nil {
				t.Error(r.Err)
			}
		}
		synctest.Wait()
		if list := s.Connections(); len(list) != 1 || list[0].CID != a.logins[0].CID {
			t.Errorf("connections: %+v", list)
		}
		if err := s.RemoveConnection(t.Context(), a.logins[0].CID); !errors.Is(err, ErrNotSupported) {
			t.Errorf("removal of the only connection: %v", err)
		}
	})
}
