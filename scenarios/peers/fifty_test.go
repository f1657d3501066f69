package peers

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// fleetSize is how many tgtds share the checks.
const fleetSize = 16

// Many runs against tgt come to the same verdicts each time, and leave no session behind. ISCSISPEC_RUNS says how many (make fifty).
func TestRunsAlike(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("ISCSISPEC_RUNS"))
	if err != nil || runs < 2 {
		t.Skip("ISCSISPEC_RUNS does not say how many runs, 2 or more")
	}
	f, ids := fleetOf(t, fleetSize, scenarios.Selection{Skip: slices.Concat(corrupting, racing, target.Lengthy())})
	var first map[string][]*scenarios.Result
	for i := range runs {
		began := time.Now()
		results, err := f.run(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		counts := scenarios.Summary{}
		for _, id := range ids {
			counts.Add(results[id][0])
		}
		left, err := f.left(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left != "" {
			t.Errorf("run %d leaves sessions behind:\n%s", i+1, left)
		}
		t.Logf("run %d of %d: %d checks, %d pass, %d fail, %d warn, %d skip, %d inconclusive, %d broken, in %v; sessions left: %t", i+1, runs,
			counts.Total, counts.Pass, counts.Fail, counts.Warn, counts.Skip, counts.Inconclusive, counts.Broken,
			time.Since(began).Round(time.Second), left != "")
		if first == nil {
			first = results
			for _, id := range ids {
				report(t, results[id])
			}
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(results)) {
			if was, is := first[id][0], results[id][0]; is.Verdict != was.Verdict {
				t.Errorf("run %d: %s: %v, and %v in the first run: %s; got: %s; first: %s; got: %s", i+1, id, is.Verdict, was.Verdict,
					is.Reason, is.Actual, was.Reason, was.Actual)
				t.Logf("%s met a tgtd that had met %q before", id, f.met[id])
				report(t, results[id])
			}
		}
	}
}
