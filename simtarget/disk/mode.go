package disk

import "github.com/iscsispec/iscsispec/scsi"

// modes are what mode pages can change. They are shared by all nexuses, and go back to their defaults with a loss of power.
type modes struct {
	descriptorSense      bool // D_SENSE
	softwareWriteProtect bool // SWP
	readCacheDisabled    bool // RCD
	writeCache           bool // WCE; Disk.cached is a copy for the data path
}

// modePages are the pages in the order in which MODE SENSE tells them.
var modePages = []scsi.ModePage{scsi.ModePageReadWriteRecovery, scsi.ModePageCaching, scsi.ModePageControl, scsi.ModePageInformationControl}

// modeSense presents the mode pages (SPC-4, Section 6.13). d.mu is held.
func (d *Disk) modeSense(t *Task) {
	c := &t.Command
	if c.PageControl == scsi.SavedValues {
		t.fail(scsi.IllegalRequest, scsi.SavingNotSupported)
		return
	}
	all := scsi.ModePage(c.Page) == scsi.ModePageAll
	if c.Subpage != 0 && (!all || c.Subpage != 0xff) {
		t.invalidField(3)
		return
	}
	var pages []byte
	for _, p := range modePages {
		if all || scsi.ModePage(c.Page) == p {
			pages = d.appendModePage(pages, p, c.PageControl)
		}
	}
	if pages == nil {
		t.invalidField(2)
		return
	}
	data := scsi.ModeData{WriteProtected: d.readOnly || d.modes.softwareWriteProtect, DPOFUA: true, HasBlocks: !c.NoBlockDesc, Blocks: d.blocks,
		BlockSize: uint32(d.blockSize), Pages: pages}
	if c.Opcode == scsi.OpModeSense6 {
		t.present(data.Append6(t.Buffer[:0]))
		return
	}
	t.present(data.Append10(t.Buffer[:0]))
}

// appendModePage appends a page with the values that are asked for: those that hold, those of the power on, or a mask of what MODE SELECT
// may change.
func (d *Disk) appendModePage(b []byte, page scsi.ModePage, control scsi.PageControl) []byte {
	m, at := d.modes, len(b)
	switch control {
	case scsi.ChangeableValues:
		m = modes{descriptorSense: true, softwareWriteProtect: true, readCacheDisabled: true, writeCache: true}
	case scsi.DefaultValues:
		m = d.defaultModes()
	}
	switch page {
	case scsi.ModePageReadWriteRecovery:
		b = scsi.RecoveryPage{AutomaticWriteReallocation: true, AutomaticReadReallocation: true}.Append(b)
	case scsi.ModePageCaching:
		b = scsi.CachingPage{WriteCacheEnabled: m.writeCache, ReadCacheDisabled: m.readCacheDisabled}.Append(b)
	case scsi.ModePageControl:
		b = scsi.ControlPage{DescriptorSense: m.descriptorSense, SoftwareWriteLock: m.softwareWriteProtect, UnrestrictedQueue: true,
			BusyTimeout: 0xffff}.Append(b)
	case scsi.ModePageInformationControl:
		b = scsi.AppendInformationControlPage(b)
	}
	if control == scsi.ChangeableValues {
		d.maskUnchangeable(b[at:])
	}
	return b
}

// maskUnchangeable clears what MODE SELECT cannot change from a page in which everything changeable is set.
func (d *Disk) maskUnchangeable(page []byte) {
	switch scsi.ModePage(page[0]) {
	case scsi.ModePageControl:
		page[3] = 0 // the queue algorithm
		clear(page[8:10])
	case scsi.ModePageCaching:
	default:
		clear(page[2:])
	}
}

// defaultModes are the modes after a power on: a disk in a file is cached by the operating system.
func (d *Disk) defaultModes() modes { return modes{writeCache: d.volatile} }

func (d *Disk) setModes(m modes) {
	d.modes = m
	d.cached.Store(m.writeCache)
}

// modeSelect takes mode pages (SPC-4, Sections 6.11 and 7.5). A list with a mistake changes nothing; a change of the other nexuses' pages is
// told to them. d.mu is held.
func (d *Disk) modeSelect(t *Task) {
	if t.Length == 0 {
		return
	}
	if len(t.DataOut) < t.Length {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	parse := scsi.ParseModeParameters6
	if t.Command.Opcode == scsi.OpModeSelect10 {
		parse = scsi.ParseModeParameters10
	}
	data, err := parse(t.DataOut[:t.Length])
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	keepsBlocks := data.Blocks == 0 || data.Blocks == min(d.blocks, 0xffffffff) || data.Blocks == 0xffffffff
	if data.HasBlocks && (!keepsBlocks || data.BlockSize != uint32(d.blockSize)) {
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	fresh, code := d.selectPages(data.Pages)
	switch {
	case code != scsi.NoAdditionalSense:
		t.fail(scsi.IllegalRequest, code)
	case fresh != d.modes:
		d.setModes(fresh)
		d.attentions.establish(scsi.ModeParametersChanged, t.Nexus)
	}
}

// selectPages holds pages against what may be changed, and returns the modes they ask for.
func (d *Disk) selectPages(pages []byte) (modes, scsi.ASC) {
	m := d.modes
	for len(pages) > 0 {
		if len(pages) < 2 {
			return m, scsi.ParameterListLengthError
		}
		kind := scsi.ModePage(pages[0] & 0x3f)
		held := d.appendModePage(nil, kind, scsi.CurrentValues)
		switch {
		case pages[0]&0x40 != 0 || len(held) == 0 || int(pages[1])+2 != len(held):
			return m, scsi.InvalidFieldInParameters
		case len(pages) < len(held):
			return m, scsi.ParameterListLengthError
		}
		mask := d.appendModePage(nil, kind, scsi.ChangeableValues)
		for i := 2; i < len(held); i++ {
			if (pages[i]^held[i])&^mask[i] != 0 {
				return m, scsi.InvalidFieldInParameters
			}
		}
		switch kind {
		case scsi.ModePageCaching:
			p := scsi.ParseCachingPage(pages)
			m.writeCache, m.readCacheDisabled = p.WriteCacheEnabled, p.ReadCacheDisabled
		case scsi.ModePageControl:
			if p, err := scsi.ParseControlPage(pages); err == nil {
				m.descriptorSense, m.softwareWriteProtect = p.DescriptorSense, p.SoftwareWriteLock
			}
		}
		pages = pages[len(held):]
	}
	return m, scsi.NoAdditionalSense
}
