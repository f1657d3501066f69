package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// unknownMethod is an authentication method that nobody has.
const unknownMethod = "Z-com.example.auth"

func authMethodChecks() []Check {
	return withOneWay([]Check{
		{ID: "auth.method.first-acceptable-chosen", Run: firstAcceptable},
		{ID: "auth.method.none-refused-when-required", Run: noneRefused},
		{ID: "auth.method.absent-when-required", Run: methodAbsent},
		{ID: "auth.method.operational-start-when-required", Run: func(t *T) {
			t.insists()
			t.Refused(t.Login(probe.Login{Auth: probe.AuthNone}), authRefused)
		}},
		{ID: "auth.method.unsupported-only", Run: unsupportedOnly},
		{ID: "auth.method.second-offer-forbidden", Run: func(t *T) {
			a := t.agreed()
			t.Refused(a.press(Keys("AuthMethod=None")), Refusal{})
		}},
		{ID: "auth.method.target-proposal-first-step", Run: targetProposal},
	})
}

func firstAcceptable(t *T) {
	for _, offer := range []string{"CHAP,None", "None,CHAP", "KRB5,CHAP,None", unknownMethod + ",CHAP"} {
		t.Part(offer, func() {
			a := t.begin(probe.Login{})
			value, answer := a.method(offer)
			switch {
			case !answer.OK() || value == "":
				t.Fail(a.came(answer), "a member of "+offer)
			case !memberOf(offer, value):
				t.Fail("AuthMethod="+value, "a member of "+offer)
			case t.Facts.AuthRequired && value != "CHAP":
				t.Fail("AuthMethod="+value, "AuthMethod=CHAP")
			}
			if first := firstOf(offer, "CHAP", "None", value); !t.Facts.AuthRequired && value != first {
				t.Warn("The target follows a preference of its own instead of the initiator's order.", "AuthMethod="+value, "AuthMethod="+first)
			}
		})
	}
}

// firstOf is the first member of a list that is one of the values.
func firstOf(list string, values ...string) string {
	for _, member := range text.ParseList(list) {
		for _, value := range values {
			if member == value {
				return member
			}
		}
	}
	return ""
}

func noneRefused(t *T) {
	t.insists()
	r := t.Login(probe.Login{Security: true, Auth: probe.AuthNone})
	method, _ := r.Answer(text.KeyAuthMethod)
	if method == text.Reject && (r.Refused() || r.Outcome == probe.LoginDropped) {
		return
	}
	t.Refused(r, authRefused)
}

func methodAbsent(t *T) {
	t.insists()
	for _, straight := range []bool{false, true} {
		t.Part(fmt.Sprintf("no AuthMethod, straight to full feature phase: %t", straight), func() {
			a := t.begin(probe.Login{})
			s := probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: true, Keys: t.Names(probe.Login{})}
			if straight {
				s.NSG = pdu.StageFullFeature
			}
			t.refusedOrHeld(a.came(a.walk.Exchange(s)))
		})
	}
	t.Part("AuthMethod=CHAP straight to full feature phase", func() {
		a := t.begin(probe.Login{})
		keys := append(t.Names(probe.Login{}), Keys("AuthMethod=CHAP")...)
		r := a.came(a.walk.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageFullFeature, Transit: true, Keys: keys}))
		t.refusedOrHeld(r)
		if method, said := probe.AnswerOf(a.walk.Said, text.KeyAuthMethod); r.Outcome == probe.LoginEndless && said && method != "CHAP" {
			t.Fault("AuthMethod="+method, "AuthMethod=CHAP")
		}
	})
}

// refusedOrHeld judges a request that asks for the next stage before anything is proved: it is refused, or answered with T=0.
func (t *T) refusedOrHeld(r *probe.LoginResult) {
	if r.Outcome != probe.LoginEndless {
		t.Refused(r, Refusal{})
	}
}

func unsupportedOnly(t *T) {
	a := &authentication{t: t, walk: t.Connect().Walk(probe.Login{})}
	value, answer := a.method(unknownMethod)
	r := a.came(answer)
	switch {
	case value == "" && r.Outcome != probe.LoginEndless:
		t.Refused(r, Refusal{})
		return
	case value != text.Reject:
		t.Fail(fmt.Sprintf("AuthMethod=%s; %v", value, r), "AuthMethod=Reject", "a refusal")
	}
	if !t.Facts.AuthRequired || r.Outcome != probe.LoginEndless {
		return
	}
	if r = a.press(nil); !r.Granted() {
		return
	}
	last := a.walk.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: t.Digests()})
	if last.FullFeature() {
		t.Fail(last.Event, "no full feature phase without authentication")
	}
}

func targetProposal(t *T) {
	a := t.begin(probe.Login{})
	answer := a.step(t.Names(probe.Login{}))
	proposed, has := a.walk.Received().Get(text.KeyAuthMethod)
	if !answer.OK() || !has || !memberOf(proposed, "CHAP") {
		t.Skip("The target does not propose CHAP: %v.", a.came(answer))
	}
	a.await(a.until(chap.KeyChallenge, Keys("AuthMethod=CHAP", "CHAP_A=5")))
	a.enter(a.press(a.right()), "the right response")
	a.complete()
}

// accountOfAnother is the account of another initiator.
var accountOfAnother = chap.Credentials{Name: "neighbour", Secret: "iscsispec-neighbour"}

// identityBound needs two accounts with their initiator names.
func identityBound(t *T) {
	t.hooked("two CHAP users, each of one initiator name")
	t.PartWith("the account of another initiator", func(o *probe.Options) { o.CHAP = accountOfAnother }, func() {
		t.Refused(t.Login(probe.Login{}), Refusal{With: []iscsi.Status{iscsi.StatusAuthenticationFailure, iscsi.StatusAuthorizationFailure}})
	})
	t.Part("the initiator's own account", func() {
		if r := t.Login(probe.Login{}); !r.Granted() {
			t.FailFirmly(r, "a granted login")
		}
	})
}

// hooked ends the check as a skip on targets whose configuration it cannot change.
func (t *T) hooked(what string) {
	if !t.Embedded() {
		t.Skip("The stimulus needs %s, for which no hook is configured.", what)
	}
}
