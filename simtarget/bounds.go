package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// This file has what bounds the memory and the places that peers can take of an array, beside what a profile sets: CommandWindow,
// ImmediateCommands and the limits of sessions in SessionPolicy, Timeout in LoginPolicy, and the lengths in DataPolicy. What belongs to one
// login, one text exchange or one task stands with its type.

const (
	// SessionsMax bounds the sessions of an array, Discovery sessions included; a login beyond it is refused with status 0x0302.
	SessionsMax = 16384
	// connectionsMax bounds the TCP connections of an array, those that are still logging in included; further ones are closed at accept.
	connectionsMax = 16384
	// writeBytesMax bounds the memory for data that has come, or will come, for commands that wait, of the whole array. A write beyond it
	// ends with BUSY; other PDUs that would have to wait for their CmdSN are rejected.
	writeBytesMax = 1 << 30
	// readBytesMax bounds the memory for data of commands on their way to initiators, of the whole array. A command beyond it ends with BUSY.
	readBytesMax = 1 << 30
	// retainedBytesMax bounds the memory for data that may be asked for again, of the whole array. What is beyond it is not retained.
	retainedBytesMax = 512 << 20
	// answerBytesMax bounds the memory for other data on its way, such as that of pings and texts, of the whole array: a connection on
	// which such data waits is not read once half of it is taken. What a connection may be in the middle of comes on top.
	answerBytesMax = 256 << 20
	// outboxBytesMax is how many bytes may wait to be written on one connection before the array takes no further PDU of it, so that a peer
	// which asks and does not read costs no more than this and what the last PDU has brought about.
	outboxBytesMax = 1 << 20
	// outgoingBytes is what a PDU that waits counts for beside its data, about what its place in the queue takes.
	outgoingBytes = 128
)

// weight is what a PDU that waits to be written counts for, in bytes: what it takes with its data.
func (p *outgoing) weight() int { return outgoingBytes + len(p.data) }

// ownData is how much of it no account of buffers counts.
func (p *outgoing) ownData() int {
	if p.buffer != nil {
		return 0
	}
	return len(p.data)
}

// keep holds a request until its CmdSN is the next one, or rejects it when there is no memory for what came with it. The data of SCSI
// Commands is with their tasks. The caller holds the session's lock.
func (s *session) keep(c *connection, r *request) {
	kept := &request{bhs: r.bhs, task: r.task, conn: c}
	if r.task == nil && len(r.data) > 0 {
		if kept.buffer = s.array.writes.buffer(len(r.data)); kept.buffer == nil {
			s.reject(c, &r.bhs, pdu.RejectLongOperation)
			return
		}
		kept.data = kept.buffer.bytes
		copy(kept.data, r.data)
	}
	s.order.keep(kept)
}
