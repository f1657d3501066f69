package initiator

import (
	"fmt"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// recovered fails unless a request ends once within AnswerTime, while everything is served soundly, and the initiator is fine afterwards.
func (t *T) recovered(op *Pending) {
	t.Soundly(func() {
		ended := t.until(4*AnswerTime, func() bool {
			t.welcome()
			return op.Ended()
		})
		t.Check(ended, "a request without end", "one end of the request within 120 s")
	})
	if n := op.Told(); n > 1 {
		t.Fail(fmt.Sprintf("%d completions", n), "one completion")
	}
	t.RAlive()
}

// gone fails unless the initiator ends its side of a connection in time.
func (t *T) gone(c *Conn) {
	ended := t.until(t.scaled(ReactionTime), func() bool {
		_, ended := c.Ended()
		return ended
	})
	t.Check(ended, "a connection that the initiator keeps", "the end of a connection that the target has closed")
}

// pieceLength is the length of one of the Data-In PDUs that a READ of 32 KiB is sent in by hand.
const pieceLength = 4096

// piece sends the Data-In of that DataSN, of a READ in pieces of pieceLength.
func (c *Conn) piece(task *Task, n uint32, changes ...func(*pdu.DataIn)) {
	p := &pdu.DataIn{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, DataSN: n, BufferOffset: n * pieceLength,
		Data: task.Bytes(int(n)*pieceLength, pieceLength), Final: int(n+1)*pieceLength == task.Length()}
	send(c, p, changes)
}

// pieces is how many Data-In the READs of these checks take.
const pieces = 8

// blocks of such a READ.
const pieceBlocks = pieces * pieceLength / BlockSize

// whole ends such a READ with GOOD.
func (c *Conn) whole(task *Task, changes ...func(*pdu.SCSIResponse)) {
	p := &pdu.SCSIResponse{ITT: task.PDU.ITT, ExpDataSN: pieces}
	send(c, p, changes)
}

// level makes the array and the own initiator agree on a level of error recovery.
func level(n int) (func(b *Base), func(s *Settings)) {
	base := func(b *Base) {
		b.Params.ErrorRecoveryLevel = n
		if n == 2 {
			b.Params.DefaultTime2Retain = 60
		}
	}
	return base, func(s *Settings) {
		s.Offer("DefaultTime2Retain", "60")
		s.Defaults.ErrorRecoveryLevel = n
	}
}

// sessionAt is Session, at the level that the check asks for.
func (t *T) sessionAt(level int) *Conn {
	c := t.SessionOf(ini.Data)
	if c.Params.ErrorRecoveryLevel != level {
		t.Skip("NOT-TESTABLE: ErrorRecoveryLevel %d was agreed, not %d.", c.Params.ErrorRecoveryLevel, level)
	}
	return c
}
