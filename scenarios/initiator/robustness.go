package initiator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// robustnessChecks are those of the group robustness that are about what a target sends.
func robustnessChecks() []Check {
	return []Check{
		{ID: "robust.unknown-opcode", Run: unknownOpcodes},
		{ID: "robust.length-bomb", Run: lengthBombs},
		{ID: "robust.truncated-pdu-stall", Run: truncatedPDU},
		{ID: "robust.reserved-bits-set", Run: reservedBits},
		{ID: "robust.nonzero-pad", Run: nonzeroPadding},
		{ID: "robust.unsolicited-login-response", Run: unaskedLogin},
		{ID: "robust.unsolicited-logout-response", Run: unaskedLogout},
		{ID: "robust.unsolicited-tmf-response", Run: unaskedManagement},
		{ID: "robust.double-completion", Base: func(b *Base) { b.Window = 1 }, Run: doubleCompletion},
		{ID: "robust.data-after-final-status", Run: dataAfterStatus},
		{ID: "robust.slow-drip", Run: slowDrip},
		{ID: "robust.target-not-reading", Run: notReading},
		{ID: "robust.many-async", Run: manyEvents},
	}
}

// harmless fails unless the initiator closes the connection by now, or goes on as if nothing had come; it tells which.
func (t *T) harmless(c *Conn) (closed bool) {
	t.Wait(time.Second)
	if _, ended := c.Ended(); ended {
		_ = c.Close() // the array's side ends too
		return true
	}
	t.RIgnore(c)
	return false
}

// latest is the connection that was taken last.
func (t *T) latest() *Conn { return t.conns[len(t.conns)-1] }

func unknownOpcodes(t *T) {
	t.Session()
	for op := range 0x40 {
		if q := pdu.New(pdu.Opcode(op)); q != nil && op >= 0x20 {
			continue
		}
		c := t.latest()
		var h pdu.BHS
		h.SetOpcode(pdu.Opcode(op))
		h.SetFinal(true)
		h.SetITT(pdu.ReservedTag)
		binary.BigEndian.PutUint32(h[20:], pdu.ReservedTag)
		for i, n := range []uint32{c.StatSN, c.Session.ExpCmdSN, c.Session.MaxCmdSN()} {
			binary.BigEndian.PutUint32(h[24+4*i:], n)
		}
		c.SendFrame(&pdu.Frame{BHS: h})
		if t.harmless(c) {
			t.RAlive()
		}
	}
}

// stallPatience is how long a PDU that does not go on may be waited for.
const stallPatience = 120 * time.Second

// gives fails unless the initiator gives a connection up over a PDU that does not go on.
func (t *T) gives(c *Conn) {
	c.Mute = true
	for end := t.Now() + stallPatience; t.Now() < end; {
		if e := c.NextRaw(end - t.Now()); e.Ended() {
			_ = c.Close() // the array's side ends too
			return
		}
	}
	t.Fail("a connection that is still there", fmt.Sprintf("the end of the connection within %v", stallPatience))
}

func lengthBombs(t *T) {
	t.Part("data", func() {
		c := t.Session()
		var h pdu.BHS
		(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, StatSN: c.StatSN}).EncodeBHS(&h)
		h.SetDataSegmentLength(0xffffff)
		c.SendFrame(&pdu.Frame{BHS: h})
		t.gives(c)
		t.RAlive()
	})
	t.Part("additional header segments", func() {
		c := t.Session()
		var h pdu.BHS
		(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, StatSN: c.StatSN}).EncodeBHS(&h)
		h.SetTotalAHSLength(255 * 4)
		c.SendFrame(&pdu.Frame{BHS: h})
		t.gives(c)
		t.RAlive()
	})
}

func truncatedPDU(t *T) {
	c := t.Session()
	_, task := t.onUnit(c, 0)
	p := &pdu.SCSIResponse{ITT: task.PDU.ITT}
	c.Number(p)
	c.SendRaw(pdu.Encode(nil, p, c.Digests)[:20])
	t.gives(c)
	t.RAlive()
}

// mangledFields are the bits of target PDUs that are reserved whatever else they say (RFC 7143, Section 11): of byte 1, and whole bytes.
var mangledFields = map[pdu.Opcode]struct {
	flags byte
	bytes []int
}{
	pdu.OpNOPIn:                  {0x7f, []int{2, 3, 36, 47}},
	pdu.OpSCSIResponse:           {0x61, []int{8, 15}},
	pdu.OpTaskManagementResponse: {0x7f, []int{3, 11, 20, 36, 47}},
	pdu.OpLoginResponse:          {0x30, []int{20, 38, 39, 40, 47}},
	pdu.OpTextResponse:           {0x3f, []int{2, 3, 36, 47}},
	pdu.OpDataIn:                 {0x38, []int{2}},
	pdu.OpLogoutResponse:         {0x7f, []int{3, 8, 20, 36, 44}},
	pdu.OpR2T:                    {0x7f, []int{2, 3}},
	pdu.OpAsyncMessage:           {0x7f, []int{2, 3, 20, 44}},
	pdu.OpReject:                 {0x7f, []int{3, 8, 20, 40}},
}

