package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// logoutChecks are those of the group logout.
func logoutChecks() []Check {
	return []Check{
		{ID: "logout.close-session.response-and-close", Run: func(t *T) {
			for _, foreign := range []bool{false, true} {
				t.Part(map[bool]string{false: "the own CID", true: "CID 0x5555"}[foreign], func() {
					c := t.Granted(t.Login(probe.Login{}))
					cid := c.CID
					if foreign {
						cid = 0x5555
					}
					t.loggedOut(c, pdu.LogoutCloseSession, cid)
					t.closes(c)
				})
			}
		}},
		{ID: "logout.close-connection.single", Run: logoutConnection},
		{ID: "logout.cid.unknown-refused", Run: logoutUnknownCID},
		{ID: "logout.pending-commands.terminated-silently", Risk: scenarios.Writes, Run: logoutWithPending},
		{ID: "logout.after-response.no-more-traffic", Run: trafficAfterLogout},
		{ID: "logout.pending-async.logout-honoured", Run: logoutAskedFor},
		{ID: "logout.time-fields.valid", Run: logoutTimes},
		{ID: "logout.recovery.unsupported-level", Run: logoutForRecovery},
		{ID: "logout.order.non-immediate-waits", Run: logoutInOrder},
		{ID: "logout.reason.reserved-refused", Run: logoutForNoReason},
		{ID: "discovery.restrictions.logout-close-connection-refused", Run: logoutOfDiscovery},
	}
}

// loggedOut logs out and ends the part unless the answer is a proper Logout Response with response 0.
func (t *T) loggedOut(c *probe.Conn, reason pdu.LogoutReason, cid uint16) {
	response, e := c.Logout(reason, cid)
	if response == nil || response.Response != pdu.LogoutSuccess {
		t.Fail(e, "a Logout Response with response 0")
	}
	if h := &e.Frame.BHS; h.TotalAHSLength() != 0 || h.DataSegmentLength() != 0 {
		t.Fail(fmt.Sprintf("%v with %d bytes of AHS and %d of data", e, h.TotalAHSLength(), h.DataSegmentLength()), "no AHS and no data")
	}
}

// closes judges the end of a connection that was logged out: that it stays open while this side does too is a warning.
func (t *T) closes(c *probe.Conn) {
	switch d := c.AwaitDrop(); {
	case d.Dropped:
	case d.Event.Kind == probe.TimedOut:
		t.Warn("The target leaves the close to the initiator.", d, "the target closes the connection")
	default:
		t.Fail(d, "the target closes the connection")
	}
}

func logoutConnection(t *T) {
	c := t.Granted(t.Login(probe.Login{}))
	t.loggedOut(c, pdu.LogoutCloseConnection, c.CID)
	t.Dropped(c, "after the logout of the only connection")
	r := t.Login(probe.Login{ISID: &c.Session.ISID})
	t.Survives(t.Granted(r), "a new session with the same ISID")
}

func logoutUnknownCID(t *T) {
	c := t.Open(probe.Login{})
	task := c.Start(t.Read(c, 0, t.room(c, 0, 64<<10)))
	response, e := c.Logout(pdu.LogoutCloseConnection, 0x7777)
	want := "a Logout Response with response 1"
	switch {
	case response == nil:
		t.Fail(e, want)
	case response.Response == pdu.LogoutCleanupFailed:
		t.Warn("The logout of an unknown CID failed with another response.", e, want)
	case response.Response != pdu.LogoutCIDNotFound:
		t.Fail(e, want)
	}
	t.answered(task.Await())
	t.Survives(c, "the connection that was not named")
}

func logoutWithPending(t *T) {
	setup := t.Open(probe.Login{})
	old := pattern(20, 4096)
	t.Fill(setup, 0, old)
	t.Leave(setup)
	c := t.Open(solicited())
	t.Held(c, 0, pattern(21, len(old)), 0)
	if c.Session.Window() > 0 {
		c.Start(t.Read(c, 0, t.room(c, 0, 1<<20)))
	}
	t.loggedOut(c, pdu.LogoutCloseSession, c.CID)
	end := c.AwaitDropAfterAll()
	rest, _ := after(t.Received(c), func(s Sighting) bool { _, is := s.PDU.(*pdu.LogoutResponse); return is })
	if len(rest) > 0 {
		t.Fail(fmt.Sprintf("%v after the Logout Response", rest[0].Event.PDU), "nothing after the Logout Response")
	}
	if !end.Dropped {
		t.Warn("The target leaves the close to the initiator.", end, "the target closes the connection")
	}
	t.Holds(t.Open(probe.Login{}), 0, old, "what a WRITE whose data never came has left")
}

func trafficAfterLogout(t *T) {
	c := t.Granted(t.Login(probe.Login{}))
	t.loggedOut(c, pdu.LogoutCloseSession, c.CID)
	// The target may have closed already.
	_ = c.Send(c.NOPOut(nil))
	t.closes(c)
}

