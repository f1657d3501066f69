package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// dataInRecoveryChecks are those about data and status that are asked for again or acknowledged, at ErrorRecoveryLevel 1.
func dataInRecoveryChecks() []Check {
	level := func(b *Base) { b.Params.ErrorRecoveryLevel, b.Params.MaxBurstLength = 1, 8192 }
	own := func(s *Settings) { s.Offer(text.KeyErrorRecoveryLevel, "1") }
	return []Check{
		{ID: "datain.abit-dataack", Base: level, Driver: own, Run: dataAcknowledged},
		{ID: "datain.abit-hole-postpones-dataack", Base: level, Driver: own, Run: acknowledgedAfterGap},
		{ID: "status.snack-rejected-sense", Base: level, Driver: own, Run: snackRefusedBySense},
		{ID: "digest.data-error-datain-erl1", Base: func(b *Base) {
			level(b)
			b.Params.DataDigest = true
		}, Driver: func(s *Settings) {
			own(s)
			s.Digests()
		}, Run: wrongDataAskedAgain},
		{ID: "robust.statsn-flood-gap", Base: level, Driver: own, Run: hugeStatSNGap},
	}
}

// recovering is Session that skips unless ErrorRecoveryLevel 1 was agreed.
func (t *T) recovering() *Conn {
	c := t.Session()
	if c.Params.ErrorRecoveryLevel == 0 {
		t.Skip("NOT-TESTABLE: the initiator does not agree on ErrorRecoveryLevel 1.")
	}
	return c
}

// trySNACK waits for a SNACK Request of a type.
func (c *Conn) trySNACK(within time.Duration, kind pdu.SNACKType) (*pdu.SNACKRequest, probe.Event) {
	e := c.Await(within, func(e probe.Event) bool {
		p, is := probe.As[*pdu.SNACKRequest](e)
		return is && p.Type == kind
	})
	p, _ := probe.As[*pdu.SNACKRequest](e)
	return p, e
}

const ackTag = 0x55667788

// asksForACK makes a Data-In end its sequence with the A bit.
func asksForACK(p *pdu.DataIn) { p.Final, p.Acknowledge, p.TTT = true, true, ackTag }

// acknowledged fails unless a DataACK is right.
func (t *T) acknowledged(task *Task, p *pdu.SNACKRequest) {
	want := pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: task.PDU.LUN, ITT: pdu.ReservedTag, TTT: ackTag, ExpStatSN: p.ExpStatSN, BegRun: task.dataSN}
	if *p != want {
		t.Fail(fmt.Sprintf("%+v", *p), fmt.Sprintf("%+v", want))
	}
}

func dataAcknowledged(t *T) {
	c := t.recovering()
	op, task := t.reading(c, 32)
	for at := 0; at < 32*kib; at += 8 * kib {
		c.DataIn(task, at, 4*kib)
		c.DataIn(task, at+4*kib, 4*kib, asksForACK)
		p, e := c.trySNACK(5*time.Second, pdu.SNACKDataACK)
		if p == nil {
			t.Fail(e, "a DataACK SNACK within 5 s")
		}
		t.acknowledged(task, p)
	}
	c.Status(task, scsi.StatusGood)
	t.whole(op)
}

