package simtarget_test

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// promises says of each shipped profile what it promises, on the wire and to a session manager.
var promises = map[string]func(s *scene){
	"plain": func(s *scene) {
		for range 4 {
			s.landed(s.granted(0, "A"), "A", 0)
		}
		s.tells("A", "iqn.2026-01.io.iscsispec:plain 10.0.0.1:3260,1")
	},
	"chap": func(s *scene) {
		s.refused(iscsi.StatusAuthenticationFailure, 0, "A")
		oneWay := func(c *initiator.LoginConfig) {
			c.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "iscsispec-secret"}
		}
		s.granted(0, "A", oneWay)
		s.granted(0, "A", func(c *initiator.LoginConfig) {
			c.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "iscsispec-secret", TargetName: "array", TargetSecret: "iscsispec-array-secret"}
		})
		s.refused(iscsi.StatusAuthenticationFailure, 0, "A", func(c *initiator.LoginConfig) {
			c.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "another-secret-12"}
		})
		if _, err := s.told("A"); err == nil {
			s.Error("a Discovery session without authentication")
		}
		if _, err := s.told("A", oneWay); err != nil {
			s.Errorf("a Discovery session with authentication: %v", err)
		}
	},
	"digest-required": demandsDigests("A"),
	"multi-portal": func(s *scene) {
		const first, second = "iqn.2026-01.io.iscsispec:multi-portal ", "iqn.2026-01.io.iscsispec:multi-portal.second "
		places := []string{"10.0.0.1:3260,1", "10.0.0.2:3260,1", "10.0.0.3:3260,2", "10.0.0.4:3260,2"}
		var want []string
		for _, name := range []string{first, second} {
			for _, place := range places {
				want = append(want, name+place)
			}
		}
		s.tells("C", want...)
		k := s.kept(0, "D")
		k.is(initiator.StateConnected, 1, 3, "D")
		var luns []string
		for _, d := range k.Devices() {
			luns = append(luns, fmt.Sprint(d.Paths[0].LUN>>48)) // single level
		}
		if slices.Sort(luns); !slices.Equal(luns, []string{"0", "1", "5"}) {
			s.Errorf("LUNs %v, want 0, 1 and 5", luns)
		}
	},
	"group-address-redirect":         spreads(iscsi.StatusMovedTemporarily, "A", "B", "C", "D", "E"),
	"group-ip-redirect":              groupRedirect,
	"group-ip-redirect-buggy":        buggyMove,
	"single-port-redirect-temporary": keepsFirst(iscsi.StatusMovedTemporarily),
	"single-port-redirect-permanent": keepsFirst(iscsi.StatusMovedPermanently),
	"name-killer":                    secondKillsFirst,
	"second-session-kills-oldest":    secondKillsFirst,
	"second-session-refused-0202":    secondRefused(iscsi.StatusAuthorizationFailure),
	"second-session-refused-0206":    secondRefused(iscsi.StatusTooManyConnections),
	"second-session-refused-0301":    secondRefused(iscsi.StatusServiceUnavailable),
	"second-session-refused-0302":    secondRefused(iscsi.StatusOutOfResources),
	"second-session-refused-fin":     secondCut(false),
	"second-session-refused-rst":     secondCut(true),
	"single-session":                 oneSessionPinged,
	"single-session-nas":             oneSessionPolled,
	"single-host-lock":               oneHost,
	"cluster-vip-gateway":            gatewayOfCluster,
	"svip-per-volume":                ownersOfVolumes,
	"control-port":                   faultDomains,
	"discovery-ip-balanced":          balances,
	"vrrp-gateway":                   gateways,
	"perm-redirect-tpgt":             redirectWithTag,
	"dual-controller-per-port":       controllers,
	"svm-multi-tpgt":                 takeoverAndGiveback,
	"node-iqn-pair":                  rebootOfNode,
	"ha-ip-takeover":                 takeover,
	"gateway-pair":                   serialLogins,
	"session-pool-128":               pool,
	"cloud-32":                       cloud,
	"digest-liar":                    liar,
	"portal-group-redirect":          groupOfPortals,
}

func TestProfilesKeepTheirPromises(t *testing.T) {
	for _, name := range simtarget.Builtins() {
		t.Run(name, func(t *testing.T) {
			promise := promises[name]
			if promise == nil {
				t.Fatal("nothing says what the profile promises")
			}
			onScene(t, name, promise)
		})
	}
}

