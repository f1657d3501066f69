package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// nopChecks are those of the group nop.
func nopChecks() []Check {
	return []Check{
		{ID: "nop.ping-answer", Run: pingAnswer, Base: func(b *Base) {
			b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(1), Config: Disk(32 << 20)})
		}},
		{ID: "nop.no-answer-when-ttt-reserved", Run: noAnswer},
		{ID: "nop.initiator-ping", Run: initiatorPing},
		{ID: "nop.confirm-expstatsn", Run: confirmation, Driver: func(s *Settings) {
			s.Defaults.AcknowledgeAfter, s.Defaults.PingInterval = 5*time.Second, ini.Never
		}},
		{ID: "nop.ping-timeout", Run: pingTimeout, Driver: func(s *Settings) {
			s.Defaults.PingInterval, s.Defaults.PingTimeout = pingSetting, pingSetting
		}},
		{ID: "nop.ping-data-echo-checked", Run: wrongEcho},
		{ID: "nop.in-data-handled", Run: pingWithData},
		{ID: "nop.both-tags-valid", Run: bothTags},
		{ID: "nop.unknown-itt", Run: unknownPingTag},
		{ID: "nop.flood", Run: pingFlood},
		{ID: "nop.ping-invalid-lun", Run: pingInvalidLUN},
	}
}

// pingSetting is the interval and the timeout of pings that nop.ping-timeout configures.
const pingSetting = 5 * time.Second

// answersPing matches the NOP-Out that answers a ping of the array.
func answersPing(ttt uint32) func(probe.Event) bool {
	return func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && p.TTT == ttt
	}
}

// numberedOn fails unless the next command's CmdSN is the one that the array expects.
func (t *T) numberedOn(c *Conn) {
	op := t.Start(Read{Blocks: 1})
	task := c.Read()
	if len(c.Session.ahead) > 0 {
		t.Fail(fmt.Sprintf("CmdSN 0x%x while 0x%x is expected", task.PDU.CmdSN, c.Session.ExpCmdSN), "the CmdSN that is next")
	}
	c.Good(task)
	op.Wait()
}

func pingAnswer(t *T) {
	const ttt = 0x01020304
	c := t.Session()
	ping := c.NOPIn(ttt, func(p *pdu.NOPIn) { p.LUN = uint64(scsi.LUNOf(1)) })
	e := c.Await(t.scaled(ReactionTime), func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && (p.TTT != pdu.ReservedTag || p.ITT == pdu.ReservedTag)
	})
	p, is := probe.As[*pdu.NOPOut](e)
	want := "a NOP-Out with TTT 0x01020304, LUN 1, ITT 0xffffffff, I=1 and no data"
	switch {
	case !is:
		t.Fail(e, want)
	case p.TTT != ttt, p.LUN != ping.LUN, p.ITT == pdu.ReservedTag && !p.Immediate, len(p.Data) > 0:
		t.Fail(e, want)
	case p.ITT != pdu.ReservedTag:
		t.Warn("The answer is a ping of its own.", e, want)
		c.Echo(p)
	}
	if again := c.Await(time.Second, answersPing(ttt)); again.Kind == probe.Arrived {
		t.Fail(again, "one answer to one ping")
	}
	t.numberedOn(c)
}

func noAnswer(t *T) {
	c := t.Session()
	for range 10 {
		c.NOPIn(pdu.ReservedTag)
		e := c.Await(time.Second, func(e probe.Event) bool {
			p, is := probe.As[*pdu.NOPOut](e)
			return is && p.ITT == pdu.ReservedTag
		})
		if e.Kind != probe.TimedOut {
			t.Fail(e, "no NOP-Out for a NOP-In that wants no answer")
		}
	}
}

// awaitPing waits for a ping of the initiator.
func (t *T) awaitPing(c *Conn, within time.Duration) (*pdu.NOPOut, probe.Event) {
	e := c.Await(within, isPing)
	p, is := probe.As[*pdu.NOPOut](e)
	if !is {
		t.Skip("NOT-TESTABLE: the initiator sends no ping: %v.", e)
	}
	return p, e
}

func initiatorPing(t *T) {
	c := t.Session()
	op := t.Start(Ping{Data: []byte("iscsispec")})
	p, e := t.awaitPing(c, t.patience())
	if p.TTT != pdu.ReservedTag || p.LUN != 0 {
		t.Fail(e, "a ping with TTT 0xffffffff and LUN 0")
	}
	c.Echo(p)
	if r := op.Wait(); !r.Good() {
		t.Fail(r, "a ping that succeeds")
	}
	t.numberedOn(c)
}

func confirmation(t *T) {
	c := t.Session()
	e := c.Await(time.Minute, func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && p.ITT == pdu.ReservedTag
	})
	p, is := probe.As[*pdu.NOPOut](e)
	if !is {
		t.Skip("NOT-TESTABLE: the initiator sends no NOP-Out that only acknowledges.")
	}
	if p.TTT != pdu.ReservedTag || !p.Immediate || p.LUN != 0 || len(p.Data) > 0 {
		t.Fail(e, "a NOP-Out with ITT and TTT 0xffffffff, I=1, LUN 0 and no data")
	}
	if p.ExpStatSN != c.StatSN {
		t.Fail(e, fmt.Sprintf("ExpStatSN 0x%x, which acknowledges all that came", c.StatSN))
	}
	t.numberedOn(c)
}

