package peers

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
	"github.com/iscsispec/iscsispec/simtarget/server"
)

// post is a shell command's way to the control requests of `iscsispec serve`: a script for bash, whose first argument is the body. It fails where
// the answer is another than that the actions are done.
const post = `
exec 3<>/dev/tcp/%s/%s
printf 'POST /control HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %%d\r\n\r\n%%s' "${#1}" "$1" >&3
grep -o '"done": *1' <&3
`

// controlled is an array of `iscsispec serve` with the hooks that its control requests bring about.
func controlled(t *testing.T) target.Foreign {
	t.Helper()
	Need(t, "bash")
	s, err := server.New(&server.Config{Arrays: []server.ArrayConfig{{Profile: "plain"}}}, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.ServeStatus("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(s.StatusURL())
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "post")
	if err := os.WriteFile(script, fmt.Appendf(nil, post, at.Hostname(), at.Port(), at.Hostname(), at.Port()), 0o600); err != nil {
		t.Fatal(err)
	}
	does := func(action string) string { return fmt.Sprintf("bash %s '{\"actions\": [%s]}'", script, action) }
	return target.Foreign{URL: s.Units()[0].URL, Seed: 1, Patience: time.Second, Hooks: map[string]string{
		target.HookAsyncSCSI:        does(`{"async": {"event": 0, "sense": {"key": 6, "code": 42, "qualifier": 9}}}`),
		target.HookAsyncLogout:      does(`{"async": {"event": 1, "parameter3": 3}}`),
		target.HookAsyncDrop:        does(`{"async": {"event": 2, "then": "fin", "parameter2": 0}}`),
		target.HookAsyncNegotiation: does(`{"async": {"event": 4}}`),
		target.HookAsyncVendor:      does(`{"async": {"event": 255, "vendor_code": 7}}`),
		target.HookTargetRemoved:    does(`{"suspend": {"status": "0x0204"}}`),
		target.HookTargetAway:       does(`{"suspend": {"status": "0x0301"}}`),
		target.HookTargetError:      does(`{"suspend": {"status": "0x0300"}}`),
		target.HookDeny:             fmt.Sprintf(`bash %s '{"actions": [{"login": {"which": {"initiator": "'$ISCSISPEC_INITIATOR'"}, "next": -1, "status": "0x0202"}}]}'`, script),
		target.HookRestore: fmt.Sprintf(`case $ISCSISPEC_UNDO in deny-initiator) %s ;; *) %s ;; esac`, does(`{"clear": {}}`),
			does(`{"suspend": {"over": true}}`)),
	}}
}

// hookedChecks are those that hooks are for.
var hookedChecks = []string{
	"async.format.fields", "async.scsi-event.sense-data", "async.logout-request.parameter", "async.drop-connection.parameters",
	"async.negotiation-request.answerable", "logout.pending-async.logout-honoured", "login.target.removed-status",
	"login.status.service-unavailable", "login.status.target-error-class", "login.authorization.denied-initiator-refused",
}

// What the wire cannot bring about, a shell command does, and what outlasts the check is undone.
func TestHooksBringAboutWhatTheWireCannot(t *testing.T) {
	t.Parallel()
	f := controlled(t)
	// Each is undone before the next, and behind the last one the target is as it was.
	for _, r := range judge(t, f, "", scenarios.Selection{Only: append([]string{"login.basic.direct-operational"}, hookedChecks...)}) {
		if r.Verdict != scenarios.Pass {
			t.Errorf("%s: %v: %s; got: %s", r.ID, r.Verdict, r.Reason, r.Actual)
		}
	}
	if r := judge(t, f, "", scenarios.Selection{Only: []string{"login.basic.direct-operational"}}); len(r) != 1 || r[0].Verdict != scenarios.Pass {
		t.Errorf("%d results of a login behind all hooks", len(r))
	}
}

// A check without its hook is skipped and names it; a hook that fails, or does not end, makes the check inconclusive and tells what it printed;
// one that cannot be undone is told as a defect of the run.
func TestHooksThatDoNotWork(t *testing.T) {
	t.Parallel()
	f := controlled(t)
	const id = "login.status.service-unavailable"
	for _, c := range []struct {
		name, hook, restore string
		verdict             scenarios.Verdict
		reason              string
		within              time.Duration
	}{
		{"none", "", f.Hooks[target.HookRestore], scenarios.Skip, "--hook target-unavailable=COMMAND and --hook restore=COMMAND", 0},
		{"not to be undone", f.Hooks[target.HookTargetAway], "", scenarios.Skip, "--hook restore=COMMAND", 0},
		{"fails", "echo no such thing; exit 3", "true", scenarios.Inconclusive, `exit status 3, having printed "no such thing"`, 0},
		{"does not end", "echo waiting; sleep 600 | cat", "true", scenarios.Inconclusive, "", 3 * time.Second},
		{"is not undone", "true", "echo cannot; exit 1", scenarios.Broken, `The target is not as it was: the hook restore: exit status 1, having printed "cannot".`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f
			f.Hooks = map[string]string{target.HookTargetAway: c.hook, target.HookRestore: c.restore}
			suite, _, err := target.Against(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
			if err != nil {
				t.Fatal(err)
			}
			runner := &scenarios.Runner{T: t, Seed: 1, Limits: scenarios.Limits{Run: c.within}}
			r := runner.One(t.Context(), registry.Find(id)[0], nil)
			if r.Verdict != c.verdict || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%v: %s; want %v: %s", r.Verdict, r.Reason, c.verdict, c.reason)
			}
		})
	}
}
