package initiator

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group login: texts of several PDUs, and texts that are too long (RFC 7143, Sections 6.2, 11.12.2 and 13.12).

const (
	// loginTextMost is the longest data segment in a login, in bytes.
	loginTextMost = 8192
	// longKeys and longValue make an offer of about 12 KiB.
	longKeys  = 60
	longValue = 180
)

func loginTextChecks() []Check {
	return []Check{
		{ID: "login.cbit-from-target", Run: loginSplitText},
		{ID: "login.cbit-own-large-offer", Driver: largeOffer, Run: loginLargeOffer},
		{ID: "login.cbit-target-answers-nonempty", Driver: largeOffer, Run: loginInterrupted},
		{ID: "login.oversized-response", Run: loginOversized},
		{ID: "login.one-key-per-exchange", Run: loginOneKey},
	}
}

// burstCut is where login.cbit-from-target cuts MaxBurstLength=262144.
const burstCut = "MaxBurstLength=2621"

func loginSplitText(t *T) {
	op, c := t.begin(Login{})
	s := c.stepIn(pdu.StageOperational)
	s.Set(text.KeyMaxBurstLength, "262144")
	data := s.Answer.Append(nil)
	cut := bytes.Index(data, []byte(burstCut)) + len(burstCut)
	s.Response.Data = data[cut+len("44"):]
	r := s.Request
	for _, part := range [][]byte{data[:cut], data[cut : cut+len("44")]} {
		c.exchange(r, nil, func(p *pdu.LoginResponse) { p.Continue, p.Data = true, part })
		r, _ = c.LoginRequest()
		t.Check(len(r.Data) == 0 && !r.Transit && !r.Continue, fmt.Sprintf("a Login Request with T=%t, C=%t and %d bytes", r.Transit, r.Continue, len(r.Data)),
			"an empty Login Request with T=0 until the target's text is whole")
	}
	holdStage(s)
	c.Respond(s)
	t.full(c, op)
	t.wholeBurst()
}

// wholeBurst writes twice 262144 bytes, which the array asks for in two bursts.
func (t *T) wholeBurst() {
	if r := t.Do(Write{LBA: 64, Blocks: 2 * 262144 / BlockSize}); !r.Good() {
		t.Fail(r, "a write in bursts of the negotiated MaxBurstLength of 262144")
	}
}

// largeOffer makes the own initiator offer more than one PDU holds.
func largeOffer(s *Settings) {
	for i := range longKeys {
		s.Offer(longKey(i), strings.Repeat("v", longValue))
	}
}

func longKey(i int) string { return fmt.Sprintf("X-io.iscsispec.key%02d", i) }

func loginLargeOffer(t *T) {
	t.login(Login{})
	several := false
	for _, p := range t.Events().OfNode("target").PDUs() {
		r, is := p.(*pdu.LoginRequest)
		if !is {
			continue
		}
		several = several || r.Continue
		t.Check(len(r.Data) <= loginTextMost, fmt.Sprintf("a Login Request of %d bytes", len(r.Data)), "at most 8192 bytes in one Login Request")
		t.Check(!r.Continue || !r.Transit, "T=1 together with C=1", "T=0 while the text is not whole")
	}
	if !several {
		t.Skip("NOT-TESTABLE: the initiator has no more to offer than one Login Request holds.")
	}
}

func loginInterrupted(t *T) {
	op, c := t.begin(Login{})
	c.Respond(c.LoginStep())
	if c.full {
		t.Skip("NOT-TESTABLE: the initiator's first Login Request holds all that it offers.")
	}
	r, _ := c.LoginRequest()
	if !r.Continue {
		t.Skip("NOT-TESTABLE: the initiator has no more to offer than one Login Request holds.")
	}
	whole := bytes.Clone(r.Data)
	var early text.Pairs
	early.Add("X-com.example.early", "1")
	for r.Continue {
		c.exchange(r, early, nil)
		early = nil
		e := c.peek(t.scaled(ReactionTime))
		if !e.Ended() {
			r, _ = c.LoginRequest()
			whole = append(whole, r.Data...)
			continue
		}
		t.RLoginFail(c, op)
		t.RAlive()
		return
	}
	pairs, err := text.Parse(whole)
	t.Check(err == nil, fmt.Sprintf("a text that cannot be read: %v", err), "the rest of the initiator's text, or the end of the login")
	_, found := pairs.Get(longKey(longKeys - 1))
	t.Check(found, "a text whose rest never came", "the rest of the initiator's text, or the end of the login")
}

func loginOversized(t *T) {
	t.Part("9000 bytes", func() {
		op, c := t.begin(Login{})
		s := c.stepIn(pdu.StageOperational)
		const keys = 50
		for i := range keys {
			s.Answer.Add(longKey(i), strings.Repeat("v", longValue))
		}
		holdStage(s)
		c.Respond(s)
		if e := c.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			t.RLoginFail(c, op)
			t.RAlive()
			return
		}
		r, _ := c.LoginRequest()
		pairs, _ := text.Parse(r.Data)
		_, found := pairs.Get(longKey(keys - 1))
		t.Check(found, "the last of the keys not answered", "a refusal, or an answer to all of the keys")
		c.grant(r)
		t.full(c, op)
		t.Probe()
	})
	t.Part("length 0xffffff", func() {
		op, c := t.begin(Login{})
		s := c.LoginStep()
		c.Number(s.Response)
		f := pdu.FrameOf(s.Response)
		f.BHS[5], f.BHS[6], f.BHS[7] = 0xff, 0xff, 0xff
		c.SendRaw(append(f.BHS[:], make([]byte, loginTextMost)...))
		if e := c.NextRaw(loginTimeoutMost); !e.Ended() {
			t.Fail(e, "the initiator closes the connection")
		}
		t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that reports no failure", "a login that reports failure")
		t.RAlive()
	})
}

func loginOneKey(t *T) {
	op, c := t.begin(Login{})
	s := c.stepIn(pdu.StageOperational)
	const most = 16
	r, pairs := s.Request, s.Answer
	for i, pair := range pairs {
		if i >= most {
			t.Unclear("The initiator offers more than %d keys.", most)
		}
		t.Wait(t.scaled(pause))
		c.exchange(r, text.Pairs{pair}, nil)
		e := c.peek(t.scaled(ReactionTime))
		if e.Ended() {
			t.Warn(fmt.Sprintf("The initiator gives up after %d Login Responses.", i+2), e, "a login of one key in each exchange")
			return
		}
		s = c.LoginStep()
		r = s.Request
	}
	c.Respond(s)
	t.full(c, op)
	t.Probe()
	t.wholeBurst()
}
