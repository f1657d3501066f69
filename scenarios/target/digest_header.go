package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// digestErrorChecks are those of the group digest that are about digests which are wrong.
func digestErrorChecks() []Check {
	return []Check{
		{ID: "digest.crc32c.with-ahs", Run: digestOverAHS},
		{ID: "digest.header-error.missing-digest", Risk: scenarios.Writes, Run: missingHeaderDigest},
		{ID: "digest.header-error.wrong-digest", Run: wrongHeaderDigest},
		{ID: "digest.header-error.flipped-header-bit", Risk: scenarios.Writes, Run: flippedHeaderBit},
		{ID: "digest.data-error.command-with-immediate-data", Risk: scenarios.Writes, Run: damagedImmediateData},
		{ID: "digest.data-error.data-out", Risk: scenarios.Writes, Run: func(t *T) { t.damagedDataOut(t.damagedSession()) }},
		{ID: "digest.data-error.unsolicited-data-out", Risk: scenarios.Writes, Run: damagedUnsolicited,
			Array: func(p *simtarget.Profile) { p.Data.InitialR2T = false }},
		{ID: "digest.data-error.non-data-pdu", Run: damagedPings},
		{ID: "digest.recovery-r2t.range", Risk: scenarios.Writes, Array: recovering, Run: recoveryR2TRange},
	}
}

// headerDigests logs in with header digests, and clears unit attentions.
func (t *T) headerDigests(more ...string) *probe.Conn {
	c := t.WithDigests(pdu.Digests{Header: true}, more...)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return c
}

// longCDB is a command of 32 bytes, which needs an AHS: READ(32) of no blocks.
func longCDB() probe.Command {
	cdb := make([]byte, 32)
	cdb[0], cdb[7], cdb[9] = 0x7f, 0x18, 0x09
	return probe.Command{CDB: cdb}
}

// served tells whether a command was answered in a way that the row accepts.
func served(r probe.Result) bool {
	if p := r.Rejected(); p != nil {
		return p.Reason == pdu.RejectCommandNotSupported || p.Reason == pdu.RejectInvalidPDUField
	}
	return r.Good() || r.Check()
}

// digestOverAHS is digest.crc32c.with-ahs.
func digestOverAHS(t *T) {
	want := []string{"GOOD", "CHECK CONDITION", "a Reject with reason 0x05 or 0x09"}
	c := t.headerDigests()
	r := c.Execute(longCDB())
	if served(r) {
		return
	}
	if !r.Event.Ended() {
		t.Fail(r, want...)
	}
	if bare := t.Open(probe.Login{}).Execute(longCDB()); served(bare) {
		t.Fail(fmt.Sprintf("%v; without digests: %v", r, bare), want...)
	}
	t.Warn("The target drops the connection over a command with an AHS, with digests and without.", r, want...)
}

// damaged gives a PDU as bytes, of which the last is wrong: of the data digest, or of the header digest where the PDU has no data.
func damaged(c *probe.Conn, p pdu.PDU) []byte {
	raw := pdu.Encode(nil, p, c.Digests)
	raw[len(raw)-1] ^= 0x01
	return raw
}

// discarded judges what a target does with a PDU whose header cannot be taken: a drop passes, and so does nothing at all. It ends the part when
// the PDU's task is answered.
func (t *T) discarded(c *probe.Conn, itt uint32) {
	ping := c.NOPOut(nil)
	for sent := false; ; {
		e := c.Next(t.Options().QuietTime)
		if e.Kind == probe.TimedOut && !sent {
			sent = true
			// A failed write shows in the next event.
			_ = c.Send(ping)
			continue
		}
		if e.Kind != probe.Arrived {
			return
		}
		reject, is := probe.As[*pdu.Reject](e)
		switch {
		case is:
			if h, whole := reject.Rejected(); whole && h.ITT() == itt {
				t.Warn("The target rejects a PDU of whose header it can trust nothing.", e, "silence", "a drop")
			}
		case e.Frame.BHS.ITT() == itt:
			t.Fail(e, "silence", "a drop")
		case e.Frame.BHS.ITT() == ping.ITT:
			return
		}
	}
}

// untouched ends the part unless the blocks hold what they held before, as a new session sees them.
func (t *T) untouched(c *probe.Conn, blocks map[uint32][]byte) {
	// The connection is of no use any more.
	_ = c.Close()
	r := t.LoginWithin(probe.Login{}, retryTime)
	fresh := t.Granted(r)
	t.Check(fresh.ClearUnitAttentions(), "TEST UNIT READY after the login")
	for _, lba := range []uint32{0, 1, 8, 9} {
		if want, kept := blocks[lba]; kept {
			t.Holds(fresh, lba, want, "after the damaged command")
		}
	}
}

// missingHeaderDigest is digest.header-error.missing-digest.
func missingHeaderDigest(t *T) {
	c := t.headerDigests("ImmediateData=Yes", "InitialR2T=Yes", "FirstBurstLength=512")
	if !c.Session.Params.ImmediateData {
		t.Skip("The target does not agree to ImmediateData=Yes.")
	}
	block := t.Write(c, 0, pattern(70, 512)).Write
	old := pattern(71, len(block))
	t.Fill(c, 0, old)
	command := t.Write(c, 0, block)
	p := c.Request(command)
	p.Data = block
	// What comes of it is told by the events that follow. The ping keeps a target from waiting for the rest of what it takes for data.
	_ = c.SendRaw(pdu.Encode(nil, p, pdu.Digests{}))
	_ = c.Send(c.NOPOut(nil))
	for {
		e := c.Next(t.Options().QuietTime)
		if e.Kind != probe.Arrived {
			break
		}
		if _, rejected := probe.As[*pdu.Reject](e); !rejected && e.Frame.BHS.ITT() == p.ITT {
			t.Fail(e, "silence", "a drop")
		}
	}
	t.untouched(c, map[uint32][]byte{0: old})
}

// wrongHeaderDigest is digest.header-error.wrong-digest.
func wrongHeaderDigest(t *T) {
	c := t.headerDigests()
	p := c.Request(probe.TestUnitReady())
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, p))
	t.discarded(c, p.ITT)
}

// flippedHeaderBit is digest.header-error.flipped-header-bit.
func flippedHeaderBit(t *T) {
	c := t.headerDigests("ImmediateData=Yes")
	size := len(t.Write(c, 0, pattern(72, 512)).Write)
	old := map[uint32][]byte{}
	for _, lba := range []uint32{0, 1, 8, 9} {
		old[lba] = pattern(80+lba, size)
		t.Fill(c, lba, old[lba])
	}
	command := t.Write(c, 0, pattern(73, size))
	p := c.Request(command)
	if c.Session.Params.ImmediateData && size <= c.Session.Params.FirstBurstLength {
		p.Data = command.Write
	}
	raw := pdu.Encode(nil, p, c.Digests)
	raw[32+5] ^= 8 // LBA 8 in the place of 0
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(raw)
	t.discarded(c, p.ITT)
	t.untouched(c, old)
}

// crcError tells whether a SCSI Response reports a CRC error: its sense data as expected, or at least under a sense key that says that the
// command did not complete.
func crcError(p *pdu.SCSIResponse) (exact, close bool) {
	sense, err := scsi.ParseSense(p.Sense())
	if err != nil || scsi.Status(p.Status) != scsi.StatusCheckCondition {
		return false, false
	}
	return sense.Key == scsi.AbortedCommand && sense.Code == scsi.ProtocolServiceCRCError, sense.Key == scsi.AbortedCommand || sense.Key == scsi.IllegalRequest
}
