package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// cloneChecks are those of the group session-management that are about several sessions of one initiator.
func cloneChecks() []Check {
	return []Check{
		{ID: "session-management.clone.different-isid-defined-outcome", Run: cloneOutcome},
		{ID: "session-management.clone.existing-undisturbed-under-load", Risk: scenarios.Writes, Run: clonesUnderLoad},
		{ID: "session-management.clone.independent-numbering", Run: cloneNumbering},
		{ID: "session-management.clone.task-management-scope", Risk: scenarios.Writes, Run: cloneTaskManagement},
		{ID: "session-management.clone.logout-scope", Run: cloneLogout},
		{ID: "session-management.clone.same-isid-is-not-a-clone", Run: func(t *T) {
			t.Part("logins that start in the operational stage", func() { t.noClone(probe.Login{}) })
			t.Part("logins that start in the security stage", func() { t.noClone(probe.Login{Security: true}) })
		}},
		{ID: "session-management.clone.parallel-login-race", Run: loginRace, Limits: scenarios.Limits{Run: 3 * time.Minute, Wall: 4 * time.Minute}},
		{ID: "session-management.state.reservation-follows-nexus", Risk: scenarios.Writes, Run: reservationOfNexus},
	}
}

// clone opens a further session with an ISID of its own. The part is skipped when the target will have none.
func (t *T) clone(l probe.Login) *probe.Conn {
	r := t.Login(l)
	if declined(r) || r.Refused() {
		t.Skip("The target does not grant a second session: %v.", r)
	}
	c := t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return c
}

// idle lets time pass and answers the pings of the target meanwhile.
func (t *T) idle(d time.Duration, conns ...*probe.Conn) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		for _, c := range conns {
			if c.Next(time.Second/2).Kind == probe.Interrupted {
				return
			}
		}
		if !t.Pause(time.Second / 10) {
			return
		}
	}
}

// settledTime is how long the end of a session may take that another one displaces.
const settledTime = 10 * time.Second

func cloneOutcome(t *T) {
	first := t.Open(probe.Login{})
	r := t.Login(probe.Login{})
	apt := []iscsi.Status{iscsi.StatusOutOfResources, iscsi.StatusServiceUnavailable, iscsi.StatusTooManyConnections, iscsi.StatusAuthorizationFailure,
		iscsi.StatusCannotInclude, iscsi.StatusInitiatorError}
	want := []string{"a granted login", "a refusal with a defined status", "a redirect"}
	conns := []*probe.Conn{first}
	switch class := r.Status.Class(); {
	case r.Granted():
		t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY in the second session")
		conns = append(conns, r.Conn)
	case r.RefusedWith(apt...):
	case r.Refused() && (class == iscsi.ClassInitiatorError || class == iscsi.ClassTargetError):
		t.Warn("The second session is refused with a status that does not tell why.", r, want...)
	case r.Refused():
		if _, err := r.Redirect(); err != nil {
			t.Fail(err, want...)
		}
	default:
		t.Fail(r, want...)
	}
	for _, quiet := range []time.Duration{0, t.patient(settledTime)} {
		t.idle(quiet, conns...)
		for i, c := range conns {
			t.Survives(c, fmt.Sprintf("session %d", i+1))
		}
	}
}

// bearing ends the part unless the command completed with GOOD; a unit attention is a warning, and retried.
func (t *T) bearing(c *probe.Conn, r probe.Result, what string) probe.Result {
	if r.UnitAttention() {
		t.Warn("A clone has left a unit attention to another session.", r, "no trace of a clone")
		r = c.Execute(r.Task.Command)
	}
	return t.Good(r, what)
}

func clonesUnderLoad(t *T) {
	first := t.Open(probe.Login{})
	for i := range uint32(50) {
		data := pattern(200+i, 4096)
		write := first.Start(t.Write(first, 8*(i%8), data))
		// Nothing is to be kept of a clone whose connection is lost.
		c := t.clone(probe.Login{Keys: Keys("DefaultTime2Wait=0", "DefaultTime2Retain=0")})
		t.bearing(first, write.Await(), "a WRITE beside a clone")
		read := first.Start(t.Read(first, 8*(i%8), len(data)))
		if i%2 == 0 {
			t.Leave(c)
		} else {
			// Where the transport cannot reset, a close is as abrupt.
			_ = c.Reset()
		}
		if got := t.bearing(first, read.Await(), "a READ beside a clone"); !slices.Equal(got.Data[:len(data)], data) {
			t.Fail("other data than was written", "the data that was written")
		}
	}
	t.StatSNInOrder()
	t.onceOnly(first)
}

