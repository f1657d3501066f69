package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// framingChecks are those of the group robustness about bytes that are no PDUs, or not the right ones.
func framingChecks() []Check {
	long := scenarios.Limits{Run: 10 * time.Minute, Wall: 12 * time.Minute}
	return []Check{
		{ID: "robustness.framing.tcp-segmentation-irrelevant", Run: segmented, Limits: long},
		{ID: "robustness.framing.random-bytes-before-login", Run: garbageBeforeLogin, Limits: long},
		{ID: "robustness.framing.random-bytes-in-ffp", Run: garbageInFullFeature},
		{ID: "robustness.framing.mutated-pdu-fuzz", Run: flippedBits, Limits: long},
	}
}

// dribble sends bytes one at a time, 1 ms apart.
func (t *T) dribble(c *probe.Conn, b []byte) {
	for i := range b {
		t.Check(c.SendRaw(b[i:i+1]), "sending a single byte")
		if !t.Pause(time.Millisecond) {
			return
		}
	}
}

func segmented(t *T) {
	c := t.Connect()
	w := c.Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login in single bytes leaves out.")
	}
	step := probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: keys}
	t.dribble(c, pdu.Encode(nil, w.Request(step), pdu.Digests{}))
	a := w.Await(step)
	if !a.OK() {
		t.Fail(a.Event, "a Login Response with Status 0x0000")
	}
	if a.FullFeature() {
		t.Leave(c) // for targets that bear one session
	} else {
		_ = c.Close()
	}

	c = t.Open(probe.Login{})
	ping := c.NOPOut([]byte("in single bytes"))
	t.dribble(c, pdu.Encode(nil, ping, c.Digests))
	e := c.AnswerTo(ping.ITT)
	in, is := probe.As[*pdu.NOPIn](e)
	if !is {
		t.Fail(e, "a NOP-In that answers the ping")
	}
	if len(in.Data) > 0 && string(in.Data) != "in single bytes" { // a target that returns no data at all does not owe it to the segments
		t.Fail(e, "a NOP-In with the data of the ping")
	}
	read := t.Read(c, 0, 4096)
	whole := t.Done(c, read, "a READ").Data
	command := c.Request(read)
	t.dribble(c, pdu.Encode(nil, command, c.Digests))
	if got := t.gathers(c, command.ITT, len(whole)); !bytes.Equal(got, whole) {
		t.Fail("a READ that was sent in single bytes brings other data", "the data of the blocks")
	}
	t.atOnce(c)
}

// gathers collects the Data-In of a task until its status.
func (t *T) gathers(c *probe.Conn, itt uint32, n int) []byte {
	data := make([]byte, n)
	for {
		e := c.AnswerTo(itt)
		if in, is := probe.As[*pdu.DataIn](e); is && int(in.BufferOffset)+len(in.Data) <= n {
			copy(data[in.BufferOffset:], in.Data)
			if in.StatusPresent {
				return data
			}
			continue
		}
		if r, is := probe.As[*pdu.SCSIResponse](e); is && r.Status == 0 {
			return data
		}
		t.Fail(e, "the data and status of a READ")
	}
}

// atOnce sends 50 PDUs in one write, and awaits their answers.
func (t *T) atOnce(c *probe.Conn) {
	var frames []*pdu.Frame
	var tags []uint32
	for range 50 {
		ping := c.NOPOut([]byte("ping"))
		frames, tags = append(frames, pdu.FrameOf(ping)), append(tags, ping.ITT)
	}
	t.Check(c.SendAll(frames...), "sending 50 PDUs at once")
	for i, tag := range tags {
		e := c.AnswerTo(tag)
		if reject, is := probe.As[*pdu.Reject](e); is && reject.Reason == pdu.RejectTooManyImmediate {
			continue
		}
		if _, is := probe.As[*pdu.NOPIn](e); !is {
			t.Fail(fmt.Sprintf("ping %d of 50 that came at once: %v", i+1, e), "a NOP-In")
		}
	}
	t.Survives(c, "the session")
}

// substantial tells whether a target has answered something that is no login as though it were one.
func substantial(e probe.Event) bool {
	response, is := probe.As[*pdu.LoginResponse](e)
	_, reject := probe.As[*pdu.Reject](e)
	return e.Kind == probe.Arrived && !reject && (!is || response.StatusClass == 0)
}

// The connections that bring garbage, how many of them are open at a time, and how long each waits for what the target says to it.
const (
	garbageConns = 101
	garbageBatch = 25
	garbageWait  = 5 * time.Second
)

