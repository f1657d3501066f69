package disk

// logSense presents log pages: which there are, and that there is no informational exception (SPC-4, Sections 6.8 and 7.3). d.mu is held.
func (d *Disk) logSense(t *Task) {
	const supportedPages, informationalExceptions = 0x00, 0x2f
	c := &t.Command
	switch {
	case c.Subpage != 0:
		t.invalidField(3)
	case c.Page == supportedPages:
		t.present(append(t.Buffer[:0], supportedPages, 0, 0, 2, supportedPages, informationalExceptions))
	case c.Page == informationalExceptions: // one parameter: code 0, a list in binary format, no sense code, no temperature
		t.present(append(t.Buffer[:0], informationalExceptions, 0, 0, 8, 0, 0, 3, 4, 0, 0, 0, 0))
	default:
		t.invalidField(2)
	}
}
