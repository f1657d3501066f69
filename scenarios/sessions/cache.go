package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows cache.*: what is answered from saved data while the session is down.

func cacheChecks() []Check { return slices.Concat(cacheDownChecks(), cacheFreshChecks()) }

func cacheDownChecks() []Check {
	three := []Array{{LUNs: []uint32{0, 1, 5}}}
	return []Check{{
		ID:      "cache.inquiry-while-down",
		Accepts: []string{"GOOD within 1 s each time, the bytes of the connected answer cut to the allocation length"},
		Runs: []Plan{{Steps: slices.Concat(established(), []Step{{Label: "up", At: seconds(9), Do: Inquiry{}}}, outage(seconds(10)), []Step{
			{Label: "down.1", After: "cut", At: seconds(1), Async: true, Do: Inquiry{}},
			{Label: "down.30", After: "cut", At: seconds(30), Async: true, Do: Inquiry{}},
			{Label: "down.59", After: "cut", At: seconds(59), Async: true, Do: Inquiry{}},
			{Label: "down.short", After: "cut", At: seconds(59.2), Async: true, Do: Inquiry{Length: 36}},
		}), Until: seconds(75)}},
		Judge: judgeInquiryWhileDown,
		Defects: []Defect{
			{Name: "Cache.QueueInquiry", Set: func(d *initiator.Deviations) { d.Cache.QueueInquiry = true }},
		},
	}, {
		ID:      "cache.inquiry-vpd-while-down",
		Accepts: []string{"pages 00, 80 and 83 with the saved bytes; page B0, never read, queued, refused, or an error"},
		Runs: []Plan{{Steps: slices.Concat(established(), []Step{
			{Label: "up.00", At: seconds(9), Do: Inquiry{VPD: "00"}}, {Label: "up.80", Do: Inquiry{VPD: "80"}}, {Label: "up.83", Do: Inquiry{VPD: "83"}},
		}, outage(seconds(10)), []Step{
			{Label: "down.00", After: "cut", At: seconds(1), Async: true, Do: Inquiry{VPD: "00"}},
			{Label: "down.80", After: "cut", At: seconds(1.1), Async: true, Do: Inquiry{VPD: "80"}},
			{Label: "down.83", After: "cut", At: seconds(1.2), Async: true, Do: Inquiry{VPD: "83"}},
			{Label: "down.b0", After: "cut", At: seconds(1.3), Async: true, Deadline: seconds(20), Do: Inquiry{VPD: "b0"}},
		}), Until: seconds(45)}},
		Judge: judgeVPDWhileDown,
		Defects: []Defect{
			{Name: "Cache.VPDAsStandard", Set: func(d *initiator.Deviations) { d.Cache.VPDAsStandard = true }},
		},
	}, {
		ID:      "cache.report-luns-while-down",
		Accepts: []string{"GOOD within 1 s, the list length of the whole list, the data cut to the allocation length"},
		Runs: []Plan{{
			Arrays: three,
			Steps: slices.Concat(established(),
				[]Step{
					{Label: "short", At: seconds(8), Do: ReportLUNs{Length: 16}},
					{Label: "up", Do: ReportLUNs{Length: 4096}},
				},
				outage(seconds(10)),
				[]Step{
					{Label: "down.16", After: "cut", At: seconds(1), Async: true, Do: ReportLUNs{Length: 16}},
					{Label: "down.24", After: "cut", At: seconds(2), Async: true, Do: ReportLUNs{Length: 24}},
					{Label: "down.4096", After: "cut", At: seconds(3), Async: true, Do: ReportLUNs{Length: 4096}},
				}),
			Until: seconds(40),
		}},
		Judge: judgeReportLUNsWhileDown,
		Defects: []Defect{
			{Name: "Cache.KeepTruncated", Set: func(d *initiator.Deviations) { d.Cache.KeepTruncated = true }},
			{Name: "Cache.ForwardReportLUNs", Set: func(d *initiator.Deviations) { d.Cache.ForwardReportLUNs = true }},
		},
	}, {
		ID:      "cache.empty-before-first-inquiry",
		Accepts: []string{"no data: queued until the re-login, the removal of the devices or its own deadline, or an error"},
		Runs:    []Plan{emptyCache("never healed", 0), emptyCache("healed after 7 s", seconds(7))},
		Judge:   judgeEmptyCache,
		Defects: []Defect{
			{Name: "Cache.ZeroFilled", Set: func(d *initiator.Deviations) { d.Cache.ZeroFilled = true }},
		},
	}, {
		ID:      "cache.lun-not-in-cache",
		Accepts: []string{"queued, an error, or GOOD with peripheral qualifier 011b"},
		Runs: []Plan{{Arrays: three, Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "down", After: "cut", At: seconds(1), Async: true, Deadline: seconds(20), Do: Inquiry{LUN: 7}},
		}), Until: seconds(40)}},
		Judge: func(j *Judge, runs []*Run) {
			r := runs[0]
			j.Outcome(r.Op("s"), OK)
			o := r.Op("down")
			invented := o.Is(Good) && !strings.HasPrefix(o.Head, "7f") || o.Outcome == ""
			j.Want(!invented, "INQUIRY of a unit that is not in the list", "no data, or peripheral byte 7f", o.Outcome+" "+o.Head, o.Evidence()...)
		},
		Defects: []Defect{
			{Name: "Cache.IgnoreLUN", Set: func(d *initiator.Deviations) { d.Cache.IgnoreLUN = true }},
		},
	}}
}