func logoutAskedFor(t *T) {
	c := t.Open(probe.Login{})
	t.Hook(HookAsyncLogout, c, simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncLogoutRequest}})
	e := c.Answer()
	if m, is := probe.As[*pdu.AsyncMessage](e); !is || m.Event != pdu.AsyncLogoutRequest {
		t.Skip("The target does not ask for a logout: %v.", e)
	}
	t.loggedOut(c, pdu.LogoutCloseSession, c.CID)
	t.closes(c)
}

// logoutTimesMax is the most that DefaultTime2Wait and DefaultTime2Retain can be, in seconds (RFC 7143, Sections 13.15 and 13.16).
const logoutTimesMax = 3600

func logoutTimes(t *T) {
	for _, reason := range []pdu.LogoutReason{pdu.LogoutCloseSession, pdu.LogoutCloseConnection} {
		t.Part(reason.String(), func() {
			c := t.Open(probe.Login{Keys: Keys("DefaultTime2Wait=2", "DefaultTime2Retain=20")})
			response, e := c.Logout(reason, c.CID)
			if response == nil {
				t.Skip("The logout has no Logout Response, which is the matter of other checks: %v.", e)
			}
			if response.Time2Wait > logoutTimesMax || response.Time2Retain > logoutTimesMax {
				t.Warn("The times in the Logout Response are longer than any that can be agreed.",
					fmt.Sprintf("Time2Wait=%d, Time2Retain=%d", response.Time2Wait, response.Time2Retain), "0 to 3600 seconds")
			}
		})
	}
}

func logoutForRecovery(t *T) {
	c := t.Open(probe.Login{})
	if c.Session.Params.ErrorRecoveryLevel > 1 {
		t.Skip("Recovery level 2 was agreed.")
	}
	response, e := c.Logout(pdu.LogoutRemoveForRecovery, c.CID)
	want := "a Logout Response with response 2"
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case rejected:
		t.Warn("The logout is rejected, which does not tell why.", e, want)
	case response == nil:
		t.Fail(e, want)
	case response.Response == pdu.LogoutRecoveryNotSupported:
	case response.Response == pdu.LogoutCleanupFailed:
		t.Warn("The logout is refused with another response.", e, want)
	case response.Response == pdu.LogoutSuccess && c.AwaitDrop().Dropped:
		t.Warn("The target takes a logout for recovery for one that closes the connection.", e, want)
	default:
		t.Fail(e, want)
	}
}

func logoutInOrder(t *T) {
	c := t.Open(probe.Login{})
	command := c.Request(probe.TestUnitReady())
	request := c.LogoutRequest(pdu.LogoutCloseSession, c.CID)
	request.Immediate, request.CmdSN = false, c.Session.CmdSN
	c.Session.CmdSN++
	// A failed write shows in the next event.
	_ = c.SendAll(pdu.FrameOf(command), pdu.FrameOf(request))
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.LogoutResponse](e)
	switch {
	case !is:
		t.Fail(e, "a Logout Response")
	case response.Response != pdu.LogoutSuccess:
		t.Fail(e, "response 0")
	case response.ExpCmdSN != request.CmdSN+1:
		t.Fail(fmt.Sprintf("ExpCmdSN %d", response.ExpCmdSN), fmt.Sprintf("ExpCmdSN %d, behind the Logout Request", request.CmdSN+1))
	}
}

func logoutForNoReason(t *T) {
	c := t.Open(probe.Login{})
	response, e := c.Logout(5, c.CID)
	reject, rejected := probe.As[*pdu.Reject](e)
	want := []string{"a Reject with reason 0x09 or 0x04", "a Logout Response with response 2 or 3", "a drop"}
	switch {
	case e.Ended():
	case rejected && (reject.Reason == pdu.RejectInvalidPDUField || reject.Reason == pdu.RejectProtocolError):
	case response == nil:
		t.Fail(e, want...)
	case response.Response == pdu.LogoutRecoveryNotSupported || response.Response == pdu.LogoutCleanupFailed:
	case response.Response == pdu.LogoutSuccess && c.AwaitDrop().Dropped:
		t.Warn("The target takes a reason that is not defined for another one.", e, want...)
	default:
		t.Fail(e, want...)
	}
}

func logoutOfDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	// What the list says is the matter of other checks.
	_, _, _ = c.SendTargets("All")
	response, e := c.Logout(pdu.LogoutCloseConnection, c.CID)
	_, rejected := probe.As[*pdu.Reject](e)
	want := []string{"a Reject", "a Logout Response with a response other than 0", "a drop"}
	switch {
	case e.Ended() || rejected:
	case response == nil:
		t.Fail(e, want...)
	case response.Response == pdu.LogoutSuccess && c.AwaitDrop().Dropped:
		t.Warn("The target closes a Discovery session by a logout of its connection, which comes to the same.", e, want...)
	case response.Response == pdu.LogoutSuccess:
		t.Fail(e, want...)
	}
}
