package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
)

// The row reconnect.cadence.jitter-bounds: gaps that differ, within their band, around the interval.

const (
	jitterOutage = 500 * time.Second
	// jitterGaps is how many gaps the mean is taken of at least, jitterMean how far it may be from the interval, as a share.
	jitterGaps = 95
	jitterMean = 0.03
	// jitterSeed is the seed of all runs.
	jitterSeed = 7143
)

// jitters are the configured shares of the runs; the last one is run twice.
func jitters() []float64 { return []float64{0, 0.1, 0.2, 0.2} }

func reconnectJitterChecks() []Check {
	var runs []Plan
	for i, share := range jitters() {
		runs = append(runs, Plan{Name: fmt.Sprintf("run %d: jitter %v", i+1, share), Initiator: Initiator{Seed: jitterSeed, Settings: Settings{Jitter: share}},
			Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(10) + jitterOutage})
	}
	return []Check{{
		ID:      "reconnect.cadence.jitter-bounds",
		Accepts: []string{"every gap within the interval times (1 +- jitter), the mean within 3% of the interval, and the same sequence for the same seed"},
		Runs:    runs,
		Judge:   judgeJitter,
		Defects: []Defect{
			{Name: "Manager.JitterDrifts", Set: func(d *initiator.Deviations) { d.Manager.JitterDrifts = true }},
		},
	}}
}

func judgeJitter(j *Judge, runs []*Run) {
	var drawn [][]time.Duration
	for i, share := range jitters() {
		r := runs[i]
		if !j.In(r).Outcome(r.Op("s"), OK) {
			return
		}
		attempts := r.Dials(DialledFrom(r.At("cut")))
		gaps := Gaps(Starts(attempts))
		drawn = append(drawn, gaps)
		if !j.Count("gaps between attempts", len(gaps), jitterGaps, 110, DialEvents(attempts)...) {
			continue
		}
		judgeJittered(j, attempts, defaultInterval, share)
		sum := time.Duration(0)
		for _, gap := range gaps {
			sum += gap
		}
		mean := sum / time.Duration(len(gaps))
		off := time.Duration(jitterMean * float64(defaultInterval))
		j.Within("the mean gap", mean, defaultInterval-off, defaultInterval+off)
		spread := slices.Max(gaps) - slices.Min(gaps)
		if share > 0 && spread < time.Duration(share*float64(defaultInterval))/2 {
			j.Unclear("the jitter", fmt.Sprintf("all gaps within %v of each other", spread))
		}
	}
	j.Want(slices.Equal(drawn[2], drawn[3]), "the gaps of two runs with one seed", "the same", "others")
}
