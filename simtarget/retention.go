package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// recovery is what a session has beside the rest when recovery level 1 or 2 was agreed; at level 0 there is none. The session's lock guards
// it.
//
// Its store holds one retained for each SCSI task, from the command's arrival until the initiator acknowledges the status, and each
// connection holds the responses that it has sent and that are not acknowledged; long data of such as are no task's is in the store too. The store is bounded by RecoveryPolicy: at the bound the
// oldest goes first, and a SNACK for what has gone is rejected with reason 0x03.
type recovery struct {
	policy RecoveryPolicy
	tasks  []*retained // in order of arrival
	bytes  int         // of data and pieces that are retained
	timer  *time.Timer // runs while armed
	armed  bool
	gap    commandGap
}

// retained is what can be sent again for a SCSI task, and what is known about the data that came for it. It outlives the task.
type retained struct {
	itt  uint32
	lun  uint64
	conn *connection // the task's allegiance (RFC 7143, Section 4.2.5.1)
	read bool        // Data-In is numbered for it; R2Ts otherwise

	data   []byte      // what the command presents, from byte base on; nil when it was let go
	base   int         // bytes before data that are acknowledged
	buffer *buffer     // memory of data; nil when it is nobody's
	pieces []dataPiece // the Data-In PDUs in order; none when data was let go
	count  int         // how many were sent
	first  uint32      // DataSN of the first: behind the R2Ts of a bidirectional command
	acked  int         // how many are acknowledged
	ackTTT uint32      // the Target Transfer Tag of Data-In PDUs with the A bit; 0 when none had it
	weight int         // what it counts for against RecoveryPolicy.RetainedBytes

	solicitation

	answered bool // the status was sent,
	inData   bool // with the last Data-In,
	statSN   uint32
	response pdu.SCSIResponse // or as this: the latest content, SNACK Tag included
}

// dataPiece is a Data-In PDU that was sent.
type dataPiece struct {
	from, to int // bytes
	final    bool
	ack      bool // the A bit
}

// pieceBytes is what a dataPiece counts for.
const pieceBytes = 24

// newRecovery returns what a session of the level needs, nil at level 0.
func newRecovery(level int, p RecoveryPolicy) *recovery {
	if level < 1 {
		return nil
	}
	return &recovery{policy: p}
}

// keepAccount begins to keep account of a task that has just come.
func (s *session) keepAccount(c *connection, k *task) {
	r := &retained{itt: k.itt, lun: k.lun, conn: c, read: !k.write}
	r.have.add(0, k.transfer.got)
	s.recovery.tasks = append(s.recovery.tasks, r)
	k.kept = r
	if k.transfer.unsolicited {
		s.awaitData(k)
	}
}

// find gives what is retained of the youngest task with a tag, or nil.
func (v *recovery) find(itt uint32) *retained {
	if itt == pdu.ReservedTag {
		return nil
	}
	for _, r := range slices.Backward(v.tasks) {
		if r.itt == itt {
			return r
		}
	}
	return nil
}

// keepData takes over the data of a command that is about to be sent, with its memory, unless the array retains too much already.
func (v *recovery) keepData(a *Array, k *task, data []byte) {
	r := k.kept
	r.first = k.dataSN(0)
	if b := k.buffer; b != nil && cap(b.bytes) > 0 && len(data) > 0 && &b.bytes[:1][0] == &data[0] {
		if !b.move(&a.repeats) {
			return
		}
		r.buffer, k.buffer = b, nil
	}
	r.data = data
}

// bound counts what is retained of a task, and lets the oldest go that is too much.
func (v *recovery) bound(r *retained) {
	v.weigh(r)
	for _, old := range v.tasks {
		if v.bytes <= v.policy.RetainedBytes {
			return
		}
		v.letGo(old)
	}
}

// weigh counts what is retained anew.
func (v *recovery) weigh(r *retained) {
	v.bytes -= r.weight
	r.weight = len(r.data) + pieceBytes*len(r.pieces)
	v.bytes += r.weight
}

// letGo gives up the data of a task.
func (v *recovery) letGo(r *retained) {
	r.buffer.forget()
	r.data, r.buffer, r.pieces = nil, nil, nil
	v.bytes -= r.weight
	r.weight = 0
}

// forget ends the account of a task.
func (v *recovery) forget(r *retained) {
	v.letGo(r)
	if at := slices.Index(v.tasks, r); at >= 0 {
		v.tasks = slices.Delete(v.tasks, at, at+1)
	}
}

// forgetAll ends the account of the tasks of a connection, or of all when it is nil.
func (v *recovery) forgetAll(c *connection) {
	if v == nil {
		return
	}
	v.tasks = slices.DeleteFunc(v.tasks, func(r *retained) bool {
		gone := c == nil || r.conn == c
		if gone {
			v.letGo(r)
		}
		return gone
	})
}