// emptyCache cuts a session before its target has answered any command, and asks it for INQUIRY data.
func emptyCache(name string, heal time.Duration) Plan {
	steps := []Step{
		{Do: ArrayOp{Action: simtarget.Action{Command: &simtarget.CommandRule{Times: simtarget.Times{Next: simtarget.Always}, Hold: true}}}},
		{Label: "s", Async: true, Do: Login{}},
		{At: seconds(1), Do: ArrayOp{Action: simtarget.Action{Clear: &simtarget.Clear{}}}},
		{Do: Refuse{}},
		{Label: "cut", Do: Sever{}},
		{Label: "down", After: "cut", At: seconds(1), Async: true, Do: Inquiry{Session: "s"}},
	}
	if heal > 0 {
		steps = append(steps, healed(heal))
	}
	return Plan{Name: name, Steps: steps, Until: seconds(75)}
}

func cacheFreshChecks() []Check {
	revised := func(revision string) Step {
		return Step{Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Number: 0, Revision: revision}}}}
	}
	return []Check{{
		ID:      "cache.no-wire-traffic-when-up",
		Accepts: []string{"an INQUIRY on the wire, and the new bytes"},
		Runs: []Plan{{Until: seconds(20), Steps: slices.Concat(established(), []Step{
			{Label: "before", At: seconds(5), Do: Inquiry{}},
			revised("0002"),
			{Label: "after", At: seconds(10), Do: Inquiry{}},
		})}},
		Judge: judgeFreshWhenUp,
		Defects: []Defect{
			{Name: "Cache.ConsultWhileUp", Set: func(d *initiator.Deviations) { d.Cache.ConsultWhileUp = true }},
		},
	}, {
		ID:      "cache.refreshed-after-relogin",
		Accepts: []string{"in the second outage the data of the target as it was between the two"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1}}}, Until: seconds(70), Steps: slices.Concat(established(), []Step{
			{Label: "up", At: seconds(9), Do: Inquiry{}},
		}, outage(seconds(10)), []Step{
			{Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Add: []simtarget.LUN{{Number: 3, Size: 64 << 20}}, Number: 0, Revision: "0002"}}}},
			healed(seconds(8)),
			{At: seconds(40), Do: Refuse{}},
			{Label: "cut2", Do: Sever{}},
			{Label: "inquiry", After: "cut2", At: seconds(1), Async: true, Do: Inquiry{}},
			{Label: "luns", After: "cut2", At: seconds(1.1), Async: true, Do: ReportLUNs{}},
		})}},
		Judge: judgeRefreshed,
		Defects: []Defect{
			{Name: "Cache.FillOnce", Set: func(d *initiator.Deviations) { d.Cache.FillOnce = true }},
		},
	}}
}

func judgeInquiryWhileDown(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	up := r.Op("up")
	if !j.Outcome(up, Good) {
		return
	}
	for _, label := range []string{"down.1", "down.30", "down.59"} {
		o := r.Op(label)
		if j.Outcome(o, Good) {
			j.Within("time to answer "+label, o.Took(), 0, seconds(1), o.Evidence()...)
			j.Equal("bytes of "+label, o.Digest, up.Digest, o.Evidence()...)
		}
	}
	o := r.Op("down.short")
	if j.Outcome(o, Good) {
		j.Equal("length of "+o.Label, o.Length, 36, o.Evidence()...)
		j.Want(strings.HasPrefix(up.Head, o.Head[:min(len(o.Head), len(up.Head))]), "bytes of "+o.Label, "those of the connected answer, "+up.Head, o.Head, o.Evidence()...)
	}
}

