package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// answeringTime is how long a check answers the pings of a target, and how long it leaves them unanswered.
const answeringTime = 2 * time.Minute

// pingDataChecks are those of the group nop that are about numbers and data.
func pingDataChecks() []Check {
	return []Check{
		{ID: "nop.ping.non-immediate-no-data", Run: numberedPingAnswered},
		{ID: "nop.ping.data-echo-non-immediate", Run: func(t *T) {
			c := t.Open(probe.Login{})
			t.echoes(c, numberedPing(c, pattern(31, 100)), 100)
			t.Survives(c, "the session")
		}},
		{ID: "nop.ping.data-truncated-immediate", Run: func(t *T) { t.truncates(true) }},
		{ID: "nop.ping.data-truncated-non-immediate", Run: func(t *T) { t.truncates(false) }},
		{ID: "nop.ping.maximum-data", Run: largestPing},
		{ID: "nop.ping.multiple-outstanding", Run: pingsTogether},
		{ID: "nop.no-response.reserved-itt", Run: pingForNothing},
		{ID: "nop.response.reserved-ttt-in-answer", Run: answerToNoPing},
		{ID: "nop.order.answered-while-writes-pend", Risk: scenarios.Writes, Run: pingBesideWrite},
		{ID: "nop.unsolicited.information-only", Run: informationOnly},
		{ID: "nop.unsolicited.unanswered-ping-drop", Run: pingsAnswered,
			Limits: scenarios.Limits{Run: 6 * time.Minute, Wall: 6 * time.Minute},
			Array: func(p *simtarget.Profile) {
				p.Session.PingInterval, p.Session.PingTimeout = 10*time.Second, 10*time.Second
			}},
	}
}

func numberedPingAnswered(t *T) {
	c := t.Open(probe.Login{})
	ping := numberedPing(c, nil)
	in, _ := t.pinged(c, ping)
	if len(in.Data) > 0 {
		t.Fail(fmt.Sprintf("a NOP-In with %d bytes", len(in.Data)), "no data")
	}
	if in.ExpCmdSN != ping.CmdSN+1 {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x after CmdSN 0x%x", in.ExpCmdSN, ping.CmdSN), fmt.Sprintf("ExpCmdSN 0x%x", ping.CmdSN+1))
	}
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	if next, _ := statSNOf(r.Event.PDU); next != in.StatSN+1 {
		t.Fail(fmt.Sprintf("StatSN 0x%x after 0x%x", next, in.StatSN), "the next StatSN")
	}
}

// echoes ends the part unless a ping is answered with the first n bytes of its data.
func (t *T) echoes(c *probe.Conn, ping *pdu.NOPOut, n int) *pdu.NOPIn {
	in, _ := t.pinged(c, ping)
	switch {
	case len(in.Data) > n, !bytes.HasPrefix(ping.Data, in.Data):
		t.Fail(fmt.Sprintf("a NOP-In with %d bytes: % x", len(in.Data), in.Data[:min(len(in.Data), 16)]), fmt.Sprintf("the first %d bytes of the ping", n))
	case len(in.Data) < n && n < len(ping.Data):
		t.Warn("The data comes back shorter than the initiator would take.", fmt.Sprintf("%d bytes", len(in.Data)), fmt.Sprintf("%d bytes", n))
	case len(in.Data) < n:
		t.Fail(fmt.Sprintf("a NOP-In with %d bytes", len(in.Data)), fmt.Sprintf("the %d bytes of the ping", n))
	}
	return in
}

func (t *T) truncates(immediate bool) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=512")})
	most := min(c.Params.PeerMaxRecvDataSegmentLength, 8192)
	if most <= 512 {
		t.Skip("The target takes no more than 512 bytes in a PDU.")
	}
	ping := c.NOPOut(pattern(32, most))
	if !immediate {
		ping = numberedPing(c, ping.Data)
	}
	in := t.echoes(c, ping, 512)
	if !immediate && in.ExpCmdSN != c.Session.CmdSN {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x", in.ExpCmdSN), fmt.Sprintf("ExpCmdSN 0x%x", c.Session.CmdSN))
	}
}

func largestPing(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=65536")})
	n := min(c.Params.PeerMaxRecvDataSegmentLength, 65536)
	t.echoes(c, c.NOPOut(pattern(33, n)), n)
	t.Survives(c, "the session")
}

func pingsTogether(t *T) {
	c := t.Open(probe.Login{})
	var frames []*pdu.Frame
	pings := map[uint32][]byte{}
	for i := range uint32(min(8, max(1, c.Session.Window()))) {
		ping := numberedPing(c, pattern(34+i, 16))
		pings[ping.ITT] = ping.Data
		frames = append(frames, pdu.FrameOf(ping))
	}
	// A failed write shows in the next event.
	_ = c.SendAll(frames...)
	for range frames {
		e := c.Answer()
		in, is := probe.As[*pdu.NOPIn](e)
		if !is {
			t.Fail(e, "a NOP-In for each ping")
		}
		data, asked := pings[in.ITT]
		if !asked || !bytes.Equal(in.Data, data) {
			t.Fail(fmt.Sprintf("%v with the data % x", e, in.Data[:min(len(in.Data), 16)]), "each ping answered once, with its own data")
		}
		delete(pings, in.ITT)
	}
	t.Survives(c, "the session")
}

