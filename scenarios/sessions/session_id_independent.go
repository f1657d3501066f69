package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The row session-id.independent-of-isid-and-tsih: what a re-login changes on the wire does not show in the handle.

// grantedTSIHs are what the target grants in turn, the first login included.
func grantedTSIHs() []uint16 { return []uint16{0x0101, 0x0202, 0x0303} }

func independentIDCheck() Check {
	steps := []Step{}
	for i, tsih := range grantedTSIHs() {
		steps = append(steps, nextLogin(simtarget.LoginRule{TSIH: new(tsih)}))
		if i == 0 {
			steps = append(steps, established()...)
		} else {
			steps = append(steps, Step{Label: "cut", At: seconds(float64(10 * i)), Do: Sever{}},
				Step{After: "cut", At: seconds(1), Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(8)}})
		}
		steps = append(steps, Step{Label: fmt.Sprintf("list.%d", i), Do: ListSessions{}})
	}
	return Check{
		ID:      "session-id.independent-of-isid-and-tsih",
		Accepts: []string{"one ID while the TSIH, and where the initiator rotates it the ISID, changes with each login"},
		Runs: []Plan{
			{Name: "the TSIH changes", Steps: steps},
			{Name: "TSIH and ISID change", Steps: steps, Initiator: Initiator{Login: LoginSettings{FreshISID: true}}},
		},
		Judge: judgeIndependentID,
		Defects: []Defect{
			{Name: "Identity.FromTSIH", Set: func(d *initiator.Deviations) { d.Identity.FromTSIH = true }},
		},
	}
}

func judgeIndependentID(j *Judge, runs []*Run) {
	for i, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		var seen []string
		for n, tsih := range grantedTSIHs() {
			row, ok := judgeSameSession(j, r, fmt.Sprintf("list.%d", n))
			if !ok {
				continue
			}
			j.Equal(fmt.Sprintf("TSIH after login %d", n+1), row.TSIH, tsih, row.Event)
			if !slices.Contains(seen, row.ISID) {
				seen = append(seen, row.ISID)
			}
		}
		want := 1
		if i == 1 {
			want = len(grantedTSIHs())
		}
		if len(seen) != want {
			j.Unclear("the ISIDs", fmt.Sprintf("%d were seen", len(seen)))
		}
	}
}
