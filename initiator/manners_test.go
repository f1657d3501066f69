package initiator_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// mannersBench is an array with three portals in a bubble, and a host.
type mannersBench struct {
	log     *trace.Log
	network *faults.Network
	host    *faults.Host
	array   *simtarget.Array
}

// withManners runs f in a bubble.
func withManners(t *testing.T, f func(t *testing.T, b *mannersBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &mannersBench{log: trace.NewLog()}
		b.network = faults.NewNetwork(1, b.log, faults.Options{})
		defer b.network.Close()
		b.host = b.network.Host(trace.NodeInitiator, "10.0.1.1")
		b.array = startArray(t, b.network, b.log, "group-address-redirect")
		defer b.array.Close()
		off := simtarget.NewProfile().Login
		if err := b.array.Apply(simtarget.Action{Policy: &simtarget.Policy{Login: &off}}); err != nil {
			t.Fatal(err)
		}
		f(t, b)
	})
}

// rule makes the next logins go otherwise.
func (b *mannersBench) rule(t *testing.T, rules ...simtarget.LoginRule) {
	t.Helper()
	for i := range rules {
		if err := b.array.Apply(simtarget.Action{Login: &rules[i]}); err != nil {
			t.Fatal(err)
		}
	}
}

// login logs in at portal A in those manners, and logs out again.
func (b *mannersBench) login(t *testing.T, m *initiator.LoginManners, change func(*initiator.LoginConfig)) error {
	t.Helper()
	url := b.array.URLs()[0]
	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-01.org.iscsispec:host", TargetName: url.Target, ISID: iscsi.RandomISID(1, 1), Portal: iscsi.Address{Host: "10.0.0.1"}, Manners: m,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := initiator.Login(t.Context(), b.host, cfg)
	if err != nil {
		return err
	}
	return s.Logout(t.Context())
}

// dials gives the instants of the initiator's connections.
func (b *mannersBench) dials() (at []time.Duration) {
	for _, e := range b.log.Events().OfNode(trace.NodeInitiator).OfKind(trace.KindDial) {
		at = append(at, e.At)
	}
	return at
}

// TestFirstLoginsAreRepeated checks which failures another attempt is made after, how many, and when.
func TestFirstLoginsAreRepeated(t *testing.T) {
	for _, c := range []struct {
		name     string
		rule     simtarget.LoginRule
		attempts int
		dials    int
		fails    bool
	}{
		{"once, by default", simtarget.LoginRule{Status: 0x0301}, 0, 1, true},
		{"the target's fault", simtarget.LoginRule{Times: simtarget.Times{Next: 2}, Status: 0x0301}, 5, 3, false},
		{"the target's fault, too often", simtarget.LoginRule{Times: simtarget.Times{Next: 9}, Status: 0x0302}, 5, 5, true},
		{"the initiator's fault", simtarget.LoginRule{Times: simtarget.Times{Next: 2}, Status: 0x0203}, 5, 1, true},
		{"no answer but an end", simtarget.LoginRule{Drop: simtarget.EndRST}, 5, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			withManners(t, func(t *testing.T, b *mannersBench) {
				b.rule(t, c.rule)
				err := b.login(t, &initiator.LoginManners{Attempts: c.attempts, RetryInterval: 3 * time.Second}, nil)
				at := b.dials()
				if (err != nil) != c.fails || len(at) != c.dials {
					t.Errorf("%d attempts, then %v; want %d, and failure %v", len(at), err, c.dials, c.fails)
				}
				for i := 1; i < len(at); i++ {
					if gap := at[i] - at[i-1]; gap.Round(time.Millisecond) != 3*time.Second {
						t.Errorf("attempt %d came %v after the one before, want 3s", i+1, gap)
					}
				}
			})
		})
	}
}

