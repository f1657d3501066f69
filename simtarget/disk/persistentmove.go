package disk

import (
	"strings"

	"github.com/iscsispec/iscsispec/scsi"
)

// registerAndMove gives the reservation of the sender to another nexus, and registers that (SPC-4, Section 5.13.8). d.mu is held.
func (d *Disk) registerAndMove(t *Task) {
	p := &d.persistent
	move, err := scsi.ParsePersistentMove(t.DataOut)
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	at := p.find(t.Nexus)
	if at < 0 || p.registrations[at].key != move.Key || p.kind != 0 && !p.holds(t.Nexus) {
		t.Status = scsi.StatusReservationConflict
		return
	}
	target, found := d.movable(move)
	switch {
	case p.kind == 0 || allRegistrants(p.kind): // there is no one holder to take it from
		t.Status = scsi.StatusReservationConflict
		return
	case move.ServiceActionKey == 0 || !found || target == t.Nexus:
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	switch to := p.find(target); {
	case to >= 0:
		p.registrations[to].key = move.ServiceActionKey
	case len(p.registrations) >= maxRegistrations:
		t.fail(scsi.IllegalRequest, scsi.InsufficientRegistration)
		return
	default:
		p.registrations = append(p.registrations, registration{nexus: target, key: move.ServiceActionKey})
	}
	p.holder, p.keeps = target, move.PersistPowerLoss
	if move.Unregister {
		p.registrations = append(p.registrations[:at:at], p.registrations[at+1:]...)
	}
	p.generation++
}

// movable finds the nexus that a TransportID and a relative target port name, among those that are connected.
func (d *Disk) movable(move scsi.PersistentMove) (Nexus, bool) {
	for n := range d.attentions.pending { // at most one matches, so the order does not show
		if n.RelativePort == move.RelativePort && strings.EqualFold(n.InitiatorPort, move.InitiatorPort) {
			return n, true
		}
	}
	return Nexus{}, false
}
