package target

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// hostileCommandChecks are those of the group robustness about commands and data in full feature phase.
func hostileCommandChecks() []Check {
	long := scenarios.Limits{Run: 5 * time.Minute, Wall: 6 * time.Minute}
	return []Check{
		{ID: "robustness.ffp.peer-stops-reading", Run: stopsReading, Limits: long},
		{ID: "robustness.ffp.half-close", Run: halfClose, Limits: long},
		{ID: "robustness.ffp.reserved-itt-command", Run: reservedTag},
		{ID: "robustness.ffp.contradictory-flags", Run: contradictions, Limits: long},
		{ID: "robustness.ffp.edtl-extremes", Run: hugeEDTL},
		{ID: "robustness.ffp.lun-formats", Run: lunFormats},
		{ID: "robustness.ffp.login-opcode-flood", Run: strayLogins},
		{ID: "robustness.pdu.write-with-no-data-ever", Risk: scenarios.Writes, Run: dataNeverComes, Limits: long},
		{ID: "robustness.reserved.attr-code-reported", Run: reservedAttributes},
	}
}

// deafPeer is a connection of which nobody reads once its login is over: the probe's own take what comes at all times.
type deafPeer struct {
	net.Conn
	window  int // commands that the target takes
	cmdSN   uint32
	digests pdu.Digests
}

// deaf logs in on a connection of its own.
func (t *T) deaf() *deafPeer {
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login by hand leaves out.")
	}
	t.besideOther(probe.Login{})
	digests := pdu.Digests{Header: t.Options().HeaderDigest != "", Data: t.Options().DataDigest != ""}
	raw, err := t.dial(t.Context(), "tcp", t.Options().Portal.HostPort())
	t.Check(err, "connecting")
	_ = raw.SetDeadline(time.Now().Add(t.Options().AnswerTimeout))
	reader := pdu.NewReader(raw, pdu.Limits{})
	said := append(t.Names(probe.Login{}), t.Digests()...)
	request := pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: t.NewISID(), CID: 1, ITT: 1, CmdSN: 1,
		Data: said.Append(nil)}
	for range 16 {
		// A failed write shows when the answer is read.
		_, _ = raw.Write(pdu.Encode(nil, &request, pdu.Digests{}))
		f, err := reader.Read()
		var response pdu.LoginResponse
		if err != nil || response.DecodeBHS(&f.BHS) != nil || response.StatusClass != 0 {
			_ = raw.Close()
			t.Fail(fmt.Sprintf("a login by hand: %v %v", f, err), "a granted login")
		}
		if response.Transit && response.NSG == pdu.StageFullFeature {
			return &deafPeer{raw, int(response.MaxCmdSN - request.CmdSN + 1), request.CmdSN, digests}
		}
		request.ExpStatSN = response.StatSN + 1
		answers, _ := text.Parse(f.Data) // what cannot be read is not answered, and the login does not end
		request.Data = nil
		for _, p := range answers {
			if key, known := text.Lookup(p.Key); known && key.Negotiated() && len(said.Values(p.Key)) == 0 {
				request.Data = text.Pairs{p}.Append(request.Data)
			}
		}
	}
	_ = raw.Close()
	t.Fail("a login by hand that does not end within 16 exchanges", "a granted login")
	return nil
}

// deafTime is how long a peer does not read, and deafProbes how often others are looked at meanwhile.
const (
	deafTime   = time.Minute
	deafProbes = 12
)

func stopsReading(t *T) {
	other := t.Open(probe.Login{})
	n := t.room(other, 0, 2<<20)
	read := t.Read(other, 0, n)
	c := t.deaf()
	defer c.Close()
	for range min(c.window, 64<<20/n) {
		command := &pdu.SCSICommand{Final: true, Read: true, Attr: pdu.AttrSimple, LUN: t.Options().LUN, ITT: c.cmdSN, CmdSN: c.cmdSN,
			ExpectedDataTransferLength: uint32(n)}
		copy(command.CDB[:], read.CDB)
		_ = c.SetDeadline(time.Now().Add(t.Options().AnswerTimeout))
		if _, err := c.Write(pdu.Encode(nil, command, c.digests)); err != nil {
			break // the target has had enough of it
		}
		c.cmdSN++
	}
	for range deafProbes {
		if !t.Pause(t.patient(deafTime) / deafProbes) {
			return
		}
		t.Survives(other, "the session beside a peer that does not read")
	}
	t.Note("%d reads of %d bytes were asked for, and nothing was read", c.cmdSN-1, n)
}