func cloneNumbering(t *T) {
	one, two := uint32(1000), uint32(5)
	first := t.Open(probe.Login{CmdSN: &one})
	second := t.clone(probe.Login{CmdSN: &two})
	for i := range 8 {
		tag := uint32(0x1000 + i)
		command := inquiry()
		command.Patch = func(p *pdu.SCSICommand) { p.ITT = tag }
		tasks := []*probe.Task{first.Start(command), second.Start(command)}
		for k, task := range tasks {
			r := t.Good(task.Await(), fmt.Sprintf("INQUIRY on session %d", k+1))
			if exp, _, _ := windowOf(r.Event.PDU); exp != task.PDU.CmdSN+1 {
				t.Fail(fmt.Sprintf("session %d shows ExpCmdSN %d after CmdSN %d", k+1, exp, task.PDU.CmdSN), "each session's own numbering")
			}
		}
	}
	t.StatSNInOrder()
}

func cloneTaskManagement(t *T) {
	first := t.Open(solicited())
	second := t.clone(probe.Login{})
	task, r2t := t.Held(first, 0, pattern(90, 4096), 0)
	// What the function itself answers is the matter of other checks.
	_, _ = second.Manage(second.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0))
	task.Serve(r2t)
	t.Good(task.Await(), "a WRITE of the other session")
}

func cloneLogout(t *T) {
	first := t.Open(probe.Login{})
	second := t.clone(probe.Login{})
	t.loggedOut(second, pdu.LogoutCloseSession, second.CID)
	t.Survives(first, "the session beside one that has logged out")
	third := t.clone(probe.Login{})
	// Where the transport cannot reset, a close is as abrupt.
	_ = third.Reset()
	t.Survives(first, "the session beside one whose connection was lost")
}

// noClone logs in twice with one ISID, and counts the sessions that are left.
func (t *T) noClone(l probe.Login) {
	old := t.Open(l)
	for range min(4, old.Session.Window()) {
		old.Start(t.Read(old, 0, 4096))
	}
	l.ISID = &old.Session.ISID
	r := t.Login(l)
	if declined(r) && r.Refused() {
		t.Survives(old, "the old session")
		t.Warn("The target refuses a login with the ISID of a session.", r, "the session is reinstated")
		return
	}
	c := t.Granted(r)
	oldLives, newLives := true, true
	for waited := time.Duration(0); waited < settledTime && (oldLives || !newLives); waited += t.patient(settledTime) {
		t.idle(t.patient(settledTime), old, c)
		oldLives, newLives = old.Probe() == nil, c.Probe() == nil
	}
	if oldLives || !newLives {
		t.Fail(fmt.Sprintf("the old session serves commands: %t, the new one: %t", oldLives, newLives), "the new session alone")
	}
}

func loginRace(t *T) {
	t.Part("16 ISIDs", func() {
		for _, c := range t.race(nil) {
			t.Survives(c, "a session of the race")
		}
	})
	t.Part("one ISID", func() {
		isid := t.NewISID()
		lives := 0
		for _, c := range t.race(&isid) {
			if c.Probe() == nil {
				lives++
			}
		}
		if lives > 1 {
			t.Fail(fmt.Sprintf("%d sessions with one ISID", lives), "one session at most")
		}
	})
	t.Survives(t.Granted(t.LoginWithin(probe.Login{}, retryTime)), "a session after the race")
}

// race sends 16 logins before it looks for an answer, and returns the connections that came into full feature phase. A login that does not come
// to an end fails.
func (t *T) race(isid *iscsi.ISID) []*probe.Conn {
	var walks []*probe.Walk
	step := probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: append(t.Names(probe.Login{}), t.Digests()...)}
	for range 16 {
		walks = append(walks, t.Connect().Walk(probe.Login{ISID: isid}))
	}
	for _, w := range walks {
		w.Send(step)
	}
	var conns []*probe.Conn
	for _, w := range walks {
		next := step
		for a := w.Await(next); ; a = w.Exchange(next) {
			if a.FullFeature() {
				conns = append(conns, w.Conn)
				break
			}
			if status, refused := a.Refused(); refused && status.Class() != 1 || a.Event.Ended() && isid != nil {
				break
			}
			if !a.OK() || w.Exchanges > exchangesMax {
				t.Fail(a.Event, "a granted login", "a refusal")
			}
			if next.Keys = Answers(w); a.Response.Transit {
				next.CSG = a.Response.NSG
			}
		}
	}
	return conns
}

func reservationOfNexus(t *T) {
	first := t.Open(probe.Login{})
	second := t.clone(probe.Login{})
	if r := first.Execute(probe.Command{CDB: scsi.Reserve6()}); r.Check() {
		t.Skip("The logical unit takes no RESERVE(6): %v.", r)
	} else {
		t.Good(r, "RESERVE(6)")
	}
	r := second.Execute(t.Write(second, 0, pattern(91, 512)))
	if r.Status != scsi.StatusReservationConflict {
		t.Fault(r, "RESERVATION CONFLICT for another session of the initiator")
	}
	t.Good(first.Execute(probe.Command{CDB: scsi.Release6()}), "RELEASE(6)")
}
