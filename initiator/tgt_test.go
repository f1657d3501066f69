package initiator_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
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
	p := peers.TGTFor(t, peers.TGTConfig{Targets: []peers.TGTTarget{{Disks: []int64{tgtBytes}}}})
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
			tgtReadBack(t, s, uint64(i))
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

const tgtBytes = 32 << 20

// tgtReadBack fills the disk in pieces of random size and reads it back in other pieces.
func tgtReadBack(t *testing.T, s *initiator.Session, seed uint64) {
	if data, err := s.Ping(t.Context(), []byte("ping")); err != nil || string(data) != "ping" {
		t.Errorf("ping: %q, %v", data, err)
	}
	ready := &initiator.Request{LUN: 1 << 48, CDB: make([]byte, 6)}
	if err := s.Do(t.Context(), ready); err != nil || ready.Status == 2 && len(ready.Sense) < 14 {
		t.Fatalf("test unit ready: %v, %x", err, ready.Sense) // The first command may meet a unit attention.
	}
	want, got := make([]byte, tgtBytes), make([]byte, tgtBytes)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(want)
	sizes := rand.New(rand.NewPCG(seed, 1))
	pieces(t, s, sizes, func(r *initiator.Request, from, to int) { r.CDB[0], r.Write = 0x2a, want[from:to] })
	pieces(t, s, sizes, func(r *initiator.Request, from, to int) { r.CDB[0], r.Read = 0x28, got[from:to] })
	if !bytes.Equal(got, want) {
		t.Error("the disk returned other bytes than were written")
	}
}

// pieces covers the disk by requests of random size, 16 at a time.
func pieces(t *testing.T, s *initiator.Session, sizes *rand.Rand, fill func(r *initiator.Request, from, to int)) {
	const depth = 16
	done := make(chan string, depth)
	open := 0
	for from := 0; from < tgtBytes || open > 0; {
		if open == depth || from == tgtBytes {
			if fault := <-done; fault != "" {
				t.Fatal(fault)
			}
			open--
			continue
		}
		to := min(tgtBytes, from+512*(1+sizes.IntN(1200)))
		r := &initiator.Request{LUN: 1 << 48, CDB: make([]byte, 10), Done: func(r *initiator.Request) { done <- fault(r) }}
		binary.BigEndian.PutUint32(r.CDB[2:], uint32(from/512))
		binary.BigEndian.PutUint16(r.CDB[7:], uint16((to-from)/512))
		fill(r, from, to)
		s.Submit(r)
		from, open = to, open+1
	}
}

func fault(r *initiator.Request) string {
	if r.Err == nil && r.Status == 0 && r.Transferred == len(r.Read)+len(r.Write) {
		return ""
	}
	return fmt.Sprintf("CDB %x: %v, status %d, sense %x, transferred %d", r.CDB, r.Err, r.Status, r.Sense, r.Transferred)
}
