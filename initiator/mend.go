package initiator

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// How long and how often recovery within a connection tries (ErrorRecoveryLevel 1 and above; RFC 7143 leaves it open). What is not mended by
// then ends the connection: connection recovery at level 2, session recovery at level 1.
const (
	// mendInterval is how often a connection looks at what is missing.
	mendInterval = time.Second
	// snackPatience is how long a SNACK may go without effect, snackLimit how often one gap is asked for.
	snackPatience = 3 * time.Second
	snackLimit    = 5
	// retryPatience is how long ExpCmdSN may stand still before a command on this connection, after a ping in between, until a command is
	// sent again, and retryLimit how often it is.
	retryPatience = 5 * time.Second
	retryLimit    = 3
	// refusalPatience is how long a task whose SNACK was rejected may go without a status before it is aborted, and ABORT TASK without an
	// answer before the connection is given up.
	refusalPatience = 10 * time.Second
)

// mend is what a task needs beside its counters while data of it is missing.
type mend struct {
	gaps    gaps
	held    *pdu.SCSIResponse // A status that came before all of the data.
	ack     *pdu.SNACKRequest // A DataACK that is owed.
	tag     uint32            // Of the last R-Data SNACK, 0 for none.
	asked   time.Time         // When it was sent,
	tries   int               // and how often one was.
	refused time.Time         // When the target rejected a SNACK.
}

// recovers reports whether errors are recovered within a connection (RFC 7143, Section 7.1.5).
func (s *Session) recovers() bool {
	return s.params.ErrorRecoveryLevel >= 1 || s.dev.Recovery.IgnoreLevel
}

// mending returns the task's account of what is missing, and sees to it that it is looked at. The mutex is held.
func (c *connection) mending(t *task) *mend {
	if t.mend == nil {
		t.mend = new(mend)
		if !slices.Contains(c.mends, t) { // It may be there from an earlier use of the slot.
			c.mends = append(c.mends, t)
		}
	}
	c.armMend()
	return t.mend
}

// armMend starts the timer that looks at what is missing. The mutex is held.
func (c *connection) armMend() {
	c.mendDue = true
	switch {
	case c.mendArmed || c.broken != nil:
	case c.mendTimer == nil:
		c.mendTimer, c.mendArmed = time.AfterFunc(mendInterval, c.mendTick), true
	default:
		c.mendTimer.Reset(mendInterval)
		c.mendArmed = true
	}
}

// stopMend stops the timer for good.
func (c *connection) stopMend() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.mendTimer != nil {
		c.mendTimer.Stop()
	}
}

// mendTick is the timer's function.
func (c *connection) mendTick() {
	c.s.mu.Lock()
	c.mendArmed = false
	err := c.repair(time.Now())
	if err == nil {
		err = c.retryGap(time.Now())
	}
	if len(c.mends) > 0 || len(c.gaps) > 0 || c.commands > 0 {
		c.armMend()
	}
	c.s.mu.Unlock()
	if err != nil {
		c.fail(err)
	}
}

// repair asks for what is missing: at once for what was just noticed, and again after a while. The mutex is held.
func (c *connection) repair(now time.Time) error {
	c.mendDue = false
	if c.broken != nil || c.phase >= phaseLeaving {
		return nil
	}
	c.mends = slices.DeleteFunc(c.mends, func(t *task) bool { return t.mend == nil || t.conn != c })
	for i := range c.gaps {
		if err := c.ask(&c.gaps[i], now, nil); err != nil {
			return err
		}
	}
	for _, t := range c.mends {
		if err := c.repairTask(t, now); err != nil {
			return err
		}
	}
	return nil
}

