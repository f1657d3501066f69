package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// dataInFormChecks are those of the group data-in that are about the fields of Data-In PDUs and their lengths.
func dataInFormChecks() []Check {
	return []Check{
		{ID: "data-in.s-bit.reserved-fields-when-clear", Run: fieldsWithoutStatus},
		{ID: "data-in.ttt.reserved-without-a-bit", Array: recovering, Run: func(t *T) {
			for _, level := range []string{"0", "1"} {
				t.Part("recovery level "+level, func() { t.tagWithoutAcknowledge(level) })
			}
		}},
		{ID: "data-in.a-bit.never-at-level-zero", Run: neverAcknowledged},
		{ID: "data-in.a-bit.not-more-often-than-burst", Array: recovering, Run: acknowledgedByBurst},
		{ID: "data-in.length.word-multiple-before-last", Run: wholeWords},
		{ID: "data-in.length.no-empty-pdus", Run: noEmptyDataIn},
		{ID: "data-in.expdatasn.counts-data-in", Run: countsDataIn, Array: func(p *simtarget.Profile) { p.Data.StatusInDataIn = false }},
		{ID: "data-in.interleave.parallel-reads-separate", Run: parallelReads},
		{ID: "data-in.padding.zero-filled", Run: zeroPadding},
		{ID: "data-in.w-command.no-data-in", Risk: scenarios.Writes, Run: writeWithoutDataIn},
	}
}

func fieldsWithoutStatus(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=512", "MaxBurstLength=2048")})
	seen := false
	for _, p := range t.Good(c.Execute(t.Read(c, 0, t.room(c, 0, 8<<10))), "a READ").Task.DataIns {
		if p.StatusPresent {
			continue
		}
		seen = true
		if p.Overflow || p.Underflow || p.Status != 0 || p.ResidualCount != 0 {
			t.Fail(fmt.Sprintf("S=0 with O=%t, U=%t, status 0x%02x, a residual of %d", p.Overflow, p.Underflow, p.Status, p.ResidualCount), "zero in all of them")
		}
	}
	if !seen {
		t.Skip("Every Data-In has status.")
	}
}

// tagWithoutAcknowledge reads at a recovery level and looks at the Data-In PDUs that ask for no acknowledgement.
func (t *T) tagWithoutAcknowledge(level string) {
	c := t.Open(probe.Login{Keys: Keys("ErrorRecoveryLevel="+level, "MaxRecvDataSegmentLength=512", "MaxBurstLength=2048")})
	if agreed := c.Session.Params.ErrorRecoveryLevel; fmt.Sprint(agreed) != level {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d.", agreed)
	}
	zero := false
	for _, p := range t.Good(c.Execute(t.Read(c, 0, t.room(c, 0, 8<<10))), "a READ").Task.DataIns {
		switch {
		case p.Acknowledge, p.TTT == pdu.ReservedTag:
		case p.TTT == 0:
			zero = true
		default:
			t.Fail(fmt.Sprintf("A=0 with the Target Transfer Tag 0x%08x", p.TTT), "0xffffffff")
		}
	}
	if zero {
		t.Warn("Data-In without a Target Transfer Tag has 0 there, which is a tag like others.", "0", "0xffffffff")
	}
}

func neverAcknowledged(t *T) {
	c := t.Open(probe.Login{Keys: Keys("ErrorRecoveryLevel=0")})
	for _, p := range t.Good(c.Execute(t.Read(c, 0, t.room(c, 0, 1<<20))), "a READ").Task.DataIns {
		if p.Acknowledge {
			t.Fail(fmt.Sprintf("A=1 in the Data-In with DataSN %d", p.DataSN), "A=0 at recovery level 0")
		}
	}
}

