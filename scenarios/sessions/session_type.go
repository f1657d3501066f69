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

// The group session-lifecycle, rows session-login.* and session-type.*: the four kinds, and what each may do.

// The kinds by their names.
const (
	kindDiscovery     = "discovery"
	kindInformational = "informational"
	kindData          = "data"
	kindBoot          = "boot"
)

func sessionTypeChecks() []Check {
	return slices.Concat(sessionLoginChecks(), discoveryKindChecks(), informationalKindChecks(), dataKindChecks())
}

func sessionLoginChecks() []Check {
	return []Check{{
		ID:      "session-login.portal-selected",
		Accepts: []string{"a connection to the chosen portal alone; for a target that is not there, status 0x0203 and nothing listed"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Until: seconds(20), Steps: []Step{
			{Label: "s", Do: Login{Portal: "B"}},
			{Label: "unknown", Do: Login{Portal: "B", Target: TargetName(9)}, Deadline: seconds(10)},
			{Label: "list", Do: ListSessions{}},
		}}},
		Judge: judgePortalSelected,
		Defects: []Defect{
			{Name: "Paths.PortalForDiscoveryOnly", Set: func(d *initiator.Deviations) { d.Paths.PortalForDiscoveryOnly = true }},
		},
	}, {
		ID:      "session-login.all-kinds-accepted",
		Accepts: []string{"the four kinds accepted; another refused with NOT-SUPPORTED and no connection"},
		Runs: []Plan{{Arrays: []Array{{Targets: 5}}, Until: seconds(20), Steps: []Step{
			{Label: kindDiscovery, Do: Login{Kind: kindDiscovery}},
			{Label: kindInformational, Do: Login{Kind: kindInformational, Target: TargetName(2)}},
			{Label: kindData, Do: Login{Kind: kindData, Target: TargetName(3)}},
			{Label: kindBoot, Do: Login{Kind: kindBoot, Target: TargetName(4)}},
			{Label: "unknown", At: seconds(10), Do: Login{Kind: "floppy", Target: TargetName(5)}},
		}}},
		Judge: func(j *Judge, runs []*Run) {
			r := runs[0]
			for _, kind := range []string{kindDiscovery, kindInformational, kindData, kindBoot} {
				j.Outcome(r.Op(kind), OK)
			}
			j.Outcome(r.Op("unknown"), NotSupported)
			j.None("connections for the unknown kind", "none", DialEvents(r.Dials(DialledFrom(r.Op("unknown").Begin))))
		},
		Defects: []Defect{
			{Name: "Kinds.UnknownIsData", Set: func(d *initiator.Deviations) { d.Kinds.UnknownIsData = true }},
		},
	}, {
		ID:      "session-type.four-kinds-listed",
		Accepts: []string{"four entries, each with the kind asked for; informational and data with ISIDs of their own"},
		Runs: []Plan{{Arrays: []Array{{Targets: 2}}, Until: seconds(20), Steps: []Step{
			{Label: kindDiscovery, Do: Login{Kind: kindDiscovery}},
			{Label: kindInformational, Do: Login{Kind: kindInformational}},
			{Label: kindData, Do: Login{Kind: kindData}},
			{Label: kindBoot, Do: Login{Kind: kindBoot, Target: TargetName(2)}},
			{Label: "list", Do: ListSessions{}},
		}}},
		Judge: judgeFourKinds,
		Defects: []Defect{
			{Name: "Listing.KindDataAlways", Set: func(d *initiator.Deviations) { d.Listing.KindDataAlways = true }},
		},
	}}
}

