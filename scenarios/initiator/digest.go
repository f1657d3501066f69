package initiator

import (
	"bytes"
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// digestChecks are those of the group digest.
func digestChecks() []Check {
	own := func(s *Settings) { s.Digests() }
	return []Check{
		{ID: "digest.sent-correct", Base: digests, Driver: own, Run: digestsSent},
		{ID: "digest.ahs-covered", Base: digests, Driver: own, Run: digestOverAHS},
		{ID: "digest.header-error-received", Base: digests, Driver: own, Run: wrongHeaderDigests},
		{ID: "digest.data-error-datain-erl0", Base: digests, Driver: own, Run: wrongDataDigest},
		{ID: "digest.data-error-nondata", Base: digests, Driver: own, Run: wrongOtherDigests},
		{ID: "digest.not-in-login", Base: digests, Driver: own, Run: noDigestsInLogin},
		{ID: "digest.repeated-errors", Base: digests, Driver: own, Run: repeatedDigestErrors},
		{ID: "digest.data-out-reject-erl1", Base: func(b *Base) {
			digests(b)
			b.Params.ErrorRecoveryLevel = 1
		}, Driver: func(s *Settings) {
			s.Digests()
			s.Offer(text.KeyErrorRecoveryLevel, "1")
		}, Run: rangeAgain},
	}
}

// digests makes the array take CRC32C for headers and data.
func digests(b *Base) { b.Params.HeaderDigest, b.Params.DataDigest = true, true }

// digested is Session that skips unless both digests were agreed.
func (t *T) digested() *Conn {
	c := t.Session()
	if !c.Digests.Header || !c.Digests.Data {
		t.Skip("NOT-TESTABLE: the initiator did not agree on digests.")
	}
	return c
}

// rightDigests fails if a PDU came with a wrong digest.
func (t *T) rightDigests(c *Conn) {
	t.pump()
	if len(c.Wrong) > 0 {
		e := c.Wrong[0]
		t.Fail(fmt.Sprintf("%v: %v", e, e.Err), "right digests")
	}
}

func digestsSent(t *T) {
	t.Part("asked for", func() {
		c := t.digested()
		for n := 1; n <= 4; n++ {
			t.Do(Ping{Data: bytes.Repeat([]byte{'p'}, n)})
			t.Do(RawCDB{CDB: []byte{byte(scsi.OpModeSelect6), 0x10, 0, 0, byte(4 + n), 0}, Write: make([]byte, 4+n)})
			t.rightDigests(c)
		}
		t.Do(SendText{Pairs: text.Pairs{{Key: "X-io.iscsispec.a", Value: "b"}}})
		t.Do(Write{LBA: 4096, Blocks: 512})
		t.Probe()
		read, task := t.onUnit(c, 0)
		abort, p := t.manages(c, AbortTask{Of: read})
		c.Manage(p, pdu.TaskResponseComplete)
		abort.Wait()
		c.NOPIn(c.Tag(), func(p *pdu.NOPIn) { p.LUN = task.PDU.LUN })
		t.Wait(time.Second)
		t.rightDigests(c)
		t.Do(Logout{})
		t.rightDigests(c)
	})
	t.PartWith("not immediate", func(b *Base, _ *Settings) { b.Params.ImmediateData = false }, func() {
		c := t.digested()
		for n := 5; n <= 8; n++ {
			t.Do(RawCDB{CDB: []byte{byte(scsi.OpModeSelect6), 0x10, 0, 0, byte(n), 0}, Write: make([]byte, n)})
			t.rightDigests(c)
		}
	})
}

func digestOverAHS(t *T) {
	c := t.digested()
	cdb := make([]byte, 32)
	cdb[0], cdb[7], cdb[9] = 0x7f, 24, 9 // READ(32) of no blocks
	op := t.Start(RawCDB{CDB: cdb})
	task := c.Command(scsi.Opcode(0x7f))
	if len(task.PDU.AHS) == 0 {
		t.Skip("NOT-TESTABLE: the initiator sends no additional header segment.")
	}
	t.rightDigests(c)
	c.Status(task, scsi.StatusGood)
	op.Wait()
	t.RIgnore(c)
}

// spoil sends a PDU with a wrong header digest.
func (c *Conn) spoil(p pdu.PDU) {
	c.Number(p)
	f := pdu.FrameOf(p)
	wrong := ^pdu.Checksum(f.BHS[:], f.AHS)
	f.HeaderDigest = &wrong
	c.SendFrame(f)
}

func wrongHeaderDigests(t *T) {
	t.Part("SCSI Response", func() {
		c := t.digested()
		read, task := t.onUnit(c, 0)
		c.DataIn(task, 0, 4*kib, Final)
		c.spoil(&pdu.SCSIResponse{ITT: task.PDU.ITT, ExpDataSN: 1})
		t.RClose(c)
		if read.Ended() && read.result.Good() {
			t.Fail(read.result, "a response that is not processed")
		}
	})
	t.Part("Data-In", func() {
		c := t.digested()
		_, task := t.onUnit(c, 0)
		c.spoil(&pdu.DataIn{Final: true, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, Data: task.Bytes(0, 4*kib)})
		t.RClose(c)
	})
	t.Part("R2T", func() {
		c := t.digested()
		t.Start(Write{Blocks: 512})
		task := c.WriteCommand()
		c.spoil(&pdu.R2T{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: c.Tag(), BufferOffset: uint32(task.got), DesiredDataTransferLength: 512})
		if e := c.TryNext(time.Second, pdu.OpDataOut); e.Kind == probe.Arrived {
			t.Fail(e, "an R2T that is not processed")
		}
		t.RClose(c)
	})
	t.Part("NOP-In", func() {
		c := t.digested()
		c.spoil(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: c.Tag()})
		t.RClose(c)
	})
}

