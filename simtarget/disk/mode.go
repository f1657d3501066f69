package disk

import "github.com/iscsispec/iscsispec/scsi"

// modeSense presents the mode pages: caching (a disk in memory is as good as written through) and control. Nothing can be changed by
// MODE SELECT, so the changeable values are all zeros (SPC-4, Section 6.13). d.mu is held.
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
	for _, p := range []scsi.ModePage{scsi.ModePageCaching, scsi.ModePageControl} {
		if all || scsi.ModePage(c.Page) == p {
			pages = appendModePage(pages, p, c.PageControl)
		}
	}
	if pages == nil {
		t.invalidField(2)
		return
	}
	data := scsi.ModeData{WriteProtected: d.readOnly, DPOFUA: true, HasBlocks: !c.NoBlockDesc, Blocks: d.blocks,
		BlockSize: uint32(d.blockSize), Pages: pages}
	if c.Opcode == scsi.OpModeSense6 {
		t.present(data.Append6(t.Buffer[:0]))
		return
	}
	t.present(data.Append10(t.Buffer[:0]))
}

func appendModePage(b []byte, page scsi.ModePage, control scsi.PageControl) []byte {
	at := len(b)
	switch page {
	case scsi.ModePageCaching:
		b = scsi.CachingPage{}.Append(b)
	case scsi.ModePageControl:
		b = scsi.ControlPage{UnrestrictedQueue: true, BusyTimeout: 0xffff}.Append(b)
	}
	if control == scsi.ChangeableValues {
		clear(b[at+2:])
	}
	return b
}
