package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// loginStepsMax bounds the exchanges of one login.
const loginStepsMax = 64

// login is the array's side of a connection's login.
type login struct {
	steps       int
	assembler   text.Assembler
	negotiation *text.Negotiation
	chap        *chap.Target
	declared    bool // portal group tag and the like have been sent
	proven      bool
	offered     text.Pairs // by the check, beside the sound answers
	joins       *Session
	heard       text.Pairs // of an external initiator, all steps together
}

// Step is one exchange of a login: a request, and the sound array's response, which a check may change before it is sent.
type Step struct {
	// N counts from 1.
	N int
	// Request is the Login Request that is answered, Event how it came; Keys are its pairs, those of earlier requests with the C bit
	// included.
	Request *pdu.LoginRequest
	Event   probe.Event
	Keys    text.Pairs
	// Response is what will be sent. Its Data is made of Answer unless it is set.
	Response *pdu.LoginResponse
	Answer   text.Pairs
	// Replies are what the initiator answers to the pairs of Offer; Keys hold them too.
	Replies text.Pairs

	conn *Conn
}

// Offer adds pairs to the answer that the initiator has to answer in turn, and keeps the stage open for that. What they lead to is the
// check's business: the array goes by its sound negotiation.
func (s *Step) Offer(pairs ...text.Pair) {
	for _, p := range pairs {
		s.Answer.Add(p.Key, p.Value)
		s.conn.login.offered.Add(p.Key, p.Value)
	}
	holdStage(s)
}

// Set replaces the value of a key in the answer, or adds it.
func (s *Step) Set(key, value string) {
	for i := range s.Answer {
		if s.Answer[i].Key == key {
			s.Answer[i].Value = value
			return
		}
	}
	s.Answer.Add(key, value)
}

// Drop takes keys out of the answer.
func (s *Step) Drop(keys ...string) { s.Answer = s.Answer.Without(keys...) }

// Refuse makes the response refuse the login with a status, with these pairs alone.
func (s *Step) Refuse(status iscsi.Status, pairs ...text.Pair) {
	s.Response.SetStatus(uint16(status))
	s.Response.Transit, s.Response.NSG, s.Response.TSIH = false, 0, s.Request.TSIH
	s.Answer = pairs
}

// Redirect makes the response send the login elsewhere: status 0x0101, or 0x0102 when it is permanent.
func (s *Step) Redirect(to string, permanent bool) {
	status := iscsi.Status(0x0101)
	if permanent {
		status = 0x0102
	}
	s.Refuse(status, text.Pair{Key: text.KeyTargetAddress, Value: to})
}

// LoginRequest waits for the next Login Request, and fails when something else comes.
func (c *Conn) LoginRequest() (*pdu.LoginRequest, probe.Event) {
	e := c.NextRaw(AnswerTime)
	p, is := probe.As[*pdu.LoginRequest](e)
	if !is {
		c.t.Fail(e, "a Login Request on "+c.String())
	}
	return p, e
}

// LoginStep waits for the next Login Request and prepares the sound answer to it, without sending it. Requests with the C bit are answered
// on the way.
func (c *Conn) LoginStep() *Step {
	if c.login == nil {
		c.login = &login{}
	}
	l := c.login
	for {
		if l.steps++; l.steps > loginStepsMax {
			c.t.Fail(fmt.Sprintf("%d Login Requests", l.steps), "an end of the login")
		}
		request, e := c.LoginRequest()
		s := &Step{N: l.steps, Request: request, Event: e, conn: c}
		s.Response = &pdu.LoginResponse{CSG: request.CSG, ISID: request.ISID, TSIH: request.TSIH, ITT: request.ITT}
		pairs, whole, err := l.assembler.Add(request.Data, request.Continue)
		if err != nil {
			c.t.Fail(fmt.Sprintf("a Login Request whose text cannot be read: %v", err), "key=value text")
		}
		s.Keys = pairs
		if l.steps == 1 {
			c.begin(request, pairs)
		}
		if !whole {
			c.Respond(s)
			continue
		}
		c.answer(s)
		return s
	}
}

// begin takes what the first request says about the session.
func (c *Conn) begin(r *pdu.LoginRequest, pairs text.Pairs) {
	c.CID = r.CID
	kind, _ := pairs.Get(text.KeySessionType)
	sessionType := text.Normal
	if kind == text.Discovery.String() {
		sessionType = text.Discovery
	}
	for _, s := range c.t.sessions {
		if r.TSIH != 0 && s.TSIH == r.TSIH && s.ISID == iscsi.ISID(r.ISID) {
			c.login.joins, c.Session = s, s
		}
	}
	if c.login.joins == nil {
		name, _ := pairs.Get(text.KeyInitiatorName)
		c.Session.ISID, c.Session.ExpCmdSN, c.Session.InitiatorName = iscsi.ISID(r.ISID), r.CmdSN, name
		c.Session.Discovery = sessionType == text.Discovery
	}
	c.login.negotiation = text.NewNegotiation(text.Target, sessionType, c.t.Base.wants())
	c.login.negotiation.SetJoining(c.login.joins != nil)
}

