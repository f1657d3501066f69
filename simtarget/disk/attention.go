package disk

import (
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// maxAttentions bounds what waits for one nexus. When it is full the newest condition is dropped: SAM-5 lets a device clear conditions
// that others tell as well, and the older ones tell more.
const maxAttentions = 8

// attentions holds the unit attention conditions that wait for each connected nexus, in the order in which they are told (SAM-5, Section 5.14).
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

// add puts the condition behind those of its precedence, if the nexus is connected and the condition does not wait already. A condition that
// tells of a power on or a reset goes in front of what it makes old (SAM-5, Section 5.14).
func (a *attentions) add(n Nexus, code scsi.ASC) {
	list, known := a.pending[n]
	if !known || code == scsi.NoAdditionalSense || len(list) >= maxAttentions || slices.Contains(list, code) {
		return
	}
	at := len(list)
	for at > 0 && precedence(list[at-1]) > precedence(code) {
		at--
	}
	a.pending[n] = slices.Insert(list, at, code)
}

// precedence orders conditions: those with a lower number are told first.
func precedence(code scsi.ASC) int {
	switch code {
	case scsi.PowerOnOrReset, scsi.PowerOn, scsi.DeviceInternalReset:
		return 0
	case scsi.BusResetOccurred, scsi.MicrocodeChanged:
		return 1
	case scsi.BusDeviceReset:
		return 2
	case scsi.NexusLossOccurred:
		return 3
	}
	return 4
}

func (a *attentions) withdraw(n Nexus, code scsi.ASC) {
	if list, known := a.pending[n]; known {
		a.pending[n] = slices.DeleteFunc(list, func(c scsi.ASC) bool { return c == code })
	}
}

// take hands out the first condition and clears it.
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
