package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

func loginNumberChecks() []Check {
	return []Check{
		{ID: "login.statsn.starts-at-first-response", Run: statSNFromFirstResponse},
		{ID: "login.cmdsn.expcmdsn-equals-login-cmdsn", Run: func(t *T) {
			first := uint32(0x1000)
			r := t.Login(probe.Login{CmdSN: &first})
			c := t.Granted(r)
			if final, _ := probe.As[*pdu.LoginResponse](r.Last); final.ExpCmdSN != first {
				t.Fail(fmt.Sprintf("ExpCmdSN 0x%x in the final response", final.ExpCmdSN), "ExpCmdSN 0x1000")
			}
			t.Survives(c, "the session, with CmdSN 0x1000")
		}},
		{ID: "login.maxcmdsn.window-not-inverted", Run: windowNotInverted},
	}
}

func statSNFromFirstResponse(t *T) {
	c := t.LongLogin()
	for _, command := range []probe.Command{{CDB: scsi.Inquiry(96), Read: 96}, probe.TestUnitReady(), {CDB: scsi.ReadCapacity10(), Read: 8}} {
		t.answered(c.Execute(command))
	}
	for i := range uint32(10) {
		// Blocks far from those that other checks look at.
		command := t.Read(c, 64+i, 512)
		if t.MayWrite() {
			command = t.Write(c, 64+i, t.Random(512))
		}
		t.answered(c.Execute(command))
	}
	t.StatSNInOrder()
}

// answered ends the part unless a command was answered with a SCSI status, whichever.
func (t *T) answered(r probe.Result) {
	if !r.Answered {
		t.Fail(r, "a SCSI Response")
	}
}

// StatSNInOrder ends the part unless, on each connection of the check so far, every PDU that carries a status has the StatSN after that of
// the one before. The StatSN of a refusal is not judged.
func (t *T) StatSNInOrder() {
	last := map[string]uint32{}
	for e, p := range t.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUReceived).PDUs() {
		sn, carries := statSNOf(p)
		if !carries {
			continue
		}
		if before, known := last[e.Conn]; known && sn != before+1 {
			t.Fail(fmt.Sprintf("StatSN 0x%x after 0x%x, in %v", sn, before, e.PDU), fmt.Sprintf("StatSN 0x%x", before+1))
		}
		last[e.Conn] = sn
	}
}

// statSNOf gives the StatSN of a PDU that consumes one.
func statSNOf(p pdu.PDU) (sn uint32, carries bool) {
	switch p := p.(type) {
	case *pdu.LoginResponse:
		return p.StatSN, p.StatusClass == 0
	case *pdu.SCSIResponse:
		return p.StatSN, true
	case *pdu.TaskManagementResponse:
		return p.StatSN, true
	case *pdu.TextResponse:
		return p.StatSN, true
	case *pdu.LogoutResponse:
		return p.StatSN, true
	case *pdu.AsyncMessage:
		return p.StatSN, true
	case *pdu.Reject:
		return p.StatSN, true
	case *pdu.NOPIn:
		return p.StatSN, p.ITT != pdu.ReservedTag
	case *pdu.DataIn:
		return p.StatSN, p.StatusPresent
	}
	return 0, false
}

func windowNotInverted(t *T) {
	first := uint32(0x1000)
	r := t.Login(probe.Login{Security: true, CmdSN: &first})
	for i, turn := range Successful(t.Logins()) {
		if p := turn.Response; int32(p.MaxCmdSN-p.ExpCmdSN)+1 < 0 {
			t.Fail(fmt.Sprintf("Login Response %d has ExpCmdSN 0x%x and MaxCmdSN 0x%x", i+1, p.ExpCmdSN, p.MaxCmdSN), "MaxCmdSN not below ExpCmdSN-1")
		}
	}
	c := t.Granted(r)
	if c.Session.Window() > 0 {
		return
	}
	for range 5 {
		if t.Pause(time.Second); c.Ping(nil) == nil && c.Session.Window() > 0 {
			t.Warn("The window is closed in the final Login Response and opens later.", "no room for a command", "room for a command")
			return
		}
	}
	t.Fail("the window stays closed", "room for a command")
}
