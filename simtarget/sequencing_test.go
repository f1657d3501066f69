package simtarget

import (
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

func TestOrderOfCommands(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		first, second := p.command(scsi.TestUnitReady()), p.command(scsi.TestUnitReady())
		p.send(second)
		p.send(&pdu.NOPOut{Immediate: true, ITT: 50, TTT: pdu.ReservedTag, CmdSN: p.cmdSN})
		ping := get[*pdu.NOPIn](p)
		p.counts(ping.StatSN)
		if ping.ExpCmdSN != first.CmdSN {
			t.Errorf("ExpCmdSN %d, want %d while the first command is missing", ping.ExpCmdSN, first.CmdSN)
		}
		p.send(first)
		if r := p.status(); r.ITT != first.ITT {
			t.Errorf("%+v", r)
		}
		if r := p.status(); r.ITT != second.ITT || r.ExpCmdSN != second.CmdSN+1 {
			t.Errorf("%+v", r)
		}
	})
}

// Commands outside the window, and copies of commands that were taken, are ignored.
func TestCommandsThatAreIgnored(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		w := p.writes(0, 1)
		p.send(w)
		r2t := get[*pdu.R2T](p)
		for name, cmdSN := range map[string]uint32{"below": 99, "copy": w.CmdSN, "above": w.CmdSN + 100} {
			q := p.command(scsi.TestUnitReady())
			p.cmdSN--
			q.CmdSN = cmdSN
			p.send(q)
			if !p.silent(time.Second) {
				t.Errorf("a command %s is answered", name)
			}
		}
		p.send(w)
		p.answerR2T(r2t, noise(512), 512)
		p.status()
		p.works()
	})
}

func TestWindow(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		var r2ts []*pdu.R2T
		for range 32 {
			p.send(p.writes(0, 1))
			r2ts = append(r2ts, get[*pdu.R2T](p))
		}
		last := r2ts[31]
		if last.MaxCmdSN != last.ExpCmdSN-1 {
			t.Errorf("ExpCmdSN %d, MaxCmdSN %d with 32 open commands", last.ExpCmdSN, last.MaxCmdSN)
		}
		for _, r := range r2ts {
			p.answerR2T(r, noise(512), 512)
			p.status()
		}
		p.send(p.command(scsi.TestUnitReady()))
		if r := p.status(); r.MaxCmdSN != r.ExpCmdSN+31 {
			t.Errorf("ExpCmdSN %d, MaxCmdSN %d when idle", r.ExpCmdSN, r.MaxCmdSN)
		}
	})
}

func TestWindowThatAScenarioSets(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.apply(Action{Login: &LoginRule{Window: new(4)}})
		p := b.dial("A").login()
		if p.lastResp.MaxCmdSN != p.lastResp.ExpCmdSN+3 {
			t.Errorf("%+v", p.lastResp)
		}
		b.apply(Action{Window: &Window{Size: 0}})
		for range 4 {
			p.works()
		}
		p.send(p.command(scsi.TestUnitReady()))
		if !p.silent(time.Second) {
			t.Error("a command beyond the window is answered")
		}
		p.cmdSN--
		b.apply(Action{Window: &Window{Size: 8, Tell: true}})
		if n := get[*pdu.NOPIn](p); n.ITT != pdu.ReservedTag || n.TTT != pdu.ReservedTag || n.MaxCmdSN != n.ExpCmdSN+7 || n.StatSN != p.expStat {
			t.Errorf("%+v", n)
		}
		p.works()
	})
}

func TestImmediateCommands(t *testing.T) {
	one := func(p *Profile) { p.Session.ImmediateCommands = 1 }
	inBubble(t, "plain", one, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		q := p.writes(0, 1)
		q.Immediate = true
		p.cmdSN--
		p.send(q)
		r2t := get[*pdu.R2T](p)
		tooMany := p.command(scsi.TestUnitReady())
		tooMany.Immediate = true
		p.cmdSN--
		p.send(tooMany)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectTooManyImmediate || r.ExpCmdSN != p.cmdSN {
			t.Errorf("%+v", r)
		}
		p.expStat++
		p.answerR2T(r2t, noise(512), 512)
		if r := p.status(); r.ExpCmdSN != p.cmdSN {
			t.Errorf("an immediate command counts: %+v", r)
		}
		p.works()
	})
}

