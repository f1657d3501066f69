package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// fleet is several tgtds that share the checks of the target suite: nearly all of their time goes into waiting for what a target must not do.
type fleet struct {
	members []*member
	lasted  map[string]time.Duration // how long each check lasted when it ran last, or is known to wait
	met     map[string][]string      // what the same tgtd had met before each check when it ran last, the latest last
}

// member is a tgtd with the suite that was made for it. It belongs to one goroutine at a time.
type member struct {
	tgt     *TGT
	entries map[string]scenarios.Entry
	runner  *scenarios.Runner
	before  []string // the checks that this tgtd has met, the latest last
}

// fleetOf starts so many tgtds, and returns them with the ids of the checks that are selected. They end with the test.
func fleetOf(t *testing.T, count int, selection scenarios.Selection) (*fleet, []string) {
	t.Helper()
	f := &fleet{lasted: map[string]time.Duration{}, met: map[string][]string{}}
	var ids []string
	for range count {
		m := &member{tgt: TGTFor(t, TGTConfig{}), entries: map[string]scenarios.Entry{}}
		asked := quick(t, m.tgt.URL(0, 0))
		// A check may fell tgtd, and the next one finds another.
		asked.Fresh = func(ctx context.Context) (iscsi.URL, error) {
			if m.tgt.Ended(ctx) {
				fresh, err := StartTGT(ctx, TGTConfig{})
				if err != nil {
					return iscsi.URL{}, err
				}
				t.Cleanup(fresh.Stop)
				m.tgt, m.before = fresh, nil
			}
			return iscsi.ParseURL(m.tgt.URL(0, 0))
		}
		suite, _, err := target.Against(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
		if err != nil {
			t.Fatal(err)
		}
		baseline, err := scenarios.LoadBaseline("../../baselines/tgt.yaml", registry, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m.runner = &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive, Baseline: baseline}
		picked, err := selection.Pick(registry.Entries())
		if err != nil {
			t.Fatal(err)
		}
		ids = ids[:0]
		for _, e := range picked {
			m.entries[e.ID] = e
			f.lasted[e.ID] = e.Waits
			ids = append(ids, e.ID)
		}
		f.members = append(f.members, m)
	}
	return f, ids
}

// run lets the members share the checks, the longest first, and returns the results by id; what a monitor found in a check's trace stands
// behind its result.
func (f *fleet) run(ctx context.Context, ids []string) (map[string][]*scenarios.Result, error) {
	ids = slices.Clone(ids)
	slices.SortStableFunc(ids, func(a, b string) int { return int(f.lasted[b] - f.lasted[a]) })
	queue := make(chan string, len(ids))
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	var mu sync.Mutex
	results, failed := map[string][]*scenarios.Result{}, []error{}
	var all sync.WaitGroup
	for _, m := range f.members {
		all.Go(func() {
			for id := range queue {
				began := time.Now()
				got, err := m.runner.Run(ctx, []scenarios.Entry{m.entries[id]})
				mu.Lock()
				results[id], f.lasted[id], f.met[id] = got, time.Since(began), slices.Clone(m.before[max(0, len(m.before)-5):])
				m.before = append(m.before, id)
				if err != nil || len(got) == 0 {
					failed = append(failed, fmt.Errorf("%s: %d results: %w", id, len(got), err))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return results, errors.Join(failed...)
}

// goneTime is how long a tgtd may take to let go of sessions whose connections are closed.
const goneTime = time.Minute

// left tells which sessions the members keep, once they have had time to let go of them.
func (f *fleet) left(ctx context.Context) (string, error) {
	var all []string
	for _, m := range f.members {
		if m.tgt.Ended(ctx) {
			continue
		}
		kept, err := m.tgt.sessions(ctx)
		for until := time.Now().Add(goneTime); err == nil && kept != "" && time.Now().Before(until); {
			time.Sleep(100 * time.Millisecond) // tgtadm is asked, and has no way to tell of itself
			kept, err = m.tgt.sessions(ctx)
		}
		if err != nil {
			return "", err
		}
		if kept != "" {
			all = append(all, kept)
		}
	}
	return strings.Join(all, "\n"), nil
}

// sessions is what tgtadm shows of the sessions of the first target; empty where there are none.
func (t *TGT) sessions(ctx context.Context) (string, error) {
	shown, err := t.Admin(ctx, "--lld", "iscsi", "--mode", "conn", "--op", "show", "--tid", "1")
	if err != nil || !strings.Contains(shown, "Session") {
		return "", err
	}
	return shown, nil
}
