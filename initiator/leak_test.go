package initiator

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Cycles of TestCyclesLeaveNothing: the first ones fill what the Manager remembers of sessions that are over.
const (
	fillingCycles = retiredMax + 50
	leakCycles    = 1000
)

// footprint is what the process has when all of it that is not needed was taken away.
type footprint struct {
	goroutines int
	objects    uint64
}

func measure() footprint {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // What the first one found unreachable may have had a finalizer.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{runtime.NumGoroutine(), m.HeapObjects}
}

// cycle is one life of a session: login, a write and a read, a loss with a read that waits for the return, and logout.
func cycle(t *testing.T, m *Manager, a *fakeArray) {
	t.Helper()
	id := mustOpen(t, m, Data)
	do := func(r *Request) {
		if err := m.Do(t.Context(), id, r); err != nil {
			t.Fatal(err)
		}
	}
	do(write(0, 0))
	do(readRequest(0, 512))
	a.sever()
	do(readRequest(0, 512))
	if err := m.Logout(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a.n.dials()
	a.change(func() { a.heard, a.isids, a.logins, a.live, a.units.asked = nil, nil, nil, nil, nil }) // The array's notes are no part of the initiator.
}

// grown plays the cycles and returns what a thousand of them have left behind.
func grown(t *testing.T, dev *Deviations) (goroutines, objects int) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1}, portalA)
		m := newTestManager(t, n, func(c *ManagerConfig) { c.Log, c.Deviations, c.Defaults.PingInterval = nil, dev, 0 })
		for range fillingCycles {
			cycle(t, m, a)
		}
		before := measure()
		for range leakCycles {
			cycle(t, m, a)
		}
		after := measure()
		goroutines, objects = after.goroutines-before.goroutines, int(after.objects)-int(before.objects)
		if s, d := m.Sessions(), m.Devices(); len(s)+len(d) > 0 {
			t.Errorf("%d sessions and %d devices at the end", len(s), len(d))
		}
	})
	return goroutines, objects
}

// TestCyclesLeaveNothing counts goroutines and live objects of the heap over a thousand lives of sessions. It runs alone: both belong to the
// process. A defect shows that it would see what each cycle leaves.
func TestCyclesLeaveNothing(t *testing.T) {
	const slack = leakCycles / 4 // Objects of the runtime and of the test's own.
	if goroutines, objects := grown(t, nil); goroutines != 0 || objects > slack {
		t.Errorf("%d cycles left %d goroutines and %d objects", leakCycles, goroutines, objects)
	}
	if goroutines, objects := grown(t, &Deviations{Manager: ManagerDeviations{TimerPerLogin: true}}); goroutines < leakCycles || objects < leakCycles {
		t.Errorf("a timer left by every login shows as %d goroutines and %d objects only", goroutines, objects)
	}
}
