package initiator_test

import (
	"errors"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios/peers"
)

// tgtLogin is a login to one target of a running tgt; an empty target makes it a discovery session.
func tgtLogin(t *testing.T, p *peers.TGT, target string, change func(*initiator.LoginConfig)) (*initiator.Session, error) {
	t.Helper()
	portal, err := iscsi.ParseAddress(p.Address)
	if err != nil {
		t.Fatal(err)
	}
	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-11.io.github.iscsispec:host", TargetName: target, ISID: iscsi.RandomISID(0x1234, 1), Portal: portal,
	}
	if target == "" {
		cfg.Type = initiator.DiscoverySession
	}
	if change != nil {
		change(&cfg)
	}
	return initiator.Login(t.Context(), &net.Dialer{}, cfg)
}

func TestTGTIsDiscovered(t *testing.T) {
	p := peers.TGTFor(t, peers.TGTConfig{Targets: make([]peers.TGTTarget, 2)})
	s, err := tgtLogin(t, p, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := s.SendTargets(t.Context(), "All")
	if err != nil || len(targets) != 2 || targets[0].Name != p.Target(0) || targets[1].Addresses[0].HostPort() != p.Address {
		t.Errorf("%v, %v", targets, err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTGTAuthenticates(t *testing.T) {
	p := peers.TGTFor(t, peers.TGTConfig{Targets: []peers.TGTTarget{{User: "host", Password: "initiators-secret", OutUser: "disk", OutPass: "targets-secret1"}}})
	right := initiator.CHAP{Name: "host", Secret: "initiators-secret"}
	mutual, wrong, impostor := right, right, right
	mutual.TargetName, mutual.TargetSecret = "disk", "targets-secret1"
	wrong.Secret = "another secret"
	impostor.TargetName, impostor.TargetSecret = "disk", "not the target's"
	for _, c := range []struct {
		name string
		chap *initiator.CHAP
		fail bool
	}{{"one way", &right, false}, {"mutual", &mutual, false}, {"wrong secret", &wrong, true}, {"impostor", &impostor, true}} {
		t.Run(c.name, func(t *testing.T) {
			s, err := tgtLogin(t, p, p.Target(0), func(cfg *initiator.LoginConfig) { cfg.CHAP = c.chap })
			if errors.Is(err, initiator.ErrAuthFailed) != c.fail || (err != nil) != c.fail {
				t.Errorf("got %v", err)
			}
			if s != nil {
				if err := s.Logout(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestTGTKeepsWhatIsWritten(t *testing.T) {
	p := peers.TGTFor(t, peers.TGTConfig{Targets: []peers.TGTTarget{{Disks: []int64{diskBytes}}}})
	for _, key := range []string{"HeaderDigest", "DataDigest"} {
		if _, err := p.Admin(t.Context(), "--lld", "iscsi", "--op", "update", "--mode", "target", "--tid", "1", "--name", key, "--value", "CRC32C,None"); err != nil {
			t.Fatal(err)
		}
	}
	for i, digest := range []string{"None", "CRC32C"} {
		t.Run(digest, func(t *testing.T) {
			s, err := tgtLogin(t, p, p.Target(0), func(cfg *initiator.LoginConfig) {
				cfg.HeaderDigest, cfg.DataDigest = []string{digest}, []string{digest}
			})
			if err != nil {
				t.Fatal(err)
			}
			if params := s.Info().Params; params.HeaderDigest != (i == 1) || params.DataDigest != (i == 1) {
				t.Errorf("digests %+v", params)
			}
			if data, err := s.Ping(t.Context(), []byte("ping")); err != nil || string(data) != "ping" {
				t.Errorf("ping: %q, %v", data, err)
			}
			readBack(t, s, 1<<48, uint64(i))
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
