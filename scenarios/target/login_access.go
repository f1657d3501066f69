package target

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// loginAccessChecks are about who may log in to what, and what a target says that cannot serve.
func loginAccessChecks() []Check {
	closed := []iscsi.Status{iscsi.StatusAuthorizationFailure, iscsi.StatusAuthenticationFailure, iscsi.StatusNotFound}
	return []Check{
		{ID: "login.authorization.denied-initiator-refused", Array: onlyNames, Run: func(t *T) {
			// The simulated array has the list before the check starts.
			t.PartWith("a name that may not log in", func(o *probe.Options) { o.InitiatorName = deniedInitiator }, func() {
				t.Hook(HookDeny, nil)
				t.Refused(t.Login(probe.Login{}), Refusal{With: closed})
			})
		}},
		{ID: "login.session-type.invalid-value-refused", Run: invalidSessionType},
		{ID: "login.session-type.unsupported-status", Run: unsupportedSessionType},
		{ID: "login.names.eui-and-naa-initiator-names", Run: func(t *T) {
			t.namesTaken("eui.02004567A425678D", "naa.52004567BA64678D", "naa.62004567BA64678D0123456789ABCDEF")
		}},
		{ID: "login.names.longest-initiator-name", Run: func(t *T) {
			name := "iqn.2001-04.com.example:iscsispec-"
			t.namesTaken(name + strings.Repeat("n", iscsi.MaxNameLength-len(name)))
		}},
		{ID: "login.status.initiator-error-on-bad-negotiation", Run: func(t *T) {
			t.Part("MaxBurstLength=0", func() { badOffer(t, text.KeyMaxBurstLength, Keys("MaxBurstLength=0", "FirstBurstLength=512")) })
			t.Part("InitialR2T=Maybe", func() { badOffer(t, text.KeyInitialR2T, Keys("InitialR2T=Maybe")) })
		}},
		{ID: "login.target.removed-status", Run: func(t *T) {
			t.away(iscsi.StatusTargetRemoved, []iscsi.Status{iscsi.StatusTargetRemoved, iscsi.StatusNotFound})
		}},
		{ID: "login.status.service-unavailable", Run: func(t *T) {
			t.away(iscsi.StatusServiceUnavailable,
				[]iscsi.Status{iscsi.StatusServiceUnavailable, iscsi.StatusNotFound, iscsi.StatusTargetError, iscsi.StatusOutOfResources})
		}},
		{ID: "login.status.target-error-class", Run: targetError},
	}
}

func invalidSessionType(t *T) {
	r := t.Login(probe.Login{Keys: Keys("SessionType=Bogus")})
	if kind, _ := r.Answer(text.KeySessionType); r.Granted() && kind == text.Reject {
		t.Warn("The target rejects the value and goes on with the default.", "SessionType=Reject and a granted login", "a refusal")
		return
	}
	if r.Outcome == probe.LoginRefused && r.AuthRequired() && t.Facts.AuthRequired {
		t.Granted(r)
	}
	t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusSessionTypeNotSupported, iscsi.StatusInitiatorError}})
}

func unsupportedSessionType(t *T) {
	for _, l := range []probe.Login{{Discovery: true}, {}} {
		name := "SessionType=Normal"
		if l.Discovery {
			name = "SessionType=Discovery"
		}
		t.Part(name, func() {
			switch r := t.Login(l); {
			case r.Granted(), r.RefusedWith(iscsi.StatusSessionTypeNotSupported), r.AuthRequired() && t.Facts.AuthRequired:
			case r.Outcome == probe.LoginDropped:
				t.FailFirmly(r, "a granted login", "refused with "+iscsi.StatusSessionTypeNotSupported.String())
			default:
				t.Warn("The refusal does not say that the session type is not offered.", r, "refused with "+iscsi.StatusSessionTypeNotSupported.String())
			}
		})
	}
}

// namesTaken ends the part unless initiators of these names are let in, or kept out by access control.
func (t *T) namesTaken(names ...string) {
	for _, name := range names {
		t.Part(name, func() {
			r := t.Login(probe.Login{InitiatorName: name})
			switch {
			case r.AuthRequired(), r.RefusedWith(iscsi.StatusNotFound):
			case r.Granted():
				t.Leave(r.Conn)
			default:
				t.Fail(r, "a granted login", "a refusal by access control: 0x0201, 0x0202 or 0x0203")
			}
		})
	}
}

func badOffer(t *T, key string, offers text.Pairs) {
	r := t.Login(probe.Login{Keys: offers})
	want := []string{"a refusal of class 2", "Reject or a legal value"}
	switch {
	case r.AuthRequired() && t.Facts.AuthRequired:
		t.Granted(r)
	case r.Refused() && r.Status.Class() == iscsi.ClassInitiatorError:
	case r.Refused():
		t.Warn("The refusal says that the fault is the target's.", r, want...)
	case r.Outcome == probe.LoginDropped:
		t.Warn("The login was refused by a bare drop, which tells the initiator nothing.", r, want...)
	case !r.Granted():
		t.Fail(r, want...)
	}
	if !r.Granted() {
		return
	}
	switch value, answered := r.Answer(key); {
	case !answered:
		t.Warn("The login goes on without an answer to the illegal offer.", r, want...)
	case value != text.Reject && !legal(key, value):
		t.Fail(fmt.Sprintf("%s=%s in force", key, value), want...)
	}
}

// away judges a login to a target that was taken away, as an array tells it by the status that suits.
func (t *T) away(status iscsi.Status, accepted []iscsi.Status) {
	hook := HookTargetAway
	if status == iscsi.StatusTargetRemoved {
		hook = HookTargetRemoved
	}
	t.Hook(hook, nil, simtarget.Action{Suspend: &simtarget.Suspend{Target: t.Options().Target, Status: simtarget.Status(status)}})
	want := "refused with " + status.String()
	switch r := t.Login(probe.Login{}); {
	case r.RefusedWith(accepted...):
	case r.Refused():
		t.Warn("The login was refused with another status.", r, want)
	case r.Outcome == probe.LoginDropped && status == iscsi.StatusServiceUnavailable:
		t.Warn("The login was refused by a bare drop, which tells the initiator nothing.", r, want)
	default:
		t.FailFirmly(r, want)
	}
}

// hangTime is how long a target that is out of order may take to say so.
const hangTime = 30 * time.Second

func targetError(t *T) {
	t.Hook(HookTargetError, nil, simtarget.Action{Suspend: &simtarget.Suspend{Target: t.Options().Target, Status: simtarget.Status(iscsi.StatusTargetError)}})
	t.PartWith("a login", func(o *probe.Options) { o.AnswerTimeout = hangTime }, func() {
		r := t.Login(probe.Login{})
		switch {
		case r.Granted(), r.Refused() && r.Status.Class() == iscsi.ClassTargetError:
		case r.Outcome == probe.LoginSilent, r.Outcome == probe.LoginEndless:
			t.FailFirmly(r, "refused with "+iscsi.StatusTargetError.String())
		default:
			t.Warn("The target tells otherwise that it cannot serve.", r, "refused with "+iscsi.StatusTargetError.String())
		}
	})
}