// repairTask asks for the data of one task. The mutex is held.
func (c *connection) repairTask(t *task, now time.Time) error {
	m := t.mend
	switch {
	case t.req == nil || t.answered || t.quit != nil:
		return nil
	case !m.refused.IsZero():
		return c.afterRefusal(t, now)
	case len(t.req.Read) > 0 && (m.tag != 0 || len(m.gaps) > 0) && t.epoch != c.epoch && !c.s.dev.Recovery.NoRData:
		return c.askAnew(t, now)
	}
	for i := range m.gaps {
		if err := c.ask(&m.gaps[i], now, t); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a SNACK for a gap if it is time to: for R2Ts and data of t, or for statuses if t is nil. The mutex is held.
func (c *connection) ask(g *gap, now time.Time, t *task) error {
	dev := &c.s.dev.Recovery
	switch {
	case g.asked > 0 && now.Sub(g.at) < snackPatience && !dev.SNACKForever:
		return nil
	case g.asked >= snackLimit && !dev.SNACKForever:
		what := fmt.Sprintf("StatSN %d", g.from)
		if t != nil {
			what = fmt.Sprintf("DataSN %d of task %#x", g.from, t.itt)
		}
		return &RecoveryError{What: what, Tries: g.asked}
	case t != nil && len(t.req.Write) > 0 && dev.NoR2TSNACK:
		return nil
	}
	g.asked++
	g.at = now
	p := pdu.SNACKRequest{Type: pdu.SNACKStatus, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, BegRun: g.from, RunLength: g.to - g.from}
	if t != nil {
		p.Type, p.ITT = pdu.SNACKData, t.itt
		dev.departSNACK(&p, t)
	}
	c.sendSNACK(&p)
	return nil
}

// sendSNACK queues a SNACK, unless the target lets too many wait already. The mutex is held.
func (c *connection) sendSNACK(p *pdu.SNACKRequest) {
	if c.answers >= pingAnswersMax {
		return
	}
	c.answers++
	var e sendEntry
	p.EncodeBHS(&e.header)
	c.send(e)
}

// askAnew sends an R-Data SNACK: the data of the task was cut for another MaxRecvDataSegmentLength than the one in force, so all that is not
// acknowledged is thrown away and comes anew, beginning where it was acknowledged (RFC 7143, Section 11.16.3). The mutex is held.
func (c *connection) askAnew(t *task, now time.Time) error {
	m := t.mend
	switch {
	case m.tag != 0 && now.Sub(m.asked) < snackPatience:
		return nil
	case m.tries >= snackLimit:
		return &RecoveryError{What: fmt.Sprintf("data of task %#x by R-Data SNACK", t.itt), Tries: m.tries}
	}
	m.tries++
	m.tag, m.asked = m.tag+1, now
	m.gaps, m.ack, m.held = nil, nil, nil
	t.dataSN, t.received, t.spans = t.acked, t.ackedBytes, t.spans[:0]
	if t.ackedBytes > 0 {
		t.spans = append(t.spans, span{0, t.ackedBytes})
	}
	c.sendSNACK(&pdu.SNACKRequest{Type: pdu.SNACKRData, ITT: t.itt, TTT: m.tag})
	return nil
}

// afterRefusal waits for the status of a task whose SNACK the target has rejected. If it came already, the task ends with the error that its
// missing data is; if it does not come, the task is aborted; if that is not answered, the connection ends (RFC 7143, Section 7.8). The mutex is
// held.
func (c *connection) afterRefusal(t *task, now time.Time) error {
	m := t.mend
	switch late := now.Sub(m.refused) >= refusalPatience; {
	case m.held != nil:
		c.concludeUnrecovered(t)
	case !late || c.s.dev.Recovery.NoFallback:
	default:
		t.quit = &RecoveryError{What: fmt.Sprintf("data of task %#x", t.itt), Tries: 1}
		t.stopped.Store(true)
		abort := c.s.abort(t)
		if abort == nil {
			return t.quit
		}
		abort.exchange.lastResort = true
		c.s.settle(t, c.s.decided())
	}
	return nil
}

// senseCRCError is the sense data of a command whose data was lost for good: ABORTED COMMAND, PROTOCOL SERVICE CRC ERROR (RFC 7143,
// Section 11.4.7.2).
var senseCRCError = []byte{0x70, 0, 0x0b, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x47, 0x05, 0, 0, 0, 0}

// concludeUnrecovered ends a task whose status came without all of its data, as if the target had told the loss. The mutex is held.
func (c *connection) concludeUnrecovered(t *task) {
	c.letGo(t)
	t.mend.held = nil
	t.req.Sense = append(t.req.Sense[:0], senseCRCError...)
	c.s.concludeOrQuit(t, 2, &residuals{})
	c.s.settle(t, c.s.decided())
}

// retryGap sends the command again that the target's ExpCmdSN waits for, if it is one of this connection's and the target has shown in no
// way that it has it (RFC 7143, Section 7.2.1). The mutex is held.
func (c *connection) retryGap(now time.Time) error {
	s := c.s
	if !s.recovers() || c.broken != nil || c.phase != phaseOpen {
		return nil
	}
	if s.dev.Recovery.SNACKOnSilence {
		c.askForR2Ts()
	}
	t := s.oldestUnacknowledged(c)
	if t == nil || s.params.ErrorRecoveryLevel < 1 {
		c.stuck = stuckCommand{}
		return nil
	}
	k := &c.stuck
	if k.cmdSN != t.cmdSN || k.since.IsZero() {
		*k = stuckCommand{cmdSN: t.cmdSN, since: now}
	}
	switch {
	case now.Sub(k.since) < retryPatience || len(c.queue) > 0 || t.outRefs > 0:
		return nil
	case k.pinged.IsZero():
		if c.probe() {
			k.pinged = now
		}
		return nil
	case !c.heard.After(k.pinged) && !c.heard.Equal(k.pinged):
		return nil // Whether the target has it is not known yet; a target that stays silent is the pings' business.
	case k.tries >= retryLimit:
		return &RecoveryError{What: fmt.Sprintf("CmdSN %d", t.cmdSN), Tries: k.tries}
	}
	k.tries++
	k.since, k.pinged = now, time.Time{}
	s.retransmit(t)
	return nil
}

// stuckCommand is the command that the target does not acknowledge.
type stuckCommand struct {
	cmdSN  uint32
	since  time.Time // Since when it is looked at, or when it was sent again.
	pinged time.Time
	tries  int
}

// oldestUnacknowledged returns the task of the command that the target expects next, if it was sent on c and may be retried. The mutex is
// held.
func (s *Session) oldestUnacknowledged(c *connection) *task {
	if s.window.expected == s.window.next && !s.dev.Recovery.RetryAcknowledged {
		return nil
	}
	for _, t := range s.tasks.slots {
		if t.kind != taskSCSI || t.conn != c || t.req == nil || t.answered || t.quit != nil {
			continue
		}
		if s.dev.Recovery.RetryAcknowledged || t.cmdSN == s.window.expected && t.dataSN == 0 && t.mend == nil {
			return t
		}
	}
	return nil
}

// retransmit sends a command again on its own connection. The mutex is held.
func (s *Session) retransmit(t *task) {
	c := t.conn
	before := len(c.queue)
	s.transmit(t)
	if s.dev.Recovery.RetryNewTag && len(c.queue) > before {
		c.queue[before].header.SetITT(t.itt + 1<<15)
	}
}

// missedStatus keeps account of a StatSN that is not the one expected. It reports whether the PDU is news. The mutex is held.
func (c *connection) missedStatus(op pdu.Opcode, statSN uint32) (fresh bool, err error) {
	if iscsi.SNLess(statSN, c.expStatSN) {
		return c.gaps.fill(statSN), nil
	}
	if !c.gaps.open(c.expStatSN, statSN) {
		if c.s.dev.Peer.SNACKPerNumber {
			c.askEach(c.expStatSN)
			c.expStatSN = statSN + 1
			return true, nil
		}
		return false, wrongNumber(op, "StatSN", statSN, c.expStatSN, "RFC 7143, Section 4.2.2.2")
	}
	c.expStatSN = statSN + 1
	c.armMend()
	return true, nil
}

// announced takes in the StatSN of a PDU that does not advance it, but tells what the next one will be: what is before it and did not come is
// missing (RFC 7143, Section 7.1.4.2). The mutex is held.
func (c *connection) announced(statSN uint32) {
	if c.s.recovers() && iscsi.SNLess(c.expStatSN, statSN) && c.gaps.open(c.expStatSN, statSN) {
		c.expStatSN = statSN
		c.armMend()
	}
}

// spoiledStatus treats a numbered PDU whose data digest was wrong as one that did not come. The mutex is held.
func (c *connection) spoiledStatus(statSN uint32) {
	if statSN == c.expStatSN && c.gaps.open(statSN, statSN+1) {
		c.expStatSN++
		c.armMend()
	}
}

// acknowledges returns the ExpStatSN to send: the first StatSN that is missing, or belongs to a status whose data is not complete (RFC 7143,
// Section 7.9). The mutex is held.
func (c *connection) acknowledges() uint32 {
	if c.s.dev.Recovery.AcknowledgePastGap {
		return c.expStatSN
	}
	sn := c.gaps.first(c.expStatSN)
	for _, held := range c.held {
		if iscsi.SNLess(held.statSN, sn) {
			sn = held.statSN
		}
	}
	return sn
}

// holds keeps the status of a read back while data of it is missing. It reports whether it did. The mutex is held.
func (c *connection) holds(t *task, p *pdu.SCSIResponse, data []byte) bool {
	if t.req == nil || t.quit != nil || len(t.req.Read) == 0 || p.Response != pdu.ResponseCompleted || c.phase >= phaseLeaving {
		return false
	}
	if retransmitFailed(p, data) {
		return false // What is missing will not come.
	}
	if p.ExpDataSN != 0 && iscsi.SNLess(t.dataSN, p.ExpDataSN) && (t.mend == nil || t.mend.tag == 0) {
		if m := c.mending(t); m.gaps.open(t.dataSN, p.ExpDataSN) {
			t.scatter()
			t.dataSN = p.ExpDataSN
		}
	}
	m := t.mend
	if m == nil || len(m.gaps) == 0 && m.tag == p.SNACKTag {
		return false
	}
	if m.tag == p.SNACKTag {
		m.held = new(*p)
		m.held.Data = slices.Clone(data)
	}
	if !slices.ContainsFunc(c.held, func(h heldStatus) bool { return h.task == t }) {
		c.held = append(c.held, heldStatus{t, p.StatSN})
	}
	if !m.refused.IsZero() && m.held != nil {
		c.mendDue = true
	}
	return true
}

// retransmitFailed reports whether a status says that the target could not send again what a SNACK had asked for (RFC 7143, Section 11.4.7.2).
func retransmitFailed(p *pdu.SCSIResponse, data []byte) bool {
	if scsi.Status(p.Status) != scsi.StatusCheckCondition || len(data) < 2 {
		return false
	}
	sense, err := scsi.ParseSense(data[2:])
	return err == nil && sense.Code == scsi.ReadErrorFailedRetransmit
}

// heldStatus is the first StatSN of a task whose status is kept back until its data has come.
type heldStatus struct {
	task   *task
	statSN uint32
}

// letGo lets the status of a task that was kept back be acknowledged. The mutex is held.
func (c *connection) letGo(t *task) {
	c.held = slices.DeleteFunc(c.held, func(h heldStatus) bool { return h.task == t })
}
