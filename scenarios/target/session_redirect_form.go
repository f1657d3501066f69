package target

import (
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// redirectFormChecks are those of the group session-management about the form of a redirect's address and about its place in the login. Which
// forms a target on the network has is its administrator's choice: without a hook its one redirect is judged.
func redirectFormChecks() []Check {
	return []Check{
		{ID: "session-management.redirect.ipv6-and-port-forms", Array: withForms, Run: redirectForms},
		{ID: "session-management.redirect.during-security-stage", Array: withCHAPAndRedirect, Run: redirectInSecurityStage},
	}
}

// namedPortal is a DNS name of the simulated array's.
const namedPortal = "portal-d.iscsispec.test"

// withForms gives the array hidden portals of each form of address: IPv6, IPv4, and a DNS name.
func withForms(p *simtarget.Profile) {
	WithRedirect(p)
	p.Portals = append(p.Portals,
		simtarget.Portal{Name: "D", Address: "10.0.1.4:3260", Tag: 1, Hidden: true, Advertised: namedPortal + ":3260"},
		simtarget.Portal{Name: "E", Address: "[fd00::5]:3260", Tag: 1, Hidden: true})
	p.Login.Redirect.To = []string{"B"}
}

// send makes the simulated array redirect in another way from now on.
func (t *T) send(profile func(*simtarget.Profile), change func(r *simtarget.RedirectPolicy)) {
	p := Profile()
	profile(p)
	change(&p.Login.Redirect)
	t.Act(simtarget.Action{Policy: &simtarget.Policy{Login: &p.Login}})
}

func redirectForms(t *T) {
	t.Part("as configured", func() { t.form("") })
	for _, form := range []struct{ name, portal, host string }{
		{"an IPv6 portal", "E", "[fd00::5]"},
		{"a DNS name", "D", namedPortal},
		{"an IPv4 portal", "B", "10.0.1.2"},
	} {
		for _, bare := range []bool{false, true} {
			name := map[bool]string{false: form.name + " with its port", true: form.name + " without a port"}[bare]
			t.Part(name, func() {
				t.send(withForms, func(r *simtarget.RedirectPolicy) { r.To, r.OmitPort = []string{form.portal}, bare })
				t.form(form.host)
			})
		}
	}
}

// form ends the part unless a login at the front portal is redirected to an address of good form, whose host is the one intended, if that is
// known, and leads to a session.
func (t *T) form(host string) {
	r := t.Login(probe.Login{Portal: t.Facts.Front})
	if !moved(r) {
		t.Fail(r, "a redirect")
	}
	to := t.destination(r)
	value, _ := r.Walk.Received().Get(text.KeyTargetAddress)
	switch {
	case strings.Count(value, ":") > 1 && !strings.HasPrefix(value, "["):
		t.Fail("TargetAddress="+value, "an IPv6 address in brackets")
	case host != "" && value != host && !strings.HasPrefix(value, host+":"):
		t.Fail("TargetAddress="+value, host+" with or without a port")
	}
	t.Survives(t.Granted(t.Login(probe.Login{Portal: to})), "the session at "+to.HostPort())
}

func redirectInSecurityStage(t *T) {
	t.Part("as configured", t.finalRedirect)
	t.Part("before authentication", func() {
		t.send(withCHAPAndRedirect, func(r *simtarget.RedirectPolicy) { r.AfterAuthentication = false })
		t.finalRedirect()
	})
	t.Part("after authentication", func() {
		t.send(withCHAPAndRedirect, func(r *simtarget.RedirectPolicy) { r.AfterAuthentication = true })
		t.finalRedirect()
	})
}

func withCHAPAndRedirect(p *simtarget.Profile) {
	WithRedirect(p)
	WithCHAP(p)
}

// finalRedirect ends the part unless a login that begins in the security stage is redirected, and nothing of it goes on behind that.
func (t *T) finalRedirect() {
	r := t.Login(probe.Login{Portal: t.Facts.Front})
	if !moved(r) {
		t.Fail(r, "a redirect, before or after authentication")
	}
	t.destination(r)
	if p, is := probe.As[*pdu.LoginResponse](r.Last); is && p.Transit && p.NSG == pdu.StageFullFeature {
		t.Fail(r.Last, "no transition to full feature phase in a redirect")
	}
	// What follows a redirect is a new login elsewhere: an answer to one more step would be a login that goes on.
	a := r.Walk.Exchange(probe.Step{CSG: pdu.StageSecurity, Keys: Keys("CHAP_A=5")})
	if a.Response != nil {
		t.FailFirmly(a.Event, "nothing behind the redirect")
	}
	t.Dropped(r.Conn, "after the redirect")
}