func acknowledgedByBurst(t *T) {
	c := t.levelOne(probe.Login{Keys: Keys("MaxBurstLength=16384", "MaxRecvDataSegmentLength=8192")})
	task := c.Start(t.Read(c, 0, t.room(c, 0, 1<<20)))
	since, before := 0, false
	for {
		e := c.AnswerTo(task.PDU.ITT)
		p, is := probe.As[*pdu.DataIn](e)
		if !is {
			if response, is := probe.As[*pdu.SCSIResponse](e); !is || response.Status != byte(scsi.StatusGood) {
				t.Fail(e, "Data-In", "GOOD")
			}
			return
		}
		since += len(p.Data)
		last := int(p.BufferOffset)+len(p.Data) == int(task.PDU.ExpectedDataTransferLength)
		if p.Acknowledge {
			most := c.Session.Params.MaxBurstLength
			switch {
			case before && since < most && !last && !p.StatusPresent:
				t.Fail(fmt.Sprintf("A=1 again after %d bytes", since), fmt.Sprintf("MaxBurstLength=%d bytes or more between two acknowledgements", most))
			case p.TTT == pdu.ReservedTag:
				t.Fail("A=1 with the Target Transfer Tag 0xffffffff", "another Target Transfer Tag")
			case p.LUN != task.PDU.LUN:
				t.Fail(fmt.Sprintf("A=1 with LUN 0x%016x", p.LUN), fmt.Sprintf("LUN 0x%016x, the command's", task.PDU.LUN))
			}
			since, before = 0, true
			// A failed write shows in the next event.
			_ = c.Send(&pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT, ExpStatSN: c.ExpStatSN, BegRun: p.DataSN + 1})
		}
		if p.StatusPresent {
			return
		}
	}
}

func wholeWords(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=1026")})
	r := c.Execute(t.Read(c, 0, t.room(c, 0, 8<<10)))
	if !r.Good() {
		t.FailFirmly(r, "GOOD, with data segments that are padded to whole words")
	}
	for _, p := range r.Task.DataIns {
		if !p.Final && len(p.Data)%4 != 0 {
			t.Fail(fmt.Sprintf("a Data-In of %d bytes with F=0", len(p.Data)), "a multiple of four")
		}
	}
}

func noEmptyDataIn(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=8192")})
	for _, n := range []int{512, 4096, 8192, 12288, 64 << 10} {
		for _, p := range t.Good(c.Execute(t.Read(c, 0, t.room(c, 0, n))), "a READ").Task.DataIns {
			if len(p.Data) == 0 {
				t.Fail(fmt.Sprintf("a Data-In without data, S=%t, in a READ of %d bytes", p.StatusPresent, n), "data in each Data-In")
			}
		}
	}
}

// pastEnd is a READ of so many blocks behind the last one.
func pastEnd(unit probe.Capacity, blocks uint16) probe.Command {
	return probe.Command{CDB: beyond(unit, scsi.Read10, scsi.Read16, blocks), Read: int(blocks) * int(unit.BlockSize)}
}

// beyond makes the CDB of a transfer behind the last block.
func beyond(unit probe.Capacity, short func(uint32, uint16) []byte, long func(uint64, uint32) []byte, blocks uint16) []byte {
	if unit.Blocks <= 1<<32-1 {
		return short(uint32(unit.Blocks), blocks)
	}
	return long(unit.Blocks, uint32(blocks))
}

func countsDataIn(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=512", "MaxBurstLength=2048")})
	commands := []probe.Command{probe.TestUnitReady(), t.Read(c, 0, t.room(c, 0, 8<<10)), inquiry(),
		{CDB: scsi.ReadCapacity10(), Read: scsi.Capacity10Length}, pastEnd(unitOf(t, c), 1)}
	if t.MayWrite() {
		commands = append(commands, t.Write(c, 0, pattern(20, 8<<10)))
	}
	zero, r2ts := false, false
	for _, command := range commands {
		r := c.Execute(command)
		t.answered(r)
		p, is := probe.As[*pdu.SCSIResponse](r.Event)
		if !is {
			continue // the status came with the data
		}
		count := uint32(len(r.Task.DataIns))
		switch {
		case p.ExpDataSN == count && (p.Response == pdu.ResponseCompleted || count == 0):
		case p.Response != pdu.ResponseCompleted && p.ExpDataSN == 0:
		case p.ExpDataSN == 0:
			zero = true
		case len(r.Task.R2Ts) > 0 && int(p.ExpDataSN) == len(r.Task.R2Ts) && count == 0:
			r2ts = true
		default:
			t.Fail(fmt.Sprintf("ExpDataSN %d after %d Data-In and response 0x%02x", p.ExpDataSN, count, byte(p.Response)), fmt.Sprintf("ExpDataSN %d", count))
		}
	}
	if zero {
		t.Warn("ExpDataSN is 0 though Data-In was sent.", "0", "the number of Data-In PDUs")
	}
	if r2ts {
		t.Warn("ExpDataSN of a write counts R2Ts, as RFC 3720 could be read.", "the number of R2Ts", "0")
	}
}