// spreads sends logins from one portal to others in turn.
func spreads(status iscsi.Status, from string, to ...string) func(s *scene) {
	return func(s *scene) {
		for i := range 2 * len(to) {
			s.landed(s.granted(0, from), to[i%len(to)], status)
		}
	}
}

func keepsFirst(status iscsi.Status) func(s *scene) {
	return func(s *scene) {
		s.landed(s.granted(0, "A"), "A", 0)
		for _, portal := range []string{"B", "C", "B"} {
			s.landed(s.granted(0, "A"), portal, status)
		}
	}
}

// near reports whether something took as long as it should, but for the time on the wire.
func near(took, want time.Duration) bool {
	return took >= want && took < want+10*time.Millisecond
}

func secondKillsFirst(s *scene) {
	first := s.granted(0, "A")
	second := s.granted(0, "A")
	if !over(first) || over(second) {
		s.Error("want the first session over and the second one alive")
	}
}

// secondRefused refuses the second session of one name with the status, or without a response where it is 0.
func secondRefused(status iscsi.Status) func(s *scene) {
	return func(s *scene) {
		first := s.granted(0, "A")
		_, err := s.login(0, "A")
		var no *initiator.LoginError
		switch {
		case status != 0:
			s.refusal(err, status)
		case err == nil || errors.As(err, &no) && no.Status != 0:
			s.Errorf("the second login: %v, want no answer", err)
		}
		s.granted(0, "A", func(c *initiator.LoginConfig) { c.InitiatorName = otherName })
		if over(first) {
			s.Error("the first session is over")
		}
	}
}

// secondCut refuses the second session without a response, by RST or by FIN.
func secondCut(reset bool) func(s *scene) {
	return func(s *scene) {
		secondRefused(0)(s)
		_, err := s.login(0, "A")
		if errors.Is(err, syscall.ECONNRESET) != reset {
			s.Errorf("the login: %v, want a reset: %v", err, reset)
		}
	}
}

func oneSession(s *scene) {
	s.granted(0, "A")
	start := time.Now()
	s.refused(iscsi.StatusTooManyConnections, 0, "A", func(c *initiator.LoginConfig) { c.InitiatorName = otherName })
	if took := time.Since(start); !near(took, 2*time.Second) {
		s.Errorf("the refusal took %v, want 2s", took)
	}
}

// oneSessionPinged also notices by pings, 20 s after the last word, that a host is gone.
func oneSessionPinged(s *scene) {
	oneSession(s)
	s.apply(simtarget.Action{Drop: &simtarget.Drop{}})
	s.granted(0, "A")
	gone := time.Now()
	if err := s.network.Blackhole(faults.Scope{Host: "host-10.0.9.1"}); err != nil {
		s.Fatal(err)
	}
	other := func(c *initiator.LoginConfig) { c.InitiatorName = otherName }
	time.Sleep(17 * time.Second)
	if _, err := s.loginFrom("10.0.9.2", 0, "A", other); err == nil {
		s.Error("a login is granted before the ping's time is over")
	}
	time.Sleep(time.Until(gone.Add(21 * time.Second)))
	if _, err := s.loginFrom("10.0.9.2", 0, "A", other); err != nil {
		s.Errorf("a login 21 s after the host was lost: %v", err)
	}
}

// oneSessionPolled also looks meanwhile, and keeps a lost session for 20 s.
func oneSessionPolled(s *scene) {
	oneSession(s)
	only := func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
	if err := s.array.Apply(simtarget.Action{Drop: &simtarget.Drop{}}); err != nil {
		s.Fatal(err)
	}
	first := s.granted(0, "A", only)
	time.AfterFunc(950*time.Millisecond, func() {
		if err := first.Logout(s.Context()); err != nil {
			s.Error(err)
		}
	})
	start := time.Now()
	s.granted(0, "A", only).Close() // without a logout: the session is lost, and counts
	if took := time.Since(start); !near(took, time.Second) {
		s.Errorf("the login that waits for a place took %v, want 1s", took)
	}
	lost := time.Now()
	for time.Since(lost) < 17*time.Second {
		s.refused(iscsi.StatusTooManyConnections, 0, "A", only)
	}
	time.Sleep(time.Until(lost.Add(21 * time.Second)))
	s.granted(0, "A", only)
}