func discoveryKindChecks() []Check {
	return []Check{{
		ID:      "session-type.discovery.only-sendtargets",
		Accepts: []string{"nothing but Login, Text, NOP-Out and Logout on the wire, and NOT-SUPPORTED for a read"},
		Runs: []Plan{{Steps: []Step{
			{Label: "s", Do: Login{Kind: kindDiscovery}},
			{Label: "discover", Do: Discover{}},
			{Label: "read", Do: Read{Session: "s"}, Deadline: seconds(10)},
		}, Until: seconds(40)}},
		Judge: judgeOnlySendTargets,
		Defects: []Defect{
			{Name: "Kinds.DiscoveryProbes", Set: func(d *initiator.Deviations) { d.Kinds.DiscoveryProbes = true }},
		},
	}, {
		ID:      "session-type.discovery.not-reconnected",
		Accepts: []string{"no new login for the discovery session, and an unfinished discovery that ends with an error"},
		Runs: []Plan{
			{Name: "before the answer", Until: seconds(75), Steps: []Step{
				{Label: "s", Do: Login{Kind: kindDiscovery}},
				{Do: ArrayOp{Action: simtarget.Action{Text: &simtarget.TextRule{Silence: true}}}},
				{Label: "discover", At: seconds(9), Async: true, Deadline: seconds(30), Do: Discover{}},
				{Label: "cut", At: seconds(10), Do: Sever{}},
			}},
			{Name: "after the answer", Until: seconds(75), Steps: []Step{
				{Label: "s", Do: Login{Kind: kindDiscovery}},
				{Label: "discover", At: seconds(9), Do: Discover{}},
				{Label: "cut", At: seconds(10), Do: Sever{}},
			}},
		},
		Judge: judgeDiscoveryNotReconnected,
		Defects: []Defect{
			{Name: "Reconnect.DiscoveryToo", Set: func(d *initiator.Deviations) { d.Reconnect.DiscoveryToo = true }},
		},
	}}
}

func informationalKindChecks() []Check {
	informational := []Step{{Label: "s", Do: Login{Kind: kindInformational}}}
	return []Check{{
		ID:      "session-type.informational.reconnects",
		Accepts: []string{"attempts on the cadence, success once the link is back, the same ID and kind"},
		Runs: []Plan{{Steps: slices.Concat(informational, outage(seconds(10)), []Step{
			healed(seconds(12)),
			{Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeInformationalReconnects,
		Defects: []Defect{
			{Name: "Reconnect.OnlyWithDevices", Set: func(d *initiator.Deviations) { d.Reconnect.OnlyWithDevices = true }},
		},
	}, {
		ID:      "session-type.informational.requests-while-down",
		Accepts: []string{"INQUIRY and REPORT LUNS from the saved data at once; READ CAPACITY times out after its 10 s, or succeeds when the link is back first"},
		Runs:    []Plan{informationalDown("never healed", 0), informationalDown("healed after 6 s", seconds(6))},
		Judge:   judgeInformationalDown,
		Defects: []Defect{
			{Name: "Kinds.InformationalHangsWhileDown", Set: func(d *initiator.Deviations) { d.Kinds.InformationalHangsWhileDown = true }},
		},
	}, {
		ID:      "session-type.informational.no-luns-surfaced",
		Accepts: []string{"no device from this session at any time"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1, 2, 3}}}, Until: seconds(60), Steps: slices.Concat(informational, []Step{
			{Label: "devices", Do: ListDevices{}},
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Label: "devices", At: seconds(20), Do: ListDevices{}},
			{Label: "cut", At: seconds(21), Do: Sever{}},
			{Label: "devices", At: seconds(31), Do: ListDevices{}},
			{Do: ArrayOp{Action: simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncSCSI, Sense: simtarget.SenseCode{Key: 6, Code: 0x3f, Qualifier: 0x0e}}}}},
			{Label: "devices", At: seconds(41), Do: ListDevices{}},
		})}},
		Judge: judgeNoDevices,
		Defects: []Defect{
			{Name: "Kinds.InformationalSurfaces", Set: func(d *initiator.Deviations) { d.Kinds.InformationalSurfaces = true }},
		},
	}, {
		ID:      "session-type.informational.management-queries",
		Accepts: []string{"each query on the wire, and the target's answer byte for byte, CHECK CONDITION for an absent unit"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1}}}, Until: seconds(30), Steps: slices.Concat(informational, []Step{
			{Label: "inquiry", At: seconds(10), Deadline: seconds(5), Do: Inquiry{}},
			{Label: "luns", Deadline: seconds(5), Do: ReportLUNs{}},
			{Label: "capacity", Deadline: seconds(5), Do: ReadCapacity{}},
			{Label: "inquiry-3", Deadline: seconds(5), Do: Inquiry{LUN: 3}},
			{Label: "capacity-3", Deadline: seconds(5), Do: ReadCapacity{LUN: 3}},
		})}},
		Judge: judgeManagementQueries,
		Defects: []Defect{
			{Name: "Kinds.InformationalRefuses", Set: func(d *initiator.Deviations) { d.Kinds.InformationalRefuses = true }},
		},
	}}
}