// wrongData makes a frame whose data is not what its digest says.
func wrongData(p pdu.PDU) *pdu.Frame {
	f := pdu.FrameOf(p)
	right := pdu.Checksum(f.Data, make([]byte, -len(f.Data)&3))
	f.DataDigest = &right
	f.Data = bytes.Clone(f.Data)
	f.Data[len(f.Data)-1] ^= 0x55
	return f
}

func wrongDataDigest(t *T) {
	c := t.digested()
	op, task := t.reading(c, 8)
	for i := range 4 {
		p := &pdu.DataIn{ITT: task.PDU.ITT, TTT: pdu.ReservedTag, DataSN: uint32(i), BufferOffset: uint32(i * 2 * kib),
			Data: task.Bytes(i*2*kib, 2*kib)}
		c.Number(p)
		if i == 3 {
			c.WithStatus()(p)
		}
		f := pdu.FrameOf(p)
		if i == 2 {
			f = wrongData(p)
		}
		c.SendFrame(f)
	}
	t.neverWrong(op)
	t.RAlive()
}

// sentWrong sends a numbered PDU with wrong data.
func (c *Conn) sentWrong(p pdu.PDU) {
	c.Number(p)
	c.SendFrame(wrongData(p))
}

func wrongOtherDigests(t *T) {
	sense := pdu.SenseSegment(scsi.NewSense(scsi.MediumError, scsi.UnrecoveredReadError).Append(nil))
	// closes demands R-CLOSE, and lets a PDU that is taken for lost do for a warning.
	closes := func(c *Conn, used func() bool) {
		t.Wait(t.scaled(ReactionTime))
		if used != nil && used() {
			t.Fail("content of a PDU with a wrong digest that is acted upon", "a PDU that is taken for lost")
		}
		if e, ended := c.Ended(); ended {
			_ = c.Close() // the array's side ends too
		} else {
			t.Warn("A PDU with a wrong data digest leads to nothing.", e, "the end of the connection")
		}
	}
	t.Part("SCSI Response", func() {
		c := t.digested()
		read, task := t.onUnit(c, 0)
		c.sentWrong(&pdu.SCSIResponse{ITT: task.PDU.ITT, Status: byte(scsi.StatusCheckCondition), Data: sense})
		closes(c, read.Ended)
	})
	t.Part("Text Response", func() {
		c := t.digested()
		op := t.Start(SendText{Pairs: text.Pairs{{Key: "X-io.iscsispec.a", Value: "b"}}})
		e := c.Next(pdu.OpTextRequest)
		p, _ := probe.As[*pdu.TextRequest](e)
		c.sentWrong(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag, Data: []byte("X-io.iscsispec.a=b\x00")})
		closes(c, func() bool { return op.Ended() && op.result.Good() })
	})
	t.Part("Async Message", func() {
		c := t.digested()
		c.sentWrong(&pdu.AsyncMessage{Event: pdu.AsyncSCSI, Data: sense})
		closes(c, nil)
	})
	t.Part("NOP-In", func() {
		c := t.digested()
		c.Mute = true
		op := t.Start(Ping{Data: []byte("ping")})
		e := c.Next(pdu.OpNOPOut)
		p, _ := probe.As[*pdu.NOPOut](e)
		c.sentWrong(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag, Data: p.Data})
		closes(c, func() bool { return op.Ended() && op.result.Good() })
	})
	t.Part("Reject", func() {
		c := t.digested()
		read, task := t.onUnit(c, 0)
		c.sentWrong(&pdu.Reject{Reason: pdu.RejectCommandNotSupported, Data: bytes.Clone(task.Event.Frame.BHS[:])})
		closes(c, read.Ended)
	})
}

