package target

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// digestReloginChecks are those of the group session-management that are about digests of later sessions.
func digestReloginChecks() []Check {
	return []Check{
		{ID: "session-management.digest-relogin.header-and-data", Run: digestsByRelogin},
		{ID: "session-management.digest-relogin.by-reinstatement", Run: digestsByReinstatement},
		{ID: "session-management.digest-relogin.not-by-text", Run: digestsNotByText},
		{ID: "session-management.digest-relogin.mixed-clones", Run: digestsOfClones},
	}
}

// bothDigests offers CRC32C, and None behind it.
func bothDigests() text.Pairs { return Keys("HeaderDigest=CRC32C,None", "DataDigest=CRC32C,None") }

// agreedBoth skips the part unless both digests were agreed.
func (t *T) agreedBoth(c *probe.Conn) {
	if c.Digests != (pdu.Digests{Header: true, Data: true}) {
		t.Skip("The target does not agree to CRC32C for header and data.")
	}
}

// traffic ends the part unless commands of several kinds work; the probe takes no PDU whose digests are not those that were agreed.
func (t *T) traffic(c *probe.Conn, what string) {
	t.Check(c.ClearUnitAttentions(), what)
	for _, command := range []probe.Command{inquiry(), t.Read(c, 0, 4096), probe.TestUnitReady()} {
		r := t.Good(c.Execute(command), what)
		if r.Event.Err != nil {
			t.Fail(r.Event.Err, "right digests")
		}
	}
	t.Check(c.Ping([]byte("digests")), what)
}

func digestsByRelogin(t *T) {
	isid := t.NewISID()
	for _, keys := range []text.Pairs{nil, bothDigests(), nil} {
		c := t.Granted(t.LoginWithin(probe.Login{ISID: &isid, Keys: keys}, 5*time.Second))
		if keys != nil {
			t.agreedBoth(c)
		}
		t.traffic(c, "traffic with the digests that were agreed")
		t.loggedOut(c, pdu.LogoutCloseSession, c.CID)
		c.AwaitDrop()
		// The target may have closed first.
		_ = c.Close()
	}
}

func digestsByReinstatement(t *T) {
	old := t.Open(probe.Login{})
	c := t.Granted(t.Login(probe.Login{ISID: &old.Session.ISID, Keys: bothDigests()}))
	t.agreedBoth(c)
	t.Dropped(old, "the old session after it was reinstated")
	t.traffic(c, "traffic of the new session")
}

func digestsNotByText(t *T) {
	c := t.Open(probe.Login{})
	r := c.Text(Keys("HeaderDigest=CRC32C"))
	want := []string{"HeaderDigest=Reject", "a Reject", "a drop"}
	value, answered := r.Pairs.Get(text.KeyHeaderDigest)
	_, rejected := probe.As[*pdu.Reject](r.Event)
	switch {
	case r.Event.Ended():
		return
	case rejected, r.Complete && value == text.Reject:
	case r.Complete && answered && value == text.Irrelevant:
		t.Warn("The offer is answered Irrelevant.", "HeaderDigest=Irrelevant", want...)
	case r.Complete && answered:
		t.Fail("HeaderDigest="+value, want...)
	case r.Complete:
		t.Fail("a Text Response without an answer", want...)
	default:
		t.Fail(r.Event, want...)
	}
	t.Check(c.Ping(nil), "a ping without digests")
}

func digestsOfClones(t *T) {
	first := t.Open(probe.Login{})
	second := t.clone(probe.Login{Keys: bothDigests()})
	t.agreedBoth(second)
	for range 8 {
		one, two := first.Start(t.Read(first, 0, 4096)), second.Start(t.Read(second, 0, 4096))
		t.Good(one.Await(), "a READ without digests")
		t.Good(two.Await(), "a READ with digests")
	}
	t.traffic(first, "traffic without digests")
	t.traffic(second, "traffic with digests")
}