// answer prepares the sound answer to a request.
func (c *Conn) answer(s *Step) {
	l, b := c.login, c.t.Base
	if s.Request.CSG == pdu.StageOperational && b.CHAP != nil && !l.proven {
		s.Refuse(iscsi.StatusAuthenticationFailure)
		return
	}
	stage := text.LoginOperationalNegotiation
	if s.Request.CSG == pdu.StageSecurity {
		stage = text.SecurityNegotiation
	}
	l.negotiation.SetStage(stage)
	security, others := text.CutSecurity(c.unheard(s.Keys))
	for _, p := range others {
		if _, offered := l.offered.Get(p.Key); offered {
			s.Replies = append(s.Replies, p)
			others = others.Without(p.Key)
		}
	}
	answers, err := l.negotiation.Receive(others)
	if err != nil {
		c.t.Fail(fmt.Sprintf("keys of the initiator: %v", err), "lawful keys")
	}
	s.Answer = answers
	if !l.declared && !c.Session.Discovery && l.joins == nil {
		s.Answer.Add(text.KeyTargetPortalGroupTag, fmt.Sprint(b.Tag))
	}
	l.declared = true
	if b.CHAP != nil && stage == text.SecurityNegotiation && !c.authenticate(s, security) {
		s.Refuse(iscsi.StatusAuthenticationFailure)
		return
	}
	if stage == text.LoginOperationalNegotiation {
		s.Answer = append(s.Answer, l.negotiation.Offer()...)
		s.Answer = append(s.Answer, b.Declares...)
	}
	c.transit(s)
}

// unheard leaves out the keys that an external initiator has sent before: that it repeats itself is the matter of rows
// of their own, and none of the others.
func (c *Conn) unheard(pairs text.Pairs) (fresh text.Pairs) {
	if c.t.Own() {
		return pairs
	}
	for _, pair := range pairs {
		if _, heard := c.login.heard.Get(pair.Key); !heard {
			fresh = append(fresh, pair)
		}
	}
	c.login.heard = append(c.login.heard, fresh...)
	return fresh
}

// authenticate goes on with CHAP; false means that the initiator has not proved itself.
func (c *Conn) authenticate(s *Step, keys text.Pairs) bool {
	l, b := c.login, c.t.Base.CHAP
	if l.chap == nil {
		challenge := b.Challenge
		if len(challenge) == 0 {
			challenge = c.t.Random(16)
		}
		l.chap = &chap.Target{Own: b.Own, Algorithms: b.Algorithms, Identifier: b.Identifier, Challenge: challenge, Base64: b.Base64,
			Peer: func(name string) (chap.Credentials, bool) { return b.User, name == b.User.Name }}
	}
	if method, _ := l.negotiation.Answer(text.KeyAuthMethod); method != "CHAP" {
		return false
	}
	if len(keys) == 0 {
		return true
	}
	answers, err := l.chap.Step(keys)
	s.Answer = append(s.Answer, answers...)
	l.proven = l.chap.Done()
	return err == nil
}

// transit grants the transition that the request asks for, where nothing stands against it.
func (c *Conn) transit(s *Step) {
	l := c.login
	ready := s.Request.Transit
	if s.Request.CSG == pdu.StageSecurity {
		ready = ready && (c.t.Base.CHAP == nil || l.proven)
	} else {
		ready = ready && len(l.negotiation.Open()) == 0
	}
	if !ready {
		return
	}
	s.Response.Transit, s.Response.NSG = true, s.Request.NSG
	if s.Request.NSG == pdu.StageFullFeature && l.joins == nil {
		if c.Session.TSIH == 0 {
			c.Session.TSIH = c.t.Base.TSIH + uint16(c.t.given)
			c.t.given++
		}
		s.Response.TSIH = c.Session.TSIH
	}
}

// Respond sends the response of a step. When that leads to full feature phase, what the login agreed on comes into force.
func (c *Conn) Respond(s *Step) {
	if s.Response.Data == nil {
		s.Response.Data = s.Answer.Append(nil)
	}
	c.Number(s.Response)
	c.respond(s)
}

// RespondAsItStands is Respond for a response whose numbers the check has set.
func (c *Conn) respond(s *Step) {
	c.Send(s.Response)
	if s.Response.Status() != 0 || !s.Response.Transit || s.Response.NSG != pdu.StageFullFeature {
		return
	}
	c.Params = c.login.negotiation.Result()
	c.Digests = pdu.Digests{Header: c.Params.HeaderDigest, Data: c.Params.DataDigest}
	c.full = true
	if c.login.joins == nil {
		c.t.sessions = append(c.t.sessions, c.Session)
	}
}

// Login serves a whole login, with each response changed by the hooks before it goes. It returns whether full feature phase was reached;
// false means that a hook made it end otherwise.
func (c *Conn) Login(hooks ...func(s *Step)) bool {
	for {
		s := c.LoginStep()
		for _, hook := range hooks {
			hook(s)
		}
		c.Respond(s)
		switch {
		case c.full:
			return true
		case s.Response.Status() != 0:
			return false
		}
	}
}

// FullFeature tells whether the login has ended well.
func (c *Conn) FullFeature() bool { return c.full }

// Random returns n bytes from the check's own stream of randomness.
func (t *T) Random(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		t.drawn++
		v := scenarios.SeedFor(t.env.Seed, fmt.Sprintf("random %d", t.drawn))
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b[:n]
}
