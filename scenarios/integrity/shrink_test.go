package integrity

import (
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// numbered is the random plan of a number: that which rapid draws first from this seed.
func numbered(n int) drawn { return rapid.Custom(draw).Example(n) }

// rapidFlags guards rapid's flags, which are the process's.
var rapidFlags sync.Mutex

// shrink lets rapid shrink the plan of a number, and then leaves out of it whatever can be left out one by one: without any of its steps,
// faults or settings the result would not break the same rule.
func shrink(t *testing.T, number int, change func(d *drawn), patience time.Duration) result {
	t.Helper()
	rapidFlags.Lock()
	defer rapidFlags.Unlock()
	for name, value := range map[string]string{"rapid.seed": strconv.Itoa(number), "rapid.checks": "5", "rapid.shrinktime": patience.String(), "rapid.nofailfile": "true"} {
		f := flag.Lookup(name)
		old := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Value.Set(old) }() // it was one before
	}
	least := try(t, changed(numbered(number), change))
	rule := least.broken()
	if rule == "" {
		t.Fatalf("plan %d breaks nothing", number)
	}
	rapid.Check(&silent{name: t.Name()}, func(rt *rapid.T) {
		if r := try(t, changed(rapid.Custom(draw).Draw(rt, "plan"), change)); r.broken() == rule {
			least = r
			rt.Fatalf("%s", rule)
		}
	})
	return reduce(t, least, rule)
}

func changed(d drawn, change func(d *drawn)) drawn {
	if change != nil {
		change(&d)
	}
	return d
}

// silent is what rapid talks to while it shrinks. What it found is taken from the property.
type silent struct {
	name   string
	failed bool
}

func (s *silent) Helper()               {}
func (s *silent) Name() string          { return s.name }
func (s *silent) Logf(string, ...any)   {}
func (s *silent) Log(...any)            {}
func (s *silent) Skipf(string, ...any)  {}
func (s *silent) Skip(...any)           {}
func (s *silent) SkipNow()              {}
func (s *silent) Errorf(string, ...any) { s.failed = true }
func (s *silent) Error(...any)          { s.failed = true }
func (s *silent) Fatalf(string, ...any) { s.failed = true }
func (s *silent) Fatal(...any)          { s.failed = true }
func (s *silent) FailNow()              { s.failed = true }
func (s *silent) Fail()                 { s.failed = true }
func (s *silent) Failed() bool          { return s.failed }

// reduce leaves out what can be left out, until nothing can.
func reduce(t *testing.T, least result, rule string) result {
	for again := true; again; {
		again = false
		for _, smaller := range smallerThan(least.plan) {
			if smaller.Validate() != nil {
				continue
			}
			if r := try(t, drawn{plan: smaller, seed: least.seed}); r.broken() == rule {
				least, again = r, true
				break
			}
		}
	}
	return least
}

// smallerThan lists the plans that lack one thing.
func smallerThan(p sessions.Plan) []sessions.Plan {
	var plans []sessions.Plan
	with := func(change func(q *sessions.Plan)) {
		q := p
		q.Steps, q.Faults, q.Arrays = slices.Clone(p.Steps), slices.Clone(p.Faults), slices.Clone(p.Arrays)
		change(&q)
		if q.Line() != p.Line() {
			plans = append(plans, q)
		}
	}
	for i, s := range p.Steps {
		with(func(q *sessions.Plan) { q.Steps = slices.Delete(q.Steps, i, i+1) })
		with(func(q *sessions.Plan) { q.Steps[i].Deadline = 0 })
		if r, composite := s.Do.(sessions.Repeat); composite {
			for k := range r.Steps {
				with(func(q *sessions.Plan) {
					q.Steps[i].Do = sessions.Repeat{Times: r.Times, Steps: slices.Delete(slices.Clone(r.Steps), k, k+1)}
				})
			}
		}
	}
	for i := range p.Faults {
		with(func(q *sessions.Plan) { q.Faults = slices.Delete(q.Faults, i, i+1) })
	}
	for i := range p.Arrays {
		with(func(q *sessions.Plan) { q.Arrays = slices.Delete(q.Arrays, i, i+1) })
		with(func(q *sessions.Plan) { q.Arrays[i].Portals = 0 })
		with(func(q *sessions.Plan) { q.Arrays[i].Profile = "" })
	}
	for _, change := range []func(i *sessions.Initiator){
		func(i *sessions.Initiator) { i.Removal = "" },
		func(i *sessions.Initiator) { i.Interval = 0 },
		func(i *sessions.Initiator) { i.QueueEntries = 0 },
		func(i *sessions.Initiator) { i.PathPolicy = "" },
		func(i *sessions.Initiator) { i.Login = sessions.LoginSettings{} },
		func(i *sessions.Initiator) { i.Login.HeaderDigest, i.Login.DataDigest = nil, nil },
		func(i *sessions.Initiator) { i.Login.LoginTimeout = 0 },
		func(i *sessions.Initiator) { i.Login.PingInterval, i.Login.PingTimeout = 0, 0 },
		func(i *sessions.Initiator) { i.Login.LogoutTimeout = 0 },
	} {
		with(func(q *sessions.Plan) { change(&q.Initiator) })
	}
	return plans
}
