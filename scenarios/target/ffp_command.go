package target

import (
	"encoding/binary"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// commandChecks are those of the group ffp-sequencing that are about StatSN, tags and the fields of SCSI Command.
func commandChecks() []Check {
	return []Check{
		{ID: "ffp-sequencing.statsn.not-consumed-by-r2t-and-data", Run: statSNOfR2Ts, Risk: scenarios.Writes},
		{ID: "ffp-sequencing.statsn.wraps", Run: statSNWraps, Array: func(p *simtarget.Profile) { p.Session.FirstStatSN = 0xfffffff0 }},
		{ID: "ffp-sequencing.expstatsn.stale-value-tolerated", Run: staleExpStatSN},
		{ID: "ffp-sequencing.itt.any-value-but-reserved", Run: anyTag},
		{ID: "ffp-sequencing.itt.in-use-rejected", Risk: scenarios.Writes, Run: tagInUse},
		{ID: "ffp-sequencing.ahs.extended-cdb", Run: extendedCDB},
		{ID: "ffp-sequencing.ahs.bidirectional-length", Risk: scenarios.Writes, Run: func(t *T) {
			t.Part("both lengths as the CDB has them", func() { t.bidirectional(2048) })
			t.Part("a read length below the CDB's", func() { t.bidirectional(1024) })
		}},
		{ID: "ffp-sequencing.task-attributes.all-accepted", Run: taskAttributes},
		{ID: "ffp-sequencing.command.priority-ignored-below-level-two", Run: priorityIgnored},
		{ID: "ffp-sequencing.response.status-qualifier-zero", Risk: scenarios.Writes, Run: statusQualifier},
	}
}

func statSNOfR2Ts(t *T) {
	c := t.smallBurst()
	next := c.ExpStatSN
	seen := len(t.Received(c))
	n := t.room(c, 0, 64<<10)
	if t.MayWrite() {
		t.Fill(c, 0, pattern(84, n))
	}
	t.Content(c, 0, n)
	t.answered(c.Execute(probe.TestUnitReady()))
	for _, s := range t.Received(c)[seen:] {
		if r2t, is := s.PDU.(*pdu.R2T); is && r2t.StatSN != next {
			t.Fail(fmt.Sprintf("an R2T with StatSN 0x%x", r2t.StatSN), fmt.Sprintf("StatSN 0x%x, the next one", next))
		}
		if sn, counts := statSNOf(s.PDU); counts {
			if sn != next {
				t.Fail(fmt.Sprintf("StatSN 0x%x in %v", sn, s.Event.PDU), fmt.Sprintf("StatSN 0x%x", next))
			}
			next++
		}
	}
}

func statSNWraps(t *T) {
	c := t.Open(probe.Login{})
	if c.ExpStatSN < 1000 {
		return // it has wrapped in the login already
	}
	if c.ExpStatSN < 0xffffffff-1000 {
		t.Skip("The target's StatSN is 0x%x, far from the wrap.", c.ExpStatSN)
	}
	for range 1010 {
		t.answered(c.Execute(probe.TestUnitReady()))
		if c.ExpStatSN > 8 && c.ExpStatSN < 1000 {
			break
		}
	}
	t.StatSNInOrder()
}

func staleExpStatSN(t *T) {
	c := t.Open(probe.Login{})
	texts := t.frozen(c, true)
	if !texts {
		c = t.Open(probe.Login{})
		t.frozen(c, false)
	}
	t.Survives(c, "the session")
	t.StatSNInOrder()
}

// frozen runs 20 commands that acknowledge nothing, then a Text Request, and acknowledges all at once. It returns false when the target
// drops the connection over the Text Request.
func (t *T) frozen(c *probe.Conn, ask bool) bool {
	c.HoldExpStatSN = true
	var last uint32
	for range min(20, max(1, c.Session.Window())) {
		r := c.Execute(probe.TestUnitReady())
		t.answered(r)
		last, _ = statSNOf(r.Event.PDU)
	}
	if ask {
		_, e := t.texted(c, c.TextRequest(Keys("SendTargets="+t.Options().Target)))
		sn, counts := statSNOf(e.PDU)
		switch {
		case e.Kind != probe.Arrived:
			return false
		case counts && sn != last+1:
			t.Fail(fmt.Sprintf("StatSN 0x%x after 0x%x", sn, last), fmt.Sprintf("StatSN 0x%x", last+1))
		}
		if reject, rejected := probe.As[*pdu.Reject](e); rejected {
			c.Session.CmdSN = reject.ExpCmdSN
		}
		last++
	}
	c.HoldExpStatSN, c.ExpStatSN = false, last+1
	return true
}

func anyTag(t *T) {
	c := t.Open(probe.Login{})
	for _, itt := range []uint32{0, 1, 0x80000000, 0xfffffffe} {
		command := probe.TestUnitReady()
		command.Patch = func(p *pdu.SCSICommand) { p.ITT = itt }
		r := c.Execute(command)
		if !r.Answered {
			t.Fail(fmt.Sprintf("ITT 0x%08x: %v", itt, r), "a SCSI Response with the same tag")
		}
	}
}

func tagInUse(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(85, 4096), 9)
	second := probe.TestUnitReady()
	second.Patch = func(p *pdu.SCSICommand) { p.ITT = 9 }
	c.Start(second)
	e := c.Await(t.Options().QuietTime, func(e probe.Event) bool {
		if reject, is := probe.As[*pdu.Reject](e); is {
			h, whole := reject.Rejected()
			return whole && h.ITT() == 9
		}
		return e.Frame.BHS.ITT() == 9
	})
	want := []string{"a Reject with reason 0x07", "CHECK CONDITION", "a drop"}
	both := false
	switch p := e.PDU.(type) {
	case *pdu.Reject:
		if p.Reason != pdu.RejectTaskInProgress {
			t.Rejected(e, false, pdu.RejectProtocolError, pdu.RejectInvalidPDUField)
			t.Warn("The Reject has another reason.", e, want...)
		}
		c.Session.CmdSN = p.ExpCmdSN
	case *pdu.SCSIResponse:
		if both = p.Status == byte(scsi.StatusGood); !both {
			return
		}
	default:
		if e.Ended() {
			return
		}
	}
	task.Serve(r2t)
	r := task.Await()
	switch {
	case both && r.Answered:
		t.Warn("Both tasks of one tag are executed.", r, want...)
	case both:
		t.Fail(fmt.Sprintf("GOOD for the second command, and %v for the WRITE", r), want...)
	case e.Kind == probe.TimedOut && r.Answered:
		t.Warn("The second command is passed over in silence.", r, want...)
	case !r.Answered && !r.Event.Ended():
		t.Fail(r, "a status for the WRITE")
	}
}

