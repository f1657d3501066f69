package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is the way of write data into the array at recovery level 1 and above. What is damaged, lost or late is asked for again by recovery
// R2Ts (RFC 7143, Sections 7.8, 7.9 and 11.8), whatever its way the first time was.

// recoveryR2TMax bounds the recovery R2Ts of a task, however slowly it gets on.
const recoveryR2TMax = 1024

// recoveredSpansMax bounds the ranges of a task's data that have come with holes between them. What would make one more counts as not having
// come.
const recoveredSpansMax = recoveryR2TMax

// solicitation is what is known about a write's data: what has come, and what was asked for.
type solicitation struct {
	have     spans
	asked    []askedFor // the R2Ts by R2TSN
	tries    int        // bursts in a row that brought nothing new
	again    int        // recovery R2Ts
	damaged  bool       // a data digest was wrong
	overdue  bool       // unsolicited data was given up
	deadline time.Time
}

// has reports whether the data of an R2T has come.
func (r *solicitation) has(x askedFor) bool { return r.have.next(x.from) >= x.to }

// askedFor is what an R2T asks for, with its Target Transfer Tag.
type askedFor struct {
	span
	ttt uint32
}

// span is a range of bytes; to is behind the last.
type span struct{ from, to int }

// spans are disjoint ranges that do not touch, in order.
type spans []span

// add puts a range in.
func (s *spans) add(from, to int) {
	if from >= to {
		return
	}
	i := 0
	for i < len(*s) && (*s)[i].to < from {
		i++
	}
	j := i
	for ; j < len(*s) && (*s)[j].from <= to; j++ {
		from, to = min(from, (*s)[j].from), max(to, (*s)[j].to)
	}
	*s = slices.Replace(*s, i, j, span{from, to})
}

// joins reports whether a range touches one that is there.
func (s spans) joins(from, to int) bool {
	return slices.ContainsFunc(s, func(x span) bool { return x.from <= to && from <= x.to })
}

// next gives the first byte from at on that is in no range.
func (s spans) next(at int) int {
	for _, x := range s {
		if x.from <= at && at < x.to {
			return x.to
		}
	}
	return at
}

// until gives where the first range behind at begins, at most end.
func (s spans) until(at, end int) int {
	for _, x := range s {
		if x.from > at {
			return min(x.from, end)
		}
	}
	return end
}

// missing gives the first range that has neither come nor is asked for by an R2T that is outstanding.
func (t *transfer) missing(r *retained) (x span, any bool) {
	covered := slices.Clone(r.have)
	for _, out := range t.r2ts {
		covered.add(out.from, out.to)
	}
	from := covered.next(0)
	return span{from, covered.until(from, t.want)}, from < t.want
}

// solicitMissing sends R2Ts for what is missing, the first bytes first: again for what was asked for or announced before, and for what comes
// next.
func (s *session) solicitMissing(c *connection, k *task) {
	t, r := &k.transfer, k.kept
	for len(t.r2ts) < s.params.MaxOutstandingR2T {
		x, any := t.missing(r)
		if !any {
			break
		}
		x.to = min(x.to, x.from+s.params.MaxBurstLength)
		if x.from < t.asked {
			x.to = min(x.to, t.asked)
			if r.again++; r.tries > s.recovery.policy.Attempts || r.again > recoveryR2TMax {
				t.fault = r.blame()
				s.advance(c, k)
				return
			}
		}
		r.asked = append(r.asked, askedFor{x, s.newTTT()})
		t.r2tSN = uint32(len(r.asked))
		s.sendR2T(c, k, t.r2tSN-1)
		t.asked = max(t.asked, x.to)
	}
	s.awaitData(k)
}

// blame says why a write fails whose data did not come.
func (r *solicitation) blame() scsi.ASC {
	if r.damaged {
		return scsi.ProtocolServiceCRCError
	}
	return scsi.NotEnoughUnsolicitedData
}

