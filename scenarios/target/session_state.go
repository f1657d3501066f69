package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// sessionStateChecks are those of the group session-management that are about what a target keeps of sessions and portals.
func sessionStateChecks() []Check {
	long := scenarios.Limits{Run: 10 * time.Minute, Wall: 12 * time.Minute}
	return []Check{
		{ID: "session-management.state.nexus-loss-on-session-end", Risk: scenarios.Writes, Limits: long, Run: func(t *T) {
			t.Part("logout", func() { t.reservationEnds(false) })
			t.Part("connection lost", func() { t.reservationEnds(true) })
		}},
		{ID: "session-management.limit.login-logout-churn", Limits: long, Run: churn},
		{ID: "session-management.redirect.not-to-dead-portal", Array: WithRedirect, Run: deadPortal},
		{ID: "session-management.target-port.unlisted-portal-refused", Run: unlistedPortal, Array: func(p *simtarget.Profile) {
			p.Targets[1].Portals = []string{"A"}
		}},
	}
}

// reservationEnds reserves the logical unit in a session that ends, and writes in another one.
func (t *T) reservationEnds(abrupt bool) {
	// The least that can be agreed, since all of it is waited for.
	first := t.Open(probe.Login{Keys: Keys("DefaultTime2Wait=0", "DefaultTime2Retain=0")})
	if r := first.Execute(probe.Command{CDB: scsi.Reserve6()}); r.Check() {
		t.Skip("The logical unit takes no RESERVE(6): %v.", r)
	} else {
		t.Good(r, "RESERVE(6)")
	}
	kept := time.Duration(first.Session.Params.DefaultTime2Wait+first.Session.Params.DefaultTime2Retain) * time.Second
	if abrupt {
		// Where the transport cannot reset, a close is as abrupt.
		_ = first.Reset()
	} else {
		t.loggedOut(first, pdu.LogoutCloseSession, first.CID)
		first.AwaitDrop()
		_ = first.Close()
	}
	t.Pause(kept + time.Second)
	c := t.Open(probe.Login{})
	write := t.Write(c, 0, pattern(92, 512))
	r := c.Execute(write)
	switch {
	case r.Good():
	case r.Status != scsi.StatusReservationConflict:
		t.Fail(r, "GOOD")
	case !abrupt:
		t.Fault("the reservation of a session that has logged out still holds", "GOOD")
	default:
		t.Note("The reservation outlives the loss of the connection.")
	}
	if r.Status == scsi.StatusReservationConflict {
		// What the reset itself answers is the matter of other checks; what counts is that it clears the reservation.
		_, _ = c.Manage(c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0))
		t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the reset")
		if again := c.Execute(write); !again.Good() {
			t.Warn("A reset does not clear the reservation of a session that is gone.", again, "GOOD")
		}
	}
}

// The lengths of the churn, and how much of its ends is timed.
const (
	churnSame  = 2000
	churnNew   = 500
	churnTimed = 50
	// churnNoise is how long the last cycles may take in any case: less says nothing on a busy machine.
	churnNoise = time.Second
)

func churn(t *T) {
	isid := t.NewISID()
	cycle := func(l probe.Login) {
		c := t.Granted(t.Login(l))
		t.answered(c.Execute(probe.TestUnitReady()))
		t.Leave(c)
	}
	// The fastest of the cycles at each end is compared: whatever else a machine does, it seldom does it in all of them.
	var first, last time.Duration
	var spent time.Duration // in the last ones together
	for i := range churnSame + churnNew {
		began := time.Now()
		if i < churnSame {
			cycle(probe.Login{ISID: &isid})
		} else {
			cycle(probe.Login{})
		}
		lasted := time.Since(began)
		switch {
		case i == 0:
			first = lasted
		case i < churnTimed:
			first = min(first, lasted)
		case i == churnSame+churnNew-churnTimed:
			last, spent = lasted, lasted
		case i > churnSame+churnNew-churnTimed:
			last, spent = min(last, lasted), spent+lasted
		}
	}
	if spent > churnNoise && last > 5*first {
		t.Fail(fmt.Sprintf("the fastest of the last %d takes %v, of the first %v", churnTimed, last, first), "cycles that do not become slower")
	}
}

func deadPortal(t *T) {
	for _, name := range []string{"B", "C"} {
		t.Act(simtarget.Action{Portal: &simtarget.PortalState{Name: name}})
	}
	dead := map[string]bool{"10.0.1.2:3260": true, "10.0.1.3:3260": true}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		r := t.Login(probe.Login{Portal: t.Facts.Front})
		if r.Granted() || r.RefusedWith(iscsi.StatusServiceUnavailable, iscsi.StatusOutOfResources) {
			return
		}
		if !moved(r) {
			t.Fail(r, "a granted login", "a redirect elsewhere", "refused with 0x0301 or 0x0302")
		}
		if !dead[t.destination(r).HostPort()] || !t.Pause(2*time.Second) {
			return
		}
	}
	t.Fault("redirects to a portal that is out of service", "a granted login", "a redirect elsewhere", "refused with 0x0301 or 0x0302")
}

func unlistedPortal(t *T) {
	if !t.Embedded() {
		t.Skip("The stimulus needs a target that is exported at one portal only, for which no hook is configured.")
	}
	r := t.Login(probe.Login{Portal: iscsi.Address{Host: "10.0.1.2", Port: iscsi.DefaultPort}})
	if !moved(r) {
		t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusNotFound, iscsi.StatusAuthorizationFailure}})
	}
}
