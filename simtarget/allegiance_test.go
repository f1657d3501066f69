package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// levelTwo lets sessions of an array carry tasks on over other connections.
func levelTwo(p *Profile) {
	p.Session.MaxConnections, p.Session.ErrorRecoveryLevel, p.Data.Time2Retain = 4, 2, 20
	p.Recovery.Timeout = time.Minute
}

// recoverable are the keys of a session of recovery level 2; digests stay off.
func recoverable(more ...text.Pair) []text.Pair {
	return append([]text.Pair{pair("MaxConnections", "4"), pair("ErrorRecoveryLevel", "2"), pair("DefaultTime2Wait", "2"),
		pair("DefaultTime2Retain", "20"), pair("ImmediateData", "No")}, more...)
}

// reassign asks for a task on this connection, and wants the answer.
func (p *peer) reassign(itt, expDataSN uint32, want pdu.TaskResponse) {
	p.Helper()
	q := p.manage(pdu.FunctionTaskReassign, 0, itt, 0)
	q.ExpDataSN = expDataSN
	p.managed(q, want)
}

func TestReassignedWriteGoesOn(t *testing.T) {
	inBubble(t, "plain", levelTwo, nil, func(b *bench) {
		p := b.dial("A").login(recoverable(pair("MaxBurstLength", "4096"), pair("FirstBurstLength", "4096"))...)
		q := p.beside("A", 2)
		w := p.writes(0, 16)
		p.send(w)
		ask := get[*pdu.R2T](p)
		data := bytes.Repeat([]byte{0x5a}, 8192)
		p.send(&pdu.DataOut{Final: true, LUN: w.LUN, ITT: w.ITT, TTT: ask.TTT, Data: data[:4096]})
		get[*pdu.R2T](p)
		q.reassign(w.ITT, 0, pdu.TaskResponseStillAllegiant)
		p.conn.Close()
		q.counts(get[*pdu.AsyncMessage](q).StatSN)
		q.reassign(w.ITT, 0, pdu.TaskResponseStillAllegiant)
		time.Sleep(2 * time.Second)
		inTurn(q, p).logout(pdu.LogoutRemoveForRecovery, 1, pdu.LogoutSuccess)
		q.reassign(w.ITT+77, 0, pdu.TaskResponseNoTask)
		q.reassign(w.ITT, 0, pdu.TaskResponseComplete)
		ask = get[*pdu.R2T](q)
		if ask.BufferOffset != 4096 || ask.DesiredDataTransferLength != 4096 || ask.ITT != w.ITT {
			t.Errorf("%+v", ask)
		}
		q.send(&pdu.DataOut{Final: true, LUN: w.LUN, ITT: w.ITT, TTT: ask.TTT, BufferOffset: 4096, Data: data[4096:]})
		if r := q.status(); r.Status != 0 || r.ITT != w.ITT {
			t.Errorf("%+v", r)
		}
		if !bytes.Equal(b.stored(0, 16), data) {
			t.Error("the data is wrong")
		}
		q.works()
	})
}