func dataKindChecks() []Check {
	return []Check{{
		ID:      "session-type.data.luns-reported",
		Accepts: []string{"three devices with the units' numbers, sizes and identities, and a read through each"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1, 5}}}, Until: seconds(20), Steps: slices.Concat(established(), []Step{
			{Label: "devices", At: seconds(9), Do: ListDevices{}},
			{Label: "read.0", Deadline: seconds(5), Do: Read{LUN: 0, Blocks: probeBlocks}},
			{Label: "read.1", Deadline: seconds(5), Do: Read{LUN: 1, Blocks: probeBlocks}},
			{Label: "read.5", Deadline: seconds(5), Do: Read{LUN: 5, Blocks: probeBlocks}},
		})}},
		Judge: judgeLUNsReported,
		Defects: []Defect{
			{Name: "Devices.StopAtGap", Set: func(d *initiator.Deviations) { d.Devices.StopAtGap = true }},
		},
	}, {
		ID:      "session-type.boot.full-featured",
		Accepts: []string{"kind boot, normal I/O, LUN 0 marked as the boot device, SessionType Normal or left out on the wire"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1}}}, Until: seconds(20), Steps: []Step{
			{Label: "s", Do: Login{Kind: kindBoot}, Deadline: seconds(20)},
			{Label: "probe", Deadline: seconds(5), Do: Probe{}},
			{Label: "list", Do: ListSessions{}},
			{Label: "devices", Do: ListDevices{}},
		}}},
		Judge: judgeBoot,
		Defects: []Defect{
			{Name: "Kinds.BootKeyOnWire", Set: func(d *initiator.Deviations) { d.Kinds.BootKeyOnWire = true }},
		},
	}, {
		ID:      "session-type.boot.reconnects-and-keeps-device",
		Accepts: []string{"attempts on the cadence with the same ID; the boot unit still there after 90 s, the other gone after 60 s and back after the return"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1}}}, Steps: slices.Concat([]Step{{Label: "s", Do: Login{Kind: kindBoot}}}, outage(seconds(10)), []Step{
			healed(seconds(90)),
			{Do: WaitFor{Session: "s", State: "ready", Within: seconds(30)}},
			{Label: "probe", Deadline: seconds(10), Do: Probe{}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeBootKeepsDevice,
		Defects: []Defect{
			{Name: "Reconnect.NotBoot", Set: func(d *initiator.Deviations) { d.Reconnect.NotBoot = true }},
		},
	}}
}

func judgePortalSelected(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	j.None("connections to A", "none", DialEvents(r.Dials(DialledTo("A"))))
	if at := r.Dials(DialledTo("B"), LoggedIn); j.Count("logins at B", len(at), 1, 1, DialEvents(at)...) {
		name, _ := at[0].Key("TargetName")
		j.Equal("TargetName at B", name, TargetName(1), at[0].Event)
	}
	o := r.Op("unknown")
	j.Outcome(o, LoginFailed)
	j.Equal("login status that the requester was told", o.Status, "0x0203", o.Evidence()...)
	rows := r.Op("list").Sessions()
	j.Count("sessions listed afterwards", len(rows), 1, 1, r.Op("list").Evidence()...)
}

func judgeFourKinds(j *Judge, runs []*Run) {
	r := runs[0]
	rows := r.Op("list").Sessions()
	j.Count("sessions listed", len(rows), 4, 4, r.Op("list").Evidence()...)
	isids := map[string]string{}
	for _, kind := range []string{kindDiscovery, kindInformational, kindData, kindBoot} {
		if !j.Outcome(r.Op(kind), OK) {
			continue
		}
		row, _ := r.Op("list").SessionRow(r.Session(kind))
		j.Equal("kind listed for the "+kind+" session", row.Kind, kind, row.Event)
		isids[kind] = row.ISID
	}
	j.Want(isids[kindInformational] != isids[kindData], "the ISIDs of the informational and the data session", "two", isids[kindInformational]+" and "+isids[kindData])
}

