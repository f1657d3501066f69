package target

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Login logs in; see probe.Prober.Login. The end of the check's own time leaves the check unclear. So does a portal that takes no connection
// before anything was done to it; one that takes none any more has failed the check.
func (t *T) Login(l probe.Login) *probe.LoginResult {
	if l.Discovery && t.Facts.OpenDiscovery {
		l.Auth = probe.AuthNone
	}
	t.besideOther(l)
	r := t.Prober.Login(l)
	t.denied = t.denied || !r.Granted()
	elsewhere := !l.Portal.IsZero() && l.Portal.HostPort() != t.Options().Portal.HostPort()
	switch {
	case r.Outcome == probe.LoginInterrupted:
		t.Unclear("The check's own time was over during a login.")
	case r.Outcome == probe.LoginUnreachable && !t.touched:
		t.Unclear("The portal takes no connection, though nothing was done to it yet: %v.", r)
	case r.Outcome == probe.LoginUnreachable && !elsewhere:
		t.Fail(fmt.Sprintf("the target takes no connections any more: %v", r), "a target that goes on serving its portal")
	}
	return r
}

// besideOther skips the part where it would open a second session on a target that is known to bear only one, unless that is what the row is
// about.
func (t *T) besideOther(l probe.Login) {
	if t.Facts.Alone == "" || l.Discovery || l.Session != nil || l.ISID != nil || l.TSIH != nil ||
		l.InitiatorName != "" && l.InitiatorName != t.Options().InitiatorName {
		return
	}
	if group, _, _ := strings.Cut(t.env.Check.ID, "."); group == "session-management" || group == "login" {
		return
	}
	for _, p := range append(t.around, t.Prober) {
		if p.InSession() {
			t.Skip("The check needs two sessions at a time. %s", t.Facts.Alone)
		}
	}
}

// Granted ends the part unless the login was granted: as a skip where the target asks for credentials that the tester lacks or did not
// give, else as a failure.
func (t *T) Granted(r *probe.LoginResult) *probe.Conn {
	if r.AuthRequired() && (t.Facts.AuthRequired || t.Options().CHAP.IsZero()) {
		t.Skip("The target asks for authentication: %v.", r)
	}
	if !r.Granted() {
		t.Fail(r, "a granted login")
	}
	return r.Conn
}

// Open logs in and clears unit attentions, as a check of full feature phase begins. It ends the part where that fails.
func (t *T) Open(l probe.Login) *probe.Conn {
	c := t.Granted(t.Login(l))
	if !l.Discovery {
		t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	}
	return c
}

// Connect opens a connection for a login by hand.
func (t *T) Connect() *probe.Conn {
	c, err := t.Dial()
	t.Check(err, "connecting")
	return c
}

// Survives ends the part unless the catalogue's probe succeeds on the connection.
func (t *T) Survives(c *probe.Conn, what string) { t.Check(c.Probe(), "a probe on "+what) }

// Dropped ends the part unless the target drops the connection within the close timeout.
func (t *T) Dropped(c *probe.Conn, after string) {
	if d := c.AwaitDrop(); !d.Dropped {
		t.Fail(fmt.Sprintf("%s: %v", after, d), "the target closes the connection")
	}
}

// Handle returns the TSIH of a session, and ends the part as a skip where the target gave none: with TSIH 0 a login asks for another session.
func (t *T) Handle(c *probe.Conn) uint16 {
	if c.Session.TSIH == 0 {
		t.Skip("The target gives its sessions the TSIH 0, so no login can name them.")
	}
	return c.Session.TSIH
}

// Leave logs out of the session and closes the connection, for targets that bear few sessions.
func (t *T) Leave(c *probe.Conn) {
	// How a session ends is the matter of other checks.
	_, _ = c.Logout(pdu.LogoutCloseSession, c.CID)
	_ = c.Close()
}

// Refusal says how a login that has to be refused may be refused.
type Refusal struct {
	// With are the statuses that pass.
	With []iscsi.Status
	// Warns are further statuses that are a warning.
	Warns []iscsi.Status
	// Exact makes another status of class 2 a failure instead of a warning; 0x0200 always stays one.
	Exact bool
	// DropFails makes a bare drop a failure instead of a warning.
	DropFails bool
	// TryAgain makes an answer of Status 0 with T=0 that waits for what is missing a warning instead of a failure.
	TryAgain bool
}

// Refused judges a login that has to be refused: it notes what is wrong and goes on. That the target closes the connection afterwards is
// the concern of login.response.nonzero-status-closes alone.
func (t *T) Refused(r *probe.LoginResult, how Refusal) {
	want := []string{"a refusal"}
	if len(how.With) > 0 {
		want = want[:0]
	}
	for _, s := range how.With {
		want = append(want, "refused with "+s.String())
	}
	switch {
	case r.RefusedWith(how.With...), r.Refused() && len(how.With) == 0:
	case r.RefusedWith(how.Warns...), r.RefusedWith(iscsi.StatusInitiatorError):
		t.Warn("The login was refused with another status.", r, want...)
	case r.Refused() && r.Status.Class() == iscsi.ClassInitiatorError && !how.Exact:
		t.Warn("The login was refused with another status of the same class.", r, want...)
	case r.Outcome == probe.LoginDropped && !how.DropFails:
		t.Warn("The login was refused by a bare drop, which tells the initiator nothing.", r, want...)
	case how.TryAgain && (r.Outcome == probe.LoginEndless || r.Outcome == probe.LoginSilent) && len(r.Walk.Responses) > 0:
		t.Warn("The target waits for what is missing instead of refusing.", r, want...)
	default:
		t.Fault(r, want...)
	}
}

// Rejected judges an answer that has to be a Reject with one of the reasons, or with any where none is named. It returns the Reject, and
// ends the part when something else came. A drop counts when drop says so, as it does after every format error.
func (t *T) Rejected(e probe.Event, drop bool, reasons ...pdu.RejectReason) *pdu.Reject {
	want := []string{"a Reject"}
	if len(reasons) > 0 {
		want[0] = fmt.Sprintf("a Reject with reason %v", reasons)
	}
	if drop {
		want = append(want, "a drop")
	}
	r, is := probe.As[*pdu.Reject](e)
	if !is && drop && e.Ended() {
		return nil
	}
	if !is || len(reasons) > 0 && !slices.Contains(reasons, r.Reason) {
		t.Fail(e, want...)
	}
	return r
}

// Good ends the part unless the command completed with GOOD. It returns the result.
func (t *T) Good(r probe.Result, what string) probe.Result {
	t.Check(r.Err(), what)
	return r
}

// Keys makes pairs of "Key=Value" texts, in the order given.
func Keys(pairs ...string) text.Pairs {
	var keys text.Pairs
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		keys.Add(key, value)
	}
	return keys
}

// Read makes "READ of n bytes" from block lba; Write makes "WRITE" of data. Both end the part where the logical unit tells no size.
func (t *T) Read(c *probe.Conn, lba uint32, n int) probe.Command {
	command, err := c.ReadCommand(lba, n)
	t.Check(err, "the size of the logical unit")
	return command
}

// Write makes "WRITE" of data to block lba. A check that calls it needs writable-lun and has the risk scenarios.Writes, or asks MayWrite.
func (t *T) Write(c *probe.Conn, lba uint32, data []byte) probe.Command {
	command, err := c.WriteCommand(lba, data)
	t.Check(err, "the size of the logical unit")
	return command
}
