package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group login: StatSN, tags, version and status in Login Responses (RFC 7143, Section 11.13).

func loginNumberChecks() []Check {
	return []Check{
		{ID: "login.statsn-zero-start", Run: func(t *T) { t.startsAt(0) }},
		{ID: "login.statsn-nonzero-start", Run: func(t *T) {
			for _, start := range []uint32{0x7fffffff, 0xffffffff} {
				t.Part(fmt.Sprintf("0x%08x", start), func() { t.startsAt(start) })
			}
		}},
		{ID: "login.expstatsn-in-login", Run: func(t *T) { t.startsAt(0x50) }},
		{ID: "login.statsn-jump", Run: loginJump},
		{ID: "login.response-wrong-itt", Run: loginWrongTag},
		{ID: "login.version-active-unsupported", Run: loginVersion},
	}
}

// startsAt serves a login of four exchanges at least whose first response has that StatSN, and holds ExpStatSN against it.
func (t *T) startsAt(first uint32) {
	t.Base.StatSN = first
	c := t.login(Login{}, prolonged(1), func(s *Step) {
		if s.N > 1 {
			t.Equal(fmt.Sprintf("ExpStatSN of request %d", s.N), s.Request.ExpStatSN, first+uint32(s.N-1))
		}
	})
	read := t.Start(Read{Blocks: probeBlocks})
	task := c.Read()
	t.Equal("ExpStatSN of the first READ", task.PDU.ExpStatSN, c.StatSN)
	c.Good(task)
	if r := read.Wait(); !r.Good() {
		t.Fail(r, "a probe that completes GOOD")
	}
}

func loginJump(t *T) {
	t.Base.StatSN = 5
	op, c := t.begin(Login{})
	s := c.LoginStep()
	holdStage(s)
	c.Respond(s)
	c.StatSN = 9
	c.Respond(c.LoginStep())
	e := c.peek(t.scaled(ReactionTime))
	if e.Kind != probe.Arrived {
		t.RLoginFail(c, op)
		return
	}
	t.Equal("ExpStatSN after the jump", expStatSN(e.Frame), 10)
	t.Warn("A jump of StatSN is accepted.", e, "the end of the login")
}

func loginWrongTag(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	s.Response.ITT ^= 0xffff
	c.Respond(s)
	switch e := c.NextRaw(AnswerTime); {
	case e.Kind == probe.Arrived:
		t.Warn("A Login Response with another task tag is accepted.", e, "the response refused or ignored")
	case e.Ended():
		if op.EndsWithin(AnswerTime) && op.result.Good() {
			t.Fail(op.result, "a login that reports failure")
		}
	}
}

func loginVersion(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	s.Response.VersionMax, s.Response.VersionActive = 1, 1
	t.refuses(c, op, s)
}

// statusName names a part after a status.
func statusName(s iscsi.Status) string { return fmt.Sprintf("0x%04x", uint16(s)) }
