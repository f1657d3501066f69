package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// acceptCommand looks at a SCSI Command on arrival and makes its task (RFC 7143, Section 11.3).
func (s *session) acceptCommand(c *connection, r *request) bool {
	h := &r.bhs
	refuse := func(reason pdu.RejectReason) bool {
		s.ignored.add(h.ITT())
		s.reject(c, h, reason)
		return false
	}
	dev := &s.array.dev.Sequencing
	if dev.discards(s, h) {
		return false
	}
	if h.ITT() == pdu.ReservedTag || dev.RefusesTagZero && h.ITT() == 0 || dev.RefusesUntagged && h[1]&7 == 0 {
		return refuse(pdu.RejectInvalidPDUField)
	}
	if dev.IgnoresAHS && len(r.ahs) > 0 {
		c.end(EndSilent)
		return false
	}
	if !dev.OverwritesTask && s.tagInUse(h.ITT()) {
		return refuse(pdu.RejectTaskInProgress)
	}
	if h.Immediate() && s.order.immediate >= s.immediateMax {
		return refuse(pdu.RejectTooManyImmediate)
	}
	k, err := s.newTask(h, r.ahs)
	if err != nil {
		return refuse(pdu.RejectInvalidPDUField)
	}
	if k.attr > pdu.AttrACA { // a reserved code (RFC 7143, Section 11)
		return refuse(pdu.RejectProtocolError)
	}
	if !h.Final() && (!k.write || s.params.InitialR2T) && (k.write || k.read) {
		return refuse(pdu.RejectInvalidPDUField)
	}
	if k.read && k.write && !k.bidi || len(r.data) > 0 && !k.write {
		return refuse(pdu.RejectInvalidPDUField)
	}
	k.conn = c
	k.rule = s.array.commandRule(s, k)
	if k.rule != nil && k.rule.Reject != 0 {
		return refuse(k.rule.Reject)
	}
	s.array.dev.DataOut.widen(s, k, len(r.data))
	k.transfer.begin(s, c, k, h.Final(), r.data)
	s.tasks.add(k)
	s.array.dev.DataOut.arrives(s, k)
	if s.recovery != nil {
		s.keepAccount(c, k)
	}
	s.array.dev.Sequencing.remember(s, k.itt)
	s.array.dev.Sessions.remember(s, k.itt)
	r.task = k
	return true
}

// tagInUse reports whether a new command may not have this tag. A task that was aborted does not count: its initiator has been told.
func (s *session) tagInUse(itt uint32) bool {
	if k := s.tasks.find(itt); k != nil {
		if k.phase != phaseAborted {
			return true
		}
		s.dropAborted(k)
	}
	return s.faults.usedTags[itt] || s.array.sharedTagInUse(s, itt)
}

// start begins a command whose CmdSN has come.
func (s *session) start(c *connection, k *task) {
	k.delivered = true
	if k.immediate {
		s.order.immediate++
	} else {
		s.order.open++
	}
	s.storeUnsafe()
	if s.array.dev.TaskManagement.observe(s, k) {
		return
	}
	if s.enterOrder(k) {
		s.launch(c, k)
	}
}

// launch begins a command that waits for no other.
func (s *session) launch(c *connection, k *task) {
	if s.array.dev.Robustness.waits(s, k) {
		k.phase = phaseHeld
		return
	}
	if k.rule == nil {
		s.begin(c, k)
		return
	}
	switch rule := k.rule; {
	case rule.Drop != "":
		c.end(rule.Drop)
	case rule.Silence:
		k.phase = phaseHeld
		k.rule = &CommandRule{Silence: true}
	case rule.Hold:
		k.phase = phaseHeld
		s.recordTask(k, "command-held")
	case rule.Delay > 0:
		k.phase = phaseHeld
		time.AfterFunc(rule.Delay, func() { s.resume(k, rule) })
	default:
		s.begin(c, k)
	}
}

// resume goes on with a command that a rule has delayed, if it is still there.
func (s *session) resume(k *task, rule *CommandRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || k.phase != phaseHeld || k.rule != rule || !slices.Contains(s.tasks.tasks, k) {
		return
	}
	s.begin(k.conn, k)
}

