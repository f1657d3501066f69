package initiator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// TestManagerOutlivesAnOutage is how a program that uses the Manager tests its own behaviour when storage goes away: initiator, array and
// network in one bubble, where half a minute without a link passes in no time and comes out the same in every run.
func TestManagerOutlivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := faults.NewNetwork(1, nil, faults.Options{})
		defer network.Close()
		profile, err := simtarget.Builtin("plain")
		if err != nil {
			t.Fatal(err)
		}
		array, err := simtarget.New(profile, simtarget.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer array.Close()
		if err := array.Start(network.Host("array", "10.0.0.9").Listen); err != nil {
			t.Fatal(err)
		}
		manager, err := initiator.NewManager(initiator.ManagerConfig{
			InitiatorName: "iqn.2026-01.com.example:host", Seed: 1,
			Ports: []initiator.Port{{Name: "eth0", Dialer: network.Host("host", "10.0.0.2")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer manager.Close()
		portal := iscsi.Address{Host: "10.0.0.1", Port: iscsi.DefaultPort}
		id, err := manager.Login(t.Context(), initiator.LoginSpec{Kind: initiator.Data, Target: array.URLs()[0].Target, Portal: portal})
		if err != nil {
			t.Fatal(err)
		}
		disk := manager.Devices()[0].Name

		// The link goes down, and comes back after 32 s.
		for _, err := range []error{network.Refuse(faults.Everything), network.Sever(faults.Everything)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(32*time.Second, func() {
			if err := network.Heal(faults.Everything); err != nil {
				t.Error(err)
			}
		})
		start := time.Now()
		read := &initiator.Request{CDB: scsi.Read10(0, 1), Read: make([]byte, 512)}
		if err := manager.DoDevice(t.Context(), disk, read); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < 32*time.Second || waited > 32*time.Second+initiator.DefaultReconnectInterval {
			t.Errorf("the read waited %v, want 32s and at most an interval", waited)
		}
		if s, err := manager.Session(id); err != nil || s.State != initiator.StateConnected || s.Logins != 2 {
			t.Errorf("%+v, %v, want the session that was opened, logged in a second time", s, err)
		}
	})
}
