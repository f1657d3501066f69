package initiator_test

import (
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// like returns a manager with a profile's settings, logged in at portal A.
func (b *mannersBench) like(t *testing.T, name string) *initiator.Manager {
	t.Helper()
	m := newLike(t, name, b.host, b.log, "")
	spec := initiator.LoginSpec{Kind: initiator.Data, Target: b.array.URLs()[0].Target, Portal: iscsi.Address{Host: "10.0.0.1"}}
	if _, err := m.Login(t.Context(), spec); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// TestProfilesKeepTheirTime checks, for each profile, the pings of an idle session, the attempts of an outage, and when the devices leave.
func TestProfilesKeepTheirTime(t *testing.T) {
	const idle = 61 * time.Second
	for name, want := range map[string]struct {
		pings    int           // in the idle minute
		attempts []int         // in seconds after the loss; the first waits for the agreed Time2Wait
		hold     time.Duration // 0 for without end
	}{
		"bsd-like":        {12, []int{0, 5, 10, 15, 20}, 0},
		"clone-twin":      {6, []int{0, 3, 6, 9, 12, 15, 18, 21}, 60 * time.Second},
		"hypervisor-like": {4, []int{2, 7, 12, 17, 22}, 140 * time.Second},
		"linux-iscsid":    {12, []int{2, 5, 8, 11, 14, 17, 20}, 120 * time.Second},
		"strict-spec":     {6, []int{0, 5, 10, 15, 20}, 60 * time.Second},
		"userlib-like":    {12, []int{2, 3, 5, 8, 12, 17}, 0},
		"windows-like":    {0, []int{0, 5, 10, 15, 20}, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withManners(t, func(t *testing.T, b *mannersBench) {
				m := b.like(t, name)
				defer m.Close()
				time.Sleep(idle)
				pings := 0
				for e, p := range b.log.Events().OfNode(trace.NodeInitiator).PDUs() {
					if ping, is := p.(*pdu.NOPOut); is && e.Kind == trace.KindPDUSent && ping.ITT != pdu.ReservedTag {
						pings++
					}
				}
				if pings != want.pings {
					t.Errorf("%d pings in an idle minute, want %d", pings, want.pings)
				}
				began := b.log.Now()
				if err := b.network.Refuse(faults.Everything); err != nil {
					t.Fatal(err)
				}
				if err := b.network.Sever(faults.Everything); err != nil {
					t.Fatal(err)
				}
				time.Sleep(22*time.Second + 500*time.Millisecond)
				var attempts []int
				for _, at := range b.dials() {
					if at > began {
						attempts = append(attempts, int((at-began).Round(time.Second)/time.Second))
					}
				}
				if !slices.Equal(attempts, want.attempts) {
					t.Errorf("attempts %v s after the loss, want %v", attempts, want.attempts)
				}
				hold := want.hold
				if hold == 0 {
					hold = time.Hour
				}
				time.Sleep(began + hold - time.Second - b.log.Now())
				if n := len(m.Devices()); n != 1 {
					t.Errorf("%d devices before the hold time is over, want 1", n)
				}
				time.Sleep(2 * time.Second)
				if n, left := len(m.Devices()), want.hold != 0; (n == 0) != left {
					t.Errorf("%d devices after %v", n, hold)
				}
			})
		})
	}
}

// TestProfilesFollowRedirects checks which redirects each profile follows, and where the next login of a lost session begins.
func TestProfilesFollowRedirects(t *testing.T) {
	redirect := func(permanent bool, to string) *simtarget.RedirectAnswer {
		return &simtarget.RedirectAnswer{Permanent: permanent, To: []string{to}}
	}
	const refused = ""
	for name, next := range map[string][3]string{ // after a temporary redirect to B, a permanent one, and one with a portal group tag
		"bsd-like":        {"10.0.0.2", "10.0.0.2", refused},
		"clone-twin":      {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
		"hypervisor-like": {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
		"linux-iscsid":    {"10.0.0.1", "10.0.0.1", "10.0.0.1"},
		"strict-spec":     {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
		"userlib-like":    {"10.0.0.1", refused, "10.0.0.1"},
		"windows-like":    {"10.0.0.1", "10.0.0.2", "10.0.0.1"},
	} {
		for i, answer := range []*simtarget.RedirectAnswer{redirect(false, "B"), redirect(true, "B"), redirect(false, "10.0.0.2:3260,1")} {
			withManners(t, func(t *testing.T, b *mannersBench) {
				b.rule(t, simtarget.LoginRule{Which: simtarget.Which{Portal: "A"}, Redirect: answer})
				m := newLike(t, name, b.host, b.log, "")
				defer m.Close()
				spec := initiator.LoginSpec{Kind: initiator.Data, Target: b.array.URLs()[0].Target, Portal: iscsi.Address{Host: "10.0.0.1"}}
				id, err := m.Login(t.Context(), spec)
				if (err != nil) != (next[i] == refused) {
					t.Errorf("%s, redirect %d: %v", name, i+1, err)
				}
				if err != nil {
					return
				}
				s, err := m.Session(id)
				if err != nil || s.Current.Host != "10.0.0.2" || s.NextPortal.Host != next[i] {
					t.Errorf("%s, redirect %d: reached %v, next %v, %v; want next %s", name, i+1, s.Current, s.NextPortal, err, next[i])
				}
			})
		}
	}
}
