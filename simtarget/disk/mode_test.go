package disk

import (
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// selectControl is MODE SELECT(6) of the control mode page.
func selectControl(p scsi.ControlPage) (cdb, list []byte) {
	p.UnrestrictedQueue, p.BusyTimeout = true, 0xffff
	list = p.Append([]byte{0, 0, 0, 0})
	return scsi.ModeSelect6(uint8(len(list))), list
}

func controlPage(t *testing.T, d *Disk, control scsi.PageControl) scsi.ControlPage {
	t.Helper()
	cdb := scsi.ModeSense10(scsi.ModePageControl, 255)
	cdb[2] |= byte(control) << 6
	m, err := scsi.ParseModeData10(do(d, alice, cdb).DataIn)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := m.Page(scsi.ModePageControl)
	p, err := scsi.ParseControlPage(page)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSoftwareWriteProtect(t *testing.T) {
	d := newDisk(t, Config{})
	d.Connect(alice, scsi.NoAdditionalSense)
	d.Connect(bob, scsi.NoAdditionalSense)
	cdb, list := selectControl(scsi.ControlPage{SoftwareWriteLock: true})
	wantGood(t, do(d, alice, cdb, list...))
	wantCheck(t, do(d, alice, scsi.Write10(0, 1), make([]byte, 512)...), scsi.DataProtect, scsi.SoftwareWriteProtected)
	wantCheck(t, do(d, bob, scsi.TestUnitReady()), scsi.UnitAttention, scsi.ModeParametersChanged)
	if m, _ := scsi.ParseModeData6(do(d, bob, scsi.ModeSense6(scsi.ModePageAll, 255)).DataIn); !m.WriteProtected {
		t.Error("WP is not set")
	}
	wantGood(t, do(d, alice, cdb, list...)) // changes nothing, and tells nobody
	wantGood(t, do(d, bob, scsi.TestUnitReady()))
	if p := controlPage(t, d, scsi.DefaultValues); p.SoftwareWriteLock {
		t.Error("the default is write protected")
	}
	d.PowerCycle(scsi.PowerOn)
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.UnitAttention, scsi.PowerOn)
	wantGood(t, do(d, alice, scsi.Write10(0, 1), make([]byte, 512)...))
}

func TestDescriptorFormatSense(t *testing.T) {
	d := newDisk(t, Config{})
	cdb, list := selectControl(scsi.ControlPage{DescriptorSense: true})
	wantGood(t, do(d, alice, cdb, list...))
	task := do(d, bob, scsi.Read16(1<<40, 1))
	if s := wantCheck(t, task, scsi.IllegalRequest, scsi.LBAOutOfRange); task.Sense[0] != 0x72 || s.Information != 1<<40 {
		t.Errorf("sense data % x", task.Sense)
	}
	if p := controlPage(t, d, scsi.CurrentValues); !p.DescriptorSense {
		t.Error("D_SENSE does not show")
	}
}

func TestModeSelectTakesNoMore(t *testing.T) {
	d := newDisk(t, Config{})
	same := func() []byte {
		return do(d, alice, scsi.ModeSense6(scsi.ModePageAll, 255)).DataIn
	}
	list := append([]byte(nil), same()...)
	list[0], list[2] = 0, 0
	wantGood(t, do(d, alice, scsi.ModeSelect6(uint8(len(list))), list...)) // what MODE SENSE told
	for at := range list {
		changed := append([]byte(nil), list...)
		changed[at] ^= 0x10 // none of the bits that can be changed
		task := do(d, alice, scsi.ModeSelect6(uint8(len(list))), changed...)
		if at < 3 || at >= 5 && at < 8 || at == 8 { // the header, and the number of blocks, are not looked at bit by bit
			continue
		}
		if task.Status != scsi.StatusCheckCondition {
			t.Errorf("byte %d of the parameter list can be changed", at)
		}
	}
	wantCheck(t, do(d, alice, scsi.ModeSelect6(uint8(len(list)-1)), list[:len(list)-1]...), scsi.IllegalRequest, scsi.ParameterListLengthError)
	cached := scsi.CachingPage{WriteCacheEnabled: true}.Append([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	wantGood(t, do(d, alice, scsi.ModeSelect10(uint16(len(cached))), cached...))
	m, _ := scsi.ParseModeData6(same())
	if page, _ := m.Page(scsi.ModePageCaching); !scsi.ParseCachingPage(page).WriteCacheEnabled {
		t.Error("WCE does not stay")
	}
}