// unasked ends the part when a NOP-Out that asks for nothing was answered: by a NOP-In that is a warning. A fence shows what came before.
func (t *T) unasked(c *probe.Conn, reasons ...pdu.RejectReason) {
	before := len(t.Received(c))
	e, quiet := c.AwaitSilence()
	reject, rejected := probe.As[*pdu.Reject](e)
	switch {
	case quiet:
	case rejected && len(reasons) > 0:
		t.Rejected(e, false, reasons...)
	case rejected:
		t.FailFirmly(fmt.Sprintf("a Reject with reason 0x%02x", byte(reject.Reason)), "no answer")
	case e.Ended() && len(reasons) > 0:
		t.Warn("The target drops the connection.", e, "no answer", "a Reject")
		return
	default:
		t.FailFirmly(e, "no answer")
	}
	for _, s := range t.Received(c)[before:] {
		if in, is := s.PDU.(*pdu.NOPIn); is && in.ITT == pdu.ReservedTag && in.TTT == pdu.ReservedTag {
			t.Warn("A NOP-Out that asks for nothing is answered.", s.Event.PDU, "no answer")
		}
	}
	if err := c.Ping(nil); err != nil {
		t.FailFirmly(err, "a NOP-In that answers a ping")
	}
}

func pingForNothing(t *T) {
	c := t.Open(probe.Login{})
	ping := c.NOPOut(nil)
	ping.ITT = pdu.ReservedTag
	// A failed write shows in the next event.
	_ = c.Send(ping)
	t.unasked(c)
}

func answerToNoPing(t *T) {
	c := t.Open(probe.Login{})
	ping := c.NOPOut(nil)
	ping.ITT, ping.TTT = pdu.ReservedTag, 0x00c0ffee
	// A failed write shows in the next event.
	_ = c.Send(ping)
	t.unasked(c, pdu.RejectInvalidPDUField, pdu.RejectProtocolError)
}

func pingBesideWrite(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(35, 4096), 0)
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.Await(5*time.Second, func(e probe.Event) bool { return e.Frame.BHS.ITT() == ping.ITT })
	if _, is := probe.As[*pdu.NOPIn](e); !is {
		t.Fail(e, "a NOP-In within 5 s")
	}
	task.Serve(r2t)
	t.Good(task.Await(), "the WRITE beside the ping")
}

func informationOnly(t *T) {
	c := t.Open(probe.Login{})
	if t.Embedded() {
		t.Act(simtarget.Action{Ping: &simtarget.Ping{NoAnswer: true}})
	}
	for _, task := range t.reads(c, 128, 512) {
		t.answered(task.Await())
	}
	t.Quiet(c)
	t.Survives(c, "the session")
	seen := false
	for _, s := range t.Received(c) {
		in, is := s.PDU.(*pdu.NOPIn)
		if !is || in.ITT != pdu.ReservedTag || in.TTT != pdu.ReservedTag {
			continue
		}
		seen = true
		if len(in.Data) > 0 {
			t.Fail(fmt.Sprintf("a NOP-In with %d bytes", len(in.Data)), "no data")
		}
		if in.LUN != 0 {
			t.Warn("A NOP-In that asks for nothing has a LUN.", fmt.Sprintf("LUN 0x%016x", in.LUN), "LUN 0")
		}
	}
	if !seen {
		t.Skip("The target sends no NOP-In that asks for nothing.")
	}
	t.StatSNInOrder()
}

func pingsAnswered(t *T) {
	c := t.Open(probe.Login{})
	count := 0
	for until := time.Now().Add(t.patient(answeringTime)); time.Now().Before(until); {
		e := c.Next(min(t.patient(idleTime), time.Until(until)))
		if e.Ended() {
			t.FailFirmly(e, "a connection that stays while each ping is answered")
		}
		pings := 0
		for _, s := range t.Received(c) {
			if in, is := s.PDU.(*pdu.NOPIn); is && in.ITT == pdu.ReservedTag && in.TTT != pdu.ReservedTag {
				pings++
			}
		}
		if count = pings; count == 0 && e.Kind == probe.TimedOut {
			t.Skip("The target sends no ping within %v.", t.patient(idleTime))
		}
	}
	t.Survives(c, "the session whose pings were answered")
	silent := t.clone(probe.Login{})
	silent.AnswerPings = false
	for until := time.Now().Add(t.patient(answeringTime)); time.Now().Before(until); {
		if e := silent.NextOfAll(time.Until(until)); e.Kind != probe.Arrived {
			break // what a target does without answers is its own choice
		}
	}
}