func garbageBeforeLogin(t *T) {
	stays := 0
	for first := 0; first < garbageConns; first += garbageBatch {
		var batch []*probe.Conn
		for i := first; i < min(first+garbageBatch, garbageConns); i++ {
			batch = append(batch, t.garbage(i))
		}
		// They wait together.
		for until := time.Now().Add(t.patient(garbageWait)); len(batch) > 0; batch = batch[1:] {
			e := batch[0].Next(max(time.Until(until), time.Millisecond))
			if substantial(e) {
				t.Fault(e, "a drop without an answer of substance")
			}
			if e.Kind == probe.TimedOut {
				stays++
			}
			_ = batch[0].Close()
		}
	}
	if stays > 0 {
		t.Note("%d of %d connections are still open %v after the garbage", stays, garbageConns, t.patient(garbageWait))
	}
	t.serves("a session after garbage at the portal")
}

// garbage opens a connection and sends what is no login: the last one an HTTP request, the others random bytes.
func (t *T) garbage(i int) *probe.Conn {
	c := t.Connect()
	garbage := t.Random(1 + i*41%4096)
	if i == garbageConns-1 {
		garbage = []byte("GET / HTTP/1.1\r\nHost: target\r\n\r\n")
	}
	if garbage[0]&0x3f == byte(pdu.OpLoginRequest) {
		garbage[0] ^= 0x20
	}
	// A failed write shows in the next event.
	_ = c.SendRaw(garbage)
	return c
}

func garbageInFullFeature(t *T) {
	other := t.Open(probe.Login{})
	victim := t.Open(probe.Login{})
	garbage := t.Random(48 << 10)
	tame(garbage)
	// A failed write is the target's right.
	_ = victim.SendRaw(garbage)
	t.Pause(t.Options().QuietTime)
	t.Survives(other, "the session beside one that sends garbage")
	_ = victim.Reset()
	t.serves("a session after garbage")
}

// tame makes the first header of garbage one of an operation code that does not exist and of no data, and the headers behind it such that
// none is a request that a target may harm data for.
func tame(b []byte) {
	for at := 0; at+pdu.BHSLength <= len(b); at += pdu.BHSLength {
		b[at] = b[at]&0xc0 | 0x1f
		copy(b[at+4:at+8], []byte{0, 0, 0, 0})
	}
}

// flips are the PDUs of whose headers each bit is flipped.
func flips(c *probe.Conn) []pdu.PDU {
	return []pdu.PDU{
		&pdu.SCSICommand{Final: true, Read: true, Attr: pdu.AttrSimple, LUN: c.Prober().Options().LUN, ITT: c.NewTag(), ExpectedDataTransferLength: 512,
			CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN, CDB: [16]byte(append(scsi.Read10(0, 1), make([]byte, 6)...))},
		c.NOPOut(nil),
		c.TaskManagement(pdu.FunctionAbortTask, c.NewTag(), c.Session.CmdSN),
		&pdu.TextRequest{Final: true, Immediate: true, ITT: c.NewTag(), TTT: pdu.ReservedTag, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN},
		&pdu.DataOut{Final: true, ITT: c.NewTag(), TTT: 1, ExpStatSN: c.ExpStatSN},
		c.LogoutRequest(pdu.LogoutCloseSession, c.CID),
		&pdu.SNACKRequest{Type: pdu.SNACKStatus, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, ExpStatSN: c.ExpStatSN, BegRun: c.ExpStatSN, RunLength: 1},
		&pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ITT: c.NewTag(), CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN},
	}
}

// harmful tells whether a mutated header could ask for what destroys data, or for the end of other sessions.
func harmful(h *pdu.BHS) bool {
	switch h.Opcode() {
	case pdu.OpSCSICommand:
		switch scsi.Opcode(h[32]) {
		case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpTestUnitReady, scsi.OpInquiry, scsi.OpReadCapacity10:
			return false
		}
		return h[1]&0x20 != 0 || h[32] != 0x29 && h[32] != 0x2c && h[32] != 0x68 // what does not exist, and reads nothing either
	case pdu.OpTaskManagementRequest:
		f := pdu.TaskFunction(h[1] & 0x7f)
		return f == pdu.FunctionTargetWarmReset || f == pdu.FunctionTargetColdReset
	}
	return false
}

func flippedBits(t *T) {
	control := t.Open(probe.Login{})
	victim := t.Granted(t.Login(probe.Login{}))
	kinds := len(flips(victim))
	for kind := range kinds {
		for bit := range 8 * pdu.BHSLength {
			f := pdu.FrameOf(flips(victim)[kind])
			f.BHS[bit/8] ^= 0x80 >> (bit % 8)
			if harmful(&f.BHS) {
				continue
			}
			// A failed write is the target's right.
			_ = victim.SendFrame(f)
			if err := control.Probe(); err != nil {
				t.Fail(fmt.Sprintf("the control session after %v with bit %d flipped: %v", f, bit, err), "a control session that works")
			}
			_ = victim.Reset()
			victim = t.Granted(t.LoginWithin(probe.Login{}, retryTime))
		}
	}
}
