package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// robustnessChecks are those of the group robustness.
func robustnessChecks() []Check {
	return slices.Concat([]Check{
		{ID: "robustness.login.silent-peer-does-not-block-others", Run: silentPeer},
		{ID: "robustness.login.abort-at-each-step", Run: abortedLogins},
		{ID: "robustness.ffp.abrupt-close-with-tasks", Risk: scenarios.Writes, Run: abruptCloses,
			Limits: scenarios.Limits{Run: 4 * time.Minute, Wall: 5 * time.Minute}},
	}, lengthChecks(), framingChecks(), hostileLoginChecks(), hostileCommandChecks(), senderChecks())
}

func silentPeer(t *T) {
	slow := t.Connect()
	request := slow.Walk(probe.Login{}).Request(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true,
		Keys: append(t.Names(probe.Login{}), t.Digests()...)})
	frame := pdu.Encode(nil, request, pdu.Digests{})
	// A failed write is the target's right; what counts is the other connection.
	_ = slow.SendRaw(frame[:len(frame)/2])
	t.Survives(t.Granted(t.Login(probe.Login{})), "the session beside a silent peer")
}

func abortedLogins(t *T) {
	login := probe.Login{Security: true}
	r := t.Login(login)
	if !r.Granted() {
		login = probe.Login{}
		r = t.Login(login)
	}
	steps := 0
	c := t.Granted(r)
	login.ISID, steps = &c.Session.ISID, r.Walk.Exchanges
	t.Leave(c)
	for step := range steps + 1 {
		for range 50 {
			t.abortLogin(login, step)
		}
	}
	t.Survives(t.Granted(t.LoginWithin(login, 10*time.Second)), "a session after the aborted logins")
}

// abortLogin resets the connection of a login directly after the request with that number was sent; 0 is directly after connecting.
func (t *T) abortLogin(l probe.Login, step int) {
	c := t.Connect()
	if step == 0 {
		// Where the transport cannot reset, a close is as abrupt.
		_ = c.Reset()
		return
	}
	l.Patch = func(round int, p *pdu.LoginRequest) {
		if round == step-1 {
			// Sent here, so that nothing is read before the reset. What the login does then ends at once.
			_ = c.Send(p)
			_ = c.Reset()
		}
	}
	c.Login(l)
	_ = c.Reset()
}

func abruptCloses(t *T) {
	for range 200 {
		c := t.Granted(t.LoginWithin(solicited(), retryTime))
		t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
		for i := range uint32(8) {
			if c.Session.Window() > 1 {
				// That the target is busy with what other connections left says something only when it lasts.
				c.Start(t.askedFor(c, 16*i, pattern(60+i, 4096))).AwaitR2T()
			}
		}
		for range min(8, c.Session.Window()) {
			c.Start(t.Read(c, 0, 4096))
		}
		// Where the transport cannot reset, a close is as abrupt.
		_ = c.Reset()
	}
	c := t.Granted(t.LoginWithin(probe.Login{}, retryTime))
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	t.unblocked(c, t.Write(c, 0, pattern(70, 4096)))
	for i := range uint32(16) {
		data := pattern(70+i, 4096)
		t.Fill(c, 16*i, data)
		t.Holds(c, 16*i, data, "the load afterwards")
	}
}

// unblocked ends the part when the logical unit is still busy after 30 s.
func (t *T) unblocked(c *probe.Conn, command probe.Command) {
	for began := time.Now(); ; {
		r := c.Execute(command)
		if r.Status != scsi.StatusBusy && r.Status != scsi.StatusTaskSetFull {
			return
		}
		if time.Since(began) > retryTime || !t.Pause(time.Second) {
			t.Fail(fmt.Sprintf("%v for %v", r, retryTime), "a logical unit that takes commands again")
		}
	}
}
