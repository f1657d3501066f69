package disk

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scsi"
)

// reserveOut runs PERSISTENT RESERVE OUT.
func reserveOut(d *Disk, n Nexus, action scsi.PersistentOutAction, kind scsi.ReservationType, p scsi.PersistentOutParameters) *Task {
	return do(d, n, scsi.PersistentReserveOut(action, kind), p.Append(nil)...)
}

func registerAs(t *testing.T, d *Disk, n Nexus, key uint64, keeps bool) {
	t.Helper()
	wantGood(t, reserveOut(d, n, scsi.PersistentRegister, 0, scsi.PersistentOutParameters{ServiceActionKey: key, PersistPowerLoss: keeps}))
}

func keysOf(t *testing.T, d *Disk) []uint64 {
	t.Helper()
	_, keys, err := scsi.ParseKeys(do(d, alice, scsi.PersistentReserveIn(scsi.ReadKeys, 1024)).DataIn)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func heldOn(t *testing.T, d *Disk) *scsi.Reservation {
	t.Helper()
	_, held, err := scsi.ParseReservation(do(d, alice, scsi.PersistentReserveIn(scsi.ReadReservation, 64)).DataIn)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestReservationsOverALossOfPower(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		d := newDisk(t, Config{})
		registerAs(t, d, alice, 0xa, keeps)
		wantGood(t, reserveOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, scsi.PersistentOutParameters{Key: 0xa}))
		capabilities := do(d, alice, scsi.PersistentReserveIn(scsi.ReportCapabilities, 64)).DataIn
		if capabilities[2]&1 != 1 || capabilities[3]&1 != bitOf(keeps) {
			t.Errorf("keeps %v: capabilities are % x", keeps, capabilities)
		}
		d.PowerCycle(scsi.PowerOn)
		held := heldOn(t, d)
		if (held != nil) != keeps || (len(keysOf(t, d)) == 1) != keeps {
			t.Errorf("keeps %v: %+v is held", keeps, held)
		}
	}
}

func TestReservationsOutliveTheProcess(t *testing.T) {
	c := fileConfig(t)
	d := newDisk(t, c)
	registerAs(t, d, alice, 0xa, true)
	registerAs(t, d, bob, 0xb, true)
	wantGood(t, reserveOut(d, bob, scsi.PersistentReserve, scsi.ExclusiveAccess, scsi.PersistentOutParameters{Key: 0xb}))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = newDisk(t, c)
	if diff := cmp.Diff([]uint64{0xa, 0xb}, keysOf(t, d)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&scsi.Reservation{Key: 0xb, Type: scsi.ExclusiveAccess}, heldOn(t, d)); diff != "" {
		t.Errorf("reservation (-want +got):\n%s", diff)
	}
	wantStatus(t, do(d, alice, scsi.Read10(0, 1)), scsi.StatusReservationConflict)
	wantGood(t, do(d, bob, scsi.Read10(0, 1)))
	wantGood(t, reserveOut(d, bob, scsi.PersistentRegister, 0, scsi.PersistentOutParameters{Key: 0xb, ServiceActionKey: 0xb}))
	if _, err := os.Stat(c.Store.Path + reservationsSuffix); !os.IsNotExist(err) {
		t.Errorf("a registration without APTPL leaves the file: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"{", `{"holder":5}`} {
		if err := os.WriteFile(c.Store.Path+reservationsSuffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := New(c); err == nil {
			t.Errorf("%q is taken", text)
			d.Close()
		}
	}
}

func TestRegisterAndMove(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	move := func(n Nexus, m scsi.PersistentMove) *Task {
		list := m.Append(nil)
		cdb := scsi.PersistentReserveOut(scsi.PersistentRegisterAndMove, 0)
		cdb[8] = byte(len(list))
		return do(d, n, cdb, list...)
	}
	to := scsi.PersistentMove{Key: 0xa, ServiceActionKey: 0xb, Unregister: true, RelativePort: 2, InitiatorPort: bob.InitiatorPort}
	wantStatus(t, move(alice, to), scsi.StatusReservationConflict) // not registered
	registerAs(t, d, alice, 0xa, false)
	wantStatus(t, move(alice, to), scsi.StatusReservationConflict) // nothing to move
	wantGood(t, reserveOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, scsi.PersistentOutParameters{Key: 0xa}))
	for _, change := range []func(*scsi.PersistentMove){func(m *scsi.PersistentMove) { m.RelativePort = 9 }, func(m *scsi.PersistentMove) { m.ServiceActionKey = 0 },
		func(m *scsi.PersistentMove) { m.InitiatorPort, m.RelativePort = alice.InitiatorPort, 1 }} {
		wrong := to
		change(&wrong)
		wantCheck(t, move(alice, wrong), scsi.IllegalRequest, scsi.InvalidFieldInParameters)
	}
	wantGood(t, move(alice, to))
	if diff := cmp.Diff([]uint64{0xb}, keysOf(t, d)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	wantGood(t, do(d, bob, scsi.Write10(0, 1), make([]byte, 512)...))
	wantStatus(t, do(d, alice, scsi.Write10(0, 1), make([]byte, 512)...), scsi.StatusReservationConflict)
}

func TestPreemptAndAbortNamesWhoLosesTasks(t *testing.T) {
	d := newDisk(t, Config{Removable: true})
	d.Connect(bob, scsi.NoAdditionalSense)
	registerAs(t, d, alice, 0xa, false)
	registerAs(t, d, bob, 0xb, false)
	wantGood(t, do(d, bob, prevent(1)))
	task := reserveOut(d, alice, scsi.PersistentPreemptAbort, 0, scsi.PersistentOutParameters{Key: 0xa, ServiceActionKey: 0xb})
	wantGood(t, task)
	if diff := cmp.Diff([]Nexus{bob}, task.Aborted); diff != "" {
		t.Errorf("aborted (-want +got):\n%s", diff)
	}
	wantCheck(t, do(d, bob, scsi.TestUnitReady()), scsi.UnitAttention, scsi.RegistrationsPreempted)
	wantGood(t, do(d, alice, loadEject(0))) // bob's prevention is gone with his registration
}