// sendR2T sends the R2T with an R2TSN, for the first time or again, and makes it outstanding.
func (s *session) sendR2T(c *connection, k *task, n uint32) {
	t, r := &k.transfer, k.kept
	x := r.asked[n]
	if !slices.ContainsFunc(t.r2ts, func(out r2t) bool { return out.r2tSN == n }) {
		t.r2ts = append(t.r2ts, r2t{ttt: x.ttt, r2tSN: n, from: x.from, to: x.to, got: x.from})
	}
	if s.array.dev.Integrity.RecoverFromStart && x.from < t.asked {
		x.to, n = x.to-x.from, 0
		x.from = 0
	}
	s.putR2T(c, k, x, n)
}

// putR2T queues an R2T.
func (s *session) putR2T(c *connection, k *task, x askedFor, r2tSN uint32) {
	s.sendUnnumbered(c, &pdu.R2T{
		LUN: k.lun, ITT: k.itt, TTT: x.ttt, R2TSN: r2tSN, BufferOffset: uint32(x.from), DesiredDataTransferLength: uint32(x.to - x.from),
	})
}

// recoverData takes a Data-Out PDU of a task. Of a damaged one the header counts: a Reject has told of it.
func (s *session) recoverData(c *connection, h *pdu.BHS, k *task, p *pdu.DataOut, data []byte, damaged bool) {
	t, r := &k.transfer, k.kept
	if p.TTT == pdu.ReservedTag {
		if !t.unsolicited {
			if !damaged && !r.overdue {
				s.reject(c, h, pdu.RejectInvalidPDUField)
			}
			return
		}
		b := r2t{from: 0, to: t.first, got: t.announced, dataSN: t.dataSN}
		r.place(k, &b, p, data, damaged, s.params.DataPDUInOrder)
		t.announced, t.dataSN = b.got, b.dataSN
		t.asked = max(t.asked, min(b.got, t.first))
		t.unsolicited = !p.Final
	} else {
		at := slices.IndexFunc(t.r2ts, func(out r2t) bool { return out.ttt == p.TTT })
		if at < 0 || p.LUN != k.lun {
			if !damaged && !s.issued(p.TTT) {
				s.reject(c, h, pdu.RejectInvalidPDUField)
			}
			return
		}
		r.place(k, &t.r2ts[at], p, data, damaged, s.params.DataPDUInOrder)
		if p.Final {
			r.ended(&t.r2ts[at])
			t.r2ts = slices.Delete(t.r2ts, at, at+1)
		}
	}
	t.got = r.have.next(0)
	if !p.Final {
		s.awaitData(k)
		return
	}
	s.dataCame(c, k)
}

// place puts the data of a Data-Out PDU where it belongs. Unless the PDUs of a burst may come in any order (RFC 7143, Section 13.18), data
// that does not follow what its burst has brought so far, a gap that a lost PDU explains aside, counts as not having come.
func (r *retained) place(k *task, b *r2t, p *pdu.DataOut, data []byte, damaged, inOrder bool) {
	from, to := int(p.BufferOffset), int(p.BufferOffset)+len(data)
	switch {
	case from < b.from || to > b.to:
		return
	case !inOrder:
		b.got = max(b.got, to)
	case from < b.got || iscsi.SNLess(p.DataSN, b.dataSN):
		k.conn.array.dev.DataOut.duplicate(r, k, b, len(data))
		return
	default:
		skips := iscsi.SNLess(b.dataSN, p.DataSN) && from > b.got
		follows := (p.DataSN == b.dataSN || k.conn.array.dev.DataOut.IgnoresDataSN) && from == b.got
		b.dataSN, b.got = p.DataSN+1, to
		if !follows && !skips && !damaged {
			return
		}
	}
	switch {
	case damaged:
		r.damaged = true
		return
	case len(r.have) >= recoveredSpansMax && !r.have.joins(from, to):
		return
	case k.phase == phaseAborted: // The data is awaited, and goes nowhere.
	case k.transfer.buffer == nil:
		return
	default:
		copy(k.transfer.buffer.bytes[from:b.to], data)
	}
	r.have.add(from, to)
	b.brought = b.brought || len(data) > 0
}

// ended takes account of a burst that has ended, with its last PDU or by time.
func (r *solicitation) ended(b *r2t) {
	r.tries++
	if b.brought {
		r.tries = 0
	}
}
