package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// dataInChecks are those of the group data-in.
func dataInChecks() []Check {
	return []Check{
		{ID: "data-in.datasn.starts-at-zero-and-increments", Run: dataSNInOrder},
		{ID: "data-in.f-bit.ends-each-sequence", Run: finalEndsSequence},
		{ID: "data-in.s-bit.implies-f-and-good-status", Run: statusBitImplies},
		{ID: "data-in.buffer-offset.covers-transfer-exactly-once", Run: readCoversOnce},
		{ID: "data-in.residual.underflow", Run: readUnderflow},
		{ID: "data-in.status.after-all-data", Run: statusAfterData},
	}
}

func dataSNInOrder(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=512", "MaxBurstLength=2048", "InitialR2T=Yes", "ImmediateData=No")})
	n := t.room(c, 0, 8<<10)
	for i, r := range t.Together(c, t.Read(c, 0, n), t.Read(c, 0, n), t.Read(c, 0, n)) {
		t.Good(r, "a READ")
		var numbers []uint32
		for _, p := range r.Task.DataIns {
			numbers = append(numbers, p.DataSN)
		}
		t.numbered(fmt.Sprintf("the DataSN of READ %d", i+1), numbers)
	}
}

func finalEndsSequence(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxBurstLength=16384", "MaxRecvDataSegmentLength=4096")})
	most := c.Session.Params.MaxBurstLength
	r := t.Good(c.Execute(t.Read(c, 0, t.room(c, 0, 64<<10))), "a READ")
	run, final := 0, true
	for _, p := range r.Task.DataIns {
		if run += len(p.Data); run > most {
			t.Fail(fmt.Sprintf("%d bytes of Data-In without F=1", run), fmt.Sprintf("F=1 after at most MaxBurstLength=%d bytes", most))
		}
		if final = p.Final; final {
			run = 0
		}
	}
	if !final {
		t.Fail("the last Data-In has F=0", "F=1 in the last Data-In of a command")
	}
}

func statusBitImplies(t *T) {
	c := t.Open(probe.Login{})
	for _, command := range []probe.Command{t.Read(c, 0, t.room(c, 0, 8<<10)), inquiry(), pastEnd(unitOf(t, c), 1)} {
		t.answered(c.Execute(command))
	}
	t.answered(c.Execute(probe.TestUnitReady())) // a fence
	received := t.Received(c)
	for i, s := range received {
		p, is := s.PDU.(*pdu.DataIn)
		if !is || !p.StatusPresent {
			continue
		}
		switch scsi.Status(p.Status) {
		case scsi.StatusGood, 0x04, 0x10, 0x14:
		default:
			t.Fail(fmt.Sprintf("a Data-In with S=1 and status 0x%02x", p.Status), "GOOD, CONDITION MET or an intermediate status in Data-In")
		}
		if !p.Final {
			t.Fail(s.Event.PDU, "F=1 where S=1")
		}
		if rest := ofTask(received[i+1:], p.ITT); len(rest) > 0 {
			t.Fail(fmt.Sprintf("%v after the status", rest[0].Event.PDU), "nothing for a task after its status")
		}
	}
}

func readCoversOnce(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=4096", "MaxBurstLength=16384")})
	n := t.room(c, 0, 64<<10)
	content := pattern(2, n)
	if t.MayWrite() {
		t.Fill(c, 0, content)
	}
	r := t.Good(c.Execute(t.Read(c, 0, n)), "a READ")
	var pieces []piece
	for _, p := range r.Task.DataIns {
		pieces = append(pieces, piece{uint64(p.BufferOffset), uint64(p.BufferOffset) + uint64(len(p.Data))})
	}
	if r.Underflow || r.Overflow {
		t.Fail(fmt.Sprintf("GOOD with a residual of %d", r.Residual), "all data")
	}
	if t.covers("Data-In", uint64(r.Task.PDU.ExpectedDataTransferLength), pieces) {
		t.Fail("Data-In PDUs that overlap", "every byte once")
	}
	if t.MayWrite() && !bytes.Equal(r.Data[:n], content) {
		t.Fail("other data than was written", "the data that was written")
	}
}

func readUnderflow(t *T) {
	c, declares := t.current()
	const expected = 4096
	r := t.Good(c.Execute(probe.Command{CDB: scsi.Inquiry(255), Read: expected}), "INQUIRY")
	n := bytesIn(r)
	missing := uint32(max(0, expected-n))
	want := fmt.Sprintf("U=1 and a residual of %d after %d bytes", missing, n)
	got := fmt.Sprintf("U=%t, O=%t, a residual of %d", r.Underflow, r.Overflow, r.Residual)
	switch {
	case r.Overflow:
		t.Fail(got, want)
	case missing == 0 && !r.Underflow:
	case !r.Underflow && !declares:
		t.Warn("RFC 3720, which the target may follow, left the U bit optional.", got, want)
	case !r.Underflow, r.Residual != missing:
		t.Fail(got, want)
	}
}

func statusAfterData(t *T) {
	c := t.Open(probe.Login{})
	n := t.room(c, 0, 256<<10)
	var commands []probe.Command
	for range 8 {
		commands = append(commands, t.Read(c, 0, n))
	}
	for _, r := range t.Together(c, commands...) {
		t.answered(r)
	}
	t.answered(c.Execute(probe.TestUnitReady())) // a fence
	ended := map[uint32]bool{}
	for _, s := range t.Received(c) {
		itt := s.Event.PDU.Header.ITT()
		if _, data := s.PDU.(*pdu.DataIn); data && ended[itt] {
			t.Fail(fmt.Sprintf("%v after the status", s.Event.PDU), "no Data-In of a task after its status")
		}
		ended[itt] = ended[itt] || carriesStatus(s.PDU)
	}
}
