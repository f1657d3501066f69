package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The limits of a hook: how long its command may run, and how much of what it prints is kept, in bytes.
const (
	hookTime   = 30 * time.Second
	hookOutput = 4096
)

// The hooks. Each is a command of the tester's that brings about at a target on the network what the wire cannot.
const (
	HookAsyncSCSI        = "async-scsi-event"
	HookAsyncLogout      = "async-logout"
	HookAsyncDrop        = "async-drop-connection"
	HookAsyncNegotiation = "async-negotiation"
	HookAsyncVendor      = "async-vendor"
	HookTargetRemoved    = "target-removed"
	HookTargetAway       = "target-unavailable"
	HookTargetError      = "target-error"
	HookDeny             = "deny-initiator"
	HookRestore          = "restore"
)

// Hooks tells each hook's name and what its command has to bring about.
func Hooks() [][2]string {
	return [][2]string{
		{HookAsyncSCSI, "the target sends Asynchronous Message 0 (a SCSI event) on the session"},
		{HookAsyncLogout, "the target asks the session to log out (Asynchronous Message 1)"},
		{HookAsyncDrop, "the target announces that it drops the connection (Asynchronous Message 2), and drops it"},
		{HookAsyncNegotiation, "the target asks for a negotiation (Asynchronous Message 4)"},
		{HookAsyncVendor, "the target sends an Asynchronous Message of its vendor's (255)"},
		{HookTargetRemoved, "the target is taken away for good; restore brings it back"},
		{HookTargetAway, "the target is out of service for a while; restore brings it back"},
		{HookTargetError, "the target has an internal error; restore brings it back"},
		{HookDeny, "the initiator name in ISCSISPEC_INITIATOR may not log in to the target; restore lets it in again"},
		{HookRestore, "what the hook in ISCSISPEC_UNDO did is undone"},
	}
}

// lasting are the hooks whose effect outlives the check unless it is undone.
var lasting = map[string]bool{HookTargetRemoved: true, HookTargetAway: true, HookTargetError: true, HookDeny: true}

// asyncHooks are the hooks of Asynchronous Messages by their events.
var asyncHooks = map[byte]string{0: HookAsyncSCSI, 1: HookAsyncLogout, 2: HookAsyncDrop, 4: HookAsyncNegotiation, 255: HookAsyncVendor}

// hookable tells whether the hook can be brought about: at the simulated array, or where its command is configured, and one that undoes it.
func (t *T) hookable(name string) bool {
	peer, outside := t.env.Peer.Control.(*foreign)
	return !outside || peer.asked.Hooks[name] != "" && (!lasting[name] || peer.asked.Hooks[HookRestore] != "")
}

// Hook brings about what the wire cannot: at the simulated array by actions, elsewhere by the tester's command. Where there is none, the part is
// skipped. The command learns of the connection, unless it is nil, by its environment. What it prints stands in the trace.
func (t *T) Hook(name string, c *probe.Conn, actions ...simtarget.Action) {
	switch peer := t.env.Peer.Control.(type) {
	case *simulation:
		t.Act(actions...)
	case *foreign:
		if !t.hookable(name) {
			also := ""
			if lasting[name] {
				also = " and --hook " + HookRestore + "=COMMAND"
			}
			t.Skip("The stimulus needs an action outside the wire: --hook %s=COMMAND%s.", name, also)
		}
		if lasting[name] {
			t.undo = append(t.undo, name)
		}
		if err := t.command(t.Context(), peer, name, t.hookEnvironment(name, c)); err != nil {
			t.Unclear("%v", err)
		}
	}
}

// hookEnvironment tells a hook's command about the session.
func (t *T) hookEnvironment(name string, c *probe.Conn) []string {
	env := []string{"ISCSISPEC_HOOK=" + name, "ISCSISPEC_TARGET=" + t.Options().Target, "ISCSISPEC_PORTAL=" + t.Options().Portal.HostPort(),
		fmt.Sprintf("ISCSISPEC_LUN=%d", numberOf(t.Options().LUN)), "ISCSISPEC_INITIATOR=" + t.Options().InitiatorName}
	if c != nil {
		env = append(env, fmt.Sprintf("ISCSISPEC_ISID=%v", c.Session.ISID), fmt.Sprintf("ISCSISPEC_TSIH=%d", c.Session.TSIH),
			fmt.Sprintf("ISCSISPEC_CID=%d", c.CID))
	}
	return env
}

// HookError tells that a hook's command did not do its work.
type HookError struct {
	Hook string
	// Output is the end of what it printed.
	Output string
	Err    error
}

// Error names the hook, what it printed, and how it ended.
func (e *HookError) Error() string {
	return fmt.Sprintf("the hook %s: %v, having printed %q", e.Hook, e.Err, e.Output)
}

// Unwrap returns how the command ended.
func (e *HookError) Unwrap() error { return e.Err }

// command runs a hook's command in a shell, and keeps what it prints. The error is a *HookError.
func (t *T) command(ctx context.Context, peer *foreign, name string, environment []string) error {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", peer.asked.Hooks[name])
	cmd.Env = append(os.Environ(), environment...)
	var output lastWords
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second
	endsWithItsGroup(cmd)
	err := cmd.Run()
	// The command itself may hold secrets.
	t.Note("hook %s printed %q: %v", name, output.String(), err)
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return &HookError{Hook: name, Output: output.String(), Err: err}
	}
	return nil
}

// restore undoes what lasting hooks have done. What cannot be undone makes the check broken: the target is not as it was.
func (t *T) restore(o scenarios.Outcome) scenarios.Outcome {
	for _, name := range t.undo {
		peer, outside := t.env.Peer.Control.(*foreign)
		if !outside {
			continue
		}
		environment := append(t.hookEnvironment(HookRestore, nil), "ISCSISPEC_UNDO="+name)
		// The check's own time may be over, which is no reason to leave the target as it is.
		if err := t.command(context.WithoutCancel(t.Context()), peer, HookRestore, environment); err != nil {
			o.Verdict, o.Firm, o.Reason = scenarios.Broken, true, fmt.Sprintf("The target is not as it was: %v.", err)
		}
	}
	return o
}

// lastWords keeps the last bytes of what is written to it.
type lastWords struct{ kept []byte }

func (w *lastWords) Write(b []byte) (int, error) {
	w.kept = append(w.kept, b...)
	w.kept = w.kept[max(0, len(w.kept)-hookOutput):]
	return len(b), nil
}

func (w *lastWords) String() string {
	return strings.TrimSpace(string(bytes.ToValidUTF8(w.kept, []byte("?"))))
}