func oneHost(s *scene) {
	if _, err := s.told("A"); err != nil { // takes the lock, and leaves it without a logout
		s.Fatal(err)
	}
	if _, err := s.loginFrom("10.0.9.2", 0, "A"); err == nil {
		s.Error("a second host gets in")
	}
	first, same := s.granted(0, "A"), func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
	second := s.granted(0, "A", same)
	third := s.granted(0, "A", same)
	if over(first) || over(second) {
		s.Error("a login has replaced a session")
	}
	for _, session := range []*initiator.Session{first, second, third} {
		if _, err := s.loginFrom("10.0.9.2", 0, "A"); err == nil {
			s.Error("a second host gets in while the first one has sessions")
		}
		if err := session.Logout(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
	if _, err := s.loginFrom("10.0.9.2", 0, "A"); err != nil {
		s.Errorf("a second host after the logout of the first: %v", err)
	}
}

// demandsDigests refuses logins that do not agree on CRC32C.
func demandsDigests(portal string) func(s *scene) {
	return func(s *scene) {
		s.refused(iscsi.StatusInitiatorError, 0, portal)
		session := s.granted(0, portal, digests)
		if p := session.Info().Params; !p.HeaderDigest || !p.DataDigest {
			s.Errorf("agreed on %+v, want both digests", p)
		}
		if _, err := s.told(portal); err != nil {
			s.Errorf("discovery: %v, want it without digests", err)
		}
	}
}

func digests(c *initiator.LoginConfig) {
	c.HeaderDigest, c.DataDigest = []string{"CRC32C", "None"}, []string{"CRC32C", "None"}
}

func groupRedirect(s *scene) {
	spreads(iscsi.StatusMovedTemporarily, "group", "member-1", "member-2", "member-3", "member-4")(s)
	if n := s.sent("TargetAddress=10.0.0.2:3260\x00"); n == 0 || s.sent("TargetAddress=10.0.0.2:3260,") > 0 {
		s.Error("want redirects without a portal group tag")
	}
	s.apply(simtarget.Action{Drop: &simtarget.Drop{}})
	k := s.kept(1, "group")
	k.is(initiator.StateConnected, 1, 1, "member-1")
	s.at(299 * time.Second)
	k.is(initiator.StateConnected, 1, 1, "member-1")
	s.at(300 * time.Second) // the logout request: the manager logs out and returns at once
	s.at(301 * time.Second)
	k.is(initiator.StateConnected, 2, 1, "member-2")
	if infos := s.array.Sessions(); len(infos) != 1 {
		s.Errorf("%d sessions, want 1", len(infos))
	}
	for range 1023 {
		s.granted(0, "group")
	}
	s.refused(iscsi.StatusOutOfResources, 0, "group")
	s.apply(simtarget.Action{Drop: &simtarget.Drop{}})
	s.call("member-1-fails")
	s.granted(0, "group")
	for i := range 6 {
		if s.granted(0, "group").Info().Current == s.portal("member-1") {
			s.Errorf("login %d is sent to the member that has failed", i)
		}
	}
}

func buggyMove(s *scene) {
	session := s.granted(0, "group")
	read := func() *initiator.Request {
		r := &initiator.Request{CDB: scsi.Read10(0, 1), Read: make([]byte, 512)}
		_ = session.Do(s.Context(), r)
		return r
	}
	if r := read(); r.Err != nil || r.Status != 0 {
		s.Errorf("before the move: %v, status %v", r.Err, r.Status)
	}
	s.at(119 * time.Second)
	asked := make(chan initiator.AsyncEvent, 4)
	session = s.granted(0, "group", func(c *initiator.LoginConfig) { c.OnAsync = func(e initiator.AsyncEvent) { asked <- e } })
	s.at(121 * time.Second)
	if sense, err := scsi.ParseSense(read().Sense); err != nil || sense.Key != scsi.IllegalRequest || sense.Code != 0x2500 {
		s.Errorf("during the move: %+v", sense)
	}
	s.at(123 * time.Second)
	if len(asked) != 1 || !over(session) {
		s.Fatalf("%d Asynchronous Messages, want the logout request", len(asked))
	}
	if e := <-asked; pdu.AsyncEvent(e.Event) != pdu.AsyncLogoutRequest || e.Parameter3 != 10 {
		s.Errorf("%+v, want a logout request with 10 s", e)
	}
	s.at(135 * time.Second)
	session = s.granted(0, "group")
	if r := read(); r.Err != nil || r.Status != 0 {
		s.Errorf("after the move: %v, status %v", r.Err, r.Status)
	}
}
