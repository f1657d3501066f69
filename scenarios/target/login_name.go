package target

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func loginNameChecks() []Check {
	missing := []iscsi.Status{iscsi.StatusMissingParameter}
	return []Check{
		{ID: "login.params.missing-initiator-name", Run: func(t *T) {
			t.Refused(t.Login(probe.Login{Omit: []string{text.KeyInitiatorName}}), Refusal{With: missing, DropFails: true, TryAgain: true})
		}},
		{ID: "login.params.missing-target-name", Run: func(t *T) {
			for i, name := range []string{"SessionType=Normal", "no SessionType"} {
				t.Part(name, func() {
					l := probe.Login{Omit: []string{text.KeyTargetName, text.KeySessionType}[:i+1]}
					t.Refused(t.Login(l), Refusal{With: missing, DropFails: true})
				})
			}
		}},
		{ID: "login.target.unknown-name-refused", Run: func(t *T) {
			t.Refused(t.Login(probe.Login{TargetName: absentTarget}), Refusal{DropFails: true,
				With:  []iscsi.Status{iscsi.StatusNotFound, iscsi.StatusAuthenticationFailure, iscsi.StatusAuthorizationFailure},
				Warns: []iscsi.Status{iscsi.StatusServiceUnavailable}})
		}},
		{ID: "login.session-type.default-is-normal", Run: func(t *T) {
			usual := t.Login(probe.Login{})
			if !usual.Granted() {
				t.Skip("The login with SessionType=Normal is not granted: %v.", usual)
			}
			t.Leave(usual.Conn)
			r := t.Login(probe.Login{Omit: []string{text.KeySessionType}})
			if !r.Granted() {
				t.Fail(r, "a granted login")
			}
			t.Survives(r.Conn, "the session")
		}},
	}
}
