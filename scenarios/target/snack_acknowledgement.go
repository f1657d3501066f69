package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// megabyte is what the checks of DataACK read.
const megabyte = 1 << 20

// dataACK answers the A bit of a Data-In.
func dataACK(c *probe.Conn, p *pdu.DataIn) *pdu.SNACKRequest {
	return &pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT, ExpStatSN: c.ExpStatSN, BegRun: p.DataSN + 1}
}

// dataACKSilent is snack.dataack.accepted-silently.
func dataACKSilent(t *T) {
	c := t.levelOne(probe.Login{})
	task := c.Start(t.Read(c, 0, t.room(c, 0, megabyte)))
	r, acks := new(reply), 0
	for ended := false; !ended && r.reject == nil; {
		if r.end = c.Answer(); r.end.Kind != probe.Arrived {
			t.Fail(r.end, "the data and the status of a READ")
		}
		r.take(r.end)
		ended = r.end.Frame.BHS.ITT() == task.PDU.ITT && carriesStatus(r.end.PDU)
		if p, is := probe.As[*pdu.DataIn](r.end); is && p.Acknowledge && !ended {
			acks++
			// A failed write shows in the next event.
			_ = c.Send(dataACK(c, p))
		}
	}
	t.fence(c, r)
	all, _ := dataOf(r.seen, task.PDU.ITT)
	for sn := range uint32(len(all)) {
		if len(all[sn]) != 1 {
			t.Fail(fmt.Sprintf("DataSN %d comes %d times", sn, len(all[sn])), "every Data-In once")
		}
	}
	switch {
	case r.reject != nil:
		t.Fail(r, "no answer to a DataACK")
	case r.end.Kind != probe.Arrived:
		t.Fail(r.end, "the answer to a ping")
	case acks == 0:
		t.Skip("The target does not set the A bit.")
	}
}

// dataACKMissing is snack.dataack.missing-tolerated.
func dataACKMissing(t *T) {
	n := 0
	var data []byte
	setup := t.Open(probe.Login{})
	n = t.room(setup, 0, megabyte)
	for at := 0; at < n; at += 64 << 10 {
		data = append(data, t.Content(setup, uint32(at)/setup.Prober().Options().Unit.BlockSize, min(64<<10, n-at))...)
	}
	t.Leave(setup)
	c := t.levelOne(probe.Login{})
	task := c.Start(t.Read(c, 0, n))
	got := make([]byte, n)
	var owed *pdu.DataIn
	patience, late := 5*time.Second, false
	for {
		e := c.Next(patience)
		if e.Kind == probe.TimedOut && owed != nil && !late {
			late, patience = true, t.Options().AnswerTimeout
			// A failed write shows in the next event.
			_ = c.Send(dataACK(c, owed))
			continue
		}
		p, is := probe.As[*pdu.DataIn](e)
		if is && int(p.BufferOffset)+len(p.Data) <= n {
			copy(got[p.BufferOffset:], p.Data)
		}
		if is && p.Acknowledge {
			owed = p
			if late {
				_ = c.Send(dataACK(c, p))
			}
		}
		if e.Kind != probe.Arrived {
			t.FailFirmly(e, "the data and the status of the READ")
		}
		if e.Frame.BHS.ITT() == task.PDU.ITT && carriesStatus(e.PDU) {
			break
		}
	}
	switch {
	case !bytes.Equal(got, data):
		t.FailFirmly("other data than the logical unit holds", "the data that it holds")
	case owed == nil:
		t.Skip("The target does not set the A bit.")
	case late:
		t.Note("the target holds the read until a DataACK comes")
	default:
		t.Note("the target goes on without the DataACK")
	}
}

