package simtarget

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// taskPhase says where a task is.
type taskPhase byte

const (
	phaseOrdered  taskPhase = iota // waits for its CmdSN
	phaseHeld                      // a rule holds it
	phaseData                      // waits for data from the initiator
	phaseAnswered                  // executed; a rule holds the response
	phaseAborted                   // ended by task management; data that was asked for is still awaited and dropped
	phaseQueued                    // waits for older tasks, as its or their task attribute wants
	phaseFenced                    // executed; the response fence holds the response
)

// task is a SCSI command from its arrival to its end.
type task struct {
	conn        *connection // its allegiance (RFC 7143, Section 4.2.5.1)
	itt, cmdSN  uint32
	lun         uint64
	immediate   bool
	read, write bool
	edtl        uint32
	phase       taskPhase
	delivered   bool // its CmdSN has come: it counts against the window
	device      disk.Task
	begun, over bool   // Begin was called; Begin has ended the command
	cdb         []byte // may be longer than the header holds
	cdbBuf      [16]byte

	transfer transfer
	rule     *CommandRule  // what a scenario has in mind for the command
	buffer   *buffer       // memory of device.Buffer
	awaits   []*management // task management that is answered when the task is gone
	fast     bool          // ended by FastAbort: it goes when freeAt is acknowledged, if freed is set, or when its data came
	freed    bool
	freeAt   uint32

	bidi       bool   // transfers in both directions
	readLength uint32 // what a bidirectional command is expected to read

	attr     pdu.TaskAttribute
	priority byte      // upper half of byte 2 (RFC 7144, Section 5.1.1)
	ordinal  uint64    // of delivery, from 1; 0 before
	barrier  bool      // counts among the session's ordered tasks
	kept     *retained // at recovery level 1 and above
}

// spareMax bounds the memory of finished tasks that a session keeps for further ones.
const spareMax = 16

// abortedMax bounds the aborted tasks of a session whose data is still awaited: they have given their places in the window back.
const abortedMax = 1024

// taskSet holds a session's tasks, in order of arrival. Its size is bounded by the command window, the limit of immediate commands, and
// abortedMax. The session's lock guards it.
type taskSet struct {
	tasks []*task
	spare []*task
}

// find gives the task with a tag, or nil.
func (t *taskSet) find(itt uint32) *task {
	for _, k := range t.tasks {
		if k.itt == itt {
			return k
		}
	}
	return nil
}

func (t *taskSet) add(k *task) { t.tasks = append(t.tasks, k) }

// fresh makes a task, with the memory of an old one where there is one.
func (t *taskSet) fresh() *task {
	if n := len(t.spare); n > 0 {
		k := t.spare[n-1]
		t.spare = t.spare[:n-1]
		r2ts := k.transfer.r2ts[:0]
		*k = task{}
		k.transfer.r2ts = r2ts
		return k
	}
	return new(task)
}

// remove takes a task out of the set and releases what it holds.
func (s *session) remove(k *task) {
	t := &s.tasks
	at := slices.Index(t.tasks, k)
	if at < 0 {
		return
	}
	t.tasks = slices.Delete(t.tasks, at, at+1)
	s.leaveFence(k)
	s.uncount(k)
	k.release()
	if k.fast {
		s.fastAborted--
	}
	s.leaveOrder(k)
	k.conn = nil
	if k.kept != nil && !k.kept.answered {
		s.recovery.forget(k.kept)
	}
	if len(t.spare) < spareMax {
		t.spare = append(t.spare, k)
	}
	s.wake()
}

// uncount gives the task's place in the window back.
func (s *session) uncount(k *task) {
	switch {
	case !k.delivered:
	case k.immediate:
		s.order.immediate--
	default:
		s.order.open--
	}
	k.delivered = false
}

// release gives up the task's memory.
func (k *task) release() {
	k.transfer.release()
	k.buffer.release()
	k.buffer = nil
}

// count counts the tasks that are not finished.
func (t *taskSet) count() int {
	n := 0
	for _, k := range t.tasks {
		if k.phase != phaseAborted {
			n++
		}
	}
	return n
}

// countOf counts the tasks of one connection that are not finished.
func (t *taskSet) countOf(c *connection) int {
	n := 0
	for _, k := range t.tasks {
		if k.conn == c && k.phase != phaseAborted {
			n++
		}
	}
	return n
}

// held counts the tasks that wait for Release.
func (t *taskSet) held() int {
	n := 0
	for _, k := range t.tasks {
		if k.phase == phaseHeld || k.phase == phaseAnswered {
			n++
		}
	}
	return n
}

// dropAll ends all tasks without a word.
func (t *taskSet) dropAll(s *session) {
	for _, k := range t.tasks {
		if k.phase == phaseData && s.array.dev.Recovery.CompleteWithZeros {
			k.completeWithZeros(s)
		}
		s.array.leak(k)
		k.release()
	}
	clear(t.tasks)
	t.tasks = t.tasks[:0]
	s.managing, s.fence, s.fastAborted, s.ordered, s.queued = nil, nil, 0, 0, 0
}

// newTask makes the task of a SCSI Command. The caller holds the session's lock.
func (s *session) newTask(h *pdu.BHS, ahs []byte) (*task, error) {
	var p pdu.SCSICommand
	if err := p.DecodeBHS(h); err != nil {
		return nil, err
	}
	k := s.tasks.fresh()
	k.itt, k.cmdSN, k.lun, k.immediate, k.read, k.write = p.ITT, p.CmdSN, p.LUN, p.Immediate, p.Read, p.Write
	k.priority = h[2] >> 4
	k.attr, k.edtl = p.Attr, p.ExpectedDataTransferLength
	if s.array.dev.Robustness.MaskAttribute {
		k.attr &= 3
	}
	k.cdbBuf = p.CDB
	k.cdb = k.cdbBuf[:]
	if p.AHS = ahs; len(ahs) > 0 {
		if err := k.extend(&p); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// soundAHS looks whether the additional header segments of a SCSI Command are such as RFC 7143, Section 11.2.2, defines, each at most once.
func soundAHS(ahs []byte) error {
	segments, err := pdu.ParseAHS(ahs)
	if err != nil {
		return err
	}
	seen := [3]bool{}
	for _, a := range segments {
		n := len(a.Specific)
		switch {
		case a.Type == pdu.AHSExtendedCDB && n > 1 && !seen[a.Type], a.Type == pdu.AHSBidirectionalReadData && n == 5 && !seen[a.Type]:
			seen[a.Type] = true
		default:
			return fmt.Errorf("additional header segment of type %d with %d bytes", a.Type, n)
		}
	}
	return nil
}

// before reports whether a task management request with this CmdSN reaches the task (RFC 7143, Section 4.2.3.2).
func (k *task) before(cmdSN uint32) bool { return k.immediate || iscsi.SNLess(k.cmdSN, cmdSN) }

func (k *task) opcode() scsi.Opcode { return scsi.Opcode(k.cdb[0]) }
