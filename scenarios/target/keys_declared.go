package target

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// keyDeclaredChecks are those of the group keys about names, aliases and addresses.
func keyDeclaredChecks() []Check {
	return []Check{
		{ID: "keys.target-alias.declarative", Run: func(t *T) {
			r := t.Login(probe.Login{})
			t.Granted(r)
			for _, alias := range r.Walk.Received().Values(text.KeyTargetAlias) {
				if alias == "" || len(alias) > 255 || !utf8.ValidString(alias) {
					t.FailFirmly(fmt.Sprintf("a TargetAlias of %d bytes: %.40q", len(alias), alias), "1 to 255 bytes of UTF-8")
				}
				t.Note("TargetAlias=%s", alias)
			}
		}},
		{ID: "keys.initiator-alias.accepted-silently", Run: func(t *T) {
			r := t.Offering("InitiatorAlias=" + strings.Repeat("Prüfstand ⇄ ", 16))
			t.Granted(r)
			if answer, _ := r.Walk.Received().Get(text.KeyInitiatorAlias); text.Reserved(answer) {
				t.Fail("InitiatorAlias="+answer, "no answer to a declaration")
			}
		}},
		{ID: "keys.send-targets.not-in-login", Run: sendTargetsInLogin},
		{ID: "keys.target-address.not-volunteered-outside-redirect", Array: WithRedirect, Run: addressForm},
	}
}

func sendTargetsInLogin(t *T) {
	want := []string{"SendTargets=Reject", "a refusal", "a drop"}
	r := t.Offering("SendTargets=All")
	if t.TurnedDown(r, true, want...) {
		return
	}
	received := r.Walk.Received()
	_, names := received.Get(text.KeyTargetName)
	_, addresses := received.Get(text.KeyTargetAddress)
	answer, answered := received.Get(text.KeySendTargets)
	switch {
	case names || addresses:
		t.Fail(fmt.Sprintf("a Login Response with %v", received), want...)
	case answer == text.Irrelevant || answer == text.NotUnderstood:
		t.Warn("The target answers otherwise.", "SendTargets="+answer, want...)
	case !answered:
		t.Warn("The target passes over SendTargets in a login.", r, want...)
	case answer != text.Reject:
		t.Fail("SendTargets="+answer, want...)
	}
}

// addressForm judges the TargetAddress of a login at the portal under test, whichever way that ends.
func addressForm(t *T) {
	r := t.Login(probe.Login{Portal: t.Facts.Front})
	redirected := r.Refused() && r.Status.Class() == iscsi.ClassRedirection
	if !r.Granted() && !redirected {
		t.Granted(r)
	}
	addresses := r.Walk.Received().Values(text.KeyTargetAddress)
	if redirected && len(addresses) == 0 {
		t.FailFirmly("a redirection without a TargetAddress", "a TargetAddress")
	}
	for _, address := range addresses {
		_, err := iscsi.ParseTargetAddress(address)
		switch {
		case err != nil && redirected:
			t.FailFirmly(fmt.Sprintf("TargetAddress=%q", address), "host[:port][,tag]")
		case err != nil:
			t.Warn("The address cannot be read.", fmt.Sprintf("TargetAddress=%q", address), "host[:port][,tag]")
		}
	}
}
