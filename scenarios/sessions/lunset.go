package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows lunset.*: what becomes of devices and requests where the units are others after an outage.

// unitSize is that of the units that come in.
const unitSize = 64 << 20

// By the rows, counted from the re-login: how long a new unit may take to arrive, and one that is gone to leave.
const (
	arrivesWithin = 10 * time.Second
	leavesWithin  = 30 * time.Second
)

func lunsetChecks() []Check {
	return []Check{{
		ID:      "lunset.lun-added-while-down",
		Accepts: []string{"a device for LUN 2 within 10 s of the re-login, with a unit attention and without, LUNs 0 and 1 undisturbed"},
		Runs: []Plan{
			lunAdded("with a unit attention", true),
			lunAdded("without a unit attention", false),
		},
		Judge: judgeLUNAdded,
		Defects: []Defect{
			{Name: "Devices.NoRescanOnRelogin", Set: func(d *initiator.Deviations) { d.Devices.NoRescanOnRelogin = true }},
			{Name: "Devices.EnumerateOnce", Set: func(d *initiator.Deviations) { d.Devices.EnumerateOnce = true }},
		},
	}, {
		ID:      "lunset.lun-removed-while-down",
		Accepts: []string{"writes to LUNs 0 and 1 GOOD, those to LUN 5 failed by the target's status or DEVICE-REMOVED, device 5 gone within 30 s"},
		Runs: []Plan{{
			Arrays: []Array{{LUNs: []uint32{0, 1, 5}}},
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 9, Step: 1, LUNs: []int{0, 1, 5}, Write: &Write{LBA: ownBlocks}}},
				{After: "cut", At: seconds(2), Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Remove: []uint32{5}}}}},
				healed(seconds(7)),
				{Label: "after", After: "cut", At: seconds(45), Do: ListDevices{}},
			}),
			Until: seconds(60),
		}},
		Judge: judgeLUNRemoved,
		Defects: []Defect{
			{Name: "Queue.RetryAbsentUnit", Set: func(d *initiator.Deviations) { d.Queue.RetryAbsentUnit = true }},
			{Name: "Devices.EnumerateOnce", Set: func(d *initiator.Deviations) { d.Devices.EnumerateOnce = true }},
		},
	}, {
		ID:      "lunset.lun-resized-while-down",
		Accepts: []string{"the device with 128 MiB within 30 s of the re-login, and its last block readable"},
		Runs:    []Plan{lunResized("with a unit attention", true), lunResized("without a unit attention", false)},
		Judge:   judgeLUNResized,
		Defects: []Defect{
			{Name: "Devices.KeepSize", Set: func(d *initiator.Deviations) { d.Devices.KeepSize = true }},
		},
	}, {
		ID:      "lunset.identity-swapped-while-down",
		Accepts: []string{"the queued writes DEVICE-REMOVED, none at the other unit, which arrives as a new device"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 4, Step: 1, Write: &Write{LBA: ownBlocks}}},
				{After: "cut", At: seconds(2), Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{
					Add: []simtarget.LUN{{Number: 0, Size: unitSize, Serial: "the-other-unit"}}}}}},
				healed(seconds(7)),
				{Label: "after", After: "cut", At: seconds(30), Do: ListDevices{}},
				{Label: "read", Deadline: seconds(5), Do: Read{LBA: ownBlocks}},
			}),
			Until: seconds(50),
		}},
		Judge: judgeIdentitySwapped,
		Defects: []Defect{
			{Name: "Devices.IgnoreIdentity", Set: func(d *initiator.Deviations) { d.Devices.IgnoreIdentity = true }},
		},
	}}
}

