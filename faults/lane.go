package faults

import (
	"container/heap"
	"time"
)

// Lanes split the nanosecond clock into residues of laneModulus. Whoever schedules an event does so on a lane that it owns, so two events
// of different lanes never share an instant, whatever order they were scheduled in.
const (
	laneModulus = 8192
	laneWidth   = Grain - 2 // of each grain, the first and the last nanosecond are nobody's lane
	laneMax     = laneModulus / Grain * laneWidth
	laneNone    = -1
)

// Grain is the spacing, in nanoseconds from the network's start, of the instants that the network leaves to others: at its multiples, and at
// the last nanosecond before each, nothing is ever delivered. A whole millisecond is a multiple. Whoever drives a run acts at such
// instants, and so never ties with a delivery.
const Grain = 64

// lane is a residue class of instants, owned by one end of a connection.
type lane struct {
	index int
	last  time.Duration // the latest instant given out
}

func (l *lane) residue() time.Duration {
	return time.Duration(l.index/laneWidth*Grain + l.index%laneWidth + 1)
}

// next gives the first instant of the lane that is not before t and after every instant given out before.
func (l *lane) next(t time.Duration) time.Duration {
	if t <= l.last {
		t = l.last + 1
	}
	at := t - t%laneModulus + l.residue()
	if at < t {
		at += laneModulus
	}
	l.last = at
	return at
}

// lanes hands out lanes by name, so that two connections opened at the same instant get theirs whatever order they come in.
type lanes struct {
	taken [laneMax]bool
	used  int
}

// take claims a lane for name, or reports that all are in use.
func (ls *lanes) take(name string) (lane, bool) {
	if ls.used == laneMax {
		return lane{index: laneNone}, false
	}
	i := int(keyed(0, "lane", name) % laneMax)
	for ls.taken[i] {
		i = (i + 1) % laneMax
	}
	ls.taken[i] = true
	ls.used++
	return lane{index: i}, true
}

func (ls *lanes) release(l *lane) {
	if l.index == laneNone || !ls.taken[l.index] {
		return
	}
	ls.taken[l.index] = false
	ls.used--
	l.index = laneNone
}

// event is something that the network does at an instant, counted from the network's start.
type event struct {
	due time.Duration
	seq uint64
	run func()
}

// agenda is a heap of events by instant; events of one instant keep the order in which they were scheduled.
type agenda []event

func (a agenda) Len() int { return len(a) }

func (a agenda) Less(i, j int) bool {
	return a[i].due < a[j].due || a[i].due == a[j].due && a[i].seq < a[j].seq
}

func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push is for container/heap.
func (a *agenda) Push(x any) { *a = append(*a, x.(event)) }

// Pop is for container/heap.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = event{}
	*a = (*a)[:last]
	return e
}

// schedule enters an event and arms the network's one timer for the earliest. The caller holds n.mu.
func (n *Network) schedule(due time.Duration, run func()) {
	if n.closed {
		return
	}
	n.eventSeq++
	heap.Push(&n.agenda, event{due: due, seq: n.eventSeq, run: run})
	if n.agenda[0].seq == n.eventSeq {
		n.arm()
	}
}

func (n *Network) arm() {
	if len(n.agenda) == 0 {
		return
	}
	wait := max(0, n.agenda[0].due-n.now())
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.work)
		return
	}
	n.timer.Reset(wait)
}

// work runs whatever is due. In a bubble that is one event, since no two share an instant.
func (n *Network) work() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.closed && len(n.agenda) > 0 && n.agenda[0].due <= n.now() {
		heap.Pop(&n.agenda).(event).run()
	}
	if !n.closed {
		n.arm()
	}
}