func extendedCDB(t *T) {
	c := t.Open(probe.Login{})
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	cdb := make([]byte, 32)
	cdb[0], cdb[7], cdb[9], cdb[31] = 0x7f, 0x18, 0x09, 1 // READ(32) of one block
	r := c.Execute(probe.Command{CDB: cdb, Read: int(unit.BlockSize)})
	want := []string{"GOOD", "CHECK CONDITION", "a Reject with reason 0x05 or 0x09"}
	switch reject := r.Rejected(); {
	case r.Event.Ended():
		t.Warn("A CDB of 32 bytes ends the connection.", r, want...)
		return
	case reject != nil:
		t.Rejected(r.Event, false, pdu.RejectCommandNotSupported, pdu.RejectInvalidPDUField)
		c.Session.CmdSN = reject.ExpCmdSN
	}
	if next := c.Execute(probe.TestUnitReady()); !next.Answered {
		t.FailFirmly(fmt.Sprintf("%v for a CDB of 32 bytes, then %v", r, next), want...)
	}
}

// bidirectional executes an XDWRITEREAD(10) of 2048 bytes, of which the initiator takes so many back.
func (t *T) bidirectional(length int) {
	const n = 2048
	c := t.Open(solicited("MaxBurstLength=512", "FirstBurstLength=512", "MaxRecvDataSegmentLength=512"))
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	if unit.BlockSize > n {
		t.Skip("The logical unit has blocks of %d bytes.", unit.BlockSize)
	}
	old, data := t.Content(c, 0, n), pattern(86, n)
	r := c.Execute(probe.Command{CDB: scsi.XDWriteRead10(t.Options().First, uint16(n/unit.BlockSize)), Write: data, Patch: func(p *pdu.SCSICommand) {
		p.Read = true
		p.SetExpectedReadDataLength(uint32(length))
	}})
	if !r.Good() {
		t.Skip("The target does not execute XDWRITEREAD(10): %v.", r)
	}
	response, is := probe.As[*pdu.SCSIResponse](r.Event)
	if !is {
		t.FailFirmly("Data-In with S=1 for a bidirectional command", "a SCSI Response")
	}
	next, dataIns := uint32(0), uint32(0)
	for _, s := range ofTask(t.Received(c), r.Task.PDU.ITT) {
		var number uint32
		switch p := s.PDU.(type) {
		case *pdu.R2T:
			number = p.R2TSN
		case *pdu.DataIn:
			number = p.DataSN
			dataIns++
		default:
			continue
		}
		if number != next {
			t.FailFirmly(fmt.Sprintf("number %d in %v", number, s.Event.PDU), fmt.Sprintf("number %d: R2TSN and DataSN count together", next))
		}
		next++
	}
	switch got, want := fmt.Sprintf("ExpDataSN %d", response.ExpDataSN), fmt.Sprintf("ExpDataSN %d", dataIns); response.ExpDataSN {
	case dataIns:
	case 0, next:
		t.Warn("ExpDataSN is 0, or counts R2Ts as RFC 3720 had it.", got, want)
	default:
		t.FailFirmly(got, want)
	}
	over := uint32(n - length)
	if response.BidiOverflow != (over > 0) || response.BidiUnderflow || response.BidiReadResidualCount != over || response.Overflow || response.Underflow {
		t.FailFirmly(fmt.Sprintf("o=%t u=%t with %d, O=%t U=%t", response.BidiOverflow, response.BidiUnderflow, response.BidiReadResidualCount,
			response.Overflow, response.Underflow), fmt.Sprintf("a bidirectional read residual of %d, and none of the write", over))
	}
	for i := range min(length, len(r.Data)) {
		if r.Data[i] != old[i]^data[i] {
			t.FailFirmly(fmt.Sprintf("byte %d is 0x%02x", i, r.Data[i]), fmt.Sprintf("0x%02x", old[i]^data[i]))
		}
	}
	t.Holds(c, 0, data, "the blocks of XDWRITEREAD(10)")
}