// begin hands the command to its logical unit for a first look, and finds out what data it takes.
func (s *session) begin(c *connection, k *task) {
	k.begun = true
	d := &k.device
	d.Reset()
	d.Nexus, d.CDB, d.ProtocolLevel = s.nexus, k.cdb, byte(s.params.ProtocolLevel)
	if k.write {
		d.DataOutSize = int(k.edtl)
	}
	s.look(k)
	if !k.over && k.misdirected() {
		d.Fail(scsi.NewSense(scsi.IllegalRequest, scsi.InvalidFieldInCDB))
		k.over = true
	}
	if !k.over && (d.Direction == scsi.DataOut || d.Direction == scsi.Bidirectional) && k.write {
		k.transfer.expect(s, k, min(d.Length, int(k.edtl)))
	}
	s.advance(c, k)
}

// look asks the logical unit, unless a rule or a fault answers in its place.
func (s *session) look(k *task) {
	d := &k.device
	switch rule := k.rule; {
	case s.target == nil:
		d.Fail(scsi.NewSense(scsi.IllegalRequest, scsi.LUNNotSupported))
		k.over = true
	case rule != nil && rule.Status != 0:
		d.Status, d.DataIn = scsi.Status(rule.Status), nil
		if d.Status == scsi.StatusCheckCondition {
			d.Fail(rule.Sense.sense())
		}
		k.over = true
	case rule != nil && rule.TargetFailure:
		k.over = true
	case (s.target.aca.active.Load() || k.attr == pdu.AttrACA) && s.contingent(k):
		k.over = true
	case s.array.dev.Sequencing.ReadsPriority && k.priority != 0:
		d.Fail(scsi.NewSense(scsi.IllegalRequest, invalidMessage))
		k.over = true
	case s.array.taskSetFull():
		d.Status, k.over = scsi.StatusTaskSetFull, true
	default:
		k.over = s.target.units.Begin(scsi.LUN(k.lun), d)
	}
	if _, exists := s.unit(k); s.array.dev.Sequencing.DropOnUnknownLUN && !exists {
		k.conn.end(EndFIN)
	}
}

// unit finds the logical unit that a command is for.
func (s *session) unit(k *task) (disk.LogicalUnit, bool) {
	if s.target == nil {
		return nil, false
	}
	return s.target.units.Unit(scsi.LUN(k.lun))
}

func (c SenseCode) sense() scsi.Sense {
	return scsi.NewSense(scsi.SenseKey(c.Key), scsi.ASC(uint16(c.Code)<<8|uint16(c.Qualifier)))
}

// misdirected reports whether the R and W bits ask for a transfer that cannot be: in both directions or in one, where the CDB has it
// otherwise, or from an initiator that expects to receive what the CDB would have it send. A read that is flagged as a write does no harm: it
// transfers nothing.
func (k *task) misdirected() bool {
	if k.bidi || k.device.Direction == scsi.Bidirectional {
		return !k.bidi || k.device.Direction != scsi.Bidirectional
	}
	return k.read && (k.write || k.device.Direction == scsi.DataOut && k.edtl > 0)
}

// unmovedMax is the room in bytes for what a command presents that does not move blocks: the logical unit takes memory of its own for more.
// The allocation length of such a command says nothing about how much there is.
const unmovedMax = 4096

// makeRoom gets memory for what the logical unit will present, or ends the command with BUSY.
func (s *session) makeRoom(k *task) {
	d := &k.device
	n := d.Length
	if d.Command.Blocks == 0 {
		n = min(n, unmovedMax)
	}
	if n == 0 {
		return
	}
	if k.buffer = s.array.reads.buffer(n); k.buffer == nil {
		d.Status, k.over = scsi.StatusBusy, true
		return
	}
	d.Buffer = k.buffer.bytes[:0:n]
}

// perform executes a command that has all its data, and answers it.
func (s *session) perform(c *connection, k *task) {
	d := &k.device
	if !k.over {
		switch d.Direction {
		case scsi.DataOut:
			d.DataOut = k.transfer.received()
		case scsi.Bidirectional:
			d.DataOut = k.transfer.received()
			s.makeRoom(k)
		case scsi.DataIn:
			s.makeRoom(k)
		}
		if !k.over && !s.postpone(k) {
			s.target.units.Execute(scsi.LUN(k.lun), d)
		}
		if d.Aborted != nil {
			s.abortNexuses(k.lun, d.Aborted)
		}
	}
	s.executed++
	c.tally.commands++
	s.recordTask(k, "command")
	if k.rule != nil && k.rule.HoldResponse {
		k.phase = phaseAnswered
		s.recordTask(k, "response-held")
		return
	}
	s.respond(c, k)
}