// halfClosedTime is how long a target may keep a connection that the initiator has half-closed.
const halfClosedTime = 2 * time.Minute

func halfClose(t *T) {
	c := t.Open(probe.Login{})
	c.Start(t.Read(c, 0, 65536))
	if c.Shut() != nil {
		t.Skip("The transport cannot close one direction.")
	}
	for began := time.Now(); time.Since(began) < halfClosedTime; {
		e := c.NextOfAll(halfClosedTime - time.Since(began))
		if e.Ended() {
			t.Note("the target closes %v after the FIN", time.Since(began).Round(time.Second))
			return
		}
		if e.Kind != probe.Arrived {
			break
		}
	}
	t.Warn("A connection whose initiator has half-closed it is still open after 120 s.", "no end of the connection", "the rest of the data, and a close")
}

func reservedTag(t *T) {
	c := t.Open(probe.Login{})
	command := probe.TestUnitReady()
	command.Patch = func(p *pdu.SCSICommand) { p.ITT = pdu.ReservedTag }
	task := c.Start(command)
	e := c.Next(t.Options().QuietTime)
	if response, is := probe.As[*pdu.SCSIResponse](e); is {
		t.Warn("A SCSI command with the reserved tag is executed.", response, "a Reject with reason 04 or 09", "a drop", "silence")
	} else if r, is := probe.As[*pdu.Reject](e); is && r.Reason != pdu.RejectInvalidPDUField && r.Reason != pdu.RejectProtocolError {
		t.Fault(e, "a Reject with reason 04 or 09", "a drop", "silence")
	}
	if !e.Ended() {
		c.Session.CmdSN = task.PDU.CmdSN
		if exp, _, known := windowOf(e.PDU); known {
			c.Session.CmdSN = exp
		}
		if c.Probe() == nil {
			return
		}
	}
	t.serves("a session after a command with the reserved tag")
}

func contradictions(t *T) {
	read := append(scsi.Read10(t.Options().First, 1), make([]byte, 6)...)
	for _, variant := range []struct {
		name   string
		patch  func(p *pdu.SCSICommand)
		silent bool // silence is a warning
		writes bool
	}{
		{"READ with R=1, W=1", func(p *pdu.SCSICommand) { p.Read, p.Write, p.CDB = true, true, [16]byte(read) }, false, false},
		{"WRITE with F=0 under InitialR2T=Yes", func(p *pdu.SCSICommand) {
			p.Write, p.Final, p.CDB = true, false, [16]byte(append(scsi.Write10(t.Options().First, 1), make([]byte, 6)...))
		}, true, true},
		{"TEST UNIT READY with F=0, R=0, W=0", func(p *pdu.SCSICommand) { p.Final, p.ExpectedDataTransferLength = false, 0 }, true, false},
		{"READ with R=0, W=1", func(p *pdu.SCSICommand) { p.Read, p.Write, p.CDB = false, true, [16]byte(read) }, false, false},
	} {
		t.Part(variant.name, func() {
			if variant.writes && !t.MayWrite() {
				t.Skip("The logical unit must not be written to.")
			}
			c := t.Open(solicited())
			block := unitOf(t, c).BlockSize
			command := probe.TestUnitReady()
			command.Patch = func(p *pdu.SCSICommand) {
				p.ExpectedDataTransferLength = block
				variant.patch(p)
			}
			t.orderly(c, c.Start(command), variant.silent)
		})
	}
}

// orderly judges the answer to a command with contradictory flags: the R2Ts that come are satisfied.
func (t *T) orderly(c *probe.Conn, task *probe.Task, silent bool) {
	for {
		e := c.AnswerTo(task.PDU.ITT)
		if r2t, is := probe.As[*pdu.R2T](e); is {
			data := make([]byte, min(r2t.DesiredDataTransferLength, 1<<20))
			// A failed write shows in the next event.
			_ = c.Send(&pdu.DataOut{Final: true, LUN: r2t.LUN, ITT: r2t.ITT, TTT: r2t.TTT, ExpStatSN: c.ExpStatSN, BufferOffset: r2t.BufferOffset, Data: data})
			continue
		}
		if in, is := probe.As[*pdu.DataIn](e); is {
			if !task.PDU.Read {
				t.Fail(e, "no Data-In for a command with R=0")
			}
			if in.StatusPresent {
				return
			}
			continue
		}
		_, reject := probe.As[*pdu.Reject](e)
		_, response := probe.As[*pdu.SCSIResponse](e)
		switch {
		case e.Ended(), reject, response:
		case e.Kind == probe.TimedOut && c.Next(30*time.Second).Kind != probe.TimedOut:
			t.Note("the answer came late")
		case e.Kind == probe.TimedOut && silent:
			t.Warn("A command whose flags promise data that may not come stays without an answer.", e, "a SCSI Response, a Reject or a drop")
		default:
			t.Fail(e, "a SCSI Response, a Reject or a drop")
		}
		return
	}
}

