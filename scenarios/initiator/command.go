package initiator

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// commandChecks are those of the group ffp-sequencing about what is in the header of requests, and about their statuses.
func commandChecks() []Check {
	return []Check{
		{ID: "cmd.itt-unique", Base: window(512), Run: uniqueTags},
		{ID: "cmd.itt-wrap", Run: heldTag},
		{ID: "cmd.fields-immediate-yes", Run: immediateFields},
		{ID: "cmd.rw-bits-and-edtl", Run: directions},
		{ID: "cmd.fbit-equal-length", Base: func(b *Base) {
			b.Params.MaxBurstLength, b.Params.FirstBurstLength = 1<<24-1, 1<<24-1
		}, Run: wholeImmediate},
		{ID: "cmd.task-attributes", Run: attributes},
		{ID: "cmd.lun-encoding", Base: func(b *Base) {
			for _, n := range []uint32{5, 255, 256, 16383} {
				b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(n), Config: Disk(1 << 20)})
			}
		}, Run: lunEncoding},
		{ID: "cmd.reserved-zero", Base: onlySolicited(8192), Run: reservedFields},
		{ID: "cmd.padding", Run: padding},
		{ID: "cmd.extended-cdb-ahs", Run: extendedCDB},
		{ID: "cmd.no-new-when-async-logout", Run: quietAfterLogoutRequest},
		{ID: "cmd.only-initiator-opcodes", Run: initiatorOpcodes},
		{ID: "cmd.state-changing-not-immediate", Run: notImmediate},
		{ID: "status.qualifier-ignored", Run: statusQualifier},
		{ID: "sense.with-other-status", Run: senseWithGood},
	}
}

// tagOf is the Initiator Task Tag of a PDU that begins a task.
func (h *heard) tagOf() (itt uint32, begins bool) {
	switch h.Opcode() {
	case pdu.OpSCSICommand, pdu.OpTaskManagementRequest, pdu.OpTextRequest, pdu.OpLogoutRequest:
		return h.BHS.ITT(), true
	case pdu.OpNOPOut:
		return h.BHS.ITT(), h.BHS.ITT() != pdu.ReservedTag
	}
	return 0, false
}

func uniqueTags(t *T) {
	c := t.Session()
	since := t.Now()
	ops := t.reads(256)
	tasks := c.commands(quietTime, Reads...)
	if len(tasks) < 2 {
		t.Skip("NOT-TESTABLE: the initiator has no two commands under way at once.")
	}
	if t.Own() {
		t.Start(Ping{Data: []byte("ping")})
		t.Start(SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "1"}}})
		t.Start(AbortTask{Of: ops[0]})
		t.Wait(time.Second)
	}
	held := map[uint32]bool{}
	for _, h := range t.heard(since) {
		itt, begins := h.tagOf()
		if !begins {
			continue
		}
		if itt == pdu.ReservedTag || held[itt] {
			t.Fail(h.String(), "a tag that no task under way has, and not 0xffffffff")
		}
		p, is := h.PDU.(*pdu.SCSICommand)
		held[itt] = is && slices.Contains(Reads, scsi.Opcode(p.CDB[0]))
	}
	for _, task := range tasks {
		c.Good(task)
	}
	t.succeed(ops[1:]...)
}

// beside is how many commands are served beside one that is held: enough for a counter of tags that is too short by far.
const beside = 1 << 10

func heldTag(t *T) {
	c := t.Session()
	t.Start(Read{Blocks: 8})
	held := c.Read()
	since := t.Now()
	for range beside {
		if t.Own() {
			t.Start(TestUnitReady{}).Wait()
			continue
		}
		task := c.TryCommand(t.patience(), Reads...)
		if task == nil {
			t.Skip("NOT-TESTABLE: the initiator sent too few commands beside the one that is held.")
		}
		c.Good(task)
	}
	for _, h := range t.heard(since) {
		if itt, begins := h.tagOf(); begins && itt == held.PDU.ITT && h.At > since {
			t.Fail(h.String(), fmt.Sprintf("no further use of the tag 0x%08x, which is in use", itt))
		}
	}
	c.Good(held)
}