func parallelReads(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=8192", "MaxBurstLength=16384")})
	const each = 64 << 10
	unit := unitOf(t, c)
	n := t.room(c, 0, each)
	var commands []probe.Command
	var contents [][]byte
	for i := range 16 {
		lba := uint32(i * n / int(unit.BlockSize))
		if i > 0 && t.room(c, lba, n) < n {
			break
		}
		if t.MayWrite() {
			t.Fill(c, lba, pattern(uint32(21+i), n))
		}
		contents = append(contents, t.Content(c, lba, n))
		commands = append(commands, t.Read(c, lba, n))
	}
	for i, r := range t.Together(c, commands...) {
		what := fmt.Sprintf("READ %d of %d", i+1, len(commands))
		t.Good(r, what)
		var numbers []uint32
		var pieces []piece
		for _, p := range r.Task.DataIns {
			numbers = append(numbers, p.DataSN)
			pieces = append(pieces, piece{uint64(p.BufferOffset), uint64(p.BufferOffset) + uint64(len(p.Data))})
		}
		t.numbered("the DataSN of "+what, numbers)
		if t.covers("the Data-In of "+what, uint64(r.Task.PDU.ExpectedDataTransferLength), pieces) {
			t.Fail("Data-In PDUs that overlap", "every byte once")
		}
		if !bytes.Equal(r.Data[:n], contents[i]) {
			t.Fail(what+" brings other data than the same READ alone", "the same data")
		}
	}
}

func zeroPadding(t *T) {
	c := t.Open(probe.Login{})
	padded := false
	look := func(e probe.Event) {
		if e.Kind != probe.Arrived {
			t.FailFirmly(e, "PDUs of whole words")
		}
		padded = padded || len(e.Frame.Pad) > 0
		for _, b := range e.Frame.Pad {
			if b != 0 {
				t.Fail(fmt.Sprintf("padding % x behind %d bytes of data", e.Frame.Pad, len(e.Frame.Data)), "zeros")
			}
		}
	}
	for _, n := range []int{37, 35, 5} {
		task := c.Start(probe.Command{CDB: scsi.Inquiry(uint16(n)), Read: n})
		for ended := false; !ended; {
			e := c.AnswerTo(task.PDU.ITT)
			look(e)
			ended = e.PDU != nil && carriesStatus(e.PDU) || e.Frame.Opcode() == pdu.OpReject
		}
	}
	ping := c.NOPOut([]byte("12345"))
	// A failed write shows in the next event.
	_ = c.Send(ping)
	look(c.AnswerTo(ping.ITT))
	if !padded {
		t.Skip("The target sends nothing that needs padding.")
	}
}

func writeWithoutDataIn(t *T) {
	c := t.Open(probe.Login{})
	t.Fill(c, 0, pattern(40, 4096))
	reads := map[uint32]bool{}
	for _, s := range t.Wire(c) {
		switch p := s.PDU.(type) {
		case *pdu.SCSICommand:
			reads[p.ITT] = p.Read
		case *pdu.DataIn:
			if does, known := reads[p.ITT]; known && !does {
				t.Fail(s.Event.PDU, "no Data-In for a command with R=0")
			}
		}
	}
}