// acknowledgeData is told that the first Data-In PDUs have come: their memory is given back, at the latest when half of all is
// acknowledged.
func (v *recovery) acknowledgeData(a *Array, r *retained, before int) {
	if before <= r.acked {
		return
	}
	r.acked = before
	if r.data == nil {
		return
	}
	from := r.offset(before)
	rest := r.base + len(r.data) - from
	if rest*2 > len(r.data) {
		return
	}
	if rest == 0 {
		r.buffer.forget()
		r.data, r.base, r.buffer = []byte{}, from, nil
		v.weigh(r)
		return
	}
	if b := a.repeats.buffer(rest); b != nil {
		copy(b.bytes, r.data[from-r.base:])
		r.buffer.forget()
		r.data, r.base, r.buffer = b.bytes, from, b
		v.weigh(r)
	}
}

// offset is where the Data-In PDU behind the first n begins.
func (r *retained) offset(n int) int {
	if n == 0 {
		return 0
	}
	return r.pieces[n-1].to
}

// sentResponse is a PDU that took a StatSN.
type sentResponse struct {
	statSN uint32
	bhs    pdu.BHS
	data   []byte
	of     *retained // of a SCSI task: the status is made anew from it
	apart  *retained // has the data where there is more of it than a header: it may have been let go
}

// sentResponses are the responses of a connection that are not acknowledged, at recovery level 1 and above.
type sentResponses struct {
	acked uint32 // the ExpStatSN that was heard last
	kept  []sentResponse
	told  uint32 // the next StatSN when a NOP-In showed it
	since time.Time
}

// keepPiece keeps account of a Data-In PDU that is about to be sent. Where a sequence of MaxBurstLength ends it asks for a DataACK (RFC 7143,
// Section 11.7.2).
func (s *session) keepPiece(r *retained, p *pdu.DataIn, n int, last bool) {
	piece := dataPiece{from: int(p.BufferOffset), to: int(p.BufferOffset) + n, final: p.Final, ack: p.Final && !last || s.array.dev.DataIn.AcknowledgeEach}
	if piece.ack {
		if r.ackTTT == 0 {
			r.ackTTT = s.newTTT()
		}
		p.Acknowledge, p.TTT, p.LUN = true, r.ackTTT, r.lun
	}
	r.count++
	if r.data != nil {
		r.pieces = append(r.pieces, piece)
	}
}

// keepStatusInData keeps a status that goes with the last Data-In.
func (s *session) keepStatusInData(c *connection, r *retained, h *pdu.BHS, p *pdu.DataIn) {
	r.inData = r.count > 0
	r.response = pdu.SCSIResponse{
		Response: pdu.ResponseCompleted, Status: p.Status, ITT: r.itt, ExpDataSN: uint32(r.count),
		Overflow: p.Overflow, Underflow: p.Underflow, ResidualCount: p.ResidualCount,
	}
	s.keepResponse(c, h, nil, r)
}

// keepResponse keeps a PDU that has just got the next StatSN.
func (s *session) keepResponse(c *connection, h *pdu.BHS, data []byte, of *retained) {
	if c.sent == nil || s.array.dev.SNACK.OnlySCSIResponses && of == nil {
		return
	}
	sent := sentResponse{statSN: c.statSN, bhs: *h, of: of}
	switch {
	case of != nil:
		of.answered, of.statSN = true, c.statSN
	case len(data) > pdu.BHSLength:
		sent.apart = s.keepApart(c, data)
	default:
		sent.data = data
	}
	c.sent.since = time.Now()
	c.sent.kept = append(c.sent.kept, sent)
	if len(c.sent.kept) > s.recovery.policy.RetainedResponses {
		s.dropResponses(c, 1)
	}
	s.watchRecovery()
}

// keepApart retains the data of a response that is no SCSI task's among that of the tasks, so that it counts as theirs does.
func (s *session) keepApart(c *connection, data []byte) *retained {
	v := s.recovery
	r := &retained{itt: pdu.ReservedTag, conn: c, buffer: s.array.repeats.hold(data)}
	if r.buffer != nil {
		r.data = data
	}
	v.tasks = append(v.tasks, r)
	v.bound(r)
	return r
}

// takeExpStatSN takes an ExpStatSN: what is before it will not be asked for again (RFC 7143, Section 4.2.2.2).
func (s *session) takeExpStatSN(c *connection, expStatSN uint32) {
	if sent := c.statSN - c.sent.acked; expStatSN-c.sent.acked > sent {
		return // older than what was heard before, or beyond what was sent
	}
	c.sent.acked = expStatSN
	n := 0
	for n < len(c.sent.kept) && int32(c.sent.kept[n].statSN-expStatSN) < 0 {
		n++
	}
	if !s.array.dev.SNACK.KeepAcknowledged {
		s.dropResponses(c, n)
	}
}

// dropResponses forgets the oldest responses, and what is retained of their tasks.
func (s *session) dropResponses(c *connection, n int) {
	for _, sent := range c.sent.kept[:n] {
		for _, r := range []*retained{sent.of, sent.apart} {
			if r != nil {
				s.recovery.forget(r)
			}
		}
	}
	c.sent.kept = slices.Delete(c.sent.kept, 0, n)
}
