package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// idleTime is how long a check waits for a ping of the target.
const idleTime = 30 * time.Second

// pingChecks are those of the group nop.
func pingChecks() []Check {
	return []Check{
		{ID: "nop.ping.immediate-no-data", Run: plainPing},
		{ID: "nop.ping.data-echo-immediate", Run: pingEcho},
		{ID: "nop.unsolicited.format", Run: pingOfTarget, Array: func(p *simtarget.Profile) {
			p.Session.PingInterval, p.Session.PingTimeout = 5*time.Second, 5*time.Second
		}},
	}
}

// pinged sends a ping and returns the NOP-In that answers it, with its event.
func (t *T) pinged(c *probe.Conn, ping *pdu.NOPOut) (*pdu.NOPIn, probe.Event) {
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	in, is := probe.As[*pdu.NOPIn](e)
	if !is {
		t.Fail(e, "a NOP-In that answers the ping")
	}
	if in.TTT != pdu.ReservedTag || !e.Frame.BHS.Final() {
		t.Fail(fmt.Sprintf("a NOP-In with TTT 0x%x, F=%t", in.TTT, e.Frame.BHS.Final()), "TTT 0xffffffff and F=1")
	}
	return in, e
}

func plainPing(t *T) {
	c := t.Open(probe.Login{})
	ping := c.NOPOut(nil)
	ping.ITT = 0x12345678
	in, _ := t.pinged(c, ping)
	if len(in.Data) > 0 {
		t.Fail(fmt.Sprintf("a NOP-In with %d bytes", len(in.Data)), "no data")
	}
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	if next, _ := statSNOf(r.Event.PDU); next != in.StatSN+1 {
		t.Fail(fmt.Sprintf("StatSN 0x%x after 0x%x", next, in.StatSN), "the next StatSN")
	}
}

func pingEcho(t *T) {
	c := t.Open(probe.Login{})
	data := pattern(30, 101)
	in, e := t.pinged(c, c.NOPOut(data))
	if !bytes.Equal(in.Data, data) {
		t.Fail(fmt.Sprintf("a NOP-In with %d bytes: % x", len(in.Data), in.Data[:min(len(in.Data), 16)]), "the 101 bytes of the ping")
	}
	if len(e.Frame.Pad) != 3 {
		t.Fail(fmt.Sprintf("padding of %d bytes", len(e.Frame.Pad)), "padding of 3 bytes")
	}
	t.Survives(c, "the session")
}

func pingOfTarget(t *T) {
	c := t.Open(probe.Login{})
	c.AnswerPings = false
	ping, untagged := t.awaitPing(c)
	if ping == nil && untagged {
		// A NOP-In without a Target Transfer Tag wants no answer, unless the target makes its absence felt.
		t.Skip("The target sends NOP-In, but no ping.")
	}
	if ping == nil {
		t.Skip("The target sends no ping within %v.", t.patient(idleTime))
	}
	if len(ping.Data) > 0 {
		t.Fail(fmt.Sprintf("a ping with %d bytes", len(ping.Data)), "a ping without data")
	}
	// A failed write shows in the next event.
	_ = c.Send(&pdu.NOPOut{Immediate: true, LUN: ping.LUN, ITT: pdu.ReservedTag, TTT: ping.TTT, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN})
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	if sn, _ := statSNOf(r.Event.PDU); sn != ping.StatSN {
		t.Fail(fmt.Sprintf("StatSN 0x%x after a ping that showed 0x%x", sn, ping.StatSN), "the StatSN that the ping showed")
	}
}

// awaitPing waits for a NOP-In that asks for an answer. It ends the part when the target drops the connection over one that could not be
// answered, since it had no Target Transfer Tag.
func (t *T) awaitPing(c *probe.Conn) (ping *pdu.NOPIn, untagged bool) {
	until := time.Now().Add(t.patient(idleTime))
	for range 64 {
		e := c.NextOfAll(time.Until(until))
		in, is := probe.As[*pdu.NOPIn](e)
		switch {
		case is && in.ITT == pdu.ReservedTag && in.TTT != pdu.ReservedTag:
			return in, untagged
		case is && in.ITT == pdu.ReservedTag:
			untagged = true
		case e.Ended() && untagged:
			t.Fail("the target drops the connection after a NOP-In with TTT 0xffffffff, which wants no answer", "a ping with another TTT")
		case e.Kind != probe.Arrived:
			return nil, untagged
		}
	}
	return nil, untagged
}