func acknowledgedAfterGap(t *T) {
	c := t.recovering()
	op, task := t.reading(c, 32)
	c.DataIn(task, 0, 2*kib)
	task.dataSN++
	c.DataIn(task, 4*kib, 2*kib)
	c.DataIn(task, 6*kib, 2*kib, asksForACK)
	end := t.Now() + AnswerTime
	for asked := false; !asked; {
		e := c.TryNext(end-t.Now(), pdu.OpSNACKRequest)
		p, is := probe.As[*pdu.SNACKRequest](e)
		switch {
		case e.Ended():
			t.neverWrong(op)
			return
		case !is:
			t.Fail(e, "a Data SNACK for DataSN 1")
		case p.Type == pdu.SNACKDataACK:
			t.Fail(e, "no DataACK before DataSN 1 is there")
		}
		asked = p.Type == pdu.SNACKData
	}
	if p, e := c.trySNACK(time.Second, pdu.SNACKDataACK); p != nil {
		t.Fail(e, "no DataACK before DataSN 1 is there")
	}
	next := task.dataSN
	c.DataIn(task, 2*kib, 2*kib, func(p *pdu.DataIn) { p.DataSN = 1 })
	task.dataSN = next
	p, e := c.trySNACK(5*time.Second, pdu.SNACKDataACK)
	if p == nil {
		t.Fail(e, "a DataACK SNACK after the gap was filled")
	}
	t.acknowledged(task, p)
	for at := 8 * kib; at < 32*kib; at += 8 * kib {
		c.DataIn(task, at, 8*kib, Final)
	}
	task.moved = task.Length()
	c.Status(task, scsi.StatusGood)
	t.whole(op)
}

func snackRefusedBySense(t *T) {
	c := t.recovering()
	op, task := t.reading(c, 8)
	c.DataIn(task, 0, 2*kib)
	task.dataSN++
	c.DataIn(task, 4*kib, 4*kib, Final)
	if p, e := c.trySNACK(AnswerTime, pdu.SNACKData); p == nil {
		t.Skip("NOT-TESTABLE: no Data SNACK was sent: %v.", e)
	}
	c.CheckCondition(task, scsi.NewSense(scsi.AbortedCommand, scsi.ReadErrorFailedRetransmit))
	r := t.notRepeated(c, task, op)
	if r.Good() {
		t.Pattern(r.Data, 0)
	}
	t.RAlive()
}

func wrongDataAskedAgain(t *T) {
	c := t.recovering()
	if !c.Digests.Data {
		t.Skip("NOT-TESTABLE: the initiator does not agree on a data digest.")
	}
	op, task := t.reading(c, 32)
	piece := func(sn uint32) *pdu.DataIn {
		p := &pdu.DataIn{Final: sn%2 == 1, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, DataSN: sn, BufferOffset: sn * 4 * kib,
			Data: task.Bytes(int(sn)*4*kib, 4*kib)}
		c.Number(p)
		return p
	}
	for sn := range uint32(8) {
		if sn == 2 {
			c.SendFrame(wrongData(piece(sn)))
		} else {
			c.Send(piece(sn))
		}
	}
	task.dataSN, task.moved = 8, task.Length()
	c.Status(task, scsi.StatusGood)
	for end := t.Now() + AnswerTime; !op.Ended() && t.Now() < end; {
		p, e := c.trySNACK(time.Second, pdu.SNACKData)
		if e.Ended() {
			break
		}
		if p == nil {
			continue
		}
		last := p.BegRun + p.RunLength
		if p.RunLength == 0 {
			last = 8
		}
		if p.ITT != task.PDU.ITT || p.BegRun > 2 || last <= 2 || last > 8 {
			t.Fail(e, "a SNACK for DataSN 2")
		}
		for sn := p.BegRun; sn < last; sn++ {
			c.Send(piece(sn))
		}
	}
	t.neverWrong(op)
}

func hugeStatSNGap(t *T) {
	c := t.recovering()
	read, task := t.onUnit(c, 0)
	c.DataIn(task, 0, 4*kib, Final)
	c.StatSN += 1_000_000
	c.Status(task, scsi.StatusGood)
	c.StatSN -= 1_000_001
	requests := 0
	for end := t.Now() + 10*time.Second; t.Now() < end; {
		e := c.TryNext(end-t.Now(), pdu.OpSNACKRequest)
		if e.Kind != probe.Arrived {
			break
		}
		if requests++; requests > 100 {
			t.Fail(fmt.Sprintf("%d SNACK Requests", requests), "one run, or the end of the connection")
		}
	}
	_ = c.Close() // the array's side ends too
	t.neverWrong(read)
	t.RAlive()
}
