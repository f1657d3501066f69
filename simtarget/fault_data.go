package simtarget

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is what faulty arrays do with the data of commands.

// strayDataMax is how many Data-Out PDUs for unknown tasks an array bears that keeps their data.
const strayDataMax = 512

// widen changes the CDB of a WRITE(10) so that it writes what came with it, or what is expected, instead of what it says.
func (d *DataOutDeviations) widen(s *session, k *task, immediate int) {
	if !d.WritesAllImmediate && !d.WritesExpected || s.target == nil || k.opcode() != scsi.OpWrite10 {
		return
	}
	number, _ := scsi.LUN(k.lun).Number()
	unit := s.target.disks[number]
	if unit == nil {
		return
	}
	n := int(binary.BigEndian.Uint16(k.cdb[7:])) * unit.BlockSize()
	switch {
	case d.WritesAllImmediate && immediate > int(k.edtl):
		k.edtl, n = uint32(immediate), immediate
	case d.WritesExpected:
		n = max(n, int(k.edtl))
	}
	binary.BigEndian.PutUint16(k.cdb[7:], uint16(n/unit.BlockSize()))
}

// arrives spoils the writes that wait for unsolicited data when another command comes.
func (d *DataOutDeviations) arrives(s *session, k *task) {
	if !d.DataAtOnce {
		return
	}
	for _, other := range s.tasks.tasks {
		if other != k && other.transfer.unsolicited {
			other.transfer.fault = scsi.NotEnoughUnsolicitedData
		}
	}
}

// firstBurst is where faults have their own idea of how much comes unasked.
func (d *DataOutDeviations) firstBurst(s *session, k *task, immediate int) {
	t := &k.transfer
	switch {
	case d.IgnoresFirstBurst:
		t.first = max(t.first, min(immediate, int(k.edtl)))
	case d.FirstBurstApart:
		t.first = min(s.params.FirstBurstLength+immediate, int(k.edtl))
	case d.UnlimitedUnsolicited:
		t.first = int(k.edtl)
	case d.WaitsDespiteFinal && !s.params.InitialR2T && immediate == 0:
		t.unsolicited = true
	}
}

// owner is where faults file data under another task than it names.
func (d *DataOutDeviations) owner(s *session, k *task, p *pdu.DataOut) *task {
	if !d.ConstantTTT && !d.OldestTakesUnsolicited {
		return k
	}
	for _, other := range s.tasks.tasks {
		t := &other.transfer
		if d.ConstantTTT && p.TTT != pdu.ReservedTag && len(t.r2ts) > 0 || d.OldestTakesUnsolicited && p.TTT == pdu.ReservedTag && t.unsolicited {
			return other
		}
	}
	return k
}

// takesR2T reports whether a Data-Out with this tag answers the R2T.
func (d *DataOutDeviations) takesR2T(r *r2t, ttt uint32) bool {
	return r.ttt == ttt || d.ReservedTTT || d.IgnoresTTT || d.TakesUnasked && ttt == pdu.ReservedTag
}

// passes is where faults keep a Data-Out from its task. It reports whether the array goes on with it.
func (d *DataOutDeviations) passes(s *session, c *connection, h *pdu.BHS, p *pdu.DataOut, data []byte) bool {
	switch {
	case d.DropsOnEmpty && len(data) == 0:
		c.end(EndRST)
	case d.RefusesUnsolicited && p.TTT == pdu.ReservedTag:
		s.reject(c, h, pdu.RejectInvalidPDUField)
	default:
		return true
	}
	return false
}

// stray is where faults act on data of a task that is not known. It reports whether the array goes on with it.
func (d *DataOutDeviations) stray(s *session, c *connection, p *pdu.DataOut) bool {
	switch {
	case d.AnswersAtOnce:
		for _, k := range s.tasks.tasks {
			if t := &k.transfer; len(t.r2ts) > 0 && t.r2ts[0].ttt == p.TTT {
				k.device.Fail(scsi.NewSense(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData))
				k.over = true
				s.perform(c, k)
				break
			}
		}
	case d.AnswersStray:
		s.send(c, &pdu.SCSIResponse{Response: pdu.ResponseCompleted, Status: byte(scsi.StatusCheckCondition), ITT: p.ITT})
	case d.LeaksStray:
		if s.faults.strayData++; s.faults.strayData == strayDataMax {
			s.after = append(s.after, s.array.crash)
		}
	default:
		return true
	}
	return false
}

// solicited is where faults act on data that answers an R2T. It returns the data to go on with, and false when nothing is left to do with it.
func (d *DataOutDeviations) solicited(t *transfer, r *r2t, p *pdu.DataOut, data []byte) ([]byte, bool) {
	end := int(p.BufferOffset) + len(data)
	switch {
	case d.TakesSurplus && end > r.to && int(p.BufferOffset) == r.got:
		data = data[:r.to-r.got]
	case d.IgnoresOffset && end > r.to:
		clear(t.buffer.bytes[r.got:r.to])
		r.got = min(r.to, r.got+len(data))
		return nil, false
	case d.FullSegmentsOnly && !p.Final && len(data) < r.to-r.from:
		r.spoilt, t.fault = true, scsi.NotEnoughUnsolicitedData
	case d.IgnoresDataSN:
		r.dataSN = p.DataSN
	}
	return data, true
}

// short is where faults complete a sequence that has ended too early.
func (d *DataOutDeviations) short(t *transfer, r *r2t) {
	if d.FillsWithZeros && r.got < r.to && t.fault == 0 {
		clear(t.buffer.bytes[r.got:r.to])
		r.got = r.to
	}
}

// shortFirst is where a fault completes a write whose unsolicited data has ended too early.
func (d *DataOutDeviations) shortFirst(t *transfer) {
	if d.ZerosForUnsolicited && t.got < t.first && t.want >= 0 && t.fault == 0 {
		clear(t.buffer.bytes[t.got:])
		t.got, t.asked, t.first = t.want, t.want, t.got
	}
}

// duplicate is where a fault counts data of a sequence that has come before.
func (d *DataOutDeviations) duplicate(r *retained, k *task, b *r2t, n int) {
	if to := min(b.to, b.got+n); d.CountsDuplicates && k.transfer.buffer != nil && to > b.got {
		clear(k.transfer.buffer.bytes[b.got:to])
		r.have.add(b.got, to)
		b.got, b.brought = to, true
	}
}

// asksForNothing sends the R2T of EmptyR2T.
func (d *DataOutDeviations) asksForNothing(s *session, c *connection, k *task) {
	if t := &k.transfer; d.EmptyR2T && k.write && t.want > 0 && t.r2tSN == 0 {
		s.putR2T(c, k, askedFor{span{t.got, t.got}, s.newTTT()}, 0)
		t.r2tSN++
	}
}

// beforeResponse is where faults act before a command is answered. It reports whether the array goes on with the answer.
func (s *session) beforeResponse(c *connection, k *task, n int) bool {
	in, out := &s.array.dev.DataIn, &s.array.dev.DataOut
	switch {
	case in.StatusOfWrite && k.write && !k.read && k.device.Status == scsi.StatusGood:
		s.statusAlone(c, k)
		s.remove(k)
		return false
	case out.R2TForRead && k.read && !k.write && n > 0:
		s.putR2T(c, k, askedFor{span{0, n}, s.newTTT()}, 0)
	case out.LosesStepOverFailure && k.write && k.device.Status == scsi.StatusCheckCondition && k.transfer.got > 0 && k.transfer.r2tSN == 0:
		c.end(EndSilent)
	}
	return true
}