func immediateFields(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 1})
	t.completes(c, w)
	t.Probe()
	if t.Own() {
		for _, length := range []int{13, 255, 514} {
			t.Do(RawCDB{CDB: modeSelect(length), Write: bytes.Repeat([]byte{0xa5}, length)})
		}
	}
	for _, h := range t.heard(0) {
		p, is := h.PDU.(*pdu.SCSICommand)
		if !is {
			continue
		}
		if n := len(p.Data); n > int(p.ExpectedDataTransferLength) {
			t.Fail(h.String(), fmt.Sprintf("at most the %d bytes of the transfer in the data segment", p.ExpectedDataTransferLength))
		}
		t.Check(len(p.Data) == 0 || p.Write, h.String(), "W=1 with immediate data")
		full, err := p.FullCDB()
		t.Check(err == nil, err, "additional header segments that can be read")
		if full[0] == variableLength && len(full) != 8+int(full[7]) {
			t.Fail(h.String(), fmt.Sprintf("a CDB of %d bytes, what exceeds 16 in an additional header segment", 8+int(full[7])))
		}
		reserved := byte(0x18)
		if h.BHS[1]&reserved != 0 || h.BHS[2] != 0 || h.BHS[3] != 0 {
			t.Warn("A reserved bit of a SCSI Command is set.", h.String(), "reserved bits of 0")
		}
	}
}

// variableLength is the operation code of CDBs that tell their own length.
const variableLength = 0x7f

// transfers are commands and what they move, in bytes.
var transfers = []struct {
	cdb         []byte
	read, write int
}{
	{scsi.Read10(8, 8), 4096, 0},
	{scsi.Read16(8, 16), 8192, 0},
	{scsi.Write10(besideProbe, 8), 0, 4096},
	{scsi.Write16(besideProbe, 16), 0, 8192},
	{scsi.TestUnitReady(), 0, 0},
	{scsi.Inquiry(96), 96, 0},
	{modeSelect(24), 0, 24},
}

func directions(t *T) {
	c := t.Session()
	if t.Own() {
		for _, x := range transfers {
			op := t.Start(RawCDB{CDB: x.cdb, Read: x.read, Write: bytes.Repeat([]byte{1}, x.write)})
			task := c.Command(scsi.Opcode(x.cdb[0]))
			if n := task.Length(); n != x.read+x.write {
				t.Fail(fmt.Sprintf("%v with an Expected Data Transfer Length of %d", scsi.Opcode(x.cdb[0]), n), fmt.Sprint(x.read+x.write))
			}
			c.Good(task)
			op.Wait()
		}
	}
	t.Do(Read{Blocks: 8})
	t.Do(Write{LBA: besideProbe, Blocks: 8})
	for _, h := range t.heard(0) {
		p, is := h.PDU.(*pdu.SCSICommand)
		if !is {
			continue
		}
		cdb, err := scsi.ParseCommand(p.CDB[:])
		if opcode := scsi.Opcode(p.CDB[0]); err == nil && slices.Contains(slices.Concat(Reads, Writes), opcode) {
			writes := slices.Contains(Writes, opcode)
			t.Check(p.Write == writes && p.Read == !writes || cdb.Blocks == 0, h.String(), fmt.Sprintf("R=%t and W=%t", !writes, writes))
			t.Check(uint64(p.ExpectedDataTransferLength) == uint64(cdb.Blocks)*BlockSize, h.String(),
				fmt.Sprintf("an Expected Data Transfer Length of %d", uint64(cdb.Blocks)*BlockSize))
		}
		_, both, _ := p.ExpectedReadDataLength()
		t.Check(p.ExpectedDataTransferLength == 0 || p.Read || p.Write, h.String(), "R or W with a transfer")
		t.Check(p.Read && p.Write == both || p.ExpectedDataTransferLength == 0 || p.Read != p.Write, h.String(),
			"R and W together only with a Bidirectional Read segment")
		t.Check(p.Write || p.Final, h.String(), "F=1 without W")
	}
}