func taskAttributes(t *T) {
	c := t.Open(probe.Login{})
	for attr := pdu.AttrUntagged; attr <= pdu.AttrACA; attr++ {
		command := probe.TestUnitReady()
		command.Attr = &attr
		r := c.Execute(command)
		if reject := r.Rejected(); reject != nil {
			c.Session.CmdSN = reject.ExpCmdSN
		}
		if !r.Answered && (attr != pdu.AttrACA || r.Event.Kind == probe.TimedOut) {
			t.Warn(fmt.Sprintf("A command of the attribute %v is not served.", attr), r, "a SCSI status")
		}
	}
}

func priorityIgnored(t *T) {
	c := t.Open(probe.Login{})
	for _, priority := range []byte{1, 15} {
		for _, command := range []probe.Command{probe.TestUnitReady(), t.Read(c, 0, 512)} {
			frame := pdu.FrameOf(c.Request(command))
			frame.BHS[2] = priority << 4
			// A failed write shows in the next event.
			_ = c.SendFrame(frame)
			if done := t.endOf(c, frame.BHS.ITT()); !done {
				return
			}
		}
	}
}

// endOf ends the part unless a command completes with GOOD. It returns false where the target takes its PDU for malformed.
func (t *T) endOf(c *probe.Conn, itt uint32) bool {
	for {
		e := c.AnswerTo(itt)
		if e.Ended() {
			t.Warn("A command with a priority ends the connection.", e, "GOOD")
			return false
		}
		switch p := e.PDU.(type) {
		case *pdu.DataIn:
			if p.StatusPresent && p.Status == byte(scsi.StatusGood) {
				return true
			}
		case *pdu.SCSIResponse:
			if p.Response != pdu.ResponseCompleted || p.Status != byte(scsi.StatusGood) {
				t.Fail(e, "GOOD, as without a priority")
			}
			return true
		case *pdu.Reject:
			t.Warn("A command with a priority is rejected.", e, "GOOD")
			return false
		default:
			t.Fail(e, "GOOD, as without a priority")
		}
	}
}

func statusQualifier(t *T) {
	c := t.Open(probe.Login{})
	t.answered(c.Execute(probe.TestUnitReady()))
	t.answered(c.Execute(probe.Command{CDB: []byte{0xff, 0, 0, 0, 0, 0}}))
	conns := []*probe.Conn{c}
	if r := t.Login(probe.Login{}); r.Granted() {
		other := r.Conn
		t.Check(other.ClearUnitAttentions(), "TEST UNIT READY after the login")
		if c.Execute(probe.Command{CDB: scsi.Reserve6()}).Good() {
			t.answered(other.Execute(t.Read(other, 0, 512)))
			t.answered(c.Execute(probe.Command{CDB: scsi.Release6()}))
		}
		conns = append(conns, other)
	}
	for _, conn := range conns {
		for _, s := range t.Received(conn) {
			if _, is := s.PDU.(*pdu.SCSIResponse); !is {
				continue
			}
			if q := binary.BigEndian.Uint16(s.Event.PDU.Header[8:]); q != 0 {
				t.Fail(fmt.Sprintf("status qualifier 0x%04x in %v", q, s.Event.PDU), "0 below protocol level 2")
			}
		}
	}
}
