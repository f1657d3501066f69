package cuts

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
)

// TestPairsOfCuts cuts the link again while the session comes back from a first cut. ISCSISPEC_PAIRS is how many pairs are tried of each scenario before
// each array; `make pairs` sets it. Without it a few are tried of one story.
func TestPairsOfCuts(t *testing.T) {
	most, err := strconv.Atoi(os.Getenv("ISCSISPEC_PAIRS"))
	whole := err == nil
	if !whole {
		most = 24
	}
	defer debug.SetGCPercent(debug.SetGCPercent(600))
	spent := processorTime()
	var runs, all, told int
	count := map[scenarios.Verdict]int{}
	for _, s := range surveyAll(t) {
		if c := s.Clean.Case; s.Refused != "" || !whole && (c.Station.Profile != "plain" || c.Scenario.Name != "write") {
			continue
		}
		pairs, possible := s.Pairs(t, most)
		results := make([]Result, len(pairs))
		Sweep(runtime.GOMAXPROCS(0), len(pairs), func(i int) { results[i] = s.Run(t, pairs[i]) })
		own := map[scenarios.Verdict]int{}
		for _, r := range results {
			own[r.Verdict]++
			count[r.Verdict]++
			if r.Verdict != scenarios.Pass {
				if told++; told <= toldMax {
					tell(t, r)
				}
			}
		}
		runs, all = runs+len(pairs), all+possible
		t.Logf("%s %s: %d of %d pairs: %v", s.Clean.Case.Station.Profile, s.Clean.Case.Scenario.Name, len(pairs), possible, own)
	}
	t.Logf("%d of %d pairs: %v; processor time %v", runs, all, count, processorTime()-spent)
}
