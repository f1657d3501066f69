package simtarget_test

import (
	"strings"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

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
	same := func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
	if first, second := s.granted(1, "node-2", same), s.granted(1, "node-3", same); !over(first) || over(second) {
		s.Error("want the same name and ISID at another portal to replace the session")
	}
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
	same := func(c *initiator.LoginConfig) { c.ISID = iscsi.RandomISID(9, 9) }
	a := s.granted(0, "gateway-a", same)
	if b := s.granted(0, "gateway-b", same); over(a) || over(b) {
		s.Error("a session was replaced from another portal group")
	}
	if again := s.granted(0, "gateway-a", same); !over(a) || over(again) {
		s.Error("want the session replaced by one of the same name, ISID and portal group")
	}
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
		if burst := s.granted(0, "A").Info().Params.FirstBurstLength; burst != 8192 {
			s.Errorf("FirstBurstLength %d, want 8192", burst)
		}
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
