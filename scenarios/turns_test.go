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

// besides makes checks of one session each, each of which lasts a second, with so many uses of the logical unit.
func besides(g *gauge, units ...UnitUse) []Check {
	checks := gauged(g, make([]int, len(units))...)
	for i, unit := range units {
		checks[i].Sessions, checks[i].Unit = 1, unit
	}
	return checks
}

func TestTheLogicalUnitIsSeizedByOneWhenNobodySharesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{running: map[string]int{}}
		suite := Suite{Name: "s", Sessions: 100, Ranges: 2, Checks: besides(g,
			UnitSeized, UnitShared, UnitSpared, UnitShared, UnitSeized, UnitShared)}
		suite.Checks[2].Waits = time.Minute
		var mu sync.Mutex
		using, ranges := map[UnitUse]int{}, map[int]int{}
		for i := range suite.Checks {
			unit, of := suite.Checks[i].Unit, suite.Checks[i].Run
			suite.Checks[i].Run = func(ctx context.Context, env *Env) Outcome {
				mu.Lock()
				using[unit]++
				if unit == UnitShared {
					ranges[env.Range]++
				}
				if !env.Beside || using[UnitSeized] > 1 || using[UnitSeized] > 0 && using[UnitShared] > 0 || ranges[env.Range] > 1 || env.Range > 1 {
					t.Errorf("%s runs with %v, in range %d", env.Check.ID, using, env.Range)
				}
				mu.Unlock()
				if unit == UnitSpared {
					time.Sleep(4 * time.Second)
				}
				o := of(ctx, env)
				mu.Lock()
				defer mu.Unlock()
				using[unit]--
				if unit == UnitShared {
					ranges[env.Range]--
				}
				return o
			}
		}
		began := time.Now()
		results := run(t, Runner{}, suite)
		// 3 that share 2 ranges take 2 s, 2 that seize another 2; the one that spares the unit takes 5 s beside them.
		if lasted := time.Since(began); lasted != 5*time.Second || len(results) != 6 {
			t.Errorf("%v, %d results", lasted, len(results))
		}
	})
}

func TestWhatIsFoundInCompanyHasToBeFoundAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{running: map[string]int{}}
		suite := Suite{Name: "s", Sessions: 100, Checks: besides(g, UnitShared, UnitShared, UnitShared, UnitShared)}
		said := func(i int, company, alone Outcome) {
			before := suite.Checks[i].Run
			suite.Checks[i].Run = func(ctx context.Context, env *Env) Outcome {
				before(ctx, env)
				if env.Beside {
					return company
				}
				return alone
			}
		}
		said(0, Unclear("disturbed"), Passed(""))
		said(1, Failed("a finding"), Failed("a finding"))
		said(2, Skipped("nothing to see"), Failed("never asked"))
		said(3, Outcome{Verdict: Skip, Reason: "no session", Doubtful: true}, Passed(""))
		began := time.Now()
		results := run(t, Runner{}, suite)
		if lasted := time.Since(began); lasted != 4*time.Second || len(results) != 4 {
			t.Fatalf("%v, %d results: want one second in company and three alone", lasted, len(results))
		}
		for i, want := range []struct {
			verdict Verdict
			beside  string
		}{{Pass, "inconclusive: disturbed"}, {Fail, ""}, {Skip, ""}, {Pass, "skip: no session"}} {
			if r := results[i]; r.Verdict != want.verdict || r.Beside != want.beside {
				t.Errorf("result %d is %v, beside others %q; want %v, %q", i, r.Verdict, r.Beside, want.verdict, want.beside)
			}
		}
	})
}

// A finding of a check that nobody kept company needs no second look.
func TestACheckWithoutCompanyRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{running: map[string]int{}}
		suite := Suite{Name: "s", Sessions: 100, Checks: besides(g, UnitShared)}
		suite.Checks[0].Run = func(context.Context, *Env) Outcome {
			g.order = append(g.order, "run")
			return Failed("a finding")
		}
		if results := run(t, Runner{}, suite); len(g.order) != 1 || len(results) != 1 || results[0].Verdict != Fail {
			t.Errorf("%d runs, %d results", len(g.order), len(results))
		}
	})
}
