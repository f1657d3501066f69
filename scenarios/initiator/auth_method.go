package initiator

import (
	"fmt"
	"slices"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group auth: which method, and whether it is really used (RFC 7143, Sections 6.3.2 and 12.1).

func authMethodChecks() []Check {
	return []Check{
		{ID: "auth.method-offer-when-configured", Base: WithCHAP, Driver: withCredentials, Run: methodOffered},
		{ID: "auth.method-none-when-unconfigured", Run: methodUnconfigured},
		{ID: "auth.method-target-picks-unoffered", Base: WithCHAP, Driver: withCredentials, Run: methodUnoffered},
		{ID: "auth.method-proposed-by-target", Base: WithCHAP, Run: methodProposed, Driver: func(s *Settings) {
			s.CHAP(false)
			s.Defaults.AwaitAuthMethod = true
		}},
		{ID: "auth.stage-skipped-by-target", Base: WithCHAP, Driver: withBothCredentials, Run: stageSkipped},
		{ID: "auth.discovery-uses-credentials", Base: WithCHAP, Driver: withCredentials, Run: discoveryAuthenticates},
		{ID: "auth.each-connection", Base: withTwoConnections, Driver: withTwoAuthenticated, Run: eachConnection},
	}
}

// withCredentials gives the own initiator what one-way CHAP needs, withBothCredentials what mutual CHAP needs.
func withCredentials(s *Settings)     { s.CHAP(false) }
func withBothCredentials(s *Settings) { s.CHAP(true) }

// offeredMethods are the members of a step's AuthMethod.
func offeredMethods(s *Step) []string {
	value, found := s.Keys.Get(text.KeyAuthMethod)
	if !found {
		return nil
	}
	return text.ParseList(value)
}

func methodOffered(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	t.Equal("CSG of the first request", s.Request.CSG, pdu.StageSecurity)
	if methods := offeredMethods(s); methods == nil {
		t.propose(c, s)
	} else {
		t.Check(slices.Contains(methods, "CHAP"), fmt.Sprintf("AuthMethod %v", methods), "CHAP among the methods")
		c.Respond(s)
	}
	t.full(c, op)
}

// propose answers a first request without AuthMethod with the target's own proposal, and holds the answer against the rule.
func (t *T) propose(c *Conn, s *Step) {
	holdStage(s)
	s.Response.SetStatus(0) // The array waits for an offer; this one makes its own.
	s.Set(text.KeyAuthMethod, "CHAP,None")
	c.Respond(s)
	s = c.LoginStep()
	method, _ := s.Keys.Get(text.KeyAuthMethod)
	t.Equal("AuthMethod", method, "CHAP")
	list, found := s.Keys.Get("CHAP_A")
	t.Check(found && slices.Contains(text.ParseList(list), "5"), fmt.Sprintf("CHAP_A %q", list), "CHAP_A with 5 in the request that takes the method")
	s.Drop(text.KeyAuthMethod) // The array proposed it, and need not answer.
	c.Respond(s)
}

func methodProposed(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	if s.Request.CSG != pdu.StageSecurity || offeredMethods(s) != nil {
		t.Skip("NOT-TESTABLE: the initiator offers AuthMethod itself.")
	}
	t.propose(c, s)
	t.full(c, op)
}

func methodUnconfigured(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	if s.Request.CSG != pdu.StageSecurity {
		s.Refuse(iscsi.StatusAuthenticationFailure)
		t.refuses(c, op, s)
		t.authFailed(op)
		return
	}
	holdStage(s)
	if slices.Contains(offeredMethods(s), "CHAP") {
		s.Set(text.KeyAuthMethod, "CHAP")
		c.Respond(s)
		r, _ := c.LoginRequest()
		c.exchange(r, text.Pairs{{Key: "CHAP_A", Value: "5"}, {Key: "CHAP_I", Value: "1"}, {Key: "CHAP_C", Value: "0x0102030405060708"}}, nil)
		t.RLoginFail(c, op)
		return
	}
	s.Set(text.KeyAuthMethod, text.Reject)
	c.Respond(s)
	if e := c.peek(t.scaled(ReactionTime)); e.Kind == probe.Arrived {
		r, _ := c.LoginRequest()
		c.exchange(r, nil, func(p *pdu.LoginResponse) { p.SetStatus(uint16(iscsi.StatusAuthenticationFailure)) })
	}
	t.RLoginFail(c, op)
	t.authFailed(op)
}

func methodUnoffered(t *T) {
	for _, method := range []string{"None", "SRP", "KRB5", "CHAP,None", "Foo"} {
		t.Part(method, func() {
			op, c := t.begin(Login{})
			s := c.stepWith(text.KeyAuthMethod)
			if slices.Contains(offeredMethods(s), method) {
				t.Skip("NOT-TESTABLE: the initiator offers %s.", method)
			}
			s.Set(text.KeyAuthMethod, method)
			t.refuses(c, op, s)
		})
	}
}

func stageSkipped(t *T) {
	for _, to := range []pdu.Stage{pdu.StageOperational, pdu.StageFullFeature} {
		t.Part("to the "+to.String()+" stage", func() {
			op, c := t.begin(Login{})
			s := c.stepWith(text.KeyAuthMethod)
			s.Response.Transit, s.Response.NSG = true, to
			if to == pdu.StageFullFeature {
				s.Response.TSIH = t.Base.TSIH
			}
			t.refuses(c, op, s)
			t.authFailed(op)
		})
	}
}

func discoveryAuthenticates(t *T) {
	op, c := t.begin(Login{Kind: ini.Discovery, NoTarget: true})
	if !c.Login() {
		t.Fail("a discovery login without the authentication that was asked for", "authenticated discovery")
	}
	if t.Own() {
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a login")
		}
		if r := t.Do(Discover{}); !r.Good() || len(r.Targets) == 0 {
			t.Fail(r, "the targets")
		}
	}
}

// withTwoConnections makes the array ask for CHAP on up to two connections, withTwoAuthenticated makes the own initiator ready for that.
func withTwoConnections(b *Base) {
	WithCHAP(b)
	b.Params.MaxConnections = 2
}

func withTwoAuthenticated(s *Settings) {
	s.CHAP(false)
	s.Offer(text.KeyMaxConnections, "2")
}

func eachConnection(t *T) {
	var names []string
	prove := func(s *Step) {
		if name, found := s.Keys.Get("CHAP_N"); found {
			names = append(names, name)
		}
	}
	t.login(Login{}, prove)
	op := t.Start(AddConnection{})
	t.full(t.Accept(), op, prove)
	t.Check(len(names) == 2, fmt.Sprintf("%d proofs on two connections", len(names)), "a proof on each connection")
	if names[0] != names[1] {
		t.Warn("The connections of a session have several names.", names[1], names[0])
	}
}