func noDigestsInLogin(t *T) {
	c := t.digested()
	t.Probe()
	t.Serve(settled)
	c.Sever()
	c = t.Accept()
	if !c.Login() {
		t.Fail("a login that did not end", "a login without digests, as the first one")
	}
	t.Probe()
	t.rightDigests(c)
}

func repeatedDigestErrors(t *T) {
	c := t.digested()
	began := t.Now()
	var logins []time.Duration
	served := 0
	for t.Now()-began < 60*time.Second {
		op := t.Start(Read{Blocks: 8})
		for !op.Ended() {
			if _, ended := c.Ended(); ended {
				_ = c.Close() // the array's side ends too
				next := t.TryAccept("", AnswerTime)
				if next == nil {
					t.Fail("no connection", "a session again")
				}
				logins = append(logins, t.Now())
				c = next
				if !c.Login() {
					t.Unclear("The login did not reach full feature phase.")
				}
				continue
			}
			task := c.TryCommand(time.Second, Reads...)
			if task == nil {
				continue
			}
			if served++; served%10 != 0 {
				c.Good(task)
				t.Wait(200 * time.Millisecond)
				continue
			}
			p := &pdu.DataIn{ITT: task.PDU.ITT, TTT: pdu.ReservedTag, Data: task.Bytes(0, 4*kib)}
			c.WithStatus()(p)
			c.SendFrame(wrongData(p))
			t.Wait(50 * time.Millisecond)
		}
		if r := op.result; r.Good() {
			t.Pattern(r.Data, 0)
		}
	}
	for i := 1; i < len(logins); i++ {
		if gap := logins[i] - logins[i-1]; gap < ini.DefaultReconnectInterval*9/10 {
			t.Fail(fmt.Sprintf("logins %v apart", gap), "one login in each interval")
		}
	}
}

func rangeAgain(t *T) {
	c := t.digested()
	if c.Params.ErrorRecoveryLevel == 0 {
		t.Skip("NOT-TESTABLE: the initiator does not agree on ErrorRecoveryLevel 1.")
	}
	op := t.Start(Write{Blocks: 512})
	task := c.WriteCommand()
	if task.open {
		task.open = false
		c.DataOut(task, pdu.ReservedTag)
	}
	offset, n := task.got, min(task.Length()-task.got, 64*kib)
	if n == 0 {
		t.Skip("NOT-TESTABLE: the initiator sends all data without being asked for it.")
	}
	r2t := c.R2T(task, offset, n)
	first := c.DataOut(task, r2t.TTT)
	if first.End != nil {
		t.Fail(first.End, "Data-Out in answer to the R2T")
	}
	spoilt := pdu.FrameOf(first.PDUs[0])
	c.Reject(probe.Event{Kind: probe.Arrived, Frame: spoilt, PDU: first.PDUs[0]}, pdu.RejectDataDigestError)
	task.got = offset
	r2t = c.R2T(task, offset, n)
	again := c.DataOut(task, r2t.TTT)
	switch {
	case again.End != nil:
		t.Fail(again.End, "the same range again")
	case !bytes.Equal(again.Data, first.Data):
		t.Fail("other bytes than before", "the same range again")
	case again.PDUs[0].DataSN != 0:
		t.Fail(fmt.Sprintf("DataSN %d", again.PDUs[0].DataSN), "DataSN from 0")
	}
	c.Good(task)
	if r := op.Wait(); !r.Good() {
		t.Fail(r, "a write that completes GOOD")
	}
}
