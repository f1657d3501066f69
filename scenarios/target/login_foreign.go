package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// loginForeignChecks are about PDUs that have no place before, during and after a login.
func loginForeignChecks() []Check {
	return []Check{
		{ID: "login.prelogin.other-pdu-closes", Run: otherBeforeLogin},
		{ID: "login.midlogin.nop-refused-020b", Run: func(t *T) {
			w := t.Begun(probe.Login{})
			ping := w.Conn.NOPOut(nil)
			t.invalidDuringLogin(w, ping)
		}},
		{ID: "login.midlogin.scsi-command-refused-020b", Run: commandDuringLogin},
		{ID: "login.ffp.second-login-refused", Run: func(t *T) {
			t.Part("with MaxBurstLength=512", func() { secondLogin(t, Keys("MaxBurstLength=512")) })
			t.Part("without keys", func() { secondLogin(t, nil) })
		}},
	}
}

func otherBeforeLogin(t *T) {
	for _, request := range []struct {
		name string
		make func(c *probe.Conn) pdu.PDU
	}{
		{"INQUIRY", func(c *probe.Conn) pdu.PDU { return c.Request(inquiry()) }},
		{"NOP-Out", func(c *probe.Conn) pdu.PDU { return c.NOPOut(nil) }},
		{"Text Request", func(c *probe.Conn) pdu.PDU { return c.TextRequest(Keys("SendTargets=All")) }},
		{"Logout Request", func(c *probe.Conn) pdu.PDU { return c.LogoutRequest(pdu.LogoutCloseSession, 1) }},
	} {
		t.Part(request.name, func() {
			c := t.Connect()
			// What the target does with it is told by the event that follows.
			_ = c.Send(request.make(c))
			e := c.Answer()
			response, login := probe.As[*pdu.LoginResponse](e)
			_, rejected := probe.As[*pdu.Reject](e)
			switch {
			case e.Ended():
			case rejected, login && iscsi.Status(response.Status()).Class() == iscsi.ClassInitiatorError:
				t.Warn("The target answers before it closes.", e, "a drop")
				t.Dropped(c, "after the answer")
			default:
				t.Fail(e, "a drop")
			}
			t.Leave(t.Granted(t.LoginWithin(probe.Login{}, retryTime)))
		})
	}
}

// invalidDuringLogin sends a PDU in the middle of a login, and judges the answer.
func (t *T) invalidDuringLogin(w *probe.Walk, p pdu.PDU) {
	want := "refused with " + iscsi.StatusInvalidDuringLogin.String()
	// What the target does with it is told by the event that follows.
	_ = w.Conn.Send(p)
	e := w.Conn.Answer()
	response, login := probe.As[*pdu.LoginResponse](e)
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case e.Kind == probe.Interrupted:
		t.Unclear("The check's own time was over during a login.")
	case login && iscsi.Status(response.Status()) == iscsi.StatusInvalidDuringLogin:
	case login && iscsi.Status(response.Status()).Class() == iscsi.ClassInitiatorError:
		t.Warn("The login was refused with another status.", iscsi.Status(response.Status()), want)
	case e.Ended():
		t.Warn("The login was ended by a bare drop.", e, want)
	case rejected && w.Conn.AwaitDropAfterAll().Dropped:
		t.Warn("The login was ended by a Reject and a drop.", e, want)
	default:
		t.Fail(e, want)
	}
}

func commandDuringLogin(t *T) {
	t.Part("INQUIRY", func() {
		w := t.Begun(probe.Login{})
		command := w.Conn.Request(probe.Command{CDB: scsi.Inquiry(36), Read: 36})
		command.CmdSN = w.CmdSN
		t.invalidDuringLogin(w, command)
	})
	if !t.MayWrite() {
		return
	}
	t.Part("WRITE", func() {
		// A block far from those that other checks look at.
		const lba = 96
		a := t.Open(probe.Login{})
		before := t.Good(a.Execute(t.Read(a, lba, 512)), "a READ before the login").Data
		write := t.Write(a, lba, t.Random(len(before)))
		w := t.Begun(probe.Login{})
		command := w.Conn.Request(probe.Command{CDB: write.CDB, Write: write.Write, NoUnsolicited: true})
		command.CmdSN, command.Final, command.Data = w.CmdSN, true, write.Write
		t.invalidDuringLogin(w, command)
		if now := t.Good(a.Execute(t.Read(a, lba, 512)), "a READ afterwards").Data; !bytes.Equal(before, now) {
			t.Fail("the data of a WRITE during the login are on the medium", "a medium that has not changed")
		}
	})
}

func secondLogin(t *T, keys text.Pairs) {
	c := t.Open(probe.Login{})
	s := c.Session
	// What the target does with it is told by the event that follows.
	_ = c.Send(&pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: s.ISID, TSIH: s.TSIH, CID: c.CID, ITT: c.NewTag(),
		CmdSN: s.CmdSN, ExpStatSN: c.ExpStatSN, Data: keys.Append(nil)})
	e := c.Answer()
	response, login := probe.As[*pdu.LoginResponse](e)
	reject, rejected := probe.As[*pdu.Reject](e)
	switch {
	case e.Ended():
	case login && iscsi.Status(response.Status()).Class() == iscsi.ClassInitiatorError:
	case login && response.StatusClass != 0:
		t.Warn("The refusal is of another class.", iscsi.Status(response.Status()), "a refusal of class 2")
	case rejected && reject.Reason >= pdu.RejectDataDigestError && reject.Reason <= pdu.RejectWaitingForLogout:
	case rejected:
		t.Warn("The reason of the Reject is not defined.", fmt.Sprintf("reason 0x%02x", byte(reject.Reason)), "a defined reason")
	default:
		t.Fail(e, "a Reject", "a Login Response of class 2", "a drop")
	}
}