// lunAdded puts in LUN 2 during an outage. With an attention, the first command afterwards hears that REPORTED LUNS DATA HAS CHANGED, even if it is REPORT
// LUNS, which a unit attention spares.
func lunAdded(name string, attention bool) Plan {
	steps := slices.Concat(established(), outage(seconds(10)), []Step{
		{After: "cut", At: seconds(2), Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Add: []simtarget.LUN{{Number: 2, Size: unitSize}}}}}},
	})
	if attention {
		changed := simtarget.CommandRule{Status: byte(scsi.StatusCheckCondition), Sense: simtarget.SenseCode{Key: 6, Code: 0x3f, Qualifier: 0x0e}}
		steps = append(steps, Step{Do: ArrayOp{Action: simtarget.Action{Command: &changed}}})
	}
	steps = append(steps, healed(seconds(10)), Step{Label: "after", After: "cut", At: seconds(40), Do: ListDevices{}})
	return Plan{Name: name, Arrays: []Array{{LUNs: []uint32{0, 1}}}, Steps: steps, Until: seconds(60)}
}

// lunResized doubles LUN 0 during an outage. With an attention, the first command afterwards hears that CAPACITY DATA HAS CHANGED.
func lunResized(name string, attention bool) Plan {
	steps := slices.Concat(established(), outage(seconds(10)), []Step{
		{After: "cut", At: seconds(2), Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Add: []simtarget.LUN{{Number: 0, Size: 2 * unitSize}}}}}},
	})
	if attention {
		changed := simtarget.CommandRule{Status: byte(scsi.StatusCheckCondition), Sense: simtarget.SenseCode{Key: 6, Code: 0x2a, Qualifier: 0x09}}
		steps = append(steps, Step{Do: ArrayOp{Action: simtarget.Action{Command: &changed}}})
	}
	return Plan{Name: name, Until: seconds(60), Steps: append(steps, healed(seconds(7)),
		Step{Label: "after", After: "heal", At: defaultInterval + leavesWithin, Do: ListDevices{}},
		Step{Label: "read", Deadline: seconds(5), Do: Read{LBA: 2*unitSize/blockSize - 1}})}
}

func judgeLUNResized(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		id := r.Session("s")
		back, ok := backAfter(j, r)
		if !ok {
			continue
		}
		if heard := r.attentions(back, scsi.CapacityDataChanged); i == 0 && len(heard) == 0 {
			j.Unclear("the unit attention", "none was heard")
		}
		listing := r.Op("after")
		rows := listing.DevicesOf(id)
		if j.Count("devices", len(rows), 1, 1, listing.Evidence()...) {
			j.Equal("blocks listed", rows[0].Blocks, 2*unitSize/blockSize, rows[0].Event)
		}
		j.None("devices that left", "none", DeviceEvents(Since(r.Devices(id, DeviceGone), r.At("cut"))))
		j.Outcome(r.Op("read"), Good)
	}
}

// backAfter expects the session to be back within one interval of the heal, and gives the instant.
func backAfter(j *Judge, r *Run) (time.Duration, bool) {
	if !j.Outcome(r.Op("s"), OK) {
		return -1, false
	}
	heal := r.At("heal")
	back := r.Regained(r.Session("s"), heal)
	return back, j.Within("the re-login, counted from the heal", max(back-heal, -1), 0, defaultInterval+Slack)
}

func judgeLUNAdded(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		id := r.Session("s")
		back, ok := backAfter(j, r)
		if !ok {
			continue
		}
		if heard := r.attentions(back, scsi.LUNsDataChanged); (len(heard) > 0) != (i == 0) {
			j.Unclear("the unit attention", fmt.Sprintf("%d were heard", len(heard)), Events(heard)...)
		}
		asked := Picked(r.Commands(From(back)), -1, scsi.OpReportLUNs)
		j.Count("REPORT LUNS after the re-login", len(asked), 1, 8, CommandEvents(asked)...)
		changes := Since(r.Devices(id, DeviceArrived, DeviceGone), r.At("cut"))
		if j.Count("devices that arrived or left", len(changes), 1, 1, DeviceEvents(changes)...) {
			c := changes[0]
			j.Equal("what happened", fmt.Sprintf("LUN %d %s", c.LUN, c.State), "LUN 2 arrived", c.Event)
			j.Within("its arrival, counted from the re-login", c.At-back, 0, arrivesWithin, c.Event)
		}
		judgeUnits(j, r.Op("after"), id, 0, 1, 2)
	}
}

