package scenarios

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gauge notes what runs at the same time.
type gauge struct {
	mu          sync.Mutex
	running     map[string]int // sessions of the checks that run
	most        int            // sessions at once
	besideAlone []string       // checks that ran while one ran that runs alone
	order       []string
}

func (g *gauge) enter(c *Check) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.order = append(g.order, c.ID)
	g.running[c.ID] = c.Sessions
	sum := 0
	for id, n := range g.running {
		if sum += n; n == 0 && len(g.running) > 1 {
			g.besideAlone = append(g.besideAlone, id)
		}
	}
	g.most = max(g.most, sum)
}

func (g *gauge) leave(c *Check) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, c.ID)
}

// gauged makes checks of so many sessions, each of which lasts a second; 0 stands for one that runs alone.
func gauged(g *gauge, sessions ...int) []Check {
	var checks []Check
	for i, row := range LoadCatalogue().Rows()[:len(sessions)] {
		checks = append(checks, Check{ID: row.ID, Needs: []Capability{}, Sessions: sessions[i], Run: func(_ context.Context, env *Env) Outcome {
			g.enter(env.Check)
			defer g.leave(env.Check)
			time.Sleep(time.Second)
			return Passed("")
		}})
	}
	return checks
}

func TestChecksOfARealPeerShareItsSessions(t *testing.T) {
	sessions := []int{1, 0, 2, 1, 0, 1, 5, 2, 1}
	for _, c := range []struct {
		bears, most int
		lasts       time.Duration
	}{
		{bears: 0, most: 5, lasts: 9 * time.Second},
		{bears: 1, most: 5, lasts: 9 * time.Second},
		{bears: 4, most: 5, lasts: 5 * time.Second}, // 1+2+1, 1+2+1, and 0, 0 and 5 alone
		{bears: 100, most: 13, lasts: 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &gauge{running: map[string]int{}}
			suite := Suite{Name: "s", Checks: gauged(g, sessions...), Sessions: c.bears}
			began := time.Now()
			results := run(t, Runner{}, suite)
			if lasted := time.Since(began); lasted != c.lasts || g.most != c.most || len(g.besideAlone) > 0 {
				t.Errorf("%d sessions: %v, at most %d at once, %q ran beside others", c.bears, lasted, g.most, g.besideAlone)
			}
			for i, r := range results {
				if r.ID != suite.Checks[i].ID || r.Verdict != Pass {
					t.Errorf("result %d is %s: %v", i, r.ID, r.Verdict)
				}
			}
			if len(results) != len(sessions) {
				t.Errorf("%d results", len(results))
			}
		})
	}
}

func TestAnEarlyEndTakesUpNoFurtherCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{running: map[string]int{}}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, stop)
		suite := Suite{Name: "s", Checks: gauged(g, 1, 1, 0, 1, 0), Sessions: 2}
		results, err := (&Runner{}).Run(ctx, registry(t, suite).Entries())
		if err == nil || len(results) != 2 || len(g.order) != 2 {
			t.Errorf("%d results, %d checks ran, %v", len(results), len(g.order), err)
		}
	})
}
