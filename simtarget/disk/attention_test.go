package disk

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scsi"
)

func TestUnitAttentionOfANewNexus(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.PowerOnOrReset)
	wantGood(t, do(d, alice, scsi.Inquiry(36))) // neither reports nor clears it
	wantGood(t, do(d, bob, scsi.TestUnitReady()))
	wantCheck(t, do(d, alice, scsi.Read10(0, 1)), scsi.UnitAttention, scsi.PowerOnOrReset)
	wantGood(t, do(d, alice, scsi.Read10(0, 1)))
}

func TestRequestSenseTakesTheUnitAttention(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.PowerOnOrReset)
	read := func() scsi.Sense {
		task := do(d, alice, scsi.RequestSense(252))
		wantGood(t, task)
		s, err := scsi.ParseSense(task.DataIn)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if diff := cmp.Diff([]scsi.Sense{scsi.NewSense(scsi.UnitAttention, scsi.PowerOnOrReset), scsi.NewSense(scsi.NoSense, 0)}, []scsi.Sense{read(), read()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
	descriptor := scsi.RequestSense(252)
	descriptor[1] = 1
	if data := do(d, alice, descriptor).DataIn; data[0] != 0x72 {
		t.Errorf("descriptor format starts with %#x", data[0])
	}
}

func TestChangesAreAnnouncedToAllOnceEach(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	d.SetBlocks(4096, true)
	d.SetBlocks(8192, true) // one condition tells both
	d.SetRevision("2", true)
	d.SetIdentity(Identity{Serial: "x"}, false)
	d.Attention(scsi.AsymmetricAccessChanged, bob)
	for _, code := range []scsi.ASC{scsi.CapacityDataChanged, scsi.InquiryDataChanged, scsi.AsymmetricAccessChanged} {
		wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, code)
	}
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
	for _, code := range []scsi.ASC{scsi.CapacityDataChanged, scsi.InquiryDataChanged} {
		wantCheck(t, do(d, bob, scsi.TestUnitReady()), scsi.UnitAttention, code)
	}
	wantGood(t, do(d, bob, scsi.TestUnitReady()))
	if d.Identity().Serial != "x" || d.Blocks() != 8192 {
		t.Errorf("the disk is %+v with %d blocks", d.Identity(), d.Blocks())
	}
}

func TestPendingAttentionsAreBounded(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.PowerOnOrReset)
	for code := range scsi.ASC(100) {
		d.Attention(0x8000 | code)
	}
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.PowerOnOrReset)
	for range maxAttentions - 1 {
		wantStatus(t, do(d, alice, scsi.TestUnitReady()), scsi.StatusCheckCondition)
	}
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
}

func TestDisconnectForgets(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.PowerOnOrReset)
	d.Disconnect(alice)
	d.Connect(alice, scsi.NexusLossOccurred)
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.NexusLossOccurred)
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
}

func TestResetSparesTheSender(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	d.Reset(scsi.BusDeviceReset, alice)
	wantGood(t, do(d, alice, scsi.TestUnitReady()))
	wantCheck(t, do(d, bob, scsi.TestUnitReady()), scsi.UnitAttention, scsi.BusDeviceReset)
}
