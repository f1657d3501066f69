package initiator

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// taskKind says what a task slot is used for.
type taskKind byte

const (
	taskFree taskKind = iota
	taskSCSI
	taskPing
	taskManagement
	taskText
	taskLogout
)

// maxTasks bounds the tasks of one session; what is beyond waits like for the command window. The last tasksKept are not for SCSI commands:
// however many of those a target leaves without an answer, it can be asked whether it lives, and to abort them.
const (
	maxTasks  = 4096
	tasksKept = 64
)

// task is one slot of the task table. Slots are allocated once and used again, each time under another tag, so that a
// late PDU for a retired task never finds a live one. All fields belong to the session's mutex unless said otherwise.
type task struct {
	itt   uint32
	kind  taskKind
	conn  *connection // The connection that the task is allegiant to.
	cmdSN uint32
	order uint64 // Position in the order of submission.
	lun   uint64

	req      *Request  // taskSCSI; nil once the requester has been answered.
	exchange *exchange // All other kinds.
	// keepalive marks a taskPing that nobody waits for.
	keepalive bool

	immediate   int // Bytes of req.Write that go with the command,
	unsolicited int // and those that follow it without being asked for.

	received  int       // Data-In bytes that arrived.
	spans     spans     // Where they lie, if they may come in any order.
	dataSN    uint32    // Next DataSN or R2TSN expected.
	solicited int       // Bytes of req.Write that were sent unasked or asked for; where the next R2T begins if sequences come in order.
	reading   bool      // The reader is filling req.Read right now.
	outRefs   int       // Entries of the write queue that refer to req.Write.
	answered  bool      // The outcome is in req.
	quit      error     // Why the requester gave up before there was an outcome.
	unaborted bool      // ABORT TASK is to be sent when a slot for it is free.
	withheld  bool      // No more data is sent: FastAbort task management covers the task.
	given     *exchange // Of a deviating initiator: what was given up.

	mend       *mend  // What is missing; nil while nothing ever was.
	scattered  bool   // Data has gaps, so that spans say where it is.
	acked      uint32 // The DataSN up to which the target knows that data has come,
	ackedBytes int    // and the bytes before it.
	stamped    uint32 // When it was sent, in looks of the session's patience.
	reassigned int    // How often another connection took it over.
	resync     bool   // The next R2T says where its R2TSN and offset go on.
	epoch      uint32 // The connection's when the command was sent.

	deviating *deviatingWrite // Of a deviating initiator's writes only.

	// openR2Ts counts the R2Ts whose data has not all been handed to the connection. The writer counts down before the last
	// bytes leave, so that the target's next R2T never looks like one too many.
	openR2Ts atomic.Int32
	// stopped tells the writer to send no more data of this task.
	stopped atomic.Bool
}

// busy reports whether the memory of the requester is in use by the reader or the writer.
func (t *task) busy() bool { return t.reading || t.outRefs > 0 }

// taskTable finds tasks by Initiator Task Tag: the low 16 bits are the slot, the high 16 count its uses.
type taskTable struct {
	slots []*task
	free  []*task
	live  int
	loose bool // Of a deviating initiator: the high half of a tag does not count.
	// counted and counter are a deviating initiator's, which numbers tasks without looking at what is in use.
	counted map[uint32]*task
	counter uint32
}

// add takes a free slot, or returns nil when all are in use.
func (tt *taskTable) add(kind taskKind, c *connection) *task {
	var t *task
	switch {
	case kind == taskSCSI && tt.live >= maxTasks-tasksKept:
		return nil
	case len(tt.free) > 0:
		t = tt.free[len(tt.free)-1]
		tt.free = tt.free[:len(tt.free)-1]
	case len(tt.slots) < maxTasks:
		t = &task{itt: uint32(len(tt.slots))}
		tt.slots = append(tt.slots, t)
	default:
		return nil
	}
	t.kind, t.conn = kind, c
	if c != nil && c.s.dev.Sequencing.CountedTaskTag {
		tt.count(t)
	}
	tt.live++
	return t
}

// find returns the live task with this tag, or nil.
func (tt *taskTable) find(itt uint32) *task {
	if tt.counted != nil {
		return tt.counted[itt]
	}
	slot := int(itt & 0xffff)
	if slot >= len(tt.slots) {
		return nil
	}
	if t := tt.slots[slot]; (t.itt == itt || tt.loose) && t.kind != taskFree {
		return t
	}
	return nil
}

// task returns the live task with this tag that is allegiant to the connection, or nil: of what comes on another connection than its command
// went out on, nothing but the numbers counts (RFC 7143, Section 4.2.5.1). The mutex is held.
func (c *connection) task(itt uint32) *task {
	if t := c.s.tasks.find(itt); t != nil && t.conn == c {
		return t
	}
	return nil
}

// first returns the first live task of a kind, or nil.
func (tt *taskTable) first(kind taskKind) *task {
	for _, t := range tt.slots {
		if t.kind == kind {
			return t
		}
	}
	return nil
}

// retire frees the slot and gives it its next tag, or with sameTag the same again.
func (tt *taskTable) retire(t *task, sameTag bool) {
	if t.kind == taskFree {
		panic("initiator: task retired twice")
	}
	if tt.counted[t.itt] == t {
		delete(tt.counted, t.itt)
	}
	next := t.itt
	if !sameTag {
		next += 1 << 16
	}
	*t = task{itt: next, spans: t.spans[:0]}
	tt.free = append(tt.free, t)
	tt.live--
}

// inOrder returns the live tasks in the order of their submission.
func (tt *taskTable) inOrder() []*task {
	live := make([]*task, 0, tt.live)
	for _, t := range tt.slots {
		if t.kind != taskFree {
			live = append(live, t)
		}
	}
	slices.SortFunc(live, func(a, b *task) int { return cmp.Compare(a.order, b.order) })
	return live
}