func wholeImmediate(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 1})
	t.Check(w.PDU.Final, w.Event, "F=1")
	if len(w.PDU.Data) == w.Length() {
		if s := c.unasked(w.Task, quietTime); len(s.PDUs) > 0 {
			t.Fail(fmt.Sprintf("%d Data-Out PDUs", len(s.PDUs)), "none")
		}
	}
	t.completes(c, w)
}

func attributes(t *T) {
	t.Session()
	t.Good(Read{Blocks: 8})
	t.Good(Write{LBA: besideProbe, Blocks: 8})
	for _, h := range t.heard(0) {
		p, is := h.PDU.(*pdu.SCSICommand)
		if !is {
			continue
		}
		t.Check(p.Attr <= pdu.AttrACA, h.String(), "a task attribute of 0 to 4")
		t.Check(h.BHS[1]&0x18 == 0, h.String(), "bits 3 and 4 of byte 1 clear")
		if p.Attr == pdu.AttrOrdered || p.Attr == pdu.AttrHeadOfQueue {
			t.Warn("A task attribute that nobody asked for.", p.Attr, "simple or untagged")
			return
		}
	}
}

func lunEncoding(t *T) {
	c := t.Session()
	known := map[uint64]bool{}
	for _, u := range t.Base.Units {
		known[uint64(u.LUN)] = true
	}
	if t.Own() {
		for _, n := range []uint32{0, 5, 255, 256, 16383} {
			op := t.Start(Read{LUN: n, Blocks: 1})
			task := c.Read()
			t.Check(task.PDU.LUN == uint64(scsi.LUNOf(n)), task.Event, fmt.Sprintf("LUN %016x", uint64(scsi.LUNOf(n))))
			c.Good(task)
			op.Wait()
		}
	} else {
		t.Probe()
	}
	for _, h := range t.heard(0) {
		if p, is := h.PDU.(*pdu.SCSICommand); is {
			t.Check(known[p.LUN] || p.LUN == 0, h.String(), "a LUN in the eight bytes in which REPORT LUNS gave it")
		}
	}
}

func reservedFields(t *T) {
	c := t.Session()
	t.Good(Read{Blocks: 8})
	t.Good(Write{LBA: besideProbe, Blocks: 32})
	c.NOPIn(c.Tag())
	t.Wait(time.Second)
	if t.Own() {
		t.Good(Ping{Data: []byte("ping")})
		t.Good(SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "1"}}})
		read := t.Start(Read{Blocks: 8})
		c.Read()
		t.Do(AbortTask{Of: read})
		t.Do(Logout{})
	}
	for _, h := range t.heard(0) {
		if h.PDU == nil {
			continue // another row's business
		}
		if h.BHS.TotalAHSLength() != 0 && len(h.AHS) == 0 {
			t.Fail(h.String(), "TotalAHSLength 0 without additional header segments")
		}
		// What the fields of the PDU do not account for is reserved.
		sound := pdu.FrameOf(h.PDU).BHS
		for i := range sound {
			if h.BHS[i] != sound[i] {
				t.Fail(fmt.Sprintf("byte %d of %s is 0x%02x", i, h.String(), h.BHS[i]), "reserved bits of 0")
			}
		}
	}
}

func padding(t *T) {
	c := t.Session()
	if t.Own() {
		for _, length := range []int{5, 6, 7, 9} {
			list := bytes.Repeat([]byte{0xa5}, length)
			op := t.Start(RawCDB{CDB: modeSelect(length), Write: list})
			task := c.Command(scsi.OpModeSelect10)
			c.unasked(task, 0)
			if task.got < length {
				c.fill(task)
			}
			t.Check(bytes.Equal(task.Written, list), fmt.Sprintf("a parameter list % x", task.Written), fmt.Sprintf("% x", list))
			c.Status(task, scsi.StatusGood)
			op.Wait()
			t.Good(SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "12345678"[:length-4]}}})
		}
	}
	t.Probe()
	for _, h := range t.heard(0) {
		if bytes.ContainsFunc(h.Pad, func(r rune) bool { return r != 0 }) {
			t.Warn("Padding that is not zero.", h.String(), "zeros")
			return
		}
	}
}

