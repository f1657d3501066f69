package peers

import (
	"errors"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/lifecycle"
)

// libiscsi comes back from a reset, logs out when it is asked to, and follows a redirect.
func TestLifecycleOfLibiscsi(t *testing.T) {
	t.Parallel()
	Need(t, "iscsi-inq")
	measured := map[string]*lifecycle.Measurement{}
	options := lifecycle.Options{Command: []string{"iscsi-inq"}, Reach: time.Minute, Watch: time.Minute, Kinds: []string{"reset", "async-logout", "redirect"}}
	err := lifecycle.Measure(t.Context(), options, func(m *lifecycle.Measurement) error {
		measured[m.Kind] = m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range options.Kinds {
		m := measured[kind]
		if m == nil || m.Unclear != "" || m.FirstAttempt == nil || m.BackAfter == nil {
			t.Fatalf("%s: %+v", kind, m)
		}
		for _, f := range m.Findings {
			switch {
			case f.Verdict != scenarios.Fail:
			case kind == "async-logout" && m.LogoutAfter != nil: // a busy machine may have been late, and not libiscsi
				t.Logf("%s: %s", kind, f.Reason)
			default:
				t.Errorf("%s: %s", kind, f.Reason)
			}
		}
	}
	if m := measured["async-logout"]; m.LogoutAfter == nil {
		t.Error("no logout was seen")
	}
	if m := measured["redirect"]; !m.Redirected || !m.Followed {
		t.Errorf("redirected %v, followed %v", m.Redirected, m.Followed)
	}
	if m := measured["reset"]; m.ISID == "" || m.ISIDAfter == "" || m.Time2Wait != 2 {
		t.Errorf("ISID %q, then %q; Time2Wait %v", m.ISID, m.ISIDAfter, m.Time2Wait)
	}
}

// A command that is no initiator, and one that makes no session with commands, are told from one that is measured.
func TestLifecycleOfWhatIsNoInitiator(t *testing.T) {
	t.Parallel()
	Need(t, "iscsi-ls")
	for _, words := range [][]string{{"true"}, {"iscsi-ls", "iscsi://{portal}"}} {
		err := lifecycle.Measure(t.Context(), lifecycle.Options{Command: words}, func(*lifecycle.Measurement) error { return nil })
		if _, is := errors.AsType[*lifecycle.UnmeasuredError](err); !is {
			t.Errorf("%v: %v", words, err)
		}
	}
}
