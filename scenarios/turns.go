package scenarios

import "runtime"

// turns decides which checks of a list run at the same time.
//
// In bubbles every check has a peer of its own, and as many run as there are workers, in the order of the list. A real peer is one for all:
// there, checks that say how many sessions they have (Check.Sessions) run side by side as far as the peer's sessions go. When none of them is
// left, the others run one by one. They come last, since some of them fell weak peers.
//
// It belongs to one goroutine.
type turns struct {
	entries []Entry
	// Places in the list that are still to come: those that may run beside others, and those that run alone.
	beside, alone []int
	free          int // sessions, or workers
	running       int
	exclusive     bool // what runs is one of those that run alone
}

// turnsOf makes the turns of a list, with so many workers in bubbles; 0 stands for one a core.
func turnsOf(entries []Entry, workers int) *turns {
	t := &turns{entries: entries, free: workers}
	if workers <= 0 {
		t.free = runtime.GOMAXPROCS(0)
	}
	for _, e := range entries {
		if e.Of.Virtual {
			continue
		}
		// One real peer in the list, and the list is run with care.
		t.free = e.Of.Sessions
		break
	}
	for i, e := range entries {
		if n := t.sessions(e); n > 0 && n <= t.free {
			t.beside = append(t.beside, i)
		} else {
			t.alone = append(t.alone, i)
		}
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

// next returns the place of a check that may start now, or false when none may. The caller says ended when it has ended.
func (t *turns) next() (int, bool) {
	for i, place := range t.beside {
		if n := t.sessions(t.entries[place]); n <= t.free {
			t.beside = append(t.beside[:i:i], t.beside[i+1:]...)
			t.free -= n
			t.running++
			return place, true
		}
	}
	if t.running > 0 || len(t.beside) > 0 || len(t.alone) == 0 {
		return 0, false
	}
	place := t.alone[0]
	t.alone = t.alone[1:]
	t.running, t.exclusive = 1, true
	return place, true
}

// ended gives back what a check took.
func (t *turns) ended(place int) {
	t.running--
	if t.exclusive {
		t.exclusive = false
		return
	}
	t.free += t.sessions(t.entries[place])
}
