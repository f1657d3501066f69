package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// retryTime is how long a target may take to get over the end of a session.
const retryTime = 30 * time.Second

// oldSessionCloses opens a session and reinstates it, with logins of one kind.
func (t *T) oldSessionCloses(l probe.Login) {
	old := t.Open(l)
	l.ISID = &old.Session.ISID
	r := t.Login(l)
	if !r.Granted() {
		retried := t.LoginWithin(l, retryTime)
		if !retried.Granted() {
			t.Granted(r)
		}
		t.Warn("The reinstating login was granted only when it was repeated.", r, "a granted login")
		r = retried
	}
	if d := old.AwaitDrop(); !d.Dropped {
		if served := old.Execute(probe.TestUnitReady()); served.Answered {
			t.Fail("the old session still executes commands: "+served.String(), "the old session is dropped")
		}
		t.Fail(d, "the old session is dropped")
	}
	t.Survives(r.Conn, "the new session")
}

// reinstate opens a session in the place of another one. The part is skipped when the target will not.
func (t *T) reinstate(old *probe.Conn, l probe.Login) *probe.Conn {
	l.ISID = &old.Session.ISID
	r := t.LoginWithin(l, retryTime)
	if !r.Granted() {
		t.Skip("The target does not grant the reinstating login: %v.", r)
	}
	return r.Conn
}

func reinstatedNumbers(t *T) {
	first, second := uint32(1000), uint32(5)
	old := t.Open(probe.Login{CmdSN: &first})
	c := t.reinstate(old, probe.Login{CmdSN: &second})
	if c.Session.TSIH == old.Session.TSIH {
		t.Warn("The new session has the handle of the old one.", fmt.Sprintf("TSIH 0x%04x", c.Session.TSIH), "another TSIH")
	}
	r := c.Execute(probe.TestUnitReady())
	if !r.Answered {
		t.FailFirmly(r, "an answer to the command with CmdSN 5")
	}
	if exp, _, _ := windowOf(r.Event.PDU); exp != second+1 {
		t.FailFirmly(fmt.Sprintf("ExpCmdSN %d after the command with CmdSN 5", exp), "ExpCmdSN 6")
	}
}

func reinstatedWriteEnds(t *T) {
	setup := t.Open(probe.Login{})
	content := pattern(50, t.room(setup, 0, 64<<10))
	t.Fill(setup, 0, content)
	t.Leave(setup)
	old := t.Open(solicited())
	t.Held(old, 0, pattern(51, len(content)), oldTag)
	c := t.reinstate(old, probe.Login{})
	t.Holds(c, 0, content, "after the reinstatement")
	t.Pause(t.patient(5 * time.Second))
	t.Holds(c, 0, content, "some seconds later")
	if late := ofTask(t.Received(c), oldTag); len(late) > 0 {
		t.Fail(fmt.Sprintf("%v in the new session", late[0].Event.PDU), "nothing for the task of the old session")
	}
}

func failedReinstatement(t *T) {
	logins := []struct {
		name string
		with func(isid *iscsi.ISID) probe.Login
	}{
		{"Version-min 5", func(isid *iscsi.ISID) probe.Login { return probe.Login{ISID: isid, VersionMax: 5, VersionMin: 5} }},
		{"SessionType=Bogus", func(isid *iscsi.ISID) probe.Login { return probe.Login{ISID: isid, Keys: Keys("SessionType=Bogus")} }},
		{"illegal values", func(isid *iscsi.ISID) probe.Login {
			return probe.Login{ISID: isid, Keys: Keys("MaxBurstLength=0", "HeaderDigest=Y-com.example.sum64")}
		}},
	}
	for _, l := range logins {
		t.Part(l.name, func() {
			old := t.Open(probe.Login{})
			r := t.Login(l.with(&old.Session.ISID))
			if r.Granted() {
				t.Skip("The target grants the login that should have failed.")
			}
			if r.Conn != nil {
				// The target may have closed first.
				_ = r.Conn.Close()
			}
			t.bears(old)
		})
	}
	t.Part("a login that is broken off", func() {
		old := t.Open(probe.Login{})
		c := t.Connect()
		w := c.Walk(probe.Login{ISID: &old.Session.ISID})
		w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: append(t.Names(probe.Login{}), t.Digests()...)})
		// The target may have closed first.
		_ = c.Close()
		t.bears(old)
	})
}

// bears judges what a login that failed has done to the session that it would have replaced.
func (t *T) bears(old *probe.Conn) {
	r := old.Execute(probe.TestUnitReady())
	if r.UnitAttention() {
		r = old.Execute(probe.TestUnitReady())
	}
	switch {
	case r.Good():
	case r.Event.Ended():
		t.Warn("A mere attempt to log in ended a healthy session.", r, "the old session lives on")
	default:
		t.FailFirmly(fmt.Sprintf("the old session: %v", r), "the old session lives on")
	}
	if fresh := t.LoginWithin(probe.Login{}, retryTime); !fresh.Granted() {
		t.FailFirmly(fresh, "a granted login of another ISID")
	}
}

// forgottenTime is how long a target may take to notice that a connection is lost whose session it is not to retain.
const forgottenTime = 30 * time.Second

func expiredSession(t *T) {
	c := t.Open(probe.Login{Keys: Keys("DefaultTime2Wait=0", "DefaultTime2Retain=0")})
	t.named(c)
	tsih := c.Session.TSIH
	again := probe.Login{ISID: &c.Session.ISID, TSIH: &tsih}
	// Where the transport cannot reset, a close is as abrupt.
	_ = c.Reset()
	t.Pause(t.patient(forgottenTime))
	r := t.Login(again)
	if r.Granted() && t.patient(forgottenTime) < forgottenTime {
		// It may not have noticed the loss yet.
		_ = r.Conn.Reset()
		t.Pause(forgottenTime)
		r = t.Login(again)
	}
	if !r.Granted() {
		t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusSessionDoesNotExist}})
		return
	}
	if final, _ := probe.As[*pdu.LoginResponse](r.Last); final.TSIH != tsih {
		t.Fail(fmt.Sprintf("a new session with TSIH 0x%04x is granted to a login with TSIH 0x%04x", final.TSIH, tsih), "refused with 0x020a")
	}
	_ = r.Conn.Reset()
	t.Pause(120 * time.Second)
	if late := t.Login(again); late.Granted() {
		t.Fail("the session is continued 30 s and 150 s after its connection was lost", "refused with 0x020a")
	}
	t.Warn("The target noticed the loss only after more than 30 s.", r, "refused with 0x020a")
}