func extendedCDB(t *T) {
	c := t.Session()
	cdb := make([]byte, 32)
	cdb[0], cdb[7], cdb[9], cdb[31] = variableLength, 24, 0x09, 8 // READ(32) of 8 blocks
	op := t.Start(RawCDB{CDB: cdb, Read: 4096})
	task := c.Command(variableLength)
	segments, err := pdu.ParseAHS(task.PDU.AHS)
	want := "one Extended CDB segment with an AHSLength of 17 and the bytes behind the first 16"
	if err != nil || len(segments) != 1 {
		t.Fail(fmt.Sprintf("%d additional header segments (%v)", len(segments), err), want)
	}
	if s := segments[0]; s.Type != pdu.AHSExtendedCDB || len(s.Specific) != 17 {
		t.Fail(fmt.Sprintf("a segment of type %d with an AHSLength of %d", s.Type, len(s.Specific)), want)
	}
	t.Check(task.Event.Frame.BHS.TotalAHSLength() == 20, task.Event, "a TotalAHSLength of 5 words")
	t.Check(bytes.Equal(task.Full, cdb), fmt.Sprintf("CDB % x", task.Full), fmt.Sprintf("% x", cdb))
	c.Status(task, scsi.StatusGood)
	op.Wait()
	t.Probe()
	for _, h := range t.heard(0) {
		if p, is := h.PDU.(*pdu.SCSICommand); is && p.CDB[0] != variableLength && len(h.AHS) > 0 {
			t.Fail(h.String(), "no additional header segment with a CDB of at most 16 bytes")
		}
	}
}

func quietAfterLogoutRequest(t *T) {
	c := t.Session()
	t.Start(Read{Blocks: 8}) // is under way when the message comes
	c.Read()
	c.Async(pdu.AsyncLogoutRequest, func(p *pdu.AsyncMessage) { p.Parameter3 = 5 })
	since := t.Now()
	grace := t.scaled(100 * time.Millisecond)
	for range 24 {
		t.Start(Read{LBA: 8, Blocks: 8})
		e := c.TryNext(t.scaled(200*time.Millisecond), pdu.OpLogoutRequest)
		for _, h := range t.heard(since) {
			if h.Opcode() == pdu.OpSCSICommand && h.At-since > grace {
				t.FailFirmly(h.String(), "no new command after the request for a logout")
			}
		}
		if p, is := probe.As[*pdu.LogoutRequest](e); is {
			c.Logout(p, pdu.LogoutSuccess)
			return
		}
	}
	t.FailFirmly("no Logout Request within 5 s", "a logout in time")
}

func initiatorOpcodes(t *T) {
	for _, fault := range []struct {
		name    string
		provoke func(c *Conn)
	}{
		{"no fault", func(*Conn) { t.Probe() }},
		{"an undefined opcode", func(c *Conn) {
			var f pdu.Frame
			f.BHS[0], f.BHS[1] = 0x3d, 0x80
			c.SendFrame(&f)
		}},
		{"data beyond a read", func(c *Conn) {
			t.Start(Read{Blocks: 8})
			c.DataIn(c.Read(), 4096, 512, Final)
		}},
		{"an R2T for nothing", func(c *Conn) {
			t.Start(Write{LBA: besideProbe, Blocks: 1024})
			task := c.WriteCommand()
			c.unasked(task, time.Second)
			c.R2T(task, task.got, 0)
		}},
		{"a request of initiators", func(c *Conn) { c.Send(&pdu.SCSICommand{Final: true, ITT: 7}) }},
	} {
		t.Part(fault.name, func() {
			since := t.Now()
			c := t.Session()
			fault.provoke(c)
			t.Wait(t.scaled(ReactionTime))
			t.RAlive()
			for _, h := range t.heard(since) {
				switch op := h.Opcode(); {
				case op <= pdu.OpLogoutRequest, op == pdu.OpSNACKRequest, op >= 0x1c && op <= 0x1e:
				default:
					t.Fail(h.String(), "an opcode of initiators")
				}
			}
		})
	}
}

