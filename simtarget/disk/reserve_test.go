package disk

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scsi"
)

func TestReserve6BelongsToTheNexus(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	wantGood(t, do(d, alice, scsi.Reserve6()))
	wantGood(t, do(d, alice, scsi.Reserve6()))
	wantGood(t, do(d, alice, scsi.Write10(0, 1), make([]byte, 512)...))
	for _, cdb := range [][]byte{scsi.Write10(0, 1), scsi.Read10(0, 1), scsi.TestUnitReady(), scsi.Reserve6(), scsi.PersistentReserveIn(scsi.ReadKeys, 64)} {
		wantStatus(t, do(d, bob, cdb, make([]byte, 512)...), scsi.StatusReservationConflict)
	}
	for _, cdb := range [][]byte{scsi.Inquiry(36), scsi.RequestSense(18), scsi.ReportLUNs(0, 64), scsi.ReadCapacity10(), scsi.Release6()} {
		wantGood(t, do(d, bob, cdb)) // the release of another changes nothing
	}
	wantStatus(t, do(d, bob, scsi.Read10(0, 1)), scsi.StatusReservationConflict)
	d.Disconnect(alice)
	wantGood(t, do(d, bob, scsi.Read10(0, 1)))
	wantGood(t, do(d, bob, scsi.Reserve6()))
	wantGood(t, do(d, bob, scsi.Release6()))
	wantGood(t, do(d, alice, scsi.Read10(0, 1)))
	wantGood(t, do(d, bob, scsi.Reserve6()))
	d.Reset(scsi.BusDeviceReset)
	wantGood(t, do(d, alice, scsi.Read10(0, 1)))
	thirdParty := scsi.Reserve6()
	thirdParty[1] = 0x10
	wantCheck(t, do(d, alice, thirdParty), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
}

func persistentOut(d *Disk, n Nexus, action scsi.PersistentOutAction, kind scsi.ReservationType, key, actionKey uint64) *Task {
	return do(d, n, scsi.PersistentReserveOut(action, kind), scsi.PersistentOutParameters{Key: key, ServiceActionKey: actionKey}.Append(nil)...)
}

func TestPersistentReservationRules(t *testing.T) {
	read, write := scsi.Read10(0, 1), scsi.Write10(0, 1)
	cases := []struct {
		kind                             scsi.ReservationType
		bobReads, bobWrites              bool // registered
		strangerReads, strangerWrites    bool
		holderLeavesOthersRegisteredHold bool
	}{
		{scsi.WriteExclusive, true, false, true, false, false},
		{scsi.ExclusiveAccess, false, false, false, false, false},
		{scsi.WriteExclusiveRegistrantsOnly, true, true, true, false, false},
		{scsi.ExclusiveAccessRegistrantsOnly, true, true, false, false, false},
		{scsi.WriteExclusiveAllRegistrants, true, true, true, false, true},
		{scsi.ExclusiveAccessAllRegistrants, true, true, false, false, true},
	}
	stranger := Nexus{InitiatorPort: "iqn.2026-11.example:eve,i,0x800000000003"}
	for _, c := range cases {
		d := newDisk(t, Config{})
		wantGood(t, persistentOut(d, alice, scsi.PersistentRegister, 0, 0, 0xa))
		wantGood(t, persistentOut(d, bob, scsi.PersistentRegister, 0, 0, 0xb))
		wantGood(t, persistentOut(d, alice, scsi.PersistentReserve, c.kind, 0xa, 0))
		allowed := func(n Nexus, cdb []byte) bool {
			return do(d, n, cdb, make([]byte, 512)...).Status == scsi.StatusGood
		}
		got := []bool{allowed(alice, read), allowed(alice, write), allowed(bob, read), allowed(bob, write), allowed(stranger, read), allowed(stranger, write)}
		if diff := cmp.Diff([]bool{true, true, c.bobReads, c.bobWrites, c.strangerReads, c.strangerWrites}, got); diff != "" {
			t.Errorf("type %d (-want +got):\n%s", c.kind, diff)
		}
		wantGood(t, do(d, stranger, scsi.TestUnitReady()))
		d.Disconnect(alice)
		d.Reset(scsi.BusDeviceReset) // the reservation persists over both
		wantGood(t, persistentOut(d, alice, scsi.PersistentRegister, 0, 0xa, 0))
		_, held, err := scsi.ParseReservation(do(d, bob, scsi.PersistentReserveIn(scsi.ReadReservation, 64)).DataIn)
		if err != nil || (held != nil) != c.holderLeavesOthersRegisteredHold {
			t.Errorf("type %d: after the holder left the reservation is %+v, %v", c.kind, held, err)
		}
	}
}

func TestPersistentReservationKeys(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	conflict := func(task *Task) { t.Helper(); wantStatus(t, task, scsi.StatusReservationConflict) }
	conflict(persistentOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, 0, 0)) // not registered
	conflict(persistentOut(d, alice, scsi.PersistentRegister, 0, 1, 2))                  // the wrong old key
	wantGood(t, persistentOut(d, alice, scsi.PersistentRegister, 0, 0, 0xa))
	wantGood(t, persistentOut(d, alice, scsi.PersistentRegisterAndIgnore, 0, 77, 0xaa))
	wantGood(t, persistentOut(d, bob, scsi.PersistentRegister, 0, 0, 0xb))
	conflict(do(d, bob, scsi.Reserve6())) // the older kind is shut out
	conflict(persistentOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, 0xa, 0))
	wantGood(t, persistentOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, 0xaa, 0))
	wantGood(t, persistentOut(d, alice, scsi.PersistentReserve, scsi.WriteExclusive, 0xaa, 0))
	conflict(persistentOut(d, bob, scsi.PersistentReserve, scsi.WriteExclusive, 0xb, 0))
	conflict(persistentOut(d, alice, scsi.PersistentReserve, scsi.ExclusiveAccess, 0xaa, 0))
	wantGood(t, persistentOut(d, bob, scsi.PersistentRelease, scsi.WriteExclusive, 0xb, 0)) // not its own: nothing happens
	wantCheck(t, persistentOut(d, alice, scsi.PersistentRelease, scsi.ExclusiveAccess, 0xaa, 0), scsi.IllegalRequest, scsi.InvalidReleaseOfPersistent)
	_, list, err := scsi.ParseFullStatus(do(d, bob, scsi.PersistentReserveIn(scsi.ReadFullStatus, 512)).DataIn)
	want := []scsi.Registrant{
		{Key: 0xaa, Holder: true, Type: scsi.WriteExclusive, RelativePort: 1, InitiatorPort: alice.InitiatorPort},
		{Key: 0xb, RelativePort: 2, InitiatorPort: bob.InitiatorPort},
	}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("full status: %v (-want +got):\n%s", err, diff)
	}
	wantGood(t, persistentOut(d, bob, scsi.PersistentPreempt, scsi.ExclusiveAccess, 0xb, 0xaa))
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.RegistrationsPreempted)
	conflict(do(d, alice, scsi.Read10(0, 1)))
	generation, keys, _ := scsi.ParseKeys(do(d, alice, scsi.PersistentReserveIn(scsi.ReadKeys, 64)).DataIn)
	if diff := cmp.Diff([]uint64{0xb}, keys); diff != "" || generation != 4 {
		t.Errorf("generation %d, keys (-want +got):\n%s", generation, diff)
	}
	wantGood(t, persistentOut(d, bob, scsi.PersistentClear, 0, 0xb, 0))
	wantGood(t, do(d, alice, scsi.Reserve6()))
}

