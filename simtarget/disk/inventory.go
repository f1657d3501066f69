package disk

import (
	"cmp"
	"slices"
	"sync"

	"github.com/iscsispec/iscsispec/scsi"
)

// Inventory is the logical units of one target: what stands behind which LUN, and which nexuses are to be told when that changes
// (SAM-5, Section 4.6). It answers what belongs to the target as a whole: REPORT LUNS, and commands to LUNs that do not exist. All methods may be
// called from many goroutines at once.
type Inventory struct {
	mu     sync.Mutex
	places []place // in ascending order of the numbers
	nexus  []Nexus // those connected, in order of connecting
}

type place struct {
	lun  scsi.LUN
	unit LogicalUnit
}

// NewInventory returns an inventory without logical units.
func NewInventory() *Inventory { return &Inventory{} }

// find returns where the LUN is or belongs. LUNs that write the same number in different forms are the same place.
func (i *Inventory) find(lun scsi.LUN) (int, bool) {
	return slices.BinarySearchFunc(i.places, lun, func(p place, lun scsi.LUN) int { return cmp.Compare(order(p.lun), order(lun)) })
}

// order makes the numbers of single level LUNs come first, in their order.
func order(lun scsi.LUN) uint64 {
	if n, ok := lun.Number(); ok {
		return uint64(n)
	}
	return 1<<63 | uint64(lun)>>1
}

// Put sets a unit behind a LUN, in the place of what was there; REPORT LUNS tells lun as it is given here. The unit learns of the
// connected nexuses. With announce they get the unit attention REPORTED LUNS DATA HAS CHANGED on every unit.
func (i *Inventory) Put(lun scsi.LUN, unit LogicalUnit, announce bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range i.nexus {
		unit.Connect(n, scsi.NoAdditionalSense)
	}
	if at, found := i.find(lun); found {
		i.places[at] = place{lun, unit}
	} else {
		i.places = slices.Insert(i.places, at, place{lun, unit})
	}
	i.announce(announce)
}

// Remove takes the unit from a LUN and reports whether there was one. With announce the connected nexuses get the unit attention
// REPORTED LUNS DATA HAS CHANGED on every unit that stays.
func (i *Inventory) Remove(lun scsi.LUN, announce bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, found := i.find(lun)
	if found {
		i.places = slices.Delete(i.places, at, at+1)
		i.announce(announce)
	}
	return found
}

// announce tells the nexuses of this inventory only: a unit may stand in several.
func (i *Inventory) announce(announce bool) {
	if announce {
		i.attention(scsi.LUNsDataChanged)
	}
}

func (i *Inventory) attention(code scsi.ASC) {
	for _, p := range i.places {
		for _, n := range i.nexus {
			p.unit.Connect(n, code) // a nexus that is known already only gets the condition
		}
	}
}

// LUNs lists the LUNs as REPORT LUNS does, in ascending order of their numbers.
func (i *Inventory) LUNs() []scsi.LUN {
	i.mu.Lock()
	defer i.mu.Unlock()
	luns := make([]scsi.LUN, len(i.places))
	for at, p := range i.places {
		luns[at] = p.lun
	}
	return luns
}

// Unit returns what stands behind a LUN.
func (i *Inventory) Unit(lun scsi.LUN) (LogicalUnit, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, found := i.find(lun)
	if !found {
		return nil, false
	}
	return i.places[at].unit, true
}

func (i *Inventory) units() []LogicalUnit {
	i.mu.Lock()
	defer i.mu.Unlock()
	units := make([]LogicalUnit, len(i.places))
	for at, p := range i.places {
		units[at] = p.unit
	}
	return units
}

// Connect makes a nexus known to all units. With a code other than scsi.NoAdditionalSense each unit ends the nexus's first command there
// with that unit attention: scsi.PowerOnOrReset for a new nexus, scsi.NexusLossOccurred for one that was lost.
func (i *Inventory) Connect(n Nexus, code scsi.ASC) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.nexus, n) {
		i.nexus = append(i.nexus, n)
	}
	for _, p := range i.places {
		p.unit.Connect(n, code)
	}
}