func judgeOnlySendTargets(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	j.Outcome(r.Op("discover"), OK)
	j.Outcome(r.Op("read"), NotSupported)
	other := r.PDUs(FromInitiator, Not(Opcode(pdu.OpLoginRequest, pdu.OpTextRequest, pdu.OpNOPOut, pdu.OpLogoutRequest)))
	j.None("other PDUs of the initiator", "Login, Text, NOP-Out and Logout only", Events(other))
}

func judgeDiscoveryNotReconnected(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		again := r.Dials(DialledFrom(r.At("cut")))
		j.None("logins after the loss", "none", DialEvents(again))
	}
	o := runs[0].Op("discover")
	j.In(runs[0]).Want(!o.Is(OK, Pending), "outcome of the unfinished discovery", "an error", o.Outcome, o.Evidence()...)
	j.In(runs[1]).Outcome(runs[1].Op("discover"), OK)
}

func judgeInformationalReconnects(j *Judge, runs []*Run) {
	r := runs[0]
	if row, ok := judgeSameSession(j, r, "after"); ok {
		j.Equal("kind after the return", row.Kind, kindInformational, row.Event)
	}
	cut := r.At("cut")
	attempts := r.Dials(DialledFrom(cut))
	j.Count("attempts", len(attempts), 3, 4, DialEvents(attempts)...)
	judgeGaps(j, attempts, defaultInterval)
}

// informationalDown asks three things of an informational session whose link is down.
func informationalDown(name string, heal time.Duration) Plan {
	steps := slices.Concat([]Step{
		{Label: "s", Do: Login{Kind: kindInformational}},
		{Label: "inquiry.up", At: seconds(5), Do: Inquiry{}},
		{Label: "luns.up", Do: ReportLUNs{}},
	}, outage(seconds(10)), []Step{
		{Label: "inquiry", After: "cut", At: seconds(1), Async: true, Deadline: seconds(10), Do: Inquiry{}},
		{Label: "luns", After: "cut", At: seconds(1.1), Async: true, Deadline: seconds(10), Do: ReportLUNs{}},
		{Label: "capacity", After: "cut", At: seconds(1.2), Async: true, Deadline: seconds(10), Do: ReadCapacity{}},
	})
	if heal > 0 {
		steps = append(steps, healed(heal))
	}
	return Plan{Name: name, Steps: steps, Until: seconds(40)}
}

func judgeInformationalDown(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		for _, label := range []string{"inquiry", "luns"} {
			o, up := r.Op(label), r.Op(label+".up")
			if j.Outcome(o, Good) {
				j.Within("time to answer "+label, o.Took(), 0, Slack, o.Evidence()...)
				j.Equal("bytes of "+label, o.Digest, up.Digest, o.Evidence()...)
			}
		}
		o := r.Op("capacity")
		if i == 0 {
			j.Outcome(o, Timeout)
			j.Took("time until READ CAPACITY timed out", o.Took(), seconds(10), o.Evidence()...)
			continue
		}
		j.Outcome(o, Good)
		j.Within("READ CAPACITY ends", o.End, r.At("heal"), o.Begin+seconds(10), o.Evidence()...)
	}
}

func judgeNoDevices(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	listings := r.Ops("devices")
	j.Count("listings", len(listings), 4, 4)
	for _, l := range listings {
		j.Count(fmt.Sprintf("devices listed at %v", l.Begin), len(l.Devices()), 0, 0, l.Rows...)
	}
	j.None("changes in the device stack", "none", DeviceEvents(r.Devices(0)))
	told := r.PDUs(FromTarget, Opcode(pdu.OpAsyncMessage))
	j.Count("Asynchronous Messages received", len(told), 1, 1, Events(told)...)
	again := r.Dials(DialledFrom(r.At("cut")), LoggedIn)
	j.Count("logins after the losses", len(again), 2, 2, DialEvents(again)...)
}