func reservedBits(t *T) {
	t.Mangle = func(f *pdu.Frame) {
		r, known := mangledFields[f.Opcode()]
		if !known {
			return
		}
		f.BHS[0] |= 0xc0
		f.BHS[1] |= r.flags
		for _, i := range r.bytes {
			f.BHS[i] = 0xff
		}
	}
	defer func() { t.Mangle = nil }()
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 4*kib, c.WithStatus())
	t.Wait(time.Second)
	if e, ended := c.Ended(); ended {
		t.Warn("The initiator closes the connection over reserved bits.", e, "reserved bits that are not looked at")
		return
	}
	t.whole(op)
	write := t.Start(Write{LBA: 4096, Blocks: 512})
	c.Good(c.WriteCommand())
	if r := write.Wait(); !r.Good() {
		t.Fail(r, "a write that completes GOOD")
	}
	t.Good(Ping{Data: []byte("ping")})
	t.RIgnore(c)
	t.Good(Logout{})
}

// receiveDiagnostic is RECEIVE DIAGNOSTIC RESULTS, which reads whatever length it is asked for.
const receiveDiagnostic = 0x1c

func nonzeroPadding(t *T) {
	t.Mangle = func(f *pdu.Frame) { f.Pad = bytes.Repeat([]byte{0xff}, -len(f.Data)&3) }
	defer func() { t.Mangle = nil }()
	c := t.Session()
	for n := 37; n <= 40; n++ {
		op := t.Start(RawCDB{CDB: []byte{receiveDiagnostic, 0, 0, 0, 64, 0}, Read: 64})
		task := c.Command(receiveDiagnostic)
		task.read = bytes.Repeat([]byte{'d'}, n)
		c.DataIn(task, 0, n, Final)
		c.Status(task, scsi.StatusGood)
		r := op.Wait()
		want := append(bytes.Clone(task.read), make([]byte, 64-n)...)
		if !r.Good() || !bytes.Equal(r.Data, want) {
			t.Fail(fmt.Sprintf("%v: % x", r, r.Data), fmt.Sprintf("%d bytes of data and nothing behind them", n))
		}
		t.transferred(r, n)
		echo := t.Good(Ping{Data: want[:n]})
		if !bytes.Equal(echo.Data, want[:n]) {
			t.Fail(fmt.Sprintf("an echo of % x", echo.Data), fmt.Sprintf("an echo of %d bytes", n))
		}
	}
	read, task := t.onUnit(c, 0)
	sense := append(scsi.NewSense(scsi.MediumError, scsi.UnrecoveredReadError).Append(nil), 1)
	c.Status(task, scsi.StatusCheckCondition, func(p *pdu.SCSIResponse) {
		p.Underflow, p.ResidualCount, p.Data = true, 4*kib, pdu.SenseSegment(sense)
	})
	if r := read.Wait(); r.Request != nil && !bytes.Equal(r.Sense, sense) {
		t.Fail(fmt.Sprintf("sense data % x", r.Sense), fmt.Sprintf("sense data % x", sense))
	}
	pairs := text.Pairs{{Key: "X-io.iscsispec.a", Value: "odd"}}
	answer := t.Start(SendText{Pairs: pairs})
	p, _ := probe.As[*pdu.TextRequest](c.Next(pdu.OpTextRequest))
	c.Text(p, pairs)
	if r := answer.Wait(); !r.Good() || fmt.Sprint(r.Pairs) != fmt.Sprint(pairs) {
		t.Fail(fmt.Sprintf("%v: %v", r, r.Pairs), pairs.String())
	}
	t.RIgnore(c)
}

func unaskedLogin(t *T) {
	c := t.Session()
	var before ini.SessionStatus
	if t.Own() {
		before = t.ListSessions()[0]
	}
	p := &pdu.LoginResponse{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: c.Session.ISID, TSIH: 0x7777,
		Data: text.Pairs{{Key: text.KeyMaxBurstLength, Value: "512"}, {Key: text.KeyImmediateData, Value: text.No}}.Append(nil)}
	c.Number(p)
	c.Send(p)
	if t.harmless(c) {
		t.RAlive()
		return
	}
	if t.Own() {
		after := t.ListSessions()[0]
		t.Equal("TSIH", after.TSIH, before.TSIH)
		t.Equal("parameters", after.Params, before.Params)
	}
}

func unaskedLogout(t *T) {
	c := t.Session()
	send(c, &pdu.LogoutResponse{ITT: 0x5a5a5a5a}, nil)
	t.Wait(time.Second)
	if _, ended := c.Ended(); ended {
		_ = c.Close() // the array's side ends too
	}
	if t.Own() && len(t.ListSessions()) == 0 {
		t.Fail("a session that is gone as if its user had logged off", "a session that goes on, or comes back")
	}
	t.RAlive()
}