func TestTagInUse(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		w := p.writes(0, 1)
		p.send(w)
		r2t := get[*pdu.R2T](p)
		q := p.command(scsi.TestUnitReady())
		q.ITT = w.ITT
		p.send(q)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectTaskInProgress {
			t.Errorf("%+v", r)
		}
		p.expStat++
		p.cmdSN-- // a rejected command does not count
		p.answerR2T(r2t, noise(512), 512)
		p.status()
		q = p.command(scsi.TestUnitReady())
		q.ITT = w.ITT
		p.send(q)
		p.status()
	})
}

func TestRejects(t *testing.T) {
	for _, c := range []struct {
		name string
		h    func(*pdu.BHS)
		want pdu.RejectReason
	}{
		{"reserved opcode", func(h *pdu.BHS) { h.SetOpcode(0x1f) }, pdu.RejectCommandNotSupported},
		{"opcode of a target", func(h *pdu.BHS) { h.SetOpcode(pdu.OpR2T) }, pdu.RejectProtocolError},
		{"login", func(h *pdu.BHS) { h.SetOpcode(pdu.OpLoginRequest) }, pdu.RejectProtocolError},
		{"SNACK", func(h *pdu.BHS) { h.SetOpcode(pdu.OpSNACKRequest) }, pdu.RejectSNACK},
		{"both directions", func(h *pdu.BHS) { h[1] |= 0x60 }, pdu.RejectInvalidPDUField},
		{"reserved tag", func(h *pdu.BHS) { h.SetITT(pdu.ReservedTag) }, pdu.RejectInvalidPDUField},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A").login()
				f := pdu.FrameOf(p.command(scsi.TestUnitReady()))
				c.h(&f.BHS)
				if _, err := p.conn.Write(f.Append(nil, p.digest)); err != nil {
					t.Fatal(err)
				}
				r := get[*pdu.Reject](p)
				p.counts(r.StatSN)
				if h, _ := r.Rejected(); r.Reason != c.want || h != f.BHS {
					t.Errorf("%+v", r)
				}
				p.cmdSN--
				p.works()
			})
		})
	}
}

func TestPings(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxRecvDataSegmentLength", "512"))
		p.send(&pdu.NOPOut{Immediate: true, ITT: 0x12345678, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: noise(101)})
		n := get[*pdu.NOPIn](p)
		p.counts(n.StatSN)
		if n.ITT != 0x12345678 || n.TTT != pdu.ReservedTag || len(n.Data) != 101 || n.ExpCmdSN != p.cmdSN {
			t.Errorf("%+v", n)
		}
		p.send(&pdu.NOPOut{ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: noise(2000)})
		p.cmdSN++
		n = get[*pdu.NOPIn](p)
		p.counts(n.StatSN)
		if len(n.Data) != 512 || n.ExpCmdSN != p.cmdSN {
			t.Errorf("%d bytes, %+v", len(n.Data), n)
		}
		p.send(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: p.cmdSN})
		if !p.silent(time.Second) {
			t.Error("a NOP-Out that asks for nothing is answered")
		}
		p.works()
	})
}

// The array pings a quiet connection, and ends one that does not answer.
func TestPingsOfTheArray(t *testing.T) {
	pings := func(p *Profile) { p.Session.PingInterval, p.Session.PingTimeout = 15*time.Second, 10*time.Second }
	inBubble(t, "plain", pings, nil, func(b *bench) {
		p := b.dial("A").login()
		for range 3 {
			n := get[*pdu.NOPIn](p)
			if n.ITT != pdu.ReservedTag || n.TTT == pdu.ReservedTag || n.StatSN != p.expStat {
				t.Errorf("%+v", n)
			}
			p.send(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: n.TTT, LUN: n.LUN, CmdSN: p.cmdSN})
		}
		began := time.Now()
		get[*pdu.NOPIn](p)
		if !p.closed() || time.Since(began) < 24*time.Second || time.Since(began) > 26*time.Second {
			t.Errorf("ended after %v, want 25 s", time.Since(began))
		}
		if n := len(b.settled().Sessions()); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}