func judgeManagementQueries(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	for _, want := range []struct {
		label   string
		outcome string
		lun     int
		opcode  scsi.Opcode
	}{
		{"inquiry", Good, 0, scsi.OpInquiry}, {"luns", Good, 0, scsi.OpReportLUNs}, {"capacity", Good, 0, scsi.OpReadCapacity10},
		{"inquiry-3", Good, 3, scsi.OpInquiry}, {"capacity-3", CheckCondition, 3, scsi.OpReadCapacity10},
	} {
		o := r.Op(want.label)
		if want.lun == 3 && want.opcode == scsi.OpInquiry {
			// SPC answers INQUIRY for an absent unit with peripheral qualifier 011b, or with CHECK CONDITION.
			if j.Outcome(o, Good, CheckCondition) && o.Is(Good) {
				j.Want(len(o.Head) >= 2 && o.Head[:2] == "7f", "peripheral byte for an absent unit", "7f", o.Head, o.Evidence()...)
			}
		} else {
			j.Outcome(o, want.outcome)
		}
		sent := Picked(r.Commands(From(o.Begin), Before(o.End+1)), want.lun, want.opcode)
		if !j.Count("commands on the wire for "+want.label, len(sent), 1, 1, CommandEvents(sent)...) || !o.Is(Good) {
			continue
		}
		in := r.PDUs(FromTarget, Opcode(pdu.OpDataIn), From(o.Begin), Before(o.End+1))
		var data int
		for _, w := range in {
			data += len(w.Frame.Data)
		}
		j.Equal("bytes that the target sent for "+want.label, data, o.Length, Events(in)...)
	}
}

// blocksOfUnit is the size of every unit of BASE.
const blocksOfUnit = 64 << 20 / blockSize

func judgeLUNsReported(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	rows := r.Op("devices").DevicesOf(r.Session("s"))
	j.Count("devices", len(rows), 3, 3, r.Op("devices").Rows...)
	var luns []int
	names := map[string]bool{}
	for _, row := range rows {
		luns = append(luns, row.LUN())
		names[row.Identity] = true
		j.Equal(fmt.Sprintf("blocks of LUN %d", row.LUN()), row.Blocks, blocksOfUnit, row.Event)
	}
	slices.Sort(luns)
	j.Equal("units", fmt.Sprint(luns), "[0 1 5]", r.Op("devices").Rows...)
	j.Count("different identities", len(names), 3, 3, r.Op("devices").Rows...)
	for _, label := range []string{"read.0", "read.1", "read.5"} {
		j.Outcome(r.Op(label), Good)
	}
}

func judgeBoot(j *Judge, runs []*Run) {
	r := runs[0]
	for _, d := range r.Dials() {
		if kind, ok := d.Key("SessionType"); ok {
			j.Equal("SessionType on the wire", kind, "Normal", d.Event)
		}
	}
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	j.Outcome(r.Op("probe"), Good)
	row, _ := r.Op("list").SessionRow(r.Session("s"))
	j.Equal("kind listed", row.Kind, kindBoot, row.Event)
	for _, d := range r.Op("devices").DevicesOf(r.Session("s")) {
		j.Equal(fmt.Sprintf("boot mark of LUN %d", d.LUN()), d.Boot, d.LUN() == 0, d.Event)
	}
	j.Count("devices", len(r.Op("devices").DevicesOf(r.Session("s"))), 2, 2, r.Op("devices").Rows...)
}

func judgeBootKeepsDevice(j *Judge, runs []*Run) {
	r := runs[0]
	cut, heal := r.At("cut"), r.At("heal")
	judgeSameSession(j, r, "after")
	j.Outcome(r.Op("probe"), Good)
	attempts := r.Dials(DialledFrom(cut), DialledBefore(heal))
	j.Count("attempts while the link is down", len(attempts), 18, 19, DialEvents(attempts)...)
	judgeGaps(j, attempts, defaultInterval)
	id := r.Session("s")
	gone := r.Devices(id, DeviceGone)
	if j.Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...) {
		j.Equal("the one removed", gone[0].LUN, 1, gone[0].Event)
		judgeLatency(j, r, id, defaultLatency)
	}
	back := Since(r.Devices(id, DeviceArrived), heal)
	if j.Count("devices that came back", len(back), 1, 1, DeviceEvents(back)...) {
		j.Equal("the one that came back", back[0].LUN, 1, back[0].Event)
	}
}