func hugeEDTL(t *T) {
	const most = 0xffffffff
	for _, variant := range []struct {
		name  string
		write bool
		cdb   []byte
	}{{"READ of one block", false, scsi.Read10(t.Options().First, 1)}, {"WRITE of one block", true, scsi.Write10(t.Options().First, 1)}, {"TEST UNIT READY", false, scsi.TestUnitReady()}} {
		t.Part(variant.name, func() {
			if variant.write && !t.MayWrite() {
				t.Skip("The logical unit must not be written to.")
			}
			c := t.Open(solicited())
			block := unitOf(t, c).BlockSize
			edtl := uint32(most)
			command := probe.Command{CDB: variant.cdb, EDTL: &edtl}
			command.Patch = func(p *pdu.SCSICommand) { p.Read, p.Write = !variant.write, variant.write }
			moved := block
			if variant.name == "TEST UNIT READY" {
				moved = 0
			}
			t.extreme(c, c.Start(command), moved)
		})
		t.serves("a session after an extreme expected length")
	}
}

// extreme judges the answer to a command with an Expected Data Transfer Length of 4 GiB of which only moved bytes are.
func (t *T) extreme(c *probe.Conn, task *probe.Task, moved uint32) {
	for {
		e := c.AnswerTo(task.PDU.ITT)
		switch p := e.PDU.(type) {
		case *pdu.R2T:
			if limit := c.Session.Params.MaxBurstLength; int(p.DesiredDataTransferLength) > limit {
				t.Fail(e, fmt.Sprintf("R2Ts of at most MaxBurstLength=%d", limit))
			}
			if p.BufferOffset > 8<<20 {
				_ = c.Reset() // the data would go on for 4 GiB
				t.Warn("The target asks for far more data than the command writes.", e, "R2Ts for no more than the command writes")
				return
			}
			task.Serve(p)
			continue
		case *pdu.DataIn:
			if p.StatusPresent {
				t.shortOf(e, p.Underflow, p.ResidualCount, moved)
				return
			}
			continue
		case *pdu.SCSIResponse:
			if p.Status == 0 && p.Response == pdu.ResponseCompleted {
				t.shortOf(e, p.Underflow, p.ResidualCount, moved)
			}
		case *pdu.Reject:
		default:
			if !e.Ended() {
				t.Fail(e, "GOOD with the residual", "CHECK CONDITION", "a Reject", "a drop")
			}
			t.Warn("The connection is dropped over an extreme expected length.", e, "GOOD with the residual", "CHECK CONDITION", "a Reject")
		}
		return
	}
}

// shortOf ends the part unless the residual says that all but moved bytes of 4 GiB less one were not transferred.
func (t *T) shortOf(e probe.Event, underflow bool, residual, moved uint32) {
	if want := 0xffffffff - moved; !underflow || residual != want {
		t.Fail(e, fmt.Sprintf("U=1 and a residual of %d", want))
	}
}

func lunFormats(t *T) {
	known := map[uint64]bool{}
	for _, bytes := range [][8]byte{{}, {0x40}, {0x80}, {0xc1, 0x01}, {255, 255, 255, 255, 255, 255, 255, 255}} {
		lun := binary.BigEndian.Uint64(bytes[:])
		t.Part(fmt.Sprintf("LUN %016x", lun), func() {
			c := t.Open(probe.Login{})
			if len(known) == 0 {
				r := c.Execute(probe.Command{LUN: new(uint64), CDB: scsi.ReportLUNs(0, 4096), Read: 4096})
				if r.Good() {
					list, _, err := scsi.ParseLUNList(r.Data)
					if err == nil {
						for _, l := range list {
							known[numberOf(uint64(l))] = true
						}
					}
				}
			}
			command := probe.TestUnitReady()
			command.LUN = &lun
			r := c.Execute(command)
			switch {
			case r.Good() && len(known) > 0 && !known[numberOf(lun)]:
				t.Fail(r, "no GOOD for a logical unit that does not exist")
			case r.Answered, r.Rejected() != nil:
			case r.Event.Ended():
				t.Warn("The connection is dropped over a LUN.", r, "a SCSI status, or a Reject")
			default:
				t.Fail(r, "a SCSI status, or a Reject")
			}
		})
	}
	t.serves("a session after LUNs of all formats")
}