// Disconnect tells all units of the loss of a nexus.
func (i *Inventory) Disconnect(n Nexus) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.nexus = slices.DeleteFunc(i.nexus, func(known Nexus) bool { return known == n })
	for _, p := range i.places {
		p.unit.Disconnect(n)
	}
}

// Attention establishes a unit attention on all units for the nexuses connected here.
func (i *Inventory) Attention(code scsi.ASC) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.attention(code)
}

// Reset resets all units, as a target reset does; their connected nexuses but those named get the unit attention.
func (i *Inventory) Reset(code scsi.ASC, except ...Nexus) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.places {
		p.unit.Reset(code, except...)
	}
}

// PowerCycle takes the power from all units and gives it back; their connected nexuses get the unit attention. A unit that knows no loss of
// power is reset.
func (i *Inventory) PowerCycle(code scsi.ASC) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.places {
		if unit, knows := p.unit.(interface{ PowerCycle(scsi.ASC) }); knows {
			unit.PowerCycle(code)
			continue
		}
		p.unit.Reset(code)
	}
}

// Begin looks at a command to a LUN before its data move: see LogicalUnit.Begin.
func (i *Inventory) Begin(lun scsi.LUN, t *Task) bool {
	unit, found := i.Unit(lun)
	t.unit, t.inventory = unit, i
	if len(t.CDB) > 0 && scsi.Opcode(t.CDB[0]) == scsi.OpReportLUNs {
		return i.reportLUNs(t)
	}
	if !found {
		return absent(t)
	}
	return unit.Begin(t)
}

// Execute ends a command that Begin accepted. It calls Begin itself when nobody has.
func (i *Inventory) Execute(lun scsi.LUN, t *Task) {
	if t.unit == nil && i.Begin(lun, t) {
		return
	}
	t.unit.Execute(t)
}

// reportLUNs ends REPORT LUNS, whatever LUN it was sent to, and withdraws the unit attention that tells to send it (SPC-4,
// Section 6.33).
func (i *Inventory) reportLUNs(t *Task) bool {
	command, err := scsi.ParseCommand(t.CDB)
	t.Command = command
	if err != nil {
		return t.refuse(err, true)
	}
	direction, length := command.Transfer(1)
	t.Direction, t.Length = direction, int(length)
	var luns []scsi.LUN
	switch command.Report {
	case scsi.ReportAddressed, scsi.ReportAll:
		luns = i.LUNs()
	case scsi.ReportWellKnown:
	default:
		return t.invalidField(2)
	}
	t.present(scsi.AppendLUNList(t.Buffer[:0], luns))
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.places {
		p.unit.ClearAttention(t.Nexus, scsi.LUNsDataChanged)
	}
	return true
}

// absent ends a command to a LUN that does not exist: INQUIRY tells so in its qualifier, REQUEST SENSE in its data, all else with LOGICAL
// UNIT NOT SUPPORTED (SPC-4, Section 5.11 on incorrect logical unit numbers).
func absent(t *Task) bool {
	command, err := scsi.ParseCommand(t.CDB)
	t.Command = command
	notSupported := scsi.NewSense(scsi.IllegalRequest, scsi.LUNNotSupported)
	if err == nil {
		direction, length := command.Transfer(512)
		switch {
		case command.Opcode == scsi.OpInquiry && !command.EVPD && command.Page == 0:
			t.Direction, t.Length = direction, int(length)
			data := scsi.InquiryData{Qualifier: scsi.NotCapable, DeviceType: scsi.TypeNone, Version: 6, ResponseDataFormat: 2}
			t.present(data.Append(t.Buffer[:0]))
			return true
		case command.Opcode == scsi.OpRequestSense && !command.DescriptorSense:
			t.Direction, t.Length = direction, int(length)
			t.present(notSupported.Append(t.Buffer[:0]))
			return true
		}
	}
	t.Fail(notSupported)
	return true
}
