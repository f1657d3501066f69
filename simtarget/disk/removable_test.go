package disk

import (
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

func prevent(prevent byte) []byte {
	return []byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, prevent, 0}
}

func loadEject(start byte) []byte { return []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 2 | start, 0} }

func TestAMediumComesAndGoes(t *testing.T) {
	d := newDisk(t, Config{Removable: true})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	if i, _ := scsi.ParseInquiry(do(d, alice, scsi.Inquiry(96)).DataIn); !i.Removable {
		t.Error("RMB is not set")
	}
	wantGood(t, do(d, alice, prevent(1)))
	wantCheck(t, do(d, bob, loadEject(0)), scsi.IllegalRequest, scsi.MediumRemovalPrevented)
	wantGood(t, do(d, bob, prevent(0))) // alice's word stands
	wantCheck(t, do(d, bob, loadEject(0)), scsi.IllegalRequest, scsi.MediumRemovalPrevented)
	d.Disconnect(alice)
	d.Connect(alice, scsi.NoAdditionalSense)
	wantGood(t, do(d, bob, loadEject(0)))
	for _, cdb := range [][]byte{scsi.TestUnitReady(), scsi.Read10(0, 1), scsi.ReadCapacity10(), scsi.ReadCapacity16(32), scsi.SynchronizeCache10(0, 0)} {
		wantCheck(t, do(d, alice, cdb), scsi.NotReady, scsi.MediumNotPresent)
	}
	wantGood(t, do(d, alice, scsi.Inquiry(96)))
	if s, _ := scsi.ParseSense(do(d, alice, scsi.RequestSense(252)).DataIn); s.Code != scsi.MediumNotPresent {
		t.Errorf("REQUEST SENSE tells %v", s)
	}
	wantGood(t, do(d, bob, loadEject(1)))
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.MediumMayHaveChanged)
	wantGood(t, do(d, bob, scsi.TestUnitReady()))
	wantCheck(t, do(d, bob, prevent(2)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	d.Eject()
	wantCheck(t, do(d, bob, scsi.Read6(0, 1)), scsi.NotReady, scsi.MediumNotPresent)
	d.Load()
	wantCheck(t, do(d, bob, scsi.Read6(0, 1)), scsi.UnitAttention, scsi.MediumMayHaveChanged)
	wantGood(t, do(d, bob, scsi.Read6(0, 1)))
}

func TestResetsForgetWhoPrevents(t *testing.T) {
	for name, reset := range map[string]func(*Disk){"reset": func(d *Disk) { d.Reset(scsi.BusDeviceReset) }, "power": func(d *Disk) { d.PowerCycle(scsi.PowerOn) }} {
		d := newDisk(t, Config{Removable: true})
		wantGood(t, do(d, alice, prevent(1)))
		reset(d)
		if task := do(d, bob, loadEject(0)); task.Status != scsi.StatusGood {
			t.Errorf("%s: %s", name, senseOf(task))
		}
	}
}

func TestPrecedenceOfUnitAttentions(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	for _, code := range []scsi.ASC{scsi.CapacityDataChanged, scsi.NexusLossOccurred, scsi.LUNsDataChanged, scsi.BusDeviceReset, scsi.MicrocodeChanged, scsi.PowerOn} {
		d.Attention(code)
	}
	for _, want := range []scsi.ASC{scsi.PowerOn, scsi.MicrocodeChanged, scsi.BusDeviceReset, scsi.NexusLossOccurred, scsi.CapacityDataChanged, scsi.LUNsDataChanged} {
		wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, want)
	}
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
}