// TestRedirectManners checks the limit on redirects in a row, and what becomes of a tag in the address.
func TestRedirectManners(t *testing.T) {
	hop := func(from, to string) simtarget.LoginRule {
		return simtarget.LoginRule{Which: simtarget.Which{Portal: from}, Redirect: &simtarget.RedirectAnswer{To: []string{to}}}
	}
	none := func(err error) bool { return err == nil }
	limit := func(err error) bool { return errors.Is(err, initiator.ErrRedirectLimit) }
	unread := func(err error) bool {
		var address *iscsi.AddressError
		return errors.As(err, &address)
	}
	for _, c := range []struct {
		name  string
		m     initiator.LoginManners
		rules []simtarget.LoginRule
		want  func(error) bool
		dials int
	}{
		{"two hops, two allowed", initiator.LoginManners{RedirectLimit: 2}, []simtarget.LoginRule{hop("A", "B"), hop("B", "C")}, none, 3},
		{"two hops, one allowed", initiator.LoginManners{RedirectLimit: 1}, []simtarget.LoginRule{hop("A", "B"), hop("B", "C")}, limit, 2},
		{"a tag dropped", initiator.LoginManners{}, []simtarget.LoginRule{hop("A", "10.0.0.2:3260,1")}, none, 2},
		{"a tag refused", initiator.LoginManners{RefusesTag: true}, []simtarget.LoginRule{hop("A", "10.0.0.2:3260,1")}, unread, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			withManners(t, func(t *testing.T, b *mannersBench) {
				b.rule(t, c.rules...)
				err := b.login(t, &c.m, nil)
				if !c.want(err) {
					t.Errorf("the login ended with %v", err)
				}
				if n := len(b.dials()); n != c.dials {
					t.Errorf("%d connections, want %d", n, c.dials)
				}
			})
		})
	}
}

// TestCredentialsMayBeLeftOut checks that None is offered beside CHAP only where the manners say so, and never where the target has to prove itself.
func TestCredentialsMayBeLeftOut(t *testing.T) {
	lax := &initiator.LoginManners{AuthMethods: []string{"CHAP", "None"}}
	for _, c := range []struct {
		name   string
		m      *initiator.LoginManners
		target iscsi.Secret
		fails  bool
	}{
		{"strict", nil, "", true}, {"lax", lax, "", false}, {"lax, and mutual", lax, "the-target-secret", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			withManners(t, func(t *testing.T, b *mannersBench) {
				err := b.login(t, c.m, func(cfg *initiator.LoginConfig) {
					cfg.CHAP = &initiator.CHAP{Name: "host", Secret: "the-hosts-secret", TargetName: "array", TargetSecret: c.target}
				})
				if (err != nil) != c.fails || c.fails && !errors.Is(err, initiator.ErrAuthFailed) {
					t.Errorf("%v, want a failed authentication: %v", err, c.fails)
				}
			})
		})
	}
}

// TestPortalGroupTagMayBeNeeded checks that a login without the target's tag is given up where the manners need it.
func TestPortalGroupTagMayBeNeeded(t *testing.T) {
	for _, needed := range []bool{false, true} {
		withManners(t, func(t *testing.T, b *mannersBench) {
			b.rule(t, simtarget.LoginRule{Remove: []string{"TargetPortalGroupTag"}})
			err := b.login(t, &initiator.LoginManners{NeedsPortalGroupTag: needed}, nil)
			if (err != nil) != needed {
				t.Errorf("needed %v: %v", needed, err)
			}
		})
	}
}

// TestNumbersOfLogins checks task tag, CID and CmdSN of logins, and that the first command has the login's CmdSN.
func TestNumbersOfLogins(t *testing.T) {
	withManners(t, func(t *testing.T, b *mannersBench) {
		if err := b.login(t, &initiator.LoginManners{CID: 7, TaskTag: new(uint32(0)), CmdSN: new(uint32(0xfffffffe))}, nil); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := b.login(t, &initiator.LoginManners{RandomNumbers: true}, nil); err != nil {
				t.Error(err)
			}
		}
		var seen []string
		for e, p := range b.log.Events().OfNode(trace.NodeInitiator).PDUs() {
			if e.Kind != trace.KindPDUSent {
				continue
			}
			switch p := p.(type) {
			case *pdu.LoginRequest:
				if p.CSG == pdu.StageSecurity {
					seen = append(seen, fmt.Sprintf("CID %d tag %#x CmdSN %#x", p.CID, p.ITT, p.CmdSN))
				}
			case *pdu.LogoutRequest:
				if len(seen) == 1 && p.CmdSN != 0xfffffffe {
					t.Errorf("the Logout Request has CmdSN %#x, want the login's", p.CmdSN)
				}
			}
		}
		if len(seen) != 3 || seen[0] != "CID 7 tag 0x0 CmdSN 0xfffffffe" || seen[1] == seen[2] {
			t.Errorf("the logins have %q", seen)
		}
	})
}

