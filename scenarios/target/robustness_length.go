package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// lengthChecks are those of the group robustness about lengths.
func lengthChecks() []Check {
	return []Check{
		{ID: "robustness.length.oversized-data-segment", Run: oversizedData},
		{ID: "robustness.length.huge-declared-never-sent", Run: hugeAnnounced, Limits: scenarios.Limits{Run: 4 * time.Minute, Wall: 5 * time.Minute}},
		{ID: "robustness.length.login-oversized", Run: oversizedLogin},
		{ID: "robustness.length.ahs-beyond-pdu", Run: malformedAHS},
		{ID: "robustness.length.ahs-on-non-command", Run: strayAHS},
	}
}

// serves ends the part unless a new session works.
func (t *T) serves(what string) {
	c := t.Granted(t.LoginWithin(probe.Login{}, retryTime))
	t.Check(c.ClearUnitAttentions(), what)
	t.Survives(c, what)
	t.Leave(c)
}

// takes is the target's MaxRecvDataSegmentLength on a connection.
func takes(c *probe.Conn) int {
	return max(c.Params.PeerMaxRecvDataSegmentLength, 512)
}

// unfit judges the answer to something malformed: a Reject with one of the reasons, a drop, and with check CHECK CONDITION. It ends the part
// when there is none, and reports false for other answers.
func (t *T) unfit(e probe.Event, what string, check bool, reasons ...pdu.RejectReason) bool {
	if e.Ended() {
		return true
	}
	if r, is := probe.As[*pdu.Reject](e); is {
		for _, reason := range reasons {
			if r.Reason == reason {
				return true
			}
		}
		t.Fail(e, fmt.Sprintf("%s: a Reject with reason %v, or a drop", what, reasons))
	}
	if r, is := probe.As[*pdu.SCSIResponse](e); is && check && (r.Response != pdu.ResponseCompleted || r.Status == byte(scsi.StatusCheckCondition)) {
		return true
	}
	if e.Kind != probe.Arrived {
		t.Fail(fmt.Sprintf("%s: %v", what, e), "an answer, or a drop")
	}
	return false
}

func oversizedData(t *T) {
	t.Part("a ping", func() {
		c := t.Open(probe.Login{})
		m := takes(c)
		if m+4 > 1<<24-1 {
			t.Skip("The target takes data segments of any length.")
		}
		ping := c.NOPOut(make([]byte, m+4))
		// A failed write shows in the next event.
		_ = c.Send(ping)
		if e := c.AnswerTo(ping.ITT); !t.unfit(e, "a ping with too much data", false, pdu.RejectProtocolError, pdu.RejectInvalidPDUField) {
			t.Warn("More data than the target has declared to take is served.", e, "a Reject with reason 04 or 09", "a drop")
		}
	})
	t.Part("a write", func() {
		if !t.MayWrite() {
			t.Skip("The logical unit must not be written to.")
		}
		c := t.Open(probe.Login{Keys: Keys("ImmediateData=Yes", "InitialR2T=Yes", "FirstBurstLength=16777215", "MaxBurstLength=16777215")})
		m := takes(c)
		if !c.Session.Params.ImmediateData || m+4 > 4<<20 {
			t.Skip("The target takes no immediate data, or data segments of %d bytes.", m)
		}
		block := int(unitOf(t, c).BlockSize)
		data := make([]byte, (m/block+1)*block)
		command := t.Write(c, 0, data)
		command.NoUnsolicited = true
		command.Patch = func(p *pdu.SCSICommand) { p.Data = data[:m+4&^3] }
		r := c.Execute(command)
		switch {
		case r.Good():
			t.Warn("A write with more immediate data than the target has declared to take is served.", r, "a Reject with reason 04 or 09", "a drop")
		case !r.Answered:
			t.unfit(r.Event, "a write with too much immediate data", true, pdu.RejectProtocolError, pdu.RejectInvalidPDUField)
		}
	})
	t.serves("a session after oversized PDUs")
}

// unitOf is the size of the logical unit under test.
func unitOf(t *T, c *probe.Conn) probe.Capacity {
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	return unit
}

// announcedTime is how long a target is left with headers whose data does not come. There are hugeAlone of them, each on a session of its own;
// where other checks need sessions too, the check has hugeBeside sessions in all.
const (
	announcedTime = time.Minute
	hugeAlone     = 50
	hugeBeside    = 16
)

// hugeHeaders is how many headers announce too much.
func (t *T) hugeHeaders() int {
	if t.env.Beside {
		return hugeBeside - 1
	}
	return hugeAlone
}

func hugeAnnounced(t *T) {
	other := t.Open(probe.Login{})
	beyond := 0
	var victims []*probe.Conn
	// They are in the middle of a PDU: a logout would be taken for its data.
	defer func() {
		for _, c := range victims {
			_ = c.Reset()
		}
	}()
	for range t.hugeHeaders() {
		r := t.Login(probe.Login{})
		if !r.Granted() {
			break // the target bears no more sessions, or has had enough; what counts is the other one
		}
		c := r.Conn
		victims = append(victims, c)
		f := pdu.FrameOf(c.NOPOut(make([]byte, 512)))
		f.BHS.SetDataSegmentLength(1<<24 - 1)
		// A failed write is the target's right.
		_ = c.SendFrame(f)
		if takes(c) < 1<<24-1 {
			beyond++
		}
		t.Survives(other, "the session beside headers that announce 16 MiB")
	}
	// Once the target has dropped all of them it waits for nothing any more.
	for began, left := time.Now(), slices.Clone(victims); len(left) > 0 && time.Since(began) < t.patient(announcedTime); left = slices.DeleteFunc(left, over) {
		if !t.Pause(t.patient(5 * time.Second)) {
			return
		}
		t.Survives(other, "the session beside headers that announce 16 MiB")
	}
	t.Note("%d of %d headers announced more than the target takes", beyond, len(victims))
}

