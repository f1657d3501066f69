package initiator_test

import (
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios/peers"
)

// TestProfilesUseTGT discovers tgt as every profile, logs in with and without CHAP, and reads back what it wrote.
func TestProfilesUseTGT(t *testing.T) {
	p := peers.TGTFor(t, peers.TGTConfig{Targets: []peers.TGTTarget{
		{Disks: []int64{diskBytes}}, {Disks: []int64{diskBytes}, User: "host", Password: "initiators-secret"},
	}})
	portal, err := iscsi.ParseAddress(p.Address)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range initiator.Profiles() {
		t.Run(name, func(t *testing.T) {
			profile, err := initiator.BuiltinProfile(name)
			if err != nil {
				t.Fatal(err)
			}
			for target, chap := range []*initiator.CHAP{nil, {Name: "host", Secret: "initiators-secret"}} {
				cfg, err := profile.Single(initiator.LoginConfig{
					InitiatorName: "iqn.2026-11.io.github.iscsispec:host", TargetName: p.Target(target), ISID: iscsi.RandomISID(0x4321, uint16(i)), Portal: portal,
					CHAP: chap,
				})
				if err != nil {
					t.Fatal(err)
				}
				s, err := initiator.Login(t.Context(), new(net.Dialer), cfg)
				if err != nil {
					t.Fatalf("target %d: %v", target, err)
				}
				readBack(t, s, 1<<48, uint64(i))
				if err := s.Logout(t.Context()); err != nil {
					t.Errorf("target %d: %v", target, err)
				}
			}
			managed, err := profile.Manager(initiator.ManagerConfig{
				InitiatorName: "iqn.2026-11.io.github.iscsispec:host", Ports: []initiator.Port{{Name: "p1", Dialer: new(net.Dialer)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			m, err := initiator.NewManager(managed)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			results, err := m.LoginAll(t.Context(), portal)
			if err != nil || len(results) != 2 || results[0].Err != nil {
				t.Fatalf("%+v, %v; want a session to the first of two targets", results, err)
			}
			if devices := m.Devices(); len(devices) == 0 {
				t.Error("no devices")
			}
			if err := m.Logout(t.Context(), results[0].ID); err != nil {
				t.Error(err)
			}
		})
	}
}
