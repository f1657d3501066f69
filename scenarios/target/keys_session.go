package target

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// keyChecks are those of the group keys.
func keyChecks() []Check {
	return slices.Concat(keyDigestChecks(), keySessionChecks(), keyNumberChecks(), keyLengthChecks(), keyBurstChecks(), keyDeclaredChecks())
}

func keySessionChecks() []Check {
	return []Check{
		{ID: "keys.max-connections.default-and-limit", Run: bothStarts(func(t *T, security bool) {
			a := t.Open(probe.Login{Answers: Keys("MaxConnections=1")})
			t.Handle(a)
			r := t.Login(probe.Login{Session: a.Session, Security: security})
			t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusTooManyConnections}})
			t.Survives(a, "the first connection")
		})},
		{ID: "keys.target-portal-group-tag.in-first-response", Run: portalGroupTag},
		{ID: "keys.target-portal-group-tag.matches-sendtargets", Run: tagMatchesSendTargets},
	}
}

func portalGroupTag(t *T) {
	t.Part("starting in CSG=0", func() { t.tagTold(t.Login(probe.Login{Security: true}), true) })
	t.Part("starting in CSG=1", func() {
		t.tagTold(t.Login(probe.Login{Patch: func(round int, q *pdu.LoginRequest) {
			if round == 0 && q.CSG == pdu.StageOperational {
				q.Transit, q.NSG = false, 0
			}
		}}), true)
	})
	t.Part("Discovery that names the target", func() {
		r := t.Login(probe.Login{Discovery: true, TargetName: t.Options().Target})
		if !r.Granted() {
			t.Skip("No Discovery session that names the target is granted: %v.", r)
		}
		t.tagTold(r, false)
	})
	t.Part("second connection", func() {
		a := t.Open(probe.Login{Keys: Keys("MaxConnections=2")})
		if a.Session.Params.MaxConnections < 2 {
			t.Skip("The target does not agree on MaxConnections=2.")
		}
		t.Handle(a)
		t.tagTold(t.Login(probe.Login{Session: a.Session}), false)
	})
}

// tagTold judges whether the first whole answer of a login tells the portal group tag. In the leading login of a Normal session it has to be
// told sooner or later; elsewhere older targets leave it out.
func (t *T) tagTold(r *probe.LoginResult, leading bool) {
	want := "TargetPortalGroupTag=0 to 65535 in the first response"
	var first []byte
	for _, p := range walked(r) {
		if first = append(first, p.Data...); !p.Continue {
			break
		}
	}
	if responses := walked(r); len(responses) == 0 || responses[0].StatusClass != 0 {
		t.Skip("The first response is no success: %v.", r)
	}
	// A text that cannot be read tells no tag.
	pairs, _ := text.Parse(first)
	value, told := pairs.Get(text.KeyTargetPortalGroupTag)
	if n, valid := text.ParseNumber(value); told && (!valid || n < 0 || n > 0xffff) {
		t.Fail("TargetPortalGroupTag="+value, want)
	}
	if told {
		return
	}
	if _, later := r.Walk.Received().Get(text.KeyTargetPortalGroupTag); !later && leading {
		t.Fail("no TargetPortalGroupTag in the whole login", want)
	}
	t.Warn("The portal group tag is told late or not at all, as older targets do.", fmt.Sprintf("the first response holds %q", first), want)
}

func walked(r *probe.LoginResult) []*pdu.LoginResponse {
	if r.Walk == nil {
		return nil
	}
	return r.Walk.Responses
}

func tagMatchesSendTargets(t *T) {
	d := t.Open(probe.Login{Discovery: true})
	records := t.SendTargets(d)
	t.Leave(d)
	var listed *iscsi.TargetAddress
	for _, record := range records {
		for _, address := range record.Addresses {
			if record.Name == t.Options().Target && address.HostPort() == t.Options().Portal.HostPort() && address.HasTag {
				listed = &address
			}
		}
	}
	if listed == nil {
		t.Skip("SendTargets does not list the portal under test.")
	}
	r := t.Login(probe.Login{})
	t.Granted(r)
	value, told := r.Walk.Received().Get(text.KeyTargetPortalGroupTag)
	if n, valid := text.ParseNumber(value); !told || !valid || n != int(listed.Tag) {
		t.Fail(fmt.Sprintf("TargetPortalGroupTag=%q in the login, %v in SendTargets", value, listed), "equal tags")
	}
}
