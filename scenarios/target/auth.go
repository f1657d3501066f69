package target

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// authChecks are those of the group auth.
func authChecks() []Check {
	return slices.Concat([]Check{
		{ID: "auth.method.none-when-open", Run: noneWhenOpen},
		{ID: "auth.chap.one-way-success", Array: WithCHAP, Run: func(t *T) {
			oneWay := func(o *probe.Options) { o.Mutual = chap.Credentials{} }
			t.PartWith("one-way CHAP", oneWay, func() {
				r := t.Login(probe.Login{})
				t.Check(r.Err(), "a login with the right credentials")
				if method, _ := r.Answer(text.KeyAuthMethod); method != "CHAP" {
					t.Skip("The target prefers AuthMethod=%s.", method)
				}
				t.Survives(r.Conn, "the session")
			})
		}},
		{ID: "auth.chap.reinstatement-needs-authentication", Array: WithCHAP, Run: reinstatementNeedsAuthentication},
	}, authMethodChecks(), authAlgorithmChecks(), authProofChecks(), authMutualChecks())
}

func noneWhenOpen(t *T) {
	if t.Facts.AuthRequired {
		t.Skip("Authentication is configured.")
	}
	w := t.Connect().Walk(probe.Login{})
	a := w.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: true,
		Keys: append(t.Names(probe.Login{}), Keys("AuthMethod=None")...)})
	t.Accepted(a)
	if method, answered := probe.AnswerOf(w.Said, text.KeyAuthMethod); !answered || method != "None" {
		t.Fail(a.Event, "AuthMethod=None with Status 0")
	}
}

func reinstatementNeedsAuthentication(t *T) {
	a := t.Open(probe.Login{})
	isid := a.Session.ISID
	wrong := func(o *probe.Options) { o.CHAP.Secret = iscsi.Secret("not the " + o.CHAP.Secret.Reveal()) }
	t.PartWith("wrong credentials", wrong, func() {
		switch r := t.Login(probe.Login{ISID: &isid}); {
		case r.Granted():
			t.FailFirmly(r, "a refused login")
		case r.Outcome == probe.LoginDropped:
			t.Warn("The login was refused by a bare drop, which tells the initiator nothing.", r, "a refused login")
		case !r.Refused():
			t.FailFirmly(r, "a refused login")
		}
	})
	if err := a.Probe(); err != nil {
		t.Warn("An initiator that cannot authenticate ended the session of one that had.", err, "the session survives")
	}
}