func oversizedLogin(t *T) {
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	first := keys.Append(nil)
	for i := 0; len(first) < 65536-64; i++ {
		first = append(first, fmt.Sprintf("X-org.iscsispec.%05d=%s\x00", i, "a value of some length that nobody understands")...)
	}
	for _, announced := range []int{len(first), 1<<24 - 1} {
		t.Part(fmt.Sprintf("%d bytes announced", announced), func() {
			c := t.Connect()
			f := pdu.FrameOf(c.Walk(probe.Login{}).Request(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Data: first}))
			f.BHS.SetDataSegmentLength(announced)
			// A failed write shows in the next event.
			_ = c.SendFrame(f)
			e := c.Answer()
			response, is := probe.As[*pdu.LoginResponse](e)
			switch {
			case is && response.StatusClass == 0:
				t.Warn("A Login Request with more than 8192 bytes is served.", e, "a refusal, or a drop")
			case is && response.StatusClass != 2 && response.StatusClass != 3:
				t.Fail(e, "a refusal of class 2 or 3", "a Reject and a drop", "a drop")
			}
		})
		t.serves("a session after a Login Request that is too long")
	}
}

func malformedAHS(t *T) {
	for _, variant := range []struct {
		name      string
		ahs       []byte
		ignorable bool
	}{
		{"1020 bytes of zeros", make([]byte, 1020), false},
		{"AHSLength 0xffff", []byte{0xff, 0xff, 1, 0}, false},
		{"AHSLength 0", []byte{0, 0, 1, 0}, false},
		{"AHSType 0x3f", []byte{0, 1, 0x3f, 0}, true},
	} {
		t.Part(variant.name, func() {
			c := t.Open(probe.Login{})
			command := probe.TestUnitReady()
			command.Patch = func(p *pdu.SCSICommand) { p.AHS = variant.ahs }
			task := c.Start(command)
			e := c.AnswerTo(task.PDU.ITT)
			r, isReject := probe.As[*pdu.Reject](e)
			response, is := probe.As[*pdu.SCSIResponse](e)
			switch {
			case e.Ended():
				return
			case isReject && (r.Reason == pdu.RejectCommandNotSupported || r.Reason == pdu.RejectInvalidPDUField || r.Reason == pdu.RejectProtocolError):
				c.Session.CmdSN = task.PDU.CmdSN // it counts as not received, and the probe takes its place
			case is && (response.Status == byte(scsi.StatusCheckCondition) || response.Response != pdu.ResponseCompleted):
			case is && response.Status == 0:
				t.Warn("A malformed or unknown additional header segment is passed over.", e, "a Reject with reason 04, 05 or 09", "CHECK CONDITION", "a drop")
			default:
				t.Fault(e, "a Reject with reason 04, 05 or 09", "CHECK CONDITION", "a drop")
			}
			t.Survives(c, "the connection, whose framing must be kept")
		})
		t.serves("a session after additional header segments that are malformed")
	}
}

func strayAHS(t *T) {
	t.Part("a ping", func() {
		c := t.Open(probe.Login{})
		ping := c.NOPOut([]byte("abcd"))
		f := pdu.FrameOf(ping)
		f.AHS = make([]byte, 4)
		f.BHS.SetTotalAHSLength(4)
		// A failed write shows in the next event.
		_ = c.SendFrame(f)
		e := c.AnswerTo(ping.ITT)
		in, is := probe.As[*pdu.NOPIn](e)
		if is && (len(in.Data) == 0 || string(in.Data) == "abcd") { // some targets return no data to any ping
			t.Warn("A ping with an additional header segment is answered.", e, "a Reject with reason 04 or 09", "a drop")
		} else if !t.unfit(e, "a ping with an additional header segment", false, pdu.RejectProtocolError, pdu.RejectInvalidPDUField) {
			t.Fail(e, "a Reject with reason 04 or 09", "a drop")
		}
		if !e.Ended() {
			t.Survives(c, "the connection, whose framing must be kept")
		}
	})
	t.Part("a task management request", func() {
		c := t.Open(probe.Login{})
		request := c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
		f := pdu.FrameOf(request)
		f.AHS = make([]byte, 4)
		f.BHS.SetTotalAHSLength(4)
		// A failed write shows in the next event.
		_ = c.SendFrame(f)
		e := c.AnswerTo(request.ITT)
		if _, is := probe.As[*pdu.TaskManagementResponse](e); is {
			t.Warn("A task management request with an additional header segment is answered.", e, "a Reject with reason 04 or 09", "a drop")
		} else if !t.unfit(e, "a task management request with an additional header segment", false, pdu.RejectProtocolError, pdu.RejectInvalidPDUField) {
			t.Fail(e, "a Reject with reason 04 or 09", "a drop")
		}
		if !e.Ended() {
			t.Check(c.ClearUnitAttentions(), "the connection, whose framing must be kept")
		}
	})
}
