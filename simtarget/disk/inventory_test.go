package disk

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scsi"
)

func at(i *Inventory, lun scsi.LUN, n Nexus, cdb []byte, out ...byte) *Task {
	task := &Task{Nexus: n, CDB: cdb, DataOut: out}
	i.Execute(lun, task)
	return task
}

func reported(t *testing.T, task *Task) []scsi.LUN {
	t.Helper()
	wantGood(t, task)
	luns, _, err := scsi.ParseLUNList(task.DataIn)
	if err != nil {
		t.Fatal(err)
	}
	return luns
}

func TestReportLUNs(t *testing.T) {
	i := NewInventory()
	for _, n := range []uint32{256, 5, 0, 16383, 255} {
		i.Put(scsi.LUNOf(n), newDisk(t, Config{}), false)
	}
	want := []scsi.LUN{0, 0x0005_0000_0000_0000, 0x00ff_0000_0000_0000, 0x4100_0000_0000_0000, 0x7fff_0000_0000_0000}
	for _, lun := range []scsi.LUN{0, scsi.LUNOf(77)} { // whatever LUN it is sent to
		if diff := cmp.Diff(want, reported(t, at(i, lun, alice, scsi.ReportLUNs(scsi.ReportAll, 4096)))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if cut := at(i, 0, alice, scsi.ReportLUNs(0, 16)).DataIn; len(cut) != 16 || cut[3] != 40 {
		t.Errorf("a cut list is % x", cut)
	}
	if luns := reported(t, at(i, 0, alice, scsi.ReportLUNs(scsi.ReportWellKnown, 4096))); len(luns) != 0 {
		t.Errorf("well known: %v", luns)
	}
	wantCheck(t, at(i, 0, alice, scsi.ReportLUNs(3, 4096)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	wantGood(t, at(i, scsi.FlatLUN(5), alice, scsi.TestUnitReady())) // the same number in another form
	i.Put(scsi.FlatLUN(5), newDisk(t, Config{}), false)
	if luns := i.LUNs(); luns[1] != scsi.FlatLUN(5) || len(luns) != 5 {
		t.Errorf("after LUN 5 was put in another form: %v", luns)
	}
}

func TestLUNThatDoesNotExist(t *testing.T) {
	i, nowhere := NewInventory(), scsi.FlatLUN(0x3fff)
	i.Put(0, newDisk(t, Config{}), false)
	wantCheck(t, at(i, nowhere, alice, scsi.TestUnitReady()), scsi.IllegalRequest, scsi.LUNNotSupported)
	wantCheck(t, at(i, nowhere, alice, scsi.Read10(0, 1)), scsi.IllegalRequest, scsi.LUNNotSupported)
	wantCheck(t, at(i, nowhere, alice, []byte{0x1c, 0, 0, 0, 0, 0}), scsi.IllegalRequest, scsi.LUNNotSupported)
	wantCheck(t, at(i, nowhere, alice, scsi.InquiryVPD(0, 64)), scsi.IllegalRequest, scsi.LUNNotSupported)
	inquiry := at(i, nowhere, alice, scsi.Inquiry(36))
	wantGood(t, inquiry)
	if len(inquiry.DataIn) != 36 || inquiry.DataIn[0] != 0x7f {
		t.Errorf("INQUIRY gives % x", inquiry.DataIn)
	}
	sense := at(i, nowhere, alice, scsi.RequestSense(18))
	wantGood(t, sense)
	if s, _ := scsi.ParseSense(sense.DataIn); s.Code != scsi.LUNNotSupported {
		t.Errorf("REQUEST SENSE gives %v", s)
	}
}

func TestChangedInventoryIsAnnounced(t *testing.T) {
	i := NewInventory()
	i.Put(0, newDisk(t, Config{}), false)
	i.Connect(alice, scsi.PowerOnOrReset)
	i.Put(scsi.LUNOf(1), newDisk(t, Config{}), true)
	wantCheck(t, at(i, 0, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.PowerOnOrReset)
	wantCheck(t, at(i, 0, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.LUNsDataChanged)
	reported(t, at(i, 0, alice, scsi.ReportLUNs(0, 64))) // takes the condition from all units
	wantGood(t, at(i, scsi.LUNOf(1), alice, scsi.TestUnitReady()))
	if !i.Remove(scsi.LUNOf(1), true) || i.Remove(scsi.LUNOf(1), true) {
		t.Error("Remove tells otherwise")
	}
	wantCheck(t, at(i, 0, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.LUNsDataChanged)
	wantCheck(t, at(i, scsi.LUNOf(1), alice, scsi.TestUnitReady()), scsi.IllegalRequest, scsi.LUNNotSupported)
	i.Disconnect(alice)
	i.Attention(scsi.AsymmetricAccessChanged)
	wantGood(t, at(i, 0, alice, scsi.TestUnitReady()))
}

// A unit that stands in two targets tells each target's nexuses of that target's changes only.
func TestUnitInTwoInventories(t *testing.T) {
	shared, one, two := newDisk(t, Config{}), NewInventory(), NewInventory()
	one.Put(0, shared, false)
	two.Put(0, shared, false)
	one.Connect(alice, scsi.NoAdditionalSense)
	two.Connect(bob, scsi.NoAdditionalSense)
	one.Put(scsi.LUNOf(1), newDisk(t, Config{}), true)
	wantGood(t, at(two, 0, bob, scsi.TestUnitReady()))
	wantCheck(t, at(one, 0, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.LUNsDataChanged)
	shared.SetBlocks(1, true)
	wantCheck(t, at(one, 0, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.CapacityDataChanged)
	wantCheck(t, at(two, 0, bob, scsi.TestUnitReady()), scsi.UnitAttention, scsi.CapacityDataChanged)
}

// A command that has begun ends on the unit that it began on.
func TestUnitRemovedBetweenBeginAndExecute(t *testing.T) {
	i, d := NewInventory(), newDisk(t, Config{})
	i.Put(0, d, false)
	task := &Task{Nexus: alice, CDB: scsi.Write10(0, 1)}
	if i.Begin(0, task) {
		t.Fatal("ended")
	}
	i.Remove(0, true)
	task.DataOut = make([]byte, 512)
	i.Execute(0, task)
	wantGood(t, task)
}
