package disk

import (
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// maxAttentions bounds what waits for one nexus. When it is full the newest condition is dropped: SAM-5 lets a device clear conditions
// that others tell as well, and the older ones tell more.
const maxAttentions = 8

// attentions holds the unit attention conditions that wait for each connected nexus, oldest first (SAM-5, Section 5.14).
type attentions struct {
	pending map[Nexus][]scsi.ASC
}

func (a *attentions) connect(n Nexus, code scsi.ASC) {
	if a.pending == nil {
		a.pending = map[Nexus][]scsi.ASC{}
	}
	if _, known := a.pending[n]; !known {
		a.pending[n] = nil
	}
	a.add(n, code)
}

func (a *attentions) disconnect(n Nexus) { delete(a.pending, n) }

// establish adds the condition for every connected nexus but those named. Each gets the same, so the map's order does not show.
func (a *attentions) establish(code scsi.ASC, except ...Nexus) {
	for n := range a.pending {
		if !slices.Contains(except, n) {
			a.add(n, code)
		}
	}
}

// add puts the condition at the end of one nexus's list, if the nexus is connected and the condition does not wait already.
func (a *attentions) add(n Nexus, code scsi.ASC) {
	list, known := a.pending[n]
	if known && code != scsi.NoAdditionalSense && len(list) < maxAttentions && !slices.Contains(list, code) {
		a.pending[n] = append(list, code)
	}
}

func (a *attentions) withdraw(n Nexus, code scsi.ASC) {
	if list, known := a.pending[n]; known {
		a.pending[n] = slices.DeleteFunc(list, func(c scsi.ASC) bool { return c == code })
	}
}

// take hands out the oldest condition and clears it.
func (a *attentions) take(n Nexus) (scsi.ASC, bool) {
	list := a.pending[n]
	if len(list) == 0 {
		return 0, false
	}
	code := list[0]
	a.pending[n] = list[:copy(list, list[1:])]
	return code, true
}

// Waiting tells which unit attention the nexus meets first, and how many wait for it. It takes none away.
func (d *Disk) Waiting(n Nexus) (first scsi.ASC, count int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.attentions.pending[n]
	if len(list) > 0 {
		first = list[0]
	}
	return first, len(list)
}