// A read whose data and status were lost comes again from the DataSN that is asked for, cut as the new connection wants it, with a StatSN of
// the new connection.
func TestReassignedReadComesAgain(t *testing.T) {
	for _, same := range []bool{false, true} {
		inBubble(t, "plain", levelTwo, nil, func(b *bench) {
			p := b.dial("A").login(recoverable(pair("MaxRecvDataSegmentLength", "1024"))...)
			before := b.stored(0, 8)
			r := p.reads(0, 8)
			p.send(r)
			for range 2 {
				get[*pdu.DataIn](p)
			}
			p.conn.Close()
			time.Sleep(3 * time.Second)
			cid := uint16(2)
			if same {
				cid = 1
			}
			q := b.dial("A")
			q.isid, q.tsih, q.cid, q.cmdSN, q.expStat, q.itt = p.isid, p.tsih, cid, p.cmdSN, p.expStat, 900
			q.login(pair("MaxRecvDataSegmentLength", "512"))
			if !same {
				q.reassign(r.ITT, 2, pdu.TaskResponseStillAllegiant)
				q.logout(pdu.LogoutRemoveForRecovery, 1, pdu.LogoutSuccess)
			}
			q.reassign(r.ITT, 2, pdu.TaskResponseComplete)
			got := append([]byte(nil), before[:2048]...)
			for n := uint32(2); len(got) < 4096; n++ {
				d := get[*pdu.DataIn](q)
				if d.DataSN != n || int(d.BufferOffset) != len(got) || len(d.Data) != 512 || d.StatusPresent {
					t.Fatalf("%+v", d)
				}
				got = append(got, d.Data...)
			}
			if s := q.status(); s.Status != 0 || s.ITT != r.ITT || s.ExpDataSN != 6 {
				t.Errorf("%+v", s)
			}
			if !bytes.Equal(got, before) {
				t.Error("the data is wrong")
			}
			q.works()
			q.reassign(r.ITT, 0, pdu.TaskResponseNoTask) // its status is acknowledged
		})
	}
}

// Tasks that nobody carries on end when Time2Retain has passed; those of other connections go on.
func TestTasksOfLostConnectionsEnd(t *testing.T) {
	inBubble(t, "plain", levelTwo, nil, func(b *bench) {
		p := b.dial("A").login(recoverable()...)
		q := p.beside("A", 2)
		w := p.writes(0, 8)
		p.send(w)
		get[*pdu.R2T](p)
		p.conn.Close()
		q.counts(get[*pdu.AsyncMessage](q).StatSN)
		time.Sleep(23 * time.Second)
		inTurn(q, p).logout(pdu.LogoutRemoveForRecovery, 1, pdu.LogoutCIDNotFound)
		q.reassign(w.ITT, 0, pdu.TaskResponseNoTask)
		q.attention(0x477f)
		q.works()
	})
}

// A session of recovery level 2 takes a second connection while the first is recovered, and waits when it has none.
func TestContinuationAtLevelTwo(t *testing.T) {
	one := func(p *Profile) { levelTwo(p); p.Session.MaxConnections = 1 }
	inBubble(t, "plain", one, nil, func(b *bench) {
		p := b.dial("A").login(recoverable()...)
		w := p.writes(0, 8)
		p.send(w)
		get[*pdu.R2T](p)
		q := p.beside("A", 2)
		third := b.dial("A")
		third.isid, third.tsih, third.cid = p.isid, p.tsih, 3
		if r := third.tryLogin(); iscsi.Status(r.Status()) != iscsi.StatusTooManyConnections {
			t.Errorf("a third connection: 0x%04x", r.Status())
		}
		q.logout(pdu.LogoutRemoveForRecovery, 1, pdu.LogoutSuccess)
		if !p.closed() {
			t.Error("the connection that was logged out stays open")
		}
		q.logout(pdu.LogoutRemoveForRecovery, 2, pdu.LogoutSuccess)
		if !q.closed() {
			t.Error("the connection that was logged out stays open")
		}
		time.Sleep(15 * time.Second)
		if s := b.settled().Sessions(); len(s) != 1 || s[0].Connected || s[0].Open != 1 {
			t.Fatalf("%+v", s)
		}
		back := q.beside("A", 1)
		back.reassign(w.ITT, 0, pdu.TaskResponseComplete)
		ask := get[*pdu.R2T](back)
		back.send(&pdu.DataOut{Final: true, LUN: w.LUN, ITT: w.ITT, TTT: ask.TTT, Data: make([]byte, 4096)})
		back.status()
		back.works()
		back.conn.Close()
		time.Sleep(23 * time.Second)
		if s := b.settled().Sessions(); len(s) != 0 {
			t.Errorf("%+v", s)
		}
	})
}
