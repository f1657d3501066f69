package disk

import (
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// maxRegistrations bounds the registrations of one disk.
const maxRegistrations = 128

// registration is one registered I_T nexus. It outlives the session (RFC 7143, Section 4.4.3.2).
type registration struct {
	nexus Nexus
	key   uint64
}

// persistent is the state of persistent reservations (SPC-4, Section 5.13).
type persistent struct {
	generation    uint32
	registrations []registration // in order of registering
	kind          scsi.ReservationType
	holder        Nexus // meaningful while kind is not 0 and not of all registrants
	keeps         bool  // over a loss of power: APTPL of the last registration
}

func (p *persistent) find(n Nexus) int {
	return slices.IndexFunc(p.registrations, func(r registration) bool { return r.nexus == n })
}

func allRegistrants(kind scsi.ReservationType) bool {
	return kind == scsi.WriteExclusiveAllRegistrants || kind == scsi.ExclusiveAccessAllRegistrants
}

func registrantsOnly(kind scsi.ReservationType) bool {
	return kind == scsi.WriteExclusiveRegistrantsOnly || kind == scsi.ExclusiveAccessRegistrantsOnly
}

func exclusiveAccess(kind scsi.ReservationType) bool {
	return kind == scsi.ExclusiveAccess || kind == scsi.ExclusiveAccessRegistrantsOnly || kind == scsi.ExclusiveAccessAllRegistrants
}

// holds reports whether the nexus is a holder of the reservation that is there.
func (p *persistent) holds(n Nexus) bool {
	if p.kind == 0 {
		return false
	}
	if allRegistrants(p.kind) {
		return p.find(n) >= 0
	}
	return p.holder == n
}

// conflicts reports whether the reservation forbids reading or writing to the nexus.
func (p *persistent) conflicts(n Nexus, kind access, op scsi.Opcode) bool {
	switch {
	case p.kind == 0 || p.holds(n) || op == scsi.OpTestUnitReady:
		return false
	case registrantsOnly(p.kind) && p.find(n) >= 0:
		return false
	}
	return kind == writes || exclusiveAccess(p.kind)
}

// in answers PERSISTENT RESERVE IN (SPC-4, Section 6.15).
func (p *persistent) in(t *Task) {
	b := t.Buffer[:0]
	switch scsi.PersistentInAction(t.Command.ServiceAction) {
	case scsi.ReadKeys:
		keys := make([]uint64, len(p.registrations))
		for i, r := range p.registrations {
			keys[i] = r.key
		}
		b = scsi.AppendKeys(b, p.generation, keys)
	case scsi.ReadReservation:
		b = scsi.AppendReservation(b, p.generation, p.held())
	case scsi.ReportCapabilities:
		b = scsi.PersistentCapabilities{CanPersist: true, Persists: p.keeps}.Append(b)
	case scsi.ReadFullStatus:
		list := make([]scsi.Registrant, len(p.registrations))
		for i, r := range p.registrations {
			list[i] = scsi.Registrant{Key: r.key, Holder: p.holds(r.nexus), Type: p.kind, RelativePort: r.nexus.RelativePort,
				InitiatorPort: r.nexus.InitiatorPort}
		}
		b = scsi.AppendFullStatus(b, p.generation, list)
	}
	t.present(b)
}

func (p *persistent) held() *scsi.Reservation {
	if p.kind == 0 {
		return nil
	}
	held := &scsi.Reservation{Type: p.kind}
	if i := p.find(p.holder); i >= 0 && !allRegistrants(p.kind) {
		held.Key = p.registrations[i].key
	}
	return held
}

// persistentOut executes PERSISTENT RESERVE OUT (SPC-4, Section 6.16). d.mu is held.
func (d *Disk) persistentOut(t *Task) {
	p, action := &d.persistent, scsi.PersistentOutAction(t.Command.ServiceAction)
	if action == scsi.PersistentRegisterAndMove {
		d.registerAndMove(t)
		return
	}
	parameters, err := scsi.ParsePersistentOut(t.DataOut)
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	if parameters.SpecifyPorts || parameters.AllTargetPorts { // REPORT CAPABILITIES claims neither
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	at := p.find(t.Nexus)
	if action == scsi.PersistentRegister || action == scsi.PersistentRegisterAndIgnore {
		d.register(t, at, parameters)
		return
	}
	if at < 0 || p.registrations[at].key != parameters.Key {
		t.Status = scsi.StatusReservationConflict
		return
	}
	switch action {
	case scsi.PersistentReserve:
		d.reserve(t)
	case scsi.PersistentRelease:
		d.release(t)
	case scsi.PersistentClear:
		p.generation++
		d.tellRegistrants(scsi.ReservationsPreempted, t.Nexus)
		p.registrations, p.kind = nil, 0
	case scsi.PersistentPreempt, scsi.PersistentPreemptAbort:
		d.preempt(t, parameters.ServiceActionKey)
	}
}

func (d *Disk) register(t *Task, at int, parameters scsi.PersistentOutParameters) {
	p, fresh := &d.persistent, parameters.ServiceActionKey
	if t.Command.ServiceAction == byte(scsi.PersistentRegister) {
		registered := uint64(0)
		if at >= 0 {
			registered = p.registrations[at].key
		}
		if parameters.Key != registered {
			t.Status = scsi.StatusReservationConflict
			return
		}
	}
	switch {
	case at < 0 && fresh == 0: // nothing to take away
		return
	case at < 0 && len(p.registrations) >= maxRegistrations:
		t.fail(scsi.IllegalRequest, scsi.InsufficientRegistration)
		return
	case at < 0:
		p.registrations = append(p.registrations, registration{nexus: t.Nexus, key: fresh})
	case fresh == 0:
		d.unregister(t.Nexus, at)
	default:
		p.registrations[at].key = fresh
	}
	p.generation++
	p.keeps = parameters.PersistPowerLoss
}

// unregister takes a registration away, and the reservation with it when this was its last or only holder; registrants of a reservation for
// registrants are told (SPC-4, Section 5.13.11.3).
func (d *Disk) unregister(n Nexus, at int) {
	p := &d.persistent
	held := p.holds(n)
	p.registrations = slices.Delete(p.registrations, at, at+1)
	if !held || allRegistrants(p.kind) && len(p.registrations) > 0 {
		return
	}
	if registrantsOnly(p.kind) {
		d.tellRegistrants(scsi.ReservationsReleased, n)
	}
	p.kind = 0
}

// tellRegistrants establishes a unit attention for all registered nexuses but one.
func (d *Disk) tellRegistrants(code scsi.ASC, except Nexus) {
	for _, r := range d.persistent.registrations {
		if r.nexus != except {
			d.attentions.add(r.nexus, code)
		}
	}
}

func validReservation(c *scsi.Command) bool {
	return c.ReservationScope == 0 && c.ReservationType <= 8 && 1<<c.ReservationType&0b1_1110_1010 != 0
}

func (d *Disk) reserve(t *Task) {
	p := &d.persistent
	switch {
	case !validReservation(&t.Command):
		t.invalidField(2)
	case p.kind == 0:
		p.kind, p.holder = t.Command.ReservationType, t.Nexus
	case !p.holds(t.Nexus) || p.kind != t.Command.ReservationType:
		t.Status = scsi.StatusReservationConflict
	}
}

func (d *Disk) release(t *Task) {
	p := &d.persistent
	switch {
	case p.kind == 0 || !p.holds(t.Nexus): // no error, and nothing happens
	case t.Command.ReservationScope != 0 || p.kind != t.Command.ReservationType:
		t.fail(scsi.IllegalRequest, scsi.InvalidReleaseOfPersistent)
	default:
		if p.kind != scsi.WriteExclusive && p.kind != scsi.ExclusiveAccess {
			d.tellRegistrants(scsi.ReservationsReleased, t.Nexus)
		}
		p.kind = 0
	}
}

// preempt takes away the registrations with a key, and the reservation when the key is its holder's (SPC-4, Section 5.13.11.4). Who
// loses a registration forbids the removal of the medium no longer; PREEMPT AND ABORT names them in Task.Aborted.
func (d *Disk) preempt(t *Task, key uint64) {
	p := &d.persistent
	all := allRegistrants(p.kind)
	takesOver := p.kind != 0 && (all && key == 0 || !all && p.holderKey() == key)
	switch {
	case takesOver && !validReservation(&t.Command):
		t.invalidField(2)
		return
	case key == 0 && !takesOver:
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	removed := 0
	p.registrations = slices.DeleteFunc(p.registrations, func(r registration) bool {
		goes := r.nexus != t.Nexus && (r.key == key || all && key == 0)
		if goes {
			removed++
			d.attentions.add(r.nexus, scsi.RegistrationsPreempted)
			d.preventRemoval(r.nexus, false)
			if t.Command.ServiceAction == byte(scsi.PersistentPreemptAbort) {
				t.Aborted = append(t.Aborted, r.nexus)
			}
		}
		return goes
	})
	if removed == 0 && !takesOver {
		t.Status = scsi.StatusReservationConflict
		return
	}
	p.generation++
	if takesOver {
		if p.kind != t.Command.ReservationType && p.kind != scsi.WriteExclusive && p.kind != scsi.ExclusiveAccess {
			d.tellRegistrants(scsi.ReservationsReleased, t.Nexus)
		}
		p.kind, p.holder = t.Command.ReservationType, t.Nexus
	}
}

// holderKey returns the key of the nexus that holds a reservation of one holder.
func (p *persistent) holderKey() uint64 {
	if i := p.find(p.holder); i >= 0 {
		return p.registrations[i].key
	}
	return 0
}
