package simtarget_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		s.granted(0, "A", func(c *initiator.LoginConfig) {
			c.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "iscsispec-secret", TargetName: "array", TargetSecret: "iscsispec-array-secret"}
		})
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
	"second-session-refused-fin":     secondRefused(0),
	"second-session-refused-rst":     secondRefused(0),
	"single-session":                 oneSession,
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

func oneSession(s *scene) {
	s.granted(0, "A")
	start := time.Now()
	s.refused(iscsi.StatusTooManyConnections, 0, "A", func(c *initiator.LoginConfig) { c.InitiatorName = otherName })
	if took := time.Since(start); !near(took, 2*time.Second) {
		s.Errorf("the refusal took %v, want 2s", took)
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

func gatewayOfCluster(s *scene) {
	first := s.granted(0, "vip").Info()
	if len(first.Redirects) != 1 || s.granted(0, "vip").Info().Current != first.Current {
		s.Error("want all sessions of one initiator and volume at one node")
	}
	k := s.kept(0, "vip")
	s.at(30 * time.Second)
	s.call("node-lost")
	k.is(initiator.StateConnected, 1, 1, "") // it has not noticed
	s.at(61 * time.Second)
	k.is(initiator.StateConnected, 2, 1, "")
}

func ownersOfVolumes(s *scene) {
	s.landed(s.granted(1, "svip"), "node-2", iscsi.StatusMovedTemporarily)
	s.landed(s.granted(2, "svip"), "node-3", iscsi.StatusMovedTemporarily)
	k := s.kept(0, "svip")
	for i, node := range []string{"node-1", "node-2", "node-3", "node-4", "node-1"} {
		s.at(time.Duration(60*i+59) * time.Second)
		k.is(initiator.StateConnected, i+1, 1, node)
	}
	for _, line := range must(s.told("svip")) {
		if !strings.HasSuffix(line, ":3260,1") {
			s.Errorf("SendTargets tells %s, want portal group 1 everywhere", line)
		}
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func faultDomains(s *scene) {
	for _, portal := range []string{"virtual-1a", "virtual-1b", "virtual-1a"} {
		s.landed(s.granted(1, "control-1"), portal, iscsi.StatusMovedTemporarily)
	}
	s.landed(s.granted(0, "control-2"), "virtual-2a", iscsi.StatusMovedTemporarily)
	s.refused(iscsi.StatusNotFound, 0, "control-1")
	k := s.kept(1, "control-1")
	k.is(initiator.StateConnected, 1, 2, "virtual-1b")
	moved := s.granted(1, "virtual-1a")
	s.call("port-1a-fails")
	s.at(5 * time.Second)
	if over(moved) {
		s.Error("the session ends before the address is taken over")
	}
	s.at(7 * time.Second)
	if !over(moved) {
		s.Error("the new owner of the address leaves the old connection alone")
	}
	s.landed(s.granted(1, "virtual-1a"), "virtual-1a", 0)
	k.is(initiator.StateConnected, 1, 2, "virtual-1b")
}

func balances(s *scene) {
	k := s.kept(0, "discovery")
	for _, portal := range []string{"data-2", "data-3", "data-4", "data-1"} {
		s.landed(s.granted(1, "discovery"), portal, iscsi.StatusMovedTemporarily)
	}
	k.is(initiator.StateConnected, 1, 1, "data-1")
	s.at(121 * time.Second)
	k.is(initiator.StateConnected, 1, 1, "data-1")
	s.at(128 * time.Second)
	k.is(initiator.StateConnected, 2, 1, "data-1") // all others have one session as well
}

func gateways(s *scene) {
	spreads(iscsi.StatusMovedTemporarily, "vrrp", "gateway-1", "gateway-2")(s)
	k := s.kept(0, "vrrp")
	k.is(initiator.StateConnected, 1, 2, "gateway-1")
	s.call("master-lost")
	s.at(60 * time.Second)
	k.is(initiator.StateConnected, 2, 2, "gateway-2")
}

func redirectWithTag(s *scene) {
	_, _ = s.login(0, "A") // whether the initiator takes the form is its own affair
	if s.sent("TargetAddress=[fd00::2]:3260,2\x00") == 0 {
		s.Error("no redirect with brackets and portal group tag")
	}
	session := s.granted(0, "B")
	if infos := s.array.Sessions(); session.Info().TSIH == 0 || infos[len(infos)-1].Tag != 2 {
		s.Errorf("%+v, want a session in portal group 2", infos)
	}
}

// controllers loses controller A for 30 s: B tells of it by 2A/06 and becomes optimized.
func controllers(s *scene) {
	a, b := s.granted(3, "A0"), s.granted(1, "B0")
	states := func(session *initiator.Session) map[uint16]scsi.AccessState {
		data, err := session.Query(s.Context(), 0, scsi.ReportPortGroups(false, 512), 512)
		if err != nil {
			s.Fatal(err)
		}
		groups := map[uint16]scsi.AccessState{}
		for _, g := range must(scsi.ParsePortGroups(data, false)) {
			groups[g.ID] = g.State
		}
		return groups
	}
	if got := states(b); got[1] != scsi.ActiveOptimized || got[2] != scsi.ActiveNonOptimized {
		s.Errorf("access states %v", got)
	}
	s.call("controller-a-lost")
	ready := &initiator.Request{CDB: scsi.TestUnitReady()}
	_ = b.Do(s.Context(), ready)
	if sense, err := scsi.ParseSense(ready.Sense); err != nil || sense.Key != scsi.UnitAttention || sense.Code != scsi.AsymmetricAccessChanged {
		s.Errorf("%+v, want ASYMMETRIC ACCESS STATE CHANGED", sense)
	}
	if got := states(b); got[1] != scsi.Unavailable || got[2] != scsi.ActiveOptimized {
		s.Errorf("access states %v after the loss", got)
	}
	if _, err := s.login(3, "A0", quick); err == nil {
		s.Error("a portal of the lost controller grants a login")
	}
	s.at(31 * time.Second)
	s.granted(3, "A0")
	if over(a) || over(b) {
		s.Error("a session was told of its end; want silence at A, and B untouched")
	}
}

// quick gives up a login soon.
func quick(c *initiator.LoginConfig) { c.LoginTimeout = 3 * time.Second }

func takeoverAndGiveback(s *scene) {
	lines := must(s.told("lif-1"))
	if len(lines) != 6 || !strings.HasSuffix(lines[0], ",1067") || !strings.HasSuffix(lines[5], ",1094") {
		s.Errorf("SendTargets tells %q, want six portal groups", lines)
	}
	start := time.Now()
	if _, err := s.login(0, "lif-5", quick); err == nil || !near(time.Since(start), 3*time.Second) {
		s.Errorf("a portal out of reach answers after %v: %v", time.Since(start), err)
	}
	k := s.kept(0, "lif-1")
	lost := time.Now()
	s.call("takeover")
	s.granted(0, "lif-3")
	time.Sleep(50 * time.Second)
	k.is(initiator.StateReconnecting, 1, 2, "")
	time.Sleep(time.Until(lost.Add(590 * time.Second)))
	k.is(initiator.StateReconnecting, 1, 0, "")
	time.Sleep(time.Until(lost.Add(625 * time.Second)))
	k.is(initiator.StateConnected, 2, 2, "lif-1")
}

func rebootOfNode(s *scene) {
	s.tells("node-a", "iqn.2026-01.io.iscsispec:node-b 10.0.0.2:3260,1", "iqn.2026-01.io.iscsispec:node-a 10.0.0.1:3260,1")
	s.refused(iscsi.StatusNotFound, 0, "node-a")
	k := s.kept(1, "node-a")
	other := s.granted(0, "node-b")
	s.call("node-a-reboots")
	s.at(time.Second)
	k.is(initiator.StateReconnecting, 1, 2, "")
	s.at(44 * time.Second)
	k.is(initiator.StateReconnecting, 1, 2, "")
	s.at(65 * time.Second)
	k.is(initiator.StateConnected, 2, 2, "node-a")
	if over(other) {
		s.Error("the session at the other node is over")
	}
}

// takeover is told by RST after 12 s of silence; then logins are refused for 2 s, and the session comes back with 29/00.
func takeover(s *scene) {
	k := s.kept(0, "address")
	s.call("takeover")
	s.at(11 * time.Second)
	s.at(13 * time.Second)
	k.is(initiator.StateReconnecting, 1, 2, "")
	s.refused(iscsi.StatusServiceUnavailable, 0, "address")
	s.at(25 * time.Second)
	k.is(initiator.StateConnected, 2, 2, "address")
	session := s.granted(0, "address")
	ready := &initiator.Request{CDB: scsi.TestUnitReady()}
	_ = session.Do(s.Context(), ready)
	if sense, err := scsi.ParseSense(ready.Sense); err != nil || sense.Code != scsi.PowerOnOrReset {
		s.Errorf("%+v, want 29/00", sense)
	}
}

func serialLogins(s *scene) {
	stuck, err := s.host("10.0.9.2").DialContext(s.Context(), "tcp", "10.0.0.1:3260")
	if err != nil {
		s.Fatal(err)
	}
	defer stuck.Close()
	synctest.Wait()
	start := time.Now()
	s.landed(s.granted(0, "gateway-b"), "gateway-b", 0)
	if took := time.Since(start); !near(took, 0) {
		s.Errorf("the login at the other portal took %v", took)
	}
	session := s.granted(0, "gateway-a", func(c *initiator.LoginConfig) { c.LoginTimeout = time.Minute })
	if took := time.Since(start); !near(took, 15*time.Second) {
		s.Errorf("the login behind a silent one took %v, want 15s", took)
	}
	time.Sleep(16 * time.Second)
	pings := 0
	for _, e := range s.log.Events() {
		if e.PDU != nil && e.PDU.Opcode() == pdu.OpNOPIn {
			pings++
		}
	}
	if pings == 0 || over(session) {
		s.Errorf("%d pings", pings)
	}
}

func pool(s *scene) {
	port := func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
	first := s.granted(0, "A", port)
	asked := make(chan initiator.AsyncEvent, 4)
	s.granted(0, "B", port, func(c *initiator.LoginConfig) { c.OnAsync = func(e initiator.AsyncEvent) { asked <- e } })
	if !over(first) {
		s.Error("the same ISID at the other portal group leaves the session alone")
	}
	for range 127 {
		s.granted(0, "A")
	}
	s.refused(iscsi.StatusOutOfResources, 0, "A")
	s.call("move")
	if e := <-asked; pdu.AsyncEvent(e.Event) != pdu.AsyncLogoutRequest || e.Parameter3 != 30 {
		s.Errorf("%+v, want a logout request with 30 s", e)
	}
}

func cloud(s *scene) {
	demandsDigests("gateway")(s)
	for range 31 {
		s.granted(0, "gateway", digests)
	}
	s.refused(iscsi.StatusOutOfResources, 0, "gateway", digests)
	s.granted(1, "gateway", digests)
	s.granted(0, "gateway", digests, func(c *initiator.LoginConfig) { c.InitiatorName = otherName })
}

func liar(s *scene) {
	if _, err := s.told("A"); err != nil {
		s.Errorf("discovery without digests: %v", err)
	}
	if _, err := s.told("A", digests); err == nil {
		s.Error("discovery with digests: want a close at the Text Request")
	}
	session := s.granted(0, "A", digests)
	failed := -1
	for i := range 32 {
		r := &initiator.Request{CDB: scsi.Read10(0, 1), Read: make([]byte, 512)}
		if err := session.Do(s.Context(), r); err != nil {
			failed = i
			break
		}
	}
	if failed < 0 {
		s.Error("32 reads, and no digest was wrong")
	}
}

func groupOfPortals(s *scene) {
	if lines := must(s.told("A")); len(lines) != 1 || s.sent("TargetAddress=10.0.0.2:3260\x00") == 0 {
		s.Errorf("%q, want discovery to be redirected too", lines)
	}
	for range 2 {
		session := s.granted(0, "A")
		s.landed(session, "B", iscsi.StatusMovedTemporarily)
		if tsih := session.Info().TSIH; tsih != 0xbadd {
			s.Errorf("TSIH 0x%04x, want 0xbadd", tsih)
		}
	}
}
