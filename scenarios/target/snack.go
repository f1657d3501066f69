package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// snackChecks are those of the group snack.
func snackChecks() []Check {
	checks := []Check{
		{ID: "snack.r2t.retransmitted", Risk: scenarios.Writes, Run: r2tAgain},
		{ID: "snack.data.single-pdu", Run: func(t *T) { t.dataAgain(3, 1, 1) }},
		{ID: "snack.data.run-of-pdus", Run: func(t *T) { t.dataAgain(4, 1, 3) }},
		{ID: "snack.data.everything", Run: func(t *T) { t.dataAgain(3, 0, 0) }},
		{ID: "snack.data.open-ended-run", Run: func(t *T) { t.dataAgain(3, 2, 0) }},
		{ID: "snack.status.scsi-response", Run: statusAgain},
		{ID: "snack.status.other-responses", Run: otherResponsesAgain},
		{ID: "snack.status.already-acknowledged", Run: acknowledgedStatus},
		{ID: "snack.range.never-sent", Risk: scenarios.Writes, Run: r2tNeverSent},
		{ID: "snack.dataack.accepted-silently", Run: dataACKSilent},
		{ID: "snack.dataack.missing-tolerated", Run: dataACKMissing},
		{ID: "reject.snack.dataack-invalid", Run: dataACKInvalid},
		{ID: "snack.rdata.resegmentation", Run: resegmented},
		{ID: "snack.rdata.invalid-tag", Run: reservedSNACKTag},
		{ID: "snack.type.reserved", Run: reservedSNACKType},
		{ID: "snack.itt.unknown-task", Run: snackForNoTask},
		{ID: "snack.numbers.snack-is-unnumbered", Run: snackUnnumbered},
		{ID: "snack.status.run-of-responses", Run: statusRun},
		{ID: "snack.status.never-sent", Run: statusNeverSent},
	}
	for i := range checks {
		checks[i].Array = recovering
	}
	return checks
}

// recovering makes the array agree to recovery level 1.
func recovering(p *simtarget.Profile) { p.Session.ErrorRecoveryLevel = 1 }

// levelOne logs in at recovery level 1 or above. The part is skipped where the target agrees to less.
func (t *T) levelOne(l probe.Login) *probe.Conn {
	l.Keys = append(Keys("ErrorRecoveryLevel=1"), l.Keys...)
	c := t.Open(l)
	if c.Session.Params.ErrorRecoveryLevel < 1 {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d.", c.Session.Params.ErrorRecoveryLevel)
	}
	return c
}

// reply is what a target sent after a SNACK.
type reply struct {
	seen   []probe.Event // PDUs, in order
	reject *pdu.Reject   // of the SNACK
	async  *pdu.AsyncMessage
	whole  bool
	end    probe.Event // why no more was waited for: the answer to a ping when all came that was waited for
}

// snack sends a SNACK and takes what comes until it is whole, rejected or over; a ping then shows whether more comes.
func (t *T) snack(c *probe.Conn, p *pdu.SNACKRequest, whole func(seen []probe.Event) bool) *reply {
	r := new(reply)
	p.ExpStatSN = c.ExpStatSN
	// A failed write shows in the next event.
	_ = c.Send(p)
	for r.reject == nil && !r.whole {
		if r.end = c.Answer(); r.end.Kind != probe.Arrived {
			return r
		}
		r.take(r.end)
		r.whole = whole(r.seen)
	}
	t.fence(c, r)
	return r
}

// fence takes what comes until a ping is answered.
func (t *T) fence(c *probe.Conn, r *reply) {
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	for range 1 << 16 {
		if r.end = c.Answer(); r.end.Kind != probe.Arrived || r.end.Frame.BHS.ITT() == ping.ITT {
			return
		}
		r.take(r.end)
	}
}

// take books a PDU.
func (r *reply) take(e probe.Event) {
	r.seen = append(r.seen, e)
	switch p := e.PDU.(type) {
	case *pdu.Reject:
		if h, ok := p.Rejected(); ok && h.Opcode() == pdu.OpSNACKRequest {
			r.reject = p
		}
	case *pdu.AsyncMessage:
		r.async = p
	}
}

// String tells what came in words that can stand after "got".
func (r *reply) String() string {
	switch {
	case r.reject != nil:
		return fmt.Sprintf("a Reject with reason %v", r.reject.Reason)
	case r.async != nil:
		return fmt.Sprintf("an Asynchronous Message with event %d", r.async.Event)
	case len(r.seen) > 0 && r.end.Kind == probe.TimedOut:
		return fmt.Sprintf("%v and no more", r.seen[len(r.seen)-1])
	}
	return r.end.String()
}

// dropped tells whether the target ended the connection.
func (r *reply) dropped() bool { return r.end.Ended() }

// escalates ends the part with a warning when the target ended the matter at a higher level of recovery.
func (t *T) escalates(r *reply, want string, reasons ...pdu.RejectReason) {
	escalated := r.dropped() || r.async != nil
	for _, reason := range append(reasons, pdu.RejectSNACK) {
		escalated = escalated || r.reject != nil && r.reject.Reason == reason
	}
	if escalated {
		t.Warn("The target ends the matter at a higher level of recovery.", r, want)
		panic(stop{})
	}
}

// refusedSNACK judges the answer to a SNACK for what cannot be had: a Reject with reason 0x04 passes, one with another reason that is named
// and a drop are a warning. It returns the Reject.
func (t *T) refusedSNACK(r *reply, lesser ...pdu.RejectReason) *pdu.Reject {
	want := []string{"a Reject with reason 0x04"}
	if r.reject != nil && r.reject.Reason == pdu.RejectProtocolError {
		return r.reject
	}
	if r.reject == nil && r.dropped() {
		t.Warn("The target drops the connection instead of rejecting the SNACK.", r, want...)
		panic(stop{})
	}
	for _, reason := range lesser {
		if r.reject != nil && r.reject.Reason == reason {
			t.Warn("The target rejects the SNACK with another reason.", r, want...)
			return r.reject
		}
	}
	t.Fail(r, want...)
	return nil
}

// refusal sends a SNACK that has to be rejected, with a ping behind it, so that what comes before the answer to the ping counts.
func (t *T) refusal(c *probe.Conn, p *pdu.SNACKRequest) *reply {
	r := new(reply)
	p.ExpStatSN = c.ExpStatSN
	// A failed write shows in the next event.
	_ = c.Send(p)
	t.fence(c, r)
	if r.reject == nil && r.end.Kind == probe.Arrived {
		// The Reject may be slower than the ping.
		for r.reject == nil {
			e := c.Next(t.Options().QuietTime)
			if e.Kind != probe.Arrived {
				r.end = e
				break
			}
			r.take(e)
		}
	}
	return r
}

// statusSNACK asks for responses.
func statusSNACK(first, n uint32) *pdu.SNACKRequest {
	return &pdu.SNACKRequest{Type: pdu.SNACKStatus, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, BegRun: first, RunLength: n}
}

// plain gives a PDU of the target as bytes, without what may be new in a PDU that is sent again.
func plain(p pdu.PDU) string {
	var h pdu.BHS
	p.EncodeBHS(&h)
	for i := 28; i < 36; i++ { // ExpCmdSN and MaxCmdSN
		h[i] = 0
	}
	switch p.(type) {
	case *pdu.R2T:
		copy(h[24:28], []byte{0, 0, 0, 0}) // StatSN
	case *pdu.SCSIResponse:
		copy(h[36:40], []byte{0, 0, 0, 0}) // ExpDataSN
	}
	_, data := p.Segments()
	return string(h[:]) + string(data)
}
