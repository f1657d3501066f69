package scenarios

import (
	"cmp"
	"runtime"
	"slices"
)

// turns decides which checks of a list run at the same time.
//
// In bubbles every check has a peer of its own, and as many run as there are workers, in the order of the list. A real peer is one for all:
// there, checks that say how many sessions they have (Check.Sessions) run side by side as far as the peer's sessions and its ranges of blocks
// go, those first that wait longest. Those that seize the logical unit begin when none is left that shares it. When none of all these is
// left, the others run one by one: first those whose verdict has to be seen again, then those that cannot run beside others. They come last,
// since some of them fell weak peers.
//
// It belongs to one goroutine.
type turns struct {
	entries []Entry
	real    bool
	// Places in the list that are still to come: those that may run beside others, those that run again, and those that run alone.
	beside, again, alone []int
	free                 int   // sessions, or workers
	ranges               []int // of blocks, that nobody has
	running              int
	company              map[int]bool        // those that run, and whether others ran meanwhile
	using                [UnitSeized + 1]int // those of them that may run beside others, by what they do to the logical unit
	exclusive            bool                // what runs is one of those that run alone
}

// turn is a place in the list, and how the check there runs.
type turn struct {
	place int
	// beside tells that other checks of the same peer may run meanwhile; of the blocks' ranges this one is the check's.
	beside bool
	blocks int
}

// turnsOf makes the turns of a list, with so many workers in bubbles; 0 stands for one a core.
func turnsOf(entries []Entry, workers int) *turns {
	t := &turns{entries: entries, free: workers, company: map[int]bool{}}
	if workers <= 0 {
		t.free = runtime.GOMAXPROCS(0)
	}
	for _, e := range entries {
		if e.Of.Virtual {
			continue
		}
		// One real peer in the list, and the list is run with care.
		t.real, t.free = true, e.Of.Sessions
		for i := range e.Of.Ranges {
			t.ranges = append(t.ranges, i)
		}
		break
	}
	for i, e := range entries {
		if n := t.sessions(e); n > 0 && n <= t.free {
			t.beside = append(t.beside, i)
		} else {
			t.alone = append(t.alone, i)
		}
	}
	if t.real {
		slices.SortStableFunc(t.beside, func(a, b int) int { return cmp.Compare(entries[b].Waits, entries[a].Waits) })
	}
	return t
}

// sessions is what a check takes of what is free; 0 means that it runs alone.
func (t *turns) sessions(e Entry) int {
	if e.Of.Virtual {
		return 1
	}
	return e.Sessions
}

// fits tells whether a check may start beside those that run.
func (t *turns) fits(e Entry) bool {
	if t.sessions(e) > t.free || t.exclusive {
		return false
	}
	if e.Of.Virtual {
		return true
	}
	switch e.Unit {
	case UnitShared:
		return (len(t.ranges) > 0 || e.Of.Ranges == 0) && t.using[UnitSeized] == 0
	case UnitSeized:
		sharing := func(place int) bool { return !t.entries[place].Of.Virtual && t.entries[place].Unit == UnitShared }
		return t.using[UnitShared] == 0 && t.using[UnitSeized] == 0 && !slices.ContainsFunc(t.beside, sharing)
	}
	return true
}

// next returns a check that may start now, or false when none may. The caller says ended when it has ended.
func (t *turns) next() (turn, bool) {
	for i, place := range t.beside {
		if e := t.entries[place]; t.fits(e) {
			t.beside = slices.Delete(t.beside, i, i+1)
			return t.start(place, e), true
		}
	}
	if t.running > 0 || len(t.beside) > 0 {
		return turn{}, false
	}
	for _, list := range []*[]int{&t.again, &t.alone} {
		if len(*list) > 0 {
			place := (*list)[0]
			*list = (*list)[1:]
			t.running, t.exclusive = 1, true
			return turn{place: place}, true
		}
	}
	return turn{}, false
}

// start takes what a check needs that runs beside others.
func (t *turns) start(place int, e Entry) turn {
	t.free -= t.sessions(e)
	t.running++
	if e.Of.Virtual {
		return turn{place: place}
	}
	t.using[e.Unit]++
	t.company[place] = false
	if len(t.company) > 1 {
		for other := range t.company {
			t.company[other] = true
		}
	}
	own := turn{place: place, beside: true}
	if e.Unit == UnitShared && e.Of.Ranges > 0 {
		own.blocks, t.ranges = t.ranges[0], t.ranges[1:]
	}
	return own
}

// ended gives back what a check took. Where its result is in doubt and others ran meanwhile, it is to run again, alone: that is what ended
// returns.
func (t *turns) ended(of turn, doubt bool) (again bool) {
	t.running--
	if t.exclusive {
		t.exclusive = false
		return false
	}
	e := t.entries[of.place]
	t.free += t.sessions(e)
	if e.Of.Virtual {
		return false
	}
	t.using[e.Unit]--
	if e.Unit == UnitShared && e.Of.Ranges > 0 {
		t.ranges = append(t.ranges, of.blocks)
	}
	if again = doubt && t.company[of.place]; again {
		t.again = append(t.again, of.place)
	}
	delete(t.company, of.place)
	return again
}