func TestPersistentReserveOutParameters(t *testing.T) {
	d := newDisk(t, Config{})
	short := scsi.PersistentReserveOut(scsi.PersistentRegister, 0)
	short[8] = 23
	wantCheck(t, do(d, alice, short, make([]byte, 23)...), scsi.IllegalRequest, scsi.ParameterListLengthError)
	wantCheck(t, do(d, alice, scsi.PersistentReserveOut(scsi.PersistentRegister, 0), make([]byte, 20)...), scsi.IllegalRequest, scsi.ParameterListLengthError)
	all := scsi.PersistentOutParameters{ServiceActionKey: 1, AllTargetPorts: true}.Append(nil)
	wantCheck(t, do(d, alice, scsi.PersistentReserveOut(scsi.PersistentRegister, 0), all...), scsi.IllegalRequest, scsi.InvalidFieldInParameters)
	for i := range maxRegistrations {
		wantGood(t, persistentOut(d, Nexus{RelativePort: uint16(i + 1)}, scsi.PersistentRegister, 0, 0, 1))
	}
	wantCheck(t, persistentOut(d, alice, scsi.PersistentRegister, 0, 0, 1), scsi.IllegalRequest, scsi.InsufficientRegistration)
	wantCheck(t, persistentOut(d, Nexus{RelativePort: 1}, scsi.PersistentReserve, 2, 1, 0), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
}