// numberOf makes the forms of one single level LUN alike.
func numberOf(lun uint64) uint64 {
	if n, single := scsi.LUN(lun).Number(); single {
		return uint64(n)
	}
	return lun
}

func strayLogins(t *T) {
	other := t.Open(probe.Login{})
	victim := t.Open(probe.Login{})
	patience := t.Options().QuietTime
	for i := range 100 {
		request := &pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: victim.Session.ISID, TSIH: victim.Session.TSIH,
			CID: victim.CID, ITT: victim.NewTag(), CmdSN: victim.Session.CmdSN, ExpStatSN: victim.ExpStatSN, Data: t.Names(probe.Login{}).Append(nil)}
		// A failed write shows in the next event.
		_ = victim.Send(request)
		e := victim.Next(patience)
		if e.Kind == probe.TimedOut { // silence is lawful, and 100 times as long is no use
			patience = min(patience, 20*time.Millisecond)
		}
		if response, is := probe.As[*pdu.LoginResponse](e); is && response.StatusClass == 0 {
			t.Fail(e, "no granted login on a connection in full feature phase")
		}
		if i%10 == 0 || e.Ended() {
			t.Survives(other, "the session beside stray Login Requests")
		}
		if e.Ended() {
			return
		}
	}
	t.Survives(other, "the session beside stray Login Requests")
}

// heldTime is how long a WRITE is held, and heldProbes how many READs have to complete meanwhile.
const (
	heldTime   = 2 * time.Minute
	heldProbes = 12
)

func dataNeverComes(t *T) {
	c := t.Open(solicited())
	task, _ := t.Held(c, 0, pattern(80, 4096), 0)
	for range heldProbes {
		if c.Session.Window() < 1 {
			t.Skip("The window takes no command beside the write.")
		}
		if r := c.Execute(t.Read(c, 64, 4096)); !r.Good() {
			t.Fail(r, "a READ that completes beside a WRITE whose data does not come")
		}
		if !t.Pause(t.patient(heldTime) / heldProbes) {
			return
		}
	}
	e := c.Next(t.Options().QuietTime)
	response, is := probe.As[*pdu.SCSIResponse](e)
	_, again := probe.As[*pdu.R2T](e)
	if is && response.ITT == task.PDU.ITT && response.Response == pdu.ResponseCompleted && response.Status == 0 {
		t.Fail(e, "CHECK CONDITION, a drop, or that the WRITE waits")
	}
	if again {
		t.Note("the target asks again for the data")
	}
}

func reservedAttributes(t *T) {
	for attr := pdu.TaskAttribute(5); attr <= 7; attr++ {
		t.Part(fmt.Sprintf("ATTR %d", attr), func() {
			c := t.Open(probe.Login{})
			command := probe.TestUnitReady()
			command.Attr = &attr
			r := c.Execute(command)
			reject := r.Rejected()
			switch {
			case reject != nil && (reject.Reason == pdu.RejectProtocolError || reject.Reason == pdu.RejectInvalidPDUField):
			case reject != nil:
				t.Warn("The reserved attribute is rejected with another reason.", r, "a Reject with reason 04")
			case r.Event.Ended(), r.Check(), r.Answered && r.Response != pdu.ResponseCompleted:
			case r.Good():
				t.Warn("A reserved task attribute is taken for another one.", r, "a Reject with reason 04", "CHECK CONDITION", "a drop")
				return
			default:
				t.Fail(r, "a Reject with reason 04", "CHECK CONDITION", "a drop")
			}
			if reject != nil {
				c.Session.CmdSN = r.Task.PDU.CmdSN // it counts as not received, and the probe takes its place
			}
			if r.Event.Ended() || c.Probe() != nil {
				t.serves("a session after a reserved task attribute")
			}
		})
	}
}