func pingTimeout(t *T) {
	c := t.Session()
	c.MutePings = true
	t.awaitPing(c, time.Minute)
	limit := 2*pingSetting + 2*time.Second
	e := c.TryNext(limit, pdu.OpLogoutRequest)
	if p, is := probe.As[*pdu.LogoutRequest](e); is {
		c.Logout(p, pdu.LogoutSuccess)
		e = c.TryNext(t.scaled(ReactionTime))
	}
	if !e.Ended() {
		t.Fail(e, fmt.Sprintf("the initiator ends the connection within %v of the first ping that is not answered", limit))
	}
}

func wrongEcho(t *T) {
	for _, part := range []struct {
		name   string
		change func(p *pdu.NOPIn)
	}{
		{"one byte changed", func(p *pdu.NOPIn) { p.Data = append([]byte{p.Data[0] ^ 1}, p.Data[1:]...) }},
		{"no data", func(p *pdu.NOPIn) { p.Data = nil }},
		{"64 bytes more", func(p *pdu.NOPIn) { p.Data = append(append([]byte(nil), p.Data...), make([]byte, 64)...) }},
	} {
		t.Part(part.name, func() {
			c := t.Session()
			op := t.Start(Ping{Data: []byte("sixteen bytes, 1")})
			p, _ := t.awaitPing(c, t.patience())
			if len(p.Data) == 0 {
				t.Skip("NOT-TESTABLE: the initiator's pings carry no data.")
			}
			c.Echo(p, part.change)
			if !op.EndsWithin(t.scaled(ReactionTime)) {
				t.Fail("a ping that goes on", "an end of the ping")
			}
			t.RIgnoreOrClose(c)
		})
	}
}

func pingWithData(t *T) {
	c := t.Session()
	for i, size := range []int{0, 1, 3, 512, c.Params.PeerMaxRecvDataSegmentLength} {
		ttt := uint32(0x100 + i)
		c.NOPIn(ttt, func(p *pdu.NOPIn) { p.Data = t.Random(size) })
		e := c.Await(t.scaled(ReactionTime), answersPing(ttt))
		if e.Ended() && size > 0 {
			_ = c.Close() // the array's side ends too
			t.RAlive()
			return
		}
		if e.Kind != probe.Arrived {
			t.Fail(e, fmt.Sprintf("a NOP-Out that answers a ping of %d bytes", size))
		}
	}
	t.RIgnore(c)
}

func bothTags(t *T) {
	const ttt = 0x99
	c := t.Session()
	op := t.Start(Ping{Data: []byte("both")})
	p, _ := t.awaitPing(c, t.patience())
	c.Echo(p, func(in *pdu.NOPIn) { in.TTT = ttt })
	answers := 0
	for e := c.Await(t.scaled(ReactionTime), answersPing(ttt)); ; e = c.Await(time.Second, answersPing(ttt)) {
		if e.Ended() {
			_ = c.Close() // the array's side ends too
			t.RAlive()
			return
		}
		if e.Kind != probe.Arrived {
			break
		}
		answers++
	}
	switch {
	case !op.Ended():
		t.Fail("a ping that is left open", "a close", "a ping that is over")
	case answers > 1:
		t.Fail(fmt.Sprintf("%d NOP-Outs", answers), "a close", "at most one NOP-Out")
	}
	t.Warn("The initiator did not notice.", "a session that goes on", "a close")
}

func unknownPingTag(t *T) {
	c := t.Session()
	c.NOPIn(pdu.ReservedTag, func(p *pdu.NOPIn) {
		p.ITT = 0x7fffffff
		c.Number(p)
	})
	t.RIgnoreOrClose(c)
	t.RAlive()
}

// floodPings is how many pings nop.flood sends.
const floodPings = 10_000

func pingFlood(t *T) {
	c := t.Session()
	reads, tasks := t.outstanding(c, 1)
	var pings []pdu.PDU
	for i := range uint32(floodPings) {
		p := &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: i + 1}
		c.Number(p)
		pings = append(pings, p)
	}
	c.SendAll(pings...)
	answered, answers := make([]bool, floodPings+1), 0
	limit := time.Now().Add(AnswerTime)
	for answers < floodPings {
		e := c.Await(time.Until(limit), func(e probe.Event) bool {
			p, is := probe.As[*pdu.NOPOut](e)
			return is && p.ITT == pdu.ReservedTag && p.TTT != pdu.ReservedTag
		})
		if e.Ended() {
			t.Warn("The initiator closed the connection.", e, "an answer to every ping")
			return
		}
		p, is := probe.As[*pdu.NOPOut](e)
		switch {
		case !is:
			t.Fail(fmt.Sprintf("%d answers within %v", answers, AnswerTime), fmt.Sprintf("%d answers", floodPings))
		case p.TTT == 0 || p.TTT > floodPings || answered[p.TTT]:
			t.Fail(e, "one answer to each ping")
		}
		answered[p.TTT] = true
		answers++
	}
	c.Good(tasks[0])
	if r := reads[0].Wait(); !r.Good() {
		t.Fail(r, "reads that go on")
	}
	t.RIgnore(c)
}

func pingInvalidLUN(t *T) {
	const ttt = 0x11
	c := t.Session()
	ping := c.NOPIn(ttt, func(p *pdu.NOPIn) { p.LUN = ^uint64(0) })
	e := c.Await(t.scaled(ReactionTime), func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && p.ITT == pdu.ReservedTag
	})
	p, is := probe.As[*pdu.NOPOut](e)
	switch {
	case e.Ended():
		_ = c.Close() // the array's side ends too
		t.RAlive()
	case is && (p.LUN != ping.LUN || p.TTT != ttt):
		t.Fail(e, "a close", "an answer with the LUN and the TTT of the ping")
	case is:
		t.Warn("The initiator did not notice.", e, "a close")
	default:
		t.Fail(e, "a close")
	}
}