// judgeUnits expects a listing to show a session's devices at some LUNs, all usable.
func judgeUnits(j *Judge, listing OpRun, session uint64, luns ...int) {
	var listed []int
	for _, d := range listing.DevicesOf(session) {
		if !d.Blocked {
			listed = append(listed, d.LUN())
		}
	}
	slices.Sort(listed)
	j.Equal("LUNs of the usable devices", listed, luns, listing.Evidence()...)
}

// attentions gives the answers from t on that carry a unit attention with an additional sense code.
func (r *Run) attentions(t time.Duration, code scsi.ASC) []Wire {
	return r.PDUs(FromTarget, Opcode(pdu.OpSCSIResponse), From(t), func(w Wire) bool {
		p, ok := w.PDU.(*pdu.SCSIResponse)
		if !ok || len(p.Data) < 2 {
			return false
		}
		sense, err := scsi.ParseSense(p.Data[2:])
		return err == nil && sense.Key == scsi.UnitAttention && sense.Code == code
	})
}

func judgeLUNRemoved(j *Judge, runs []*Run) {
	r := runs[0]
	id := r.Session("s")
	back, ok := backAfter(j, r)
	if !ok {
		return
	}
	var absent, present []OpRun
	for _, o := range r.Ops("write") {
		if o.LUN == 5 {
			absent = append(absent, o)
		} else {
			present = append(present, o)
		}
	}
	j.Count("writes to LUN 5", len(absent), 3, 3)
	j.Count("writes to LUNs 0 and 1", len(present), 6, 6)
	j.Outcomes("writes to LUNs 0 and 1", present, Good)
	j.Outcomes("writes to LUN 5", absent, DeviceRemoved, CheckCondition)
	for _, o := range absent {
		if o.Is(CheckCondition) {
			j.Equal("sense of a write to LUN 5", o.Sense, "05/25/00", o.Evidence()...)
		}
	}
	gone := Since(r.Devices(id, DeviceGone), r.At("cut"))
	if j.Count("devices that left", len(gone), 1, 1, DeviceEvents(gone)...) {
		j.Equal("the LUN of the one that left", gone[0].LUN, 5, gone[0].Event)
		j.Within("its removal, counted from the re-login", gone[0].At-back, 0, leavesWithin, gone[0].Event)
	}
	judgeUnits(j, r.Op("after"), id, 0, 1)
}

func judgeIdentitySwapped(j *Judge, runs []*Run) {
	r := runs[0]
	id := r.Session("s")
	back, ok := backAfter(j, r)
	if !ok {
		return
	}
	j.Outcomes("the queued writes", r.Ops("write"), DeviceRemoved)
	cut := r.At("cut")
	j.None("writes on the wire after the outage", "none", CommandEvents(Picked(r.Commands(From(cut)), -1, scsi.OpWrite10, scsi.OpWrite16)))
	if o := r.Op("read"); j.Outcome(o, Good) {
		j.Equal("the first block that a write was for begins with", o.Head[:min(16, len(o.Head))], fmt.Sprintf("%016x", ownBlocks), o.Evidence()...)
	}
	before := r.Devices(id, DeviceArrived)
	arrived, gone := Since(before, back), Since(r.Devices(id, DeviceGone), back)
	j.Count("devices that left", len(gone), 1, 1, DeviceEvents(gone)...)
	if j.Count("devices that arrived", len(arrived), 1, 1, DeviceEvents(arrived)...) {
		j.Want(arrived[0].Device != before[0].Device, "name of the device that arrived", "another than "+before[0].Device, arrived[0].Device, arrived[0].Event)
	}
	judgeUnits(j, r.Op("after"), id, 0)
}
