package cuts

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// thin is which share of the cuts is tried where ISCSISPEC_EXHAUSTIVE is not set: a prime, so that every kind of PDU, of place and of cut has its turn.
const thin = 211

// toldMax is how many cuts that did not pass are told of one scenario before one array.
const toldMax = 8

// TestExhaustiveCuts cuts the link at every place of every scenario before every array, in every way. `make exhaustive` tries all, `go test` a share.
func TestExhaustiveCuts(t *testing.T) {
	every := thin
	if os.Getenv("ISCSISPEC_EXHAUSTIVE") == "1" {
		every = 1
	}
	defer debug.SetGCPercent(debug.SetGCPercent(600)) // runs are short, and leave much behind
	began, spent := time.Now(), processorTime()
	surveys := surveyAll(t)
	type planned struct{ survey, cut int }
	var plans []planned
	total := 0
	for i, s := range surveys {
		for k := range s.Cuts {
			if total++; total%every == 0 {
				plans = append(plans, planned{i, k})
			}
		}
	}
	results := make([]Result, len(plans))
	Sweep(runtime.GOMAXPROCS(0), len(plans), func(i int) { results[i] = surveys[plans[i].survey].Run(t, surveys[plans[i].survey].Cuts[plans[i].cut]) })
	tallies := make([]Tally, len(surveys))
	for i, s := range surveys {
		tallies[i] = Tally{Survey: s, Verdicts: map[scenarios.Verdict]int{}}
	}
	told := map[int]int{}
	for i, r := range results {
		at := plans[i].survey
		tally, stands := &tallies[at], surveys[at].Stands[plans[i].cut]
		tally.Runs, tally.Plans = tally.Runs+1, tally.Plans+stands
		tally.Verdicts[r.Verdict] += stands
		if r.Verdict != scenarios.Pass {
			if told[at]++; told[at] <= toldMax {
				tell(t, r)
			}
		}
	}
	var table strings.Builder
	if err := Table(&table, tallies); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%sprocessor time %v, wall clock %v, on %d cores", table.String(), processorTime()-spent, time.Since(began).Round(time.Millisecond), runtime.GOMAXPROCS(0))
}

// surveyAll lists the cuts of every scenario before every array, or before those that ISCSISPEC_PROFILES names, separated by commas.
func surveyAll(t *testing.T) []Survey {
	t.Helper()
	stations, err := Stations()
	if err != nil {
		t.Fatal(err)
	}
	if only := os.Getenv("ISCSISPEC_PROFILES"); only != "" {
		stations = slices.DeleteFunc(stations, func(s Station) bool { return !slices.Contains(strings.Split(only, ","), s.Profile) })
	}
	if len(stations) == 0 {
		t.Fatal("ISCSISPEC_PROFILES names no embedded profile")
	}
	stories := Scenarios()
	surveys := make([]Survey, len(stations)*len(stories))
	Sweep(runtime.GOMAXPROCS(0), len(surveys), func(i int) {
		surveys[i] = NewSurvey(t, stations[i/len(stories)], stories[i%len(stories)], 1)
	})
	for _, s := range surveys {
		if s.Refused == "" && (s.Clean.Verdict != scenarios.Pass || len(s.Cuts) == 0) {
			tell(t, s.Clean)
		}
	}
	return surveys
}

// tell prints a result that is no pass with the command that replays it.
func tell(t *testing.T, r Result) {
	t.Helper()
	if r.Verdict == scenarios.Pass {
		return
	}
	t.Errorf("%s: %s\n\tISCSISPEC_REPLAY='%s' go test ./scenarios/cuts -run TestReplay -v", r.Verdict, strings.Join(append(r.Broken, r.Unfired...), "; "), r.Case)
}

// processorTime is what the process has used so far, user and system together.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