// TestDiscoveryMayBeDropped checks that a discovery session ends without a Logout Request where the manners say so, and a normal one with it.
func TestDiscoveryMayBeDropped(t *testing.T) {
	withManners(t, func(t *testing.T, b *mannersBench) {
		m := &initiator.LoginManners{DropsDiscovery: true}
		for i, kind := range []initiator.SessionType{initiator.DiscoverySession, initiator.NormalSession} {
			if err := b.login(t, m, func(cfg *initiator.LoginConfig) { cfg.Type = kind }); err != nil {
				t.Error(err)
			}
			logouts := 0
			for e, p := range b.log.Events().OfNode(trace.NodeInitiator).PDUs() {
				if _, is := p.(*pdu.LogoutRequest); is && e.Kind == trace.KindPDUSent {
					logouts++
				}
			}
			if logouts != i {
				t.Errorf("%d Logout Requests after the %v session, want %d", logouts, kind, i)
			}
		}
	})
}

// TestPermanentLoss checks which refusals of a re-login end the devices at once, where that is the setting.
func TestPermanentLoss(t *testing.T) {
	for _, c := range []struct {
		status    simtarget.Status
		permanent bool
		devices   int
	}{{0x0203, true, 0}, {0x0203, false, 1}, {0x0301, true, 1}} {
		withManners(t, func(t *testing.T, b *mannersBench) {
			m, err := initiator.NewManager(initiator.ManagerConfig{
				InitiatorName: "iqn.2026-01.org.iscsispec:host", Ports: []initiator.Port{{Name: "p1", Dialer: b.host}}, PermanentLoss: c.permanent,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			spec := initiator.LoginSpec{Kind: initiator.Data, Target: b.array.URLs()[0].Target, Portal: iscsi.Address{Host: "10.0.0.1"}}
			if _, err := m.Login(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			b.rule(t, simtarget.LoginRule{Times: simtarget.Times{Next: 3}, Status: c.status})
			time.Sleep(10 * time.Second)
			if err := b.network.Sever(faults.Everything); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if n := len(m.Devices()); n != c.devices {
				t.Errorf("status %#x, permanent %v: %d devices, want %d", uint16(c.status), c.permanent, n, c.devices)
			}
			time.Sleep(30 * time.Second)
			if n := len(m.Devices()); n != 1 || m.Devices()[0].Blocked {
				t.Errorf("status %#x, permanent %v: %d devices once the login succeeds, want one that is usable", uint16(c.status), c.permanent, n)
			}
		})
	}
}

// TestBootDeviceIsGuarded checks that the last path to a boot device is logged off by force only.
func TestBootDeviceIsGuarded(t *testing.T) {
	withManners(t, func(t *testing.T, b *mannersBench) {
		m, err := initiator.NewManager(initiator.ManagerConfig{
			InitiatorName: "iqn.2026-01.org.iscsispec:host", Ports: []initiator.Port{{Name: "p1", Dialer: b.host}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		spec := initiator.LoginSpec{Kind: initiator.Boot, Target: b.array.URLs()[0].Target, Portal: iscsi.Address{Host: "10.0.0.1"}}
		id, err := m.Login(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		var refused *initiator.BootDeviceError
		if err := m.Logout(t.Context(), id); !errors.As(err, &refused) || refused.ID != id || initiator.OutcomeOf(err) != "BOOT-DEVICE" {
			t.Errorf("logoff of the boot session: %v", err)
		}
		if err := b.network.Sever(faults.Everything); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := m.RemoveSession(t.Context(), id); !errors.As(err, &refused) {
			t.Errorf("removal of the boot session while it is down: %v", err)
		}
		if err := m.ForceLogout(t.Context(), id); err != nil || len(m.Sessions()) != 0 || len(m.Devices()) != 0 {
			t.Errorf("logoff by force: %v; %d sessions, %d devices", err, len(m.Sessions()), len(m.Devices()))
		}
		if err := m.Logout(t.Context(), id); !errors.Is(err, initiator.ErrNoSession) {
			t.Errorf("logoff of a session that is over: %v", err)
		}
	})
}
