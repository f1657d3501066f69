package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// keyLengthChecks are those of the group keys about MaxRecvDataSegmentLength.
func keyLengthChecks() []Check {
	return []Check{
		{ID: "keys.mrdsl.default-8192", Run: func(t *T) {
			c := t.Open(probe.Login{})
			t.segmentsWithin(t.Done(c, t.Read(c, 0, t.room(c, 0, 64<<10)), "a READ"), 8192)
		}},
		{ID: "keys.mrdsl.declared-value-respected", Run: declaredRespected},
		{ID: "keys.mrdsl.small-and-large-limits", Run: lengthLimits},
		{ID: "keys.mrdsl.out-of-range-refused", Run: lengthsOutOfRange},
		{ID: "keys.mrdsl.target-declaration-legal", Run: ownDeclaration},
		{ID: "keys.mrdsl.redeclared-in-ffp", Run: redeclared},
	}
}

// segmentsWithin ends the part when a Data-In of the command is longer than so many bytes.
func (t *T) segmentsWithin(r probe.Result, most int) {
	if _, segment := longest(r.Task); segment > most {
		t.Fail(fmt.Sprintf("a Data-In with %d bytes", segment), fmt.Sprintf("at most %d bytes", most))
	}
}

func declaredRespected(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=512")})
	t.Done(c, t.Read(c, 0, t.room(c, 0, 8<<10)), "a READ")
	t.Done(c, probe.Command{CDB: scsi.Inquiry(4096), Read: 4096}, "INQUIRY")
	ping := c.NOPOut(t.Random(1024))
	// What the target does with it is told by what came.
	_ = c.Send(ping)
	c.AnswerTo(ping.ITT)
	c.Text(Keys("SendTargets="))
	for _, s := range t.Received(c) {
		if _, login := s.PDU.(*pdu.LoginResponse); login {
			continue
		}
		if n := s.Event.PDU.Header.DataSegmentLength(); n > 512 {
			t.Fail(fmt.Sprintf("%v with a data segment of %d bytes", s.Event.PDU, n), "at most 512 bytes")
		}
	}
}

func lengthLimits(t *T) {
	var content []byte
	for _, length := range []int{512, 1<<24 - 1, 65537} {
		t.Part(fmt.Sprint(length), func() {
			c := t.Open(probe.Login{Keys: Keys(fmt.Sprintf("MaxRecvDataSegmentLength=%d", length))})
			if content == nil && t.MayWrite() {
				// Blocks that are all alike would hide bytes in the wrong place.
				t.Fill(c, 0, pattern(60, t.room(c, 0, 64<<10)))
				t.Fill(c, uint32((64<<10)/t.blockOf()), pattern(61, t.room(c, uint32((64<<10)/t.blockOf()), 64<<10)))
			}
			r := t.Done(c, t.Read(c, 0, t.room(c, 0, 128<<10)), "a READ")
			t.segmentsWithin(r, length)
			if content == nil {
				content = r.Data
			} else if !bytes.Equal(r.Data, content) {
				t.Fail("other data than in smaller segments", "the same data")
			}
		})
	}
}

func lengthsOutOfRange(t *T) {
	for _, length := range []string{"511", "0", "16777216"} {
		t.Part(length, func() {
			want := []string{"MaxRecvDataSegmentLength=Reject and the default of 8192", "a refusal", "a drop"}
			r := t.Offering("MaxRecvDataSegmentLength=" + length)
			if t.TurnedDown(r, true, want...) {
				return
			}
			t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
			read := t.Done(r.Conn, t.Read(r.Conn, 0, t.room(r.Conn, 0, 64<<10)), "a READ")
			_, segment := longest(read.Task)
			if segment > 8192 || segment < 512 {
				t.Fail(fmt.Sprintf("data segments of up to %d bytes", segment), want...)
			}
			if rejected := r.Walk.Received().Values(text.KeyMaxRecvDataSegmentLength); len(rejected) == 0 || rejected[0] != text.Reject {
				t.Warn("The target passes over the illegal declaration.", r, want...)
			}
		})
	}
}

func ownDeclaration(t *T) {
	r := t.Login(probe.Login{})
	c := t.Granted(r)
	value, told := r.Walk.Received().Get(text.KeyMaxRecvDataSegmentLength)
	length := 8192
	if n, number := text.ParseNumber(value); told && (!number || n < 512 || n > 1<<24-1) {
		t.Fail("MaxRecvDataSegmentLength="+value, "512 to 16777215")
	} else if told {
		length = n
	}
	ping := c.NOPOut(t.Random(min(length, 65536)))
	// What the target does with it is told by the event that follows.
	_ = c.Send(ping)
	if e := c.AnswerTo(ping.ITT); e.Kind != probe.Arrived || e.Frame.Opcode() != pdu.OpNOPIn {
		t.Fail(e, fmt.Sprintf("an answer to a ping of %d bytes", len(ping.Data)))
	}
	t.Survives(c, "the session")
}

func redeclared(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=8192")})
	want := []string{"the new limit in force", "a Reject"}
	request := c.TextRequest(Keys("MaxRecvDataSegmentLength=512"))
	request.Final = false
	itt := request.ITT
	ask := func(final bool) *pdu.TextResponse {
		// A failed write shows in the next event.
		_ = c.Send(request)
		e := c.AnswerTo(itt)
		if reject, is := probe.As[*pdu.Reject](e); is {
			c.Session.CmdSN = request.CmdSN
			t.Warn("The target does not take a declaration in full feature phase.", reject.Reason, want...)
			t.Done(c, t.Read(c, 0, 4096), "a READ after the Reject")
			panic(stop{})
		}
		response, is := probe.As[*pdu.TextResponse](e)
		if !is || response.Final != final || (response.TTT == pdu.ReservedTag) != final {
			t.Fail(e, fmt.Sprintf("a Text Response with F=%v and a TTT that says the same", final))
		}
		return response
	}
	first := ask(false)
	request = &pdu.TextRequest{Final: true, LUN: first.LUN, ITT: itt, TTT: first.TTT, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN}
	c.Session.CmdSN++
	last := ask(true)
	for _, response := range []*pdu.TextResponse{first, last} {
		pairs, _ := text.Parse(response.Data) // what cannot be read is no answer
		for _, value := range pairs.Values(text.KeyMaxRecvDataSegmentLength) {
			if text.Reserved(value) {
				t.Warn("The target does not take a declaration in full feature phase.", "MaxRecvDataSegmentLength="+value, want...)
				return
			}
		}
	}
	t.segmentsWithin(t.Done(c, t.Read(c, 0, 4096), "a READ"), 512)
}
