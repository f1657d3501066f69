package sessions

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/initiator"
)

// The group device-stack, rows cache.*: what is answered from saved data while the session is down.

func cacheChecks() []Check {
	return []Check{{
		ID:      "cache.report-luns-while-down",
		Accepts: []string{"GOOD within 1 s, the list length of the whole list, the data cut to the allocation length"},
		Runs: []Plan{{
			Arrays: []Array{{LUNs: []uint32{0, 1, 5}}},
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
	}}
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
