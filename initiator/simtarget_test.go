package initiator_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// ownArray starts an embedded profile on loopback TCP.
func ownArray(t testing.TB, profile string) *simtarget.Array {
	t.Helper()
	p, err := simtarget.Builtin(profile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := simtarget.New(p, simtarget.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(simtarget.ListenLoopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// ownLogin is a login to the first target of the array.
func ownLogin(t testing.TB, a *simtarget.Array, change func(*initiator.LoginConfig)) *initiator.Session {
	t.Helper()
	url := a.URLs()[0]
	portal, err := iscsi.ParseAddress(a.Address("A"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := initiator.LoginConfig{
		InitiatorName: "iqn.2026-11.io.github.iscsispec:host", TargetName: url.Target, ISID: iscsi.RandomISID(0x1234, 1), Portal: portal,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := initiator.Login(t.Context(), &net.Dialer{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOwnArrayKeepsWhatIsWritten(t *testing.T) {
	for _, digests := range [][]string{{"None"}, {"CRC32C", "None"}} {
		s := ownLogin(t, ownArray(t, "plain"), func(cfg *initiator.LoginConfig) {
			cfg.HeaderDigest, cfg.DataDigest = digests, digests
		})
		readBack(t, s, 0, 7)
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestOwnArrayAuthenticates(t *testing.T) {
	a := ownArray(t, "chap")
	s := ownLogin(t, a, func(cfg *initiator.LoginConfig) {
		cfg.CHAP = &initiator.CHAP{
			Name: "iscsispec", Secret: "iscsispec-secret", TargetName: "array", TargetSecret: "iscsispec-array-secret",
		}
	})
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	s = ownLogin(t, a, func(cfg *initiator.LoginConfig) {
		cfg.Type, cfg.TargetName = initiator.DiscoverySession, ""
		cfg.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "iscsispec-secret"}
	})
	if targets, err := s.SendTargets(t.Context(), "All"); err != nil || len(targets) != 1 || targets[0].Name != a.URLs()[0].Target {
		t.Errorf("%v, %v", targets, err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

// BenchmarkOwnArray reads 4 KiB at random from an array in the same process.
func BenchmarkOwnArray(b *testing.B) {
	for _, depth := range []int{1, 32} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			s := ownLogin(b, ownArray(b, "plain"), nil)
			done := make(chan *initiator.Request, depth)
			for range depth {
				r := &initiator.Request{CDB: []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0}, Read: make([]byte, 4096)}
				r.Done = func(r *initiator.Request) { done <- r }
				done <- r
			}
			b.SetBytes(4096)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				r := <-done
				if r.Err != nil || r.Status != 0 {
					b.Fatal(r.Err, r.Status)
				}
				binary.BigEndian.PutUint32(r.CDB[2:], uint32(i*7919%16384*8))
				s.Submit(r)
			}
			for range depth {
				<-done
			}
			b.StopTimer()
			if err := s.Logout(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}