// stateChanging are commands that must not be delivered out of order.
var stateChanging = [][]byte{
	{0x11, 1, 0, 0, 1, 0},                   // SPACE
	{0x01, 0, 0, 0, 0, 0},                   // REWIND
	{0xa6, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0}, // EXCHANGE MEDIUM
	{0x1b, 0, 0, 0, 1, 0},                   // START STOP UNIT
	{0x15, 0x10, 0, 0, 0, 0},                // MODE SELECT(6)
	{0x5f, 0, 0, 0, 0, 0, 0, 0, 0, 0},       // PERSISTENT RESERVE OUT
}

func notImmediate(t *T) {
	t.Session()
	t.Good(Write{LBA: besideProbe, Blocks: 8})
	if t.Own() {
		for _, cdb := range stateChanging {
			t.Do(RawCDB{CDB: cdb, Attr: pdu.AttrHeadOfQueue})
		}
	}
	for _, h := range t.heard(0) {
		p, is := h.PDU.(*pdu.SCSICommand)
		if !is || !p.Immediate {
			continue
		}
		if slices.Contains(Writes, scsi.Opcode(p.CDB[0])) {
			t.Warn("A write was sent as immediate.", h.String(), "I=0")
		}
		for _, cdb := range stateChanging {
			t.Check(p.CDB[0] != cdb[0], h.String(), "I=0 in a command that changes the state of a device")
		}
	}
}

func statusQualifier(t *T) {
	qualified := func(c *Conn, task *Task, status scsi.Status) {
		p := &pdu.SCSIResponse{ITT: task.PDU.ITT, Status: byte(status), ExpDataSN: task.sent()}
		c.Number(p)
		f := pdu.FrameOf(p)
		f.BHS[8], f.BHS[9] = 0x40, 0x02
		c.SendFrame(f)
	}
	over := func(c *Conn) {
		if e, ended := c.Ended(); ended {
			t.Warn("The connection ended by a status qualifier.", e, "the bytes are reserved and ignored")
			panic(stop{})
		}
	}
	c := t.Session()
	if c.Params.ProtocolLevel > 1 {
		t.Skip("iSCSIProtocolLevel=%d was agreed.", c.Params.ProtocolLevel)
	}
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	c.DataIn(task, 0, task.Length(), Final)
	qualified(c, task, scsi.StatusGood)
	ends := op.EndsWithin(t.scaled(ReactionTime))
	over(c)
	if r, _ := op.Result(); !ends || !r.Good() {
		t.Fail(fmt.Sprintf("a read that ended with %v", r), "success, as without the qualifier")
	}
	if !t.Own() {
		return
	}
	op = t.Start(TestUnitReady{})
	qualified(c, c.Command(scsi.OpTestUnitReady), scsi.StatusBusy)
	ends = op.EndsWithin(t.scaled(ReactionTime))
	over(c)
	if r, _ := op.Result(); !ends || r.Err != nil || r.Status != scsi.StatusBusy {
		t.Fail(fmt.Sprintf("a command that ended with %v", r), "BUSY at once, as without the qualifier")
	}
}

func senseWithGood(t *T) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	c.DataIn(task, 0, task.Length(), Final)
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) {
		p.Data = pdu.SenseSegment(scsi.NewSense(scsi.RecoveredError, 0x1701).Append(nil))
	})
	ends := op.EndsWithin(t.scaled(ReactionTime))
	if e, over := c.Ended(); over {
		t.Warn("The connection ended by sense data with GOOD.", e, "a read that succeeds")
		return
	}
	r, _ := op.Result()
	if !ends || !r.Good() {
		t.FailFirmly(fmt.Sprintf("a read that ended with %v", r), "success with the right data")
	}
	if t.Own() {
		t.Pattern(r.Data, 0)
	}
	t.Probe()
}
