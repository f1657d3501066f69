package gotgt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// parts is how many gotgts share the checks: nearly all of their time goes into waiting for what a target must not do.
const parts = 8

// What the suite finds in gotgt is known.
func TestTargetSuiteAgainstGotgt(t *testing.T) {
	t.Parallel()
	var queue shared
	for part := range parts {
		t.Run(fmt.Sprintf("part %d of %d", part+1, parts), func(t *testing.T) {
			t.Parallel()
			suiteAgainstGotgt(t, &queue)
		})
	}
}

// shared hands checks out to the parts, one at a time, those first that wait longest.
type shared struct {
	once  sync.Once
	order []string
	next  atomic.Int64
}

// take returns the id of the next check of the entries, which all parts have alike; false when none is left.
func (s *shared) take(entries map[string]scenarios.Entry) (string, bool) {
	s.once.Do(func() {
		s.order = slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
			return cmp.Or(cmp.Compare(entries[b].Waits, entries[a].Waits), cmp.Compare(a, b))
		})
	})
	if i := int(s.next.Add(1)) - 1; i < len(s.order) {
		return s.order[i], true
	}
	return "", false
}

func suiteAgainstGotgt(t *testing.T, queue *shared) {
	kept, err := Keep(t.Context(), executable(t), 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kept.Stop)
	quick := target.Foreign{QuietTime: time.Second, CloseTimeout: 2 * time.Second, AnswerTimeout: 2 * time.Second, Patience: 5 * time.Second}
	runner, entries := against(t, kept, quick, scenarios.Selection{Skip: target.Lengthy()})
	byID := map[string]scenarios.Entry{}
	for _, e := range entries {
		byID[e.ID] = e
	}
	for id, left := queue.take(byID); left; id, left = queue.take(byID) {
		e := byID[id]
		r, raced := judge(t, runner, kept, e)
		if !r.Expected() && !raced {
			// On a busy machine two seconds may be too short for an answer: what counts are the waits that users have.
			t.Logf("%s at first: %v %s: %s", r.ID, r.Verdict, r.Standing, r.Reason)
			patient, again := against(t, kept, target.Foreign{}, scenarios.Selection{Only: []string{e.ID}})
			r, raced = judge(t, patient, kept, again[0])
		}
		if r.Expected() {
			continue
		}
		if raced {
			t.Logf("%s: gotgt ended %d times by its own race: %s", r.ID, attemptsMax, r.Reason)
			continue
		}
		t.Errorf("%s: %v %s: %s; got: %s", r.ID, r.Verdict, r.Standing, r.Reason, r.Actual)
	}
}

// against makes what judges a gotgt with the waits of f, and selects checks.
func against(t *testing.T, kept *Kept, f target.Foreign, selection scenarios.Selection) (*scenarios.Runner, []scenarios.Entry) {
	t.Helper()
	url, err := kept.Fresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.URL, f.Fresh, f.Seed = url, kept.Fresh, 1
	suite, _, err := target.Against(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := scenarios.LoadBaseline("../../../baselines/gotgt.yaml", registry, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := selection.Pick(registry.Entries())
	if err != nil {
		t.Fatal(err)
	}
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive, Baseline: baseline}
	if f.AnswerTimeout == 0 { // who waits as users do has time for it
		runner.Limits.Run = 5 * time.Minute
	}
	return runner, entries
}

// attemptsMax is how often a check is run in which gotgt ends.
const attemptsMax = 3

// judge runs one check. In some runs gotgt ends when a session is opened while another one executes a command: one changes a map that the
// other reads (pkg/scsi, AddCommandQueue). That can meet any check and says nothing about its row, so the check is run again when
// gotgt has ended, and then only; a check that ends it each time is an error unless the race is to blame.
func judge(t *testing.T, runner *scenarios.Runner, kept *Kept, e scenarios.Entry) (r *scenarios.Result, raced bool) {
	for range attemptsMax {
		results, err := runner.Run(t.Context(), []scenarios.Entry{e})
		if err != nil || len(results) == 0 {
			t.Fatalf("%s: %d results: %v", e.ID, len(results), err)
		}
		r = results[0]
		for _, m := range results[1:] { // rows that monitors saw broken
			if !m.Expected() {
				t.Errorf("%s: %v %s: %s", m.ID, m.Verdict, m.Standing, m.Reason)
			}
		}
		if r.Expected() || !ended(kept.Child()) {
			return r, false
		}
		t.Logf("%s: gotgt has ended: %s", e.ID, lastWords(kept.Child().Log()))
	}
	return r, strings.Contains(kept.Child().Log(), "concurrent map")
}

// lastWords is the line of a log that says what a Go program died of.
func lastWords(log string) string {
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	return "without a word"
}

// ended tells whether a child that a check has met is gone, or goes.
func ended(c *Child) bool {
	timer := time.NewTimer(5 * stopTime)
	defer timer.Stop()
	select {
	case <-c.Ended():
		return true
	case <-timer.C:
		return false
	}
}
