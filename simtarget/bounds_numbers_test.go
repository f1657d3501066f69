package simtarget

import (
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// CmdSN and StatSN go on behind 2^32 - 1, in order and out of it, with a window that lies across the end.
func TestNumbersWrap(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { p.Session.FirstStatSN = 0xfffffff8 }, nil, func(b *bench) {
		p := b.dial("A")
		p.cmdSN = 0xfffffff0
		p.login()
		for range 40 {
			late, early := p.command(scsi.TestUnitReady()), p.command(scsi.TestUnitReady())
			p.send(early)
			p.send(late)
			for range 2 {
				if r := p.status(); r.Status != 0 || int32(r.MaxCmdSN-r.ExpCmdSN) < 29 {
					t.Fatalf("%s", pdu.FrameOf(r))
				}
			}
		}
		if p.cmdSN != 0x40 {
			t.Fatalf("CmdSN 0x%x", p.cmdSN)
		}
	})
}

// An abort plugs a gap whose numbers lie across the end, and a task management request reaches what was sent before it.
func TestAbortAcrossTheEndOfCmdSN(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		p.cmdSN = 0xfffffffe
		p.login(pair("ImmediateData", "No"))
		w := p.writes(0, 1)
		p.send(w)
		r2t := get[*pdu.R2T](p)
		gap := p.command(scsi.TestUnitReady())
		next := p.command(scsi.TestUnitReady())
		p.send(next)
		p.send(&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTask, ITT: 0x900, ReferencedTaskTag: gap.ITT, CmdSN: p.cmdSN, RefCmdSN: gap.CmdSN})
		seen := map[uint32]bool{}
		for range 2 {
			switch q := p.read().(type) {
			case *pdu.TaskManagementResponse:
				p.counts(q.StatSN)
				seen[q.ITT] = q.Response == pdu.TaskResponseComplete
			case *pdu.SCSIResponse:
				p.counts(q.StatSN)
				seen[q.ITT] = q.Status == 0
			}
		}
		if !seen[0x900] || !seen[next.ITT] {
			t.Fatalf("%v", seen)
		}
		p.send(&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTaskSet, ITT: 0x901, ReferencedTaskTag: pdu.ReservedTag, CmdSN: p.cmdSN})
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r2t.TTT, Data: make([]byte, 512)})
		if q := get[*pdu.TaskManagementResponse](p); q.Response != pdu.TaskResponseComplete {
			t.Errorf("response %d", q.Response)
		} else {
			p.counts(q.StatSN)
		}
		p.works()
	})
}

// The array has places for so many connections and sessions, and is open again when some have gone.
func TestPlacesAreBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.array.connectionsMax, b.array.sessionsMax = 6, 3
		var in []*peer
		for i := range uint16(3) {
			p := b.dial("A")
			p.isid = iscsi.RandomISID(1, i)
			in = append(in, p.login())
		}
		p := b.dial("A")
		p.isid = iscsi.RandomISID(1, 9)
		if r := p.tryLogin(); iscsi.Status(r.Status()) != iscsi.StatusOutOfResources {
			t.Errorf("one session too many is answered with 0x%04x", r.Status())
		}
		p.conn.Close()
		time.Sleep(2 * lingerTime)
		half := []*peer{b.dial("A"), b.dial("A"), b.dial("A")}
		time.Sleep(time.Second)
		if !b.dial("A").closed() {
			t.Error("one connection too many stays open")
		}
		in[0].works()
		for _, p := range half {
			if !p.closed() {
				t.Error("a connection on which nobody logs in stays open")
			}
		}
		in[1].conn.Close()
		time.Sleep(time.Minute)
		again := b.dial("A")
		again.isid = iscsi.RandomISID(1, 10)
		again.login().works()
	})
}

// Sessions that wait for their initiator keep their places no longer than Time2Wait and Time2Retain.
func TestWaitingSessionsAreBounded(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { p.Data.Time2Wait, p.Data.Time2Retain = 2, 20 }, nil, func(b *bench) {
		b.array.sessionsMax = 4
		enter := func(i uint16) *pdu.LoginResponse {
			p := b.dial("A")
			p.isid = iscsi.RandomISID(1, i)
			r := p.tryLogin(pair("DefaultTime2Retain", "3600"), pair("DefaultTime2Wait", "3600"))
			p.conn.Close()
			return r
		}
		waits := 0
		for i := range uint16(4) {
			if r := enter(i); r.Status() != 0 {
				t.Fatalf("0x%04x", r.Status())
			}
			waits++
		}
		if r := enter(9); iscsi.Status(r.Status()) != iscsi.StatusOutOfResources {
			t.Errorf("0x%04x while %d sessions wait", r.Status(), waits)
		}
		if r := enter(0); r.Status() != 0 {
			t.Errorf("a session that waits cannot be replaced: 0x%04x", r.Status())
		}
		time.Sleep(3600*time.Second + 25*time.Second)
		if n := len(b.settled().Sessions()); n != 0 {
			t.Errorf("%d sessions still wait", n)
		}
	})
}

// What one session may have open: commands by the window, immediate ones by their number, R2Ts by MaxOutstandingR2T.
func TestCommandsAndR2TsAreBounded(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) {
		p.Data.MaxOutstandingR2T, p.Data.MaxBurstLength, p.Data.FirstBurstLength = 4, 512, 512
	}, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"), pair("MaxOutstandingR2T", "65535"), pair("MaxBurstLength", "512"), pair("FirstBurstLength", "512"))
		for range 40 { // the window has 32
			p.send(p.writes(0, 8))
		}
		r2ts := 0
		for !p.silent(time.Second) {
			r2ts++
		}
		if r2ts+1 > 32*4+1 { // silent takes the ones that it sees
			t.Errorf("%d R2Ts for 32 commands, want 4 for each", r2ts)
		}
		for i := range uint32(12) {
			c := p.command(scsi.Write10(0, 8))
			p.cmdSN--
			c.Immediate, c.Write, c.ExpectedDataTransferLength, c.ITT = true, true, 4096, 0x5000+i
			p.send(c)
		}
		rejects := 0
		for range 8*4 + 4 {
			if r, is := p.read().(*pdu.Reject); is {
				if rejects++; r.Reason != pdu.RejectTooManyImmediate {
					t.Errorf("Reject with reason 0x%02x", byte(r.Reason))
				}
			}
		}
		if rejects != 4 {
			t.Errorf("%d of 12 immediate commands are rejected, want 4", rejects)
		}
	})
}
