package initiator

import (
	"errors"
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The group login: what Status-Class and Status-Detail do (RFC 7143, Section 11.13.5).

func loginStatusChecks() []Check {
	return []Check{
		{ID: "login.status.no-go-on", Run: statusEnds},
		{ID: "login.status.class3-retryable", Run: statusRetryable},
		{ID: "login.status.auth-failure", Run: statusAuthentication},
		{ID: "login.status.class2-not-repeated", Run: statusDistinct},
		{ID: "login.status.removed-stops-permanently", Run: statusRemoved},
		{ID: "login.status.unknown-class", Run: statusUnknown},
		{ID: "login.status.nonzero-with-t1", Run: statusWithTransit},
	}
}

func statusEnds(t *T) {
	for _, status := range []iscsi.Status{0x0200, 0x0300, 0x0400} {
		for _, late := range []bool{false, true} {
			name := statusName(status) + " in the first response"
			if late {
				name = statusName(status) + " in a later response"
			}
			t.Part(name, func() {
				op, c := t.begin(Login{})
				s := c.LoginStep()
				if late {
					holdStage(s)
					c.Respond(s)
					s = c.LoginStep()
				}
				s.Refuse(status, s.Answer...)
				t.refuses(c, op, s)
			})
		}
	}
}

func statusRetryable(t *T) {
	for _, status := range []iscsi.Status{0x0300, 0x0301, 0x0302} {
		t.Part(statusName(status), func() {
			op, c := t.begin(Login{})
			s := c.LoginStep()
			s.Refuse(status)
			c.Respond(s)
			t.RLoginFail(c, nil)
			t.Soundly(func() {
				t.until(AnswerTime, func() bool {
					t.welcome()
					return op.Ended()
				})
			})
			if r, ended := op.Result(); ended && r.Good() {
				return // A retry of its own.
			}
			if r := t.Do(Login{}); !r.Good() {
				t.Fail(fmt.Sprintf("a later login: %v", r), "a later login that succeeds")
			}
		})
	}
}

// attemptsWithin counts the connections of a time, and refuses the login on each with a status.
func (t *T) attemptsWithin(d time.Duration, status iscsi.Status) (starts []time.Time) {
	end := time.Now().Add(d)
	for {
		left := time.Until(end)
		if left <= 0 {
			return starts
		}
		c := t.TryAccept("", left)
		if c == nil {
			return starts
		}
		starts = append(starts, time.Now())
		if len(starts) > 100 {
			t.Fail(fmt.Sprintf("%d connections in %v", len(starts), d), "no tight loop of logins")
		}
		s := c.LoginStep()
		s.Refuse(status)
		c.Respond(s)
	}
}

// authFailed fails unless an operation has ended with AUTH-FAILED.
func (t *T) authFailed(op *Pending) {
	if !t.Own() {
		return
	}
	r, ended := op.Result()
	t.Check(ended && errors.Is(r.Err, ini.ErrAuthFailed), r, "AUTH-FAILED")
}

// refusedHot serves a login whose request number n is refused with 0x0201, and watches the ten seconds after that.
func (t *T) refusedForGood(c *Conn, op *Pending, s *Step) {
	s.Refuse(iscsi.StatusAuthenticationFailure)
	t.refuses(c, op, s)
	t.authFailed(op)
	const most = 2
	if n := len(t.attemptsWithin(t.scaled(10*time.Second), iscsi.StatusAuthenticationFailure)); n > most {
		t.Fail(fmt.Sprintf("%d further attempts within 10 s", n), "at most 2 automatic attempts")
	}
}

func statusAuthentication(t *T) {
	op, c := t.begin(Login{})
	t.refusedForGood(c, op, c.LoginStep())
}

func statusDistinct(t *T) {
	for status := iscsi.StatusAuthorizationFailure; status <= iscsi.StatusInvalidDuringLogin; status++ {
		t.Part(statusName(status), func() {
			op, c := t.begin(Login{})
			s := c.LoginStep()
			s.Refuse(status)
			t.refuses(c, op, s)
			if r, _ := op.Result(); t.Own() {
				var failed *ini.LoginError
				t.Check(errors.As(r.Err, &failed) && failed.Status == status, r, "an error that tells "+status.String())
			}
			t.NoConnection(t.scaled(ReactionTime))
			if n := len(t.attemptsWithin(t.scaled(25*time.Second), status)); n > 5 {
				t.Fail(fmt.Sprintf("%d further attempts", n), "no repetition, or one at a moderate pace")
			}
		})
	}
}

func statusRemoved(t *T) {
	c := t.Session()
	t.Wait(10 * time.Second)
	c.Sever()
	starts := t.attemptsWithin(t.scaled(22*time.Second), iscsi.StatusTargetRemoved)
	for i := 1; i < len(starts); i++ {
		if gap := starts[i].Sub(starts[i-1]); gap < time.Second {
			t.FailFirmly(fmt.Sprintf("attempts %v apart", gap), "no tight loop of logins")
		}
	}
	if !t.Own() {
		return
	}
	const most = 5
	t.Check(len(starts) == most, fmt.Sprintf("%d attempts in 22 s", len(starts)), "attempts at 0, 5, 10, 15 and 20 s")
	sessions := t.ListSessions()
	t.Check(len(sessions) == 1, fmt.Sprintf("%d sessions listed", len(sessions)), "the session")
	var failed *ini.LoginError
	t.Check(errors.As(sessions[0].LastError, &failed) && failed.Status == iscsi.StatusTargetRemoved, sessions[0].LastError, "the reason, status 0x0204")
}

func statusUnknown(t *T) {
	for _, status := range []iscsi.Status{0x0400, 0xff00, 0x02ee, 0x03ee} {
		t.Part(statusName(status), func() {
			op, c := t.begin(Login{})
			s := c.LoginStep()
			s.Response.SetStatus(uint16(status))
			t.refuses(c, op, s)
		})
	}
	t.Part("0x0001", func() {
		op, c := t.begin(Login{})
		s := c.LoginStep()
		s.Response.SetStatus(0x0001)
		c.Respond(s)
		if e := c.peek(t.scaled(ReactionTime)); e.Ended() {
			t.RLoginFail(c, op)
			return
		}
		t.full(c, op)
		t.Probe()
	})
}

func statusWithTransit(t *T) {
	op, c := t.begin(Login{})
	s := c.lastStep()
	s.Response.SetStatus(uint16(iscsi.StatusOutOfResources))
	s.Response.NSG = pdu.StageFullFeature
	t.refuses(c, op, s)
}
