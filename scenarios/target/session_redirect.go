package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// redirectChecks are those of the group session-management that are about redirects.
func redirectChecks() []Check {
	permanent := func(p *simtarget.Profile) {
		WithRedirect(p)
		p.Login.Redirect.Mode = simtarget.RedirectPermanent
	}
	elsewhere := func(p *simtarget.Profile) {
		WithRedirect(p)
		p.Portals = append(p.Portals, simtarget.Portal{Name: "D", Address: "10.0.1.4:3260", Tag: 2, Hidden: true})
		p.Targets[1].Portals = []string{"A", "B", "C"}
	}
	return []Check{
		{ID: "session-management.redirect.temporary-format", Array: WithRedirect, Run: func(t *T) { t.redirected(iscsi.StatusMovedTemporarily) }},
		{ID: "session-management.redirect.permanent-format", Array: permanent, Run: func(t *T) {
			t.redirected(iscsi.StatusMovedPermanently)
			t.redirected(iscsi.StatusMovedPermanently)
		}},
		{ID: "session-management.redirect.address-without-tag", Array: WithRedirect, Run: redirectWithoutTag},
		{ID: "session-management.redirect.destination-accepts", Array: elsewhere, Run: destinationAccepts},
		{ID: "session-management.redirect.no-loop", Array: WithRedirect, Run: redirectsEnd},
		{ID: "session-management.redirect.discovery-not-redirected-wrongly", Array: WithRedirect, Run: discoveryAtRedirecting},
		{ID: "session-management.redirect.additional-sessions-spread", Array: WithRedirect, Run: redirectsSpread},
		{ID: "session-management.redirect.existing-session-undisturbed", Array: WithRedirect, Run: func(t *T) { t.besideRedirect(false) }},
		{ID: "session-management.redirect.same-isid-reinstatement", Array: WithRedirect, Run: func(t *T) { t.besideRedirect(true) }},
	}
}

// moved tells whether a login was redirected.
func moved(r *probe.LoginResult) bool {
	return r.RefusedWith(iscsi.StatusMovedTemporarily, iscsi.StatusMovedPermanently)
}

// destination ends the part unless a redirect is well formed, and returns where it leads.
func (t *T) destination(r *probe.LoginResult) iscsi.Address {
	to, err := r.Redirect()
	if err != nil {
		t.Fail(fmt.Sprintf("%v: %v", r, err), "a redirect with a TargetAddress")
	}
	return to.Address
}

// redirected ends the part unless a login at the front portal is redirected with the status, in proper form.
func (t *T) redirected(status iscsi.Status) {
	r := t.Login(probe.Login{Portal: t.Facts.Front})
	if moved(r) && r.Status != status {
		t.Skip("The portal redirects with another status: %v.", r)
	}
	if !moved(r) {
		t.Fail(r, "a redirect with "+status.String())
	}
	t.destination(r)
	if p, is := probe.As[*pdu.LoginResponse](r.Last); is && p.Transit && p.NSG == pdu.StageFullFeature {
		t.Fail(r.Last, "no transition to full feature phase in a redirect")
	}
	t.Dropped(r.Conn, "after the redirect")
}

func redirectWithoutTag(t *T) {
	r := t.Login(probe.Login{Portal: t.Facts.Front})
	if !moved(r) {
		t.Fail(r, "a redirect")
	}
	t.destination(r)
	for _, value := range r.Walk.Received().Values(text.KeyTargetAddress) {
		address, err := iscsi.ParseTargetAddress(value)
		if err != nil || address.HasTag {
			t.Fail("TargetAddress="+value, "host[:port] without a portal group tag")
		}
	}
}

// follow logs in at the front portal and follows redirects, at most that many. It returns the last login.
func (t *T) follow(l probe.Login, most int) *probe.LoginResult {
	l.Portal = t.Facts.Front
	if l.ISID == nil {
		isid := t.NewISID()
		l.ISID = &isid
	}
	for n := 0; ; n++ {
		r := t.Login(l)
		if !moved(r) || n == most {
			return r
		}
		l.Portal = t.destination(r)
	}
}

func destinationAccepts(t *T) {
	r := t.follow(probe.Login{}, 4)
	switch {
	case moved(r):
		t.Fail("more than 4 redirects", "a granted login")
	case r.RefusedWith(iscsi.StatusServiceUnavailable, iscsi.StatusOutOfResources):
		t.Warn("The destination has no room.", r, "a granted login")
		return
	}
	t.Survives(t.Granted(r), "the session at the destination")
}

func redirectsEnd(t *T) {
	if !t.loops() {
		return
	}
	for range 6 {
		t.Pause(5 * time.Second)
		if !t.loops() {
			t.Warn("The redirects led in a circle for some time.", "a loop that ended", "redirects that end")
			return
		}
	}
	t.Fail("redirects that lead in a circle", "redirects that end")
}

// loops tells whether redirects lead to an address twice.
func (t *T) loops() bool {
	l := probe.Login{Portal: t.Facts.Front}
	seen := map[string]bool{}
	for range exchangesMax {
		if seen[l.Portal.HostPort()] {
			return true
		}
		seen[l.Portal.HostPort()] = true
		r := t.Login(l)
		if !moved(r) {
			return false
		}
		l.Portal = t.destination(r)
	}
	return true
}

func discoveryAtRedirecting(t *T) {
	r := t.Login(probe.Login{Discovery: true, Portal: t.Facts.Front})
	if moved(r) {
		t.destination(r)
		t.Dropped(r.Conn, "after the redirect")
		return
	}
	c := t.Granted(r)
	records, _, err := c.SendTargets("All")
	t.Check(err, "SendTargets=All")
	if len(records) == 0 {
		t.Fail("no records", "records of targets")
	}
}

func redirectsSpread(t *T) {
	var conns []*probe.Conn
	for range 8 {
		r := t.follow(probe.Login{}, exchangesMax)
		if declined(r) && r.Refused() && len(conns) > 0 {
			break
		}
		c := t.Granted(r)
		t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
		conns = append(conns, c)
	}
	for i, c := range conns {
		t.Note("Session %d is at %v.", i+1, c.Portal())
		t.Survives(c, fmt.Sprintf("session %d of %d, at %v", i+1, len(conns), c.Portal()))
	}
}

// besideRedirect opens a session, and has another login redirected that is not followed: one with the same ISID, or with another one.
func (t *T) besideRedirect(same bool) {
	first := t.Granted(t.follow(probe.Login{}, 4))
	t.Check(first.ClearUnitAttentions(), "TEST UNIT READY after the login")
	load := first.Start(t.Read(first, 0, t.room(first, 0, 64<<10)))
	l := probe.Login{Portal: t.Facts.Front}
	if same {
		l.ISID = &first.Session.ISID
	}
	r := t.Login(l)
	if r.Granted() && same {
		t.Survives(r.Conn, "the session that has replaced the first one")
		return
	}
	if !moved(r) {
		t.Skip("The second login is not redirected: %v.", r)
	}
	t.destination(r)
	t.Good(load.Await(), "a READ of the first session")
	t.Survives(first, "the first session, after another login was redirected")
}