func unaskedManagement(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 0)
	send(c, &pdu.TaskManagementResponse{ITT: task.PDU.ITT}, nil)
	t.Wait(time.Second)
	if _, ended := c.Ended(); ended {
		t.neverWrong(read)
		return
	}
	if read.Ended() {
		t.Fail(read.result, "a response to nothing that ends nothing")
	}
	c.Good(task)
	t.whole(read)
}

// doubleCompletion has one command under way and one that waits for the window which the first response opens.
func doubleCompletion(t *T) {
	c := t.Session()
	c.Mute = true
	first := t.Start(TestUnitReady{})
	task := c.Command(scsi.OpTestUnitReady)
	second := t.Start(Read{Blocks: 8})
	var twice []pdu.PDU
	for range 2 {
		p := &pdu.SCSIResponse{ITT: task.PDU.ITT}
		c.Number(p)
		twice = append(twice, p)
	}
	c.Mute = false
	c.SendAll(twice...)
	t.Wait(time.Second)
	if _, ended := c.Ended(); !ended && second.Ended() {
		t.Fail(second.result, "a second response that ends nothing")
	}
	if r := t.concluded(second); !r.Good() {
		t.Fail(r, "a read that completes GOOD")
	} else {
		t.Pattern(r.Data, 0)
	}
	t.over(first, time.Second)
	t.Equal("completions", first.Told(), 1)
}

func dataAfterStatus(t *T) {
	c := t.Session()
	garbage := bytes.Repeat([]byte{0xee}, 4*kib)
	op, task := t.reading(c, 4)
	c.Good(task)
	t.whole(op)
	before := bytes.Clone(op.result.Data)
	c.DataIn(task, 0, 0, func(p *pdu.DataIn) { p.Data = garbage })
	t.Wait(time.Second)
	t.unchanged(op.result, before)
	if _, ended := c.Ended(); ended {
		t.RAlive()
		return
	}
	next, again := t.reading(c, 4)
	if again.PDU.ITT == task.PDU.ITT {
		c.DataIn(task, 0, 0, func(p *pdu.DataIn) { p.Data, p.DataSN = garbage, 0 })
	}
	t.Wait(time.Second)
	if _, ended := c.Ended(); !ended {
		c.Good(again)
	}
	t.neverWrong(next)
	t.unchanged(op.result, before)
}

func slowDrip(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	data := &pdu.DataIn{Final: true, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, Data: task.Bytes(0, 4*kib)}
	c.Mute = true // An answer to a ping must not come in the middle.
	for _, p := range []pdu.PDU{data, &pdu.SCSIResponse{ITT: task.PDU.ITT, ExpDataSN: 1}} {
		c.Number(p)
		for _, b := range pdu.Encode(nil, p, c.Digests) {
			c.SendRaw([]byte{b})
			time.Sleep(20 * time.Millisecond)
			if _, ended := c.Ended(); ended {
				t.neverWrong(op)
				return
			}
		}
	}
	c.Mute = false
	t.neverWrong(op)
}

func notReading(t *T) {
	c := t.Session()
	write := t.Start(Write{LBA: 4096, Blocks: 32768})
	task := c.WriteCommand()
	c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
	t.must(t.network().Silence(t.scope(c.Portal), faults.ToTarget))
	for range 10 {
		c.NOPIn(c.Tag())
		time.Sleep(time.Second)
	}
	// The end of the connection cannot be seen by an array that reads nothing, but in what the initiator lists.
	gone := func() bool {
		_, ended := c.Ended()
		return ended || write.Ended() || t.Own() && t.ListSessions()[0].State != ini.StateConnected
	}
	for end := t.Now() + stallPatience; t.Now() < end && !gone(); {
		t.Wait(time.Second)
	}
	stalled := !gone()
	t.Heal(c.Portal)
	t.Wait(time.Second)
	if _, ended := c.Ended(); stalled && !ended {
		t.Fail("a write that hangs on a connection that is still there", fmt.Sprintf("the end of one of them within %v", stallPatience))
	}
	_ = c.Close() // the array's side ends too
	t.RAlive()
}

// floodOfEvents is how many Async Messages a flood has in a bubble, where each is an event of the trace; floodOnSockets is the row's.
const (
	floodOfEvents  = 5_000
	floodOnSockets = 100_000
)

func manyEvents(t *T) {
	c := t.Session()
	n := floodOnSockets
	if t.Virtual() {
		n = floodOfEvents
	}
	for range n {
		c.Async(pdu.AsyncVendor, func(p *pdu.AsyncMessage) { p.Data = make([]byte, 64) })
		if _, ended := c.Ended(); ended {
			break
		}
	}
	t.Wait(time.Second)
	if _, ended := c.Ended(); ended {
		t.RAlive()
		return
	}
	read, task := t.onUnit(c, 0)
	t.Equal("ExpStatSN", task.PDU.ExpStatSN, c.StatSN)
	c.Good(task)
	t.whole(read)
}
