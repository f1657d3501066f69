package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// housekeepers are the commands that an initiator issues by itself, and that are answered normally meanwhile.
var housekeepers = map[scsi.Opcode]bool{
	scsi.OpInquiry: true, scsi.OpReportLUNs: true, scsi.OpTestUnitReady: true, scsi.OpReadCapacity10: true, scsi.OpServiceActionIn16: true,
	scsi.OpModeSense6: true, scsi.OpModeSense10: true, scsi.OpRequestSense: true, scsi.OpMaintenanceIn: true,
}

// keepsHouse tells whether a PDU is housekeeping in the catalogue's sense.
func (c *Conn) keepsHouse(e probe.Event) bool {
	if p, is := probe.As[*pdu.SCSICommand](e); is {
		return housekeepers[scsi.Opcode(p.CDB[0])]
	}
	return isPing(e)
}

// isPing tells whether a PDU is a NOP-Out that wants an answer.
func isPing(e probe.Event) bool {
	p, is := probe.As[*pdu.NOPOut](e)
	return is && p.ITT != pdu.ReservedTag
}

// housekeeping answers a PDU when it is housekeeping.
func (c *Conn) housekeeping(e probe.Event) bool {
	if !c.keepsHouse(e) {
		return false
	}
	if ping, is := probe.As[*pdu.NOPOut](e); is {
		c.Echo(ping)
		return true
	}
	c.Good(c.task(e))
	return true
}

// Good serves a command as the logical unit does it: data and status, in the forms that the session agreed on. Of a write it asks for what
// is missing and waits for it.
func (c *Conn) Good(task *Task) {
	if task.PDU.Write {
		c.fill(task)
	}
	c.finish(task)
}

// fill gets the data of a write.
func (c *Conn) fill(task *Task) {
	if task.open {
		task.open = false
		if s := c.DataOut(task, pdu.ReservedTag); s.End != nil {
			c.t.Fail(s.End, "unsolicited Data-Out up to the F bit")
		}
	}
	for task.got < task.Length() {
		r2t := c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
		if s := c.DataOut(task, r2t.TTT); s.End != nil {
			c.t.Fail(s.End, "Data-Out that answers the R2T, up to the F bit")
		}
	}
}

// finish ends a command whose data-out is there: Data-In cut to what the initiator takes, and the status.
func (c *Conn) finish(task *Task) {
	done := c.execute(task)
	if !task.PDU.Write {
		task.read = append(make([]byte, 0, len(done.DataIn)), done.DataIn...)
	}
	if done.Status != scsi.StatusGood {
		send(c, &pdu.SCSIResponse{ITT: task.PDU.ITT, Status: byte(done.Status), ExpDataSN: task.sent(), Data: pdu.SenseSegment(done.Sense),
			Underflow: task.rest() > 0, ResidualCount: task.rest()}, nil)
		return
	}
	c.sendData(task)
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) {
		if more := len(task.read) - task.Length(); more > 0 && !task.PDU.Write {
			p.Overflow, p.ResidualCount = true, uint32(more)
		}
	})
}

// sendData sends all Data-In of a read.
func (c *Conn) sendData(task *Task) {
	end := min(len(task.read), task.Length())
	burst := 0
	for offset := 0; offset < end; {
		n := min(end-offset, c.Params.PeerMaxRecvDataSegmentLength, c.Params.MaxBurstLength-burst)
		burst += n
		full := burst == c.Params.MaxBurstLength
		if full {
			burst = 0
		}
		c.DataIn(task, offset, n, func(p *pdu.DataIn) { p.Final = full || offset+n == end })
		offset += n
	}
}

// soundly serves a PDU that is no housekeeping as a sound array does.
func (c *Conn) soundly(e probe.Event) bool {
	switch p := e.PDU.(type) {
	case *pdu.SCSICommand:
		task := c.task(e)
		if task.PDU.Write {
			c.tasks = append(c.tasks, task)
			c.advance(task)
			return true
		}
		c.finish(task)
	case *pdu.DataOut:
		return c.dataOut(p)
	case *pdu.TaskManagementRequest:
		c.Manage(p, pdu.TaskResponseComplete)
	case *pdu.TextRequest:
		c.Text(p, c.answerText(p))
	case *pdu.LogoutRequest:
		c.left = !c.t.Own()
		c.Logout(p, pdu.LogoutSuccess)
	default:
		return false
	}
	return true
}

// dataOut takes Data-Out of a write that is being served soundly.
func (c *Conn) dataOut(p *pdu.DataOut) bool {
	for _, task := range c.tasks {
		if task.PDU.ITT == p.ITT && task.open && task.ttt == p.TTT {
			task.store(int(p.BufferOffset), p.Data)
			task.got += len(p.Data)
			if p.Final {
				task.open = false
				c.advance(task)
			}
			return true
		}
	}
	return false
}

// advance goes on with a write: it waits for a sequence, asks for the next one, or ends the command.
func (c *Conn) advance(task *Task) {
	switch {
	case task.open:
	case task.got < task.Length():
		r2t := c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
		task.open, task.ttt = true, r2t.TTT
	default:
		for i := range c.tasks {
			if c.tasks[i] == task {
				c.tasks = append(c.tasks[:i:i], c.tasks[i+1:]...)
				break
			}
		}
		c.finish(task)
	}
}

// answerText is what a sound array answers in full feature phase: SendTargets, and "not understood" to what it does not know.
func (c *Conn) answerText(p *pdu.TextRequest) (answer text.Pairs) {
	pairs, err := text.Parse(p.Data)
	if err != nil {
		return nil
	}
	for _, pair := range pairs {
		switch key, known := text.Lookup(pair.Key); {
		case pair.Key == text.KeySendTargets:
			answer = append(answer, c.t.targets()...)
		case known && key.Function == text.Declarative:
		case known:
			answer.Add(pair.Key, text.Reject)
		default:
			answer.Add(pair.Key, text.NotUnderstood)
		}
	}
	return answer
}

// targets is the answer to SendTargets.
func (t *T) targets() text.Pairs {
	if t.Base.Targets != nil {
		return t.Base.Targets
	}
	var pairs text.Pairs
	pairs.Add(text.KeyTargetName, t.Base.Target)
	return pairs
}

// Soundly serves everything that comes, new connections with their logins included, as a sound array does while f waits for something.
func (t *T) Soundly(f func()) {
	was := t.sound
	t.sound = true
	defer func() { t.sound = was }()
	for _, c := range t.conns {
		c.again()
	}
	f()
}

// again looks at what was set aside on a connection that is served soundly from now on.
func (c *Conn) again() {
	if !c.full || c.Mute {
		return
	}
	aside := c.aside
	c.aside = nil
	for _, e := range aside {
		if !c.soundly(e) {
			c.setAside(e)
		}
	}
}

// Serve serves everything soundly for a while.
func (t *T) Serve(d time.Duration) {
	t.Soundly(func() {
		t.until(d, func() bool {
			t.welcome()
			return false
		})
	})
}

// welcome takes connections that wait, and logs them in.
func (t *T) welcome() {
	if c := t.accepted(""); c != nil {
		c.Login()
	}
}
