package simtarget

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// several lets sessions of an array have up to four connections.
func several(p *Profile) { p.Session.MaxConnections = 4 }

// beside logs in a further connection of a session.
func (p *peer) beside(portal string, cid uint16, extra ...text.Pair) *peer {
	p.Helper()
	other := p.dial(portal)
	other.isid, other.tsih, other.cid, other.cmdSN, other.itt = p.isid, p.tsih, cid, p.cmdSN, uint32(cid)<<16
	return other.login(extra...)
}

// inTurn makes a command on one connection with the CmdSN that the session has reached on the other.
func inTurn(p, other *peer) *peer {
	p.cmdSN = other.cmdSN
	return p
}

func TestSeveralConnections(t *testing.T) {
	inBubble(t, "plain", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "3"))
		q := p.beside("A", 2, pair("MaxConnections", "1"), pair("ErrorRecoveryLevel", "0"))
		if q.tsih != p.tsih {
			t.Errorf("TSIH 0x%04x, want 0x%04x", q.tsih, p.tsih)
		}
		for _, key := range []string{"MaxConnections", "ErrorRecoveryLevel"} {
			if value, _ := q.answers.Get(key); value != text.Reject {
				t.Errorf("%s=%s, want Reject", key, value)
			}
		}
		inTurn(q, p).works()
		inTurn(p, q).works()
		third := inTurn(p, p).beside("A", 3)
		fourth := b.dial("A")
		fourth.isid, fourth.tsih, fourth.cid = p.isid, p.tsih, 4
		if r := fourth.tryLogin(); iscsi.Status(r.Status()) != iscsi.StatusTooManyConnections {
			t.Errorf("a fourth connection: 0x%04x", r.Status())
		}
		inTurn(third, p).works()
		s := b.settled().Sessions()
		if len(s) != 1 || !slices.Equal(s[0].CIDs, []uint16{1, 2, 3}) || !s[0].Connected {
			t.Errorf("%+v", s)
		}
		inTurn(p, third).logout(pdu.LogoutCloseSession, 0, pdu.LogoutSuccess)
		if !p.closed() || !q.closed() || !third.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("the session goes on")
		}
	})
}

// What belongs to a command travels on its connection; commands of several connections have one order.
func TestAllegiance(t *testing.T) {
	inBubble(t, "plain", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "2"), pair("ImmediateData", "No"))
		q := p.beside("A", 2)
		w := p.writes(0, 8)
		p.send(w)
		ask := get[*pdu.R2T](p)
		// A command beyond a gap waits; the one that fills it comes on the other connection.
		q.cmdSN = p.cmdSN + 1
		q.send(q.command(scsi.TestUnitReady()))
		if !q.silent(time.Second) {
			t.Fatal("the command does not wait for its turn")
		}
		p.works()
		q.status()
		p.cmdSN = q.cmdSN
		// Data of the write on the wrong connection is refused.
		data := bytes.Repeat([]byte{7}, 4096)
		out := &pdu.DataOut{Final: true, LUN: w.LUN, ITT: w.ITT, TTT: ask.TTT + 100, Data: data}
		q.send(out)
		q.counts(get[*pdu.Reject](q).StatSN)
		out.TTT = ask.TTT
		p.send(out)
		if r := p.status(); r.Status != 0 {
			t.Errorf("status 0x%02x", r.Status)
		}
		if !bytes.Equal(b.stored(0, 8), data) {
			t.Error("the data is wrong")
		}
	})
}

// The loss of one connection ends its tasks; the session and the tasks of the other go on, and the initiator is told there.
func TestLossOfOneConnection(t *testing.T) {
	inBubble(t, "multi-portal", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "2"), pair("ImmediateData", "No"))
		q := p.beside("B", 2)
		w := p.writes(0, 8)
		p.send(w)
		ask := get[*pdu.R2T](p)
		inTurn(q, p).send(q.writes(8, 8))
		get[*pdu.R2T](q)
		inTurn(p, q)
		q.cmdSN++ // a command beyond a gap
		q.send(q.command(scsi.TestUnitReady()))
		q.conn.Close()
		m := get[*pdu.AsyncMessage](p)
		p.counts(m.StatSN)
		if m.Event != pdu.AsyncConnectionDrop || m.Parameter1 != 2 {
			t.Errorf("%+v", m)
		}
		p.attention(scsi.SomeCommandsCleared)
		p.works() // what waited has gone: its CmdSN is free again
		p.send(&pdu.DataOut{Final: true, LUN: w.LUN, ITT: w.ITT, TTT: ask.TTT, Data: make([]byte, 4096)})
		p.status()
		back := p.beside("A", 2)
		inTurn(back, p).works()
	})
}

func TestLogoutOfOneConnection(t *testing.T) {
	inBubble(t, "plain", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "3"))
		q, r := p.beside("A", 2), p.beside("A", 3)
		q.logout(pdu.LogoutCloseConnection, 2, pdu.LogoutSuccess)
		if !q.closed() {
			t.Error("the connection stays open")
		}
		p.works()
		p.logout(pdu.LogoutCloseConnection, 3, pdu.LogoutSuccess)
		if !r.closed() {
			t.Error("the connection that was named stays open")
		}
		p.logout(pdu.LogoutCloseConnection, 3, pdu.LogoutCIDNotFound)
		p.works()
		p.logout(pdu.LogoutCloseConnection, 1, pdu.LogoutSuccess)
		if !p.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("the session outlives its last connection")
		}
	})
}

// The array's own actions on one connection of several.
func TestActionsOnOneConnection(t *testing.T) {
	inBubble(t, "multi-portal", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "2"))
		q := p.beside("B", 2)
		two := uint16(2)
		b.apply(Action{Ping: &Ping{CID: &two, NoAnswer: true}})
		get[*pdu.NOPIn](q)
		b.apply(Action{Async: &Async{CID: &two, Event: pdu.AsyncLogoutRequest, After: time.Second, Then: EndRST}})
		q.counts(get[*pdu.AsyncMessage](q).StatSN)
		if !q.closed() {
			t.Error("the connection outlives its deadline")
		}
		p.counts(get[*pdu.AsyncMessage](p).StatSN)
		q = p.beside("B", 2)
		b.apply(Action{Portal: &PortalState{Name: "B", Drop: EndRST}})
		if !q.closed() {
			t.Error("the connection outlives its portal")
		}
		p.counts(get[*pdu.AsyncMessage](p).StatSN)
		p.works()
		b.apply(Action{Drop: &Drop{CID: &two}})
		p.works()
		one := uint16(1)
		b.apply(Action{Drop: &Drop{CID: &one}})
		if !p.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("the session outlives its last connection")
		}
	})
}