// readAcross reads 16 KiB with a limit of 4096 bytes, does not acknowledge the status, and declares a limit of 512.
func (t *T) readAcross() (*probe.Conn, probe.Result) {
	c := t.levelOne(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=4096")})
	c.HoldExpStatSN = true
	read := t.Good(c.Execute(t.Read(c, 0, 16<<10)), "a READ")
	r := c.Text(Keys("MaxRecvDataSegmentLength=512"))
	if value, answered := r.Pairs.Get("MaxRecvDataSegmentLength"); r.Event.Kind != probe.Arrived || answered && value == "Reject" {
		t.Skip("The target takes no new MaxRecvDataSegmentLength in full feature phase: %v.", r.Event)
	}
	return c, read
}

// resegmented is snack.rdata.resegmentation.
func resegmented(t *T) {
	const tag = 0x11
	c, read := t.readAcross()
	itt := read.Task.PDU.ITT
	r := t.snack(c, &pdu.SNACKRequest{Type: pdu.SNACKRData, ITT: itt, TTT: tag}, func(seen []probe.Event) bool {
		_, is := probe.As[*pdu.SCSIResponse](seen[len(seen)-1])
		return is
	})
	t.escalates(r, "the data again and a SCSI Response", pdu.RejectProtocolError)
	var status *pdu.SCSIResponse
	var pieces []piece
	for _, e := range r.seen {
		switch p := e.PDU.(type) {
		case *pdu.SCSIResponse:
			status = p
		case *pdu.DataIn:
			if len(p.Data) > 512 {
				t.Fail(e, "segments of at most 512 bytes")
			}
			if p.DataSN != uint32(len(pieces)) {
				t.Fail(e, fmt.Sprintf("DataSN %d", len(pieces)))
			}
			from := int(p.BufferOffset)
			if from+len(p.Data) <= len(read.Data) && !bytes.Equal(p.Data, read.Data[from:][:len(p.Data)]) {
				t.Fail(fmt.Sprintf("other data from %d on than before", from), "the same data")
			}
			pieces = append(pieces, piece{uint64(from), uint64(from + len(p.Data))})
		}
	}
	if status == nil {
		t.Fail(r, "the data again and a SCSI Response")
	}
	if status.Status == 2 && bytes.Contains(status.Sense(), []byte{0x11, 0x13}) {
		t.Warn("The target ends the matter at a higher level of recovery.", r.seen[len(r.seen)-1], "the data again and a SCSI Response")
		return
	}
	t.covers("the Data-In PDUs that came again", uint64(read.Task.PDU.ExpectedDataTransferLength), pieces)
	if status.SNACKTag != tag {
		t.Fail(fmt.Sprintf("a SCSI Response with SNACK Tag 0x%x", status.SNACKTag), "SNACK Tag 0x11")
	}
	if before, is := read.Event.PDU.(*pdu.SCSIResponse); is && before.StatSN != status.StatSN {
		t.Fail(fmt.Sprintf("a SCSI Response with StatSN 0x%x", status.StatSN), fmt.Sprintf("StatSN 0x%x, as before", before.StatSN))
	}
}

// reservedSNACKTag is snack.rdata.invalid-tag.
func reservedSNACKTag(t *T) {
	c, read := t.readAcross()
	itt := read.Task.PDU.ITT
	r := t.refusal(c, &pdu.SNACKRequest{Type: pdu.SNACKRData, ITT: itt, TTT: pdu.ReservedTag})
	served := false
	for _, e := range r.seen {
		served = served || len(ofEvent(e, itt)) > 0
	}
	want := []string{"a Reject with reason 0x03, 0x04 or 0x09", "a drop"}
	switch {
	case served:
		t.Warn("An R-Data SNACK with a reserved SNACK Tag is served.", r.seen[len(r.seen)-1], want...)
	case r.reject != nil && r.reject.Reason != pdu.RejectProtocolError && r.reject.Reason != pdu.RejectInvalidPDUField && r.reject.Reason != pdu.RejectSNACK:
		t.Fail(r, want...)
	case r.reject == nil && !r.dropped():
		t.Warn("An R-Data SNACK with a reserved SNACK Tag is passed over.", r, want...)
	}
}

// ofEvent gives an event when it is data or status of a task.
func ofEvent(e probe.Event, itt uint32) []probe.Event {
	switch e.PDU.(type) {
	case *pdu.DataIn, *pdu.SCSIResponse:
		if e.Frame.BHS.ITT() == itt {
			return []probe.Event{e}
		}
	}
	return nil
}

// dataACKInvalid is reject.snack.dataack-invalid.
func dataACKInvalid(t *T) {
	c, task, seen := t.someDataIn(2)
	itt, next := task.PDU.ITT, c.ExpStatSN
	wrong := &pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: task.PDU.LUN, ITT: itt, TTT: 0x0bad0bad, BegRun: 8}
	r := t.refusal(c, wrong)
	if r.dropped() {
		t.Warn("The target drops the connection over a DataACK that it has not asked for.", r, "a Reject with reason 0x08")
		return
	}
	seen = append(seen, r.seen...)
	for _, ended := dataOf(seen, itt); !ended; _, ended = dataOf(seen, itt) {
		e := c.Answer()
		if e.Kind != probe.Arrived {
			t.Fail(e, "the rest of the READ")
		}
		seen = append(seen, e)
	}
	all, _ := dataOf(seen, itt)
	var pieces []piece
	for sn := range uint32(len(all)) {
		for _, p := range all[sn] {
			pieces = append(pieces, piece{uint64(p.BufferOffset), uint64(p.BufferOffset) + uint64(len(p.Data))})
		}
	}
	t.covers("the READ during which the DataACK came", uint64(task.PDU.ExpectedDataTransferLength), pieces)
	t.inSequence(append(seen, r.end), next)
	t.refusedDataACK(r, wrong)
	// Nothing was acknowledged, so all can be had again.
	again := t.snack(c, &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: itt, TTT: pdu.ReservedTag, RunLength: 1}, func(seen []probe.Event) bool {
		all, _ := dataOf(seen, itt)
		return len(all[0]) > 0
	})
	t.escalates(again, "DataSN 0 again")
	if !again.whole {
		t.Fail(again, "DataSN 0 again, which no DataACK has acknowledged")
	}
}

