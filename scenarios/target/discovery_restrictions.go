package target

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// discoveryRestrictionChecks are about what a Discovery session is not for.
func discoveryRestrictionChecks() []Check {
	return []Check{
		{ID: "discovery.session.with-target-name-accepted", Run: discoveryWithTargetName},
		{ID: "discovery.session.no-vendor-keys", Run: noVendorKeys},
		{ID: "discovery.restrictions.task-management-refused", Run: managementOnDiscovery},
		{ID: "discovery.restrictions.other-text-keys", Run: func(t *T) {
			t.Part(text.KeyMaxRecvDataSegmentLength, func() { otherKey(t, text.KeyMaxRecvDataSegmentLength) })
			t.Part(text.KeyMaxBurstLength, func() { otherKey(t, text.KeyMaxBurstLength) })
		}},
		{ID: "discovery.restrictions.nop-out", Run: pingOnDiscovery},
		{ID: "discovery.restrictions.logout-recovery-refused", Run: recoveryLogoutOnDiscovery},
		{ID: "discovery.restrictions.unsolicited-pdus", Run: idleDiscovery, Limits: scenarios.Limits{Run: 3 * time.Minute, Wall: 4 * time.Minute}},
		{ID: "discovery.chap.required-when-configured", Run: discoveryNeedsCHAP, Array: WithCHAP},
		{ID: "discovery.reinstatement.named-session", Run: namedReinstatement},
	}
}

func discoveryWithTargetName(t *T) {
	c := t.Granted(t.Login(probe.Login{Discovery: true, TargetName: t.Options().Target}))
	t.SendTargets(c)
	r := c.Execute(inquiry())
	switch {
	case r.Rejected() != nil, r.Event.Ended():
	case r.Answered && !r.Good() && len(r.Task.DataIns) == 0:
		t.Warn("The command is refused by a SCSI Response instead of a Reject.", r, "a Reject", "a drop")
	case r.Answered || len(r.Task.DataIns) > 0:
		t.FailFirmly(r, "a Reject", "a drop")
	default:
		t.Fail(r, "a Reject", "a drop")
	}
}

func noVendorKeys(t *T) {
	r := t.Login(probe.Login{Discovery: true})
	c := t.Granted(r)
	listing := t.ask(c, "All")
	for _, p := range append(r.Walk.Received(), listing.Pairs...) {
		if strings.HasPrefix(p.Key, "X-") {
			t.Fail(p, "no key that begins with X-")
		}
	}
}

func managementOnDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	request := c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	request.LUN = 0
	response, e := c.Manage(request)
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case response == nil && (rejected || e.Ended()):
	case response != nil && response.Response != pdu.TaskResponseComplete:
		t.Warn("The function is refused by a response instead of a Reject.", e, "a Reject", "a drop")
	default:
		t.Fail(e, "a Reject", "a drop")
	}
}

func otherKey(t *T, key string) {
	a := listed{t.Open(probe.Login{Discovery: true}).Text(Keys(key + "=1024"))}
	value, answered := a.Pairs.Get(key)
	_, rejected := probe.As[*pdu.Reject](a.Event)
	want := []string{key + "=Irrelevant", key + "=Reject", "a Reject", "a drop"}
	switch {
	case !a.Complete && (rejected || a.Event.Ended()):
	case a.Complete && (value == text.Irrelevant || value == text.Reject):
	case a.Complete && (!answered || value == text.NotUnderstood):
		t.Warn("The key is taken, or passed over, on a session that is for SendTargets alone.", a, want...)
	default:
		t.Fail(a, want...)
	}
}

func pingOnDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	ping := c.NOPOut(nil)
	// What the target does with it is told by the event that follows.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	_, rejected := probe.As[*pdu.Reject](e)
	answer, answered := probe.As[*pdu.NOPIn](e)
	switch {
	case rejected, e.Ended():
	case answered && answer.TTT == pdu.ReservedTag:
		t.Warn("The target answers a ping on a Discovery session.", e, "a Reject", "a drop")
	default:
		t.Fail(e, "a Reject", "a drop")
	}
	t.Granted(t.Login(probe.Login{Discovery: true}))
}

func recoveryLogoutOnDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	t.SendTargets(c)
	response, e := c.Logout(pdu.LogoutRemoveForRecovery, c.CID)
	_, rejected := probe.As[*pdu.Reject](e)
	want := []string{"a Logout Response with response 2", "a Reject", "a drop"}
	switch {
	case response == nil && (rejected || e.Ended()):
	case response != nil && response.Response == pdu.LogoutRecoveryNotSupported:
	case response != nil && response.Response != pdu.LogoutSuccess:
		t.Warn("The response does not say that connection recovery is not to be had.", e, want...)
	default:
		t.Fail(e, want...)
	}
}

// leftAlone is how long a Discovery session is left alone.
const leftAlone = time.Minute

func idleDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	t.SendTargets(c)
	if e := c.NextOfAll(t.patient(leftAlone)); e.Kind != probe.TimedOut && e.Kind != probe.Interrupted && !e.Ended() {
		t.Fail(e, "nothing", "a drop")
	}
}

func discoveryNeedsCHAP(t *T) {
	t.Act() // authentication is asked for before the check starts
	t.Part("AuthMethod=None", func() {
		r := t.Login(probe.Login{Discovery: true, Security: true, Auth: probe.AuthNone})
		if r.Granted() {
			t.Fail(fmt.Sprintf("a Discovery session without authentication, which lists %d targets", len(t.ask(r.Conn, "All").names())), "a refusal")
		}
		t.Refused(r, Refusal{})
	})
	t.Part("with the credentials", func() {
		r := t.Login(probe.Login{Discovery: true})
		if !r.Granted() {
			t.Fail(r, "a granted login")
		}
		if len(t.SendTargets(r.Conn)) == 0 {
			t.Fail("an empty answer to SendTargets=All", "the targets")
		}
	})
}

func namedReinstatement(t *T) {
	named := probe.Login{Discovery: true, TargetName: t.Options().Target}
	r := t.Login(named)
	if !r.Granted() {
		t.Skip("A Discovery login that names a target is not granted: %v.", r)
	}
	a := r.Conn
	t.ask(a, "")
	named.ISID = &a.Session.ISID
	b := t.Granted(t.Login(named))
	if answer := t.ask(b, ""); !answer.Complete && !answer.rejected() {
		t.Fail(answer, "an answer to SendTargets on the second session")
	}
	if d := a.AwaitDrop(); !d.Dropped {
		t.Warn("The first session stays beside the one that replaces it.", d, "the first session's connection is dropped")
	}
}