func judgeEmptyCache(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		cut, o := r.At("cut"), r.Op("down")
		answers := r.PDUs(FromTarget, Opcode(pdu.OpDataIn, pdu.OpSCSIResponse), Before(cut))
		if len(answers) > 0 {
			j.Unclear("a target that answered no command", fmt.Sprintf("%d answers before the cut", len(answers)), Events(answers)...)
		}
		if i == 0 {
			j.Outcome(o, DeviceRemoved, TransportLost, Timeout, Pending)
			j.Equal("bytes of INQUIRY data", o.Length, 0, o.Evidence()...)
			if !o.Is(Pending) {
				j.Within("its end, counted from the loss", o.End-cut, seconds(1), defaultLatency+Slack, o.Evidence()...)
			}
			continue
		}
		back := r.Regained(r.Session("s"), r.At("heal"))
		if j.Outcome(o, Good) && j.Want(back >= 0, "the re-login", "one", "none") {
			j.Within("the answer", o.End, back, back+seconds(5), o.Evidence()...)
			// The bytes are the target's: the peripheral device type, and a vendor that is not empty.
			vendor := o.Head[min(16, len(o.Head)):min(32, len(o.Head))]
			j.Want(strings.Trim(vendor, "0") != "", "its vendor identification", "the target's", vendor, o.Evidence()...)
		}
	}
}

func judgeVPDWhileDown(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	for _, page := range []string{"00", "80", "83"} {
		up, o := r.Op("up."+page), r.Op("down."+page)
		if j.Outcome(up, Good) && j.Outcome(o, Good) {
			j.Equal("bytes of page "+page, o.Digest, up.Digest, o.Evidence()...)
			j.Within("time to answer page "+page, o.Took(), 0, seconds(1), o.Evidence()...)
		}
	}
	o := r.Op("down.b0")
	j.Want(!o.Is(Good, ""), "page B0, which was never read", "no data", o.Outcome+" "+o.Head, o.Evidence()...)
}

func judgeReportLUNsWhileDown(j *Judge, runs []*Run) {
	r := runs[0]
	const length = 8 + 3*8 // bytes of the whole answer: a header and three entries
	whole := r.Op("up")
	if !j.Outcome(whole, Good) || !j.Equal("length of the connected answer", whole.Length, length, whole.Evidence()...) {
		return
	}
	for _, want := range []struct {
		label  string
		length int
	}{{"down.16", 16}, {"down.24", 24}, {"down.4096", length}} {
		o := r.Op(want.label)
		if !j.Outcome(o, Good) {
			continue
		}
		j.Within("time to answer "+want.label, o.Took(), 0, seconds(1), o.Evidence()...)
		j.Equal("length of "+want.label, o.Length, want.length, o.Evidence()...)
		j.Want(strings.HasPrefix(o.Head, "00000018"), "list length field of "+want.label, "00000018 (24 bytes follow)", o.Head, o.Evidence()...)
		j.Want(strings.HasPrefix(whole.Head, o.Head), "bytes of "+want.label, "those of the connected answer, "+whole.Head, o.Head, o.Evidence()...)
	}
}

func judgeFreshWhenUp(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	before, after := r.Op("before"), r.Op("after")
	if !j.Outcome(before, Good) || !j.Outcome(after, Good) {
		return
	}
	j.Want(before.Digest != after.Digest, "the answer after the target's revision changed", "other bytes than before", after.Digest, after.Evidence()...)
	sent := Picked(r.Commands(From(after.Begin), Before(after.End+1)), 0, scsi.OpInquiry)
	j.Count("INQUIRY commands on the wire for it", len(sent), 1, 1, CommandEvents(sent)...)
}

func judgeRefreshed(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	if !j.Want(r.Regained(r.Session("s"), r.At("heal")) >= 0, "the return between the outages", "a login", "none") {
		return
	}
	up, o := r.Op("up"), r.Op("inquiry")
	if j.Outcome(o, Good) {
		j.Want(o.Digest != up.Digest, "INQUIRY data in the second outage", "with the new revision", "as before the first outage", o.Evidence()...)
	}
	luns := r.Op("luns")
	if j.Outcome(luns, Good) {
		j.Equal("length of the list in the second outage", luns.Length, 8+3*8, luns.Evidence()...)
	}
}