// refusedDataACK judges the answer to a DataACK that was not asked for.
func (t *T) refusedDataACK(r *reply, sent *pdu.SNACKRequest) {
	want := []string{"a Reject with reason 0x08"}
	if r.reject == nil {
		t.Warn("A DataACK that was not asked for is passed over.", "silence", want...)
		return
	}
	for _, e := range r.seen {
		if e.PDU == pdu.PDU(r.reject) {
			t.soundReject(e, r.reject, pdu.FrameOf(sent))
		}
	}
	switch r.reject.Reason {
	case pdu.RejectInvalidDataACK, pdu.RejectSNACK, pdu.RejectProtocolError, pdu.RejectInvalidPDUField:
	default:
		t.Fail(r, want...)
	}
}

// inSequence ends the part unless each PDU that takes a StatSN has a newer one than those before, and ExpCmdSN and MaxCmdSN never go back. Numbers
// may be left out: messages that no check awaits take some.
func (t *T) inSequence(seen []probe.Event, next uint32) {
	var lastExp, lastMax uint32
	for i, e := range seen {
		if sn, numbered := statSNOf(e.PDU); numbered {
			if iscsi.SNLess(sn, next) {
				t.Fail(e, fmt.Sprintf("StatSN 0x%x or newer", next))
			}
			next = sn + 1
		}
		exp, most, has := windowOf(e.PDU)
		if has && i > 0 && (iscsi.SNLess(exp, lastExp) || iscsi.SNLess(most, lastMax)) {
			t.Fail(e, fmt.Sprintf("ExpCmdSN 0x%x and MaxCmdSN 0x%x or newer", lastExp, lastMax))
		}
		if has {
			lastExp, lastMax = exp, most
		}
	}
}
