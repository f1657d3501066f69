package initiator

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// TestDiscoverySession checks that a discovery session carries SendTargets and nothing else, and is not re-established.
func TestDiscoverySession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Discovery)
		if s := m.Sessions(); len(s) != 1 || s[0].Kind != Discovery {
			t.Errorf("listed %+v", s)
		}
		if err := m.Do(t.Context(), id, readRequest(0, 512)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("a read through it: %v", err)
		}
		targets, err := m.Discover(t.Context(), id)
		if err != nil || len(targets) != 1 || len(targets[0].Addresses) != 2 {
			t.Errorf("targets %+v, %v", targets, err)
		}
		n.dials()
		a.sever()
		pass(60)
		if d := n.dials(); len(d) != 0 || len(m.Sessions()) != 0 || len(a.said()) != 1 {
			t.Errorf("dialled %v, listed %v, commands %v", d, m.Sessions(), a.said())
		}
		if _, err := m.Discover(t.Context(), id); !errors.Is(err, ErrNoSession) {
			t.Errorf("discovery through a lost session: %v", err)
		}
	})
}

// TestInformationalSession checks that it answers queries, never surfaces a device, and is re-established with its cache and queue.
func TestInformationalSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 3}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Informational)
		if heard := a.said(); len(heard) != 1 {
			t.Errorf("sent unasked after the login: %v", heard)
		}
		asked, err := m.Inquiry(t.Context(), id, 0, 36)
		if err != nil {
			t.Fatal(err)
		}
		var status *StatusError
		if _, err := m.Inquiry(t.Context(), id, uint64(scsi.LUNOf(9)), 36); !errors.As(err, &status) || status.Status != scsi.StatusCheckCondition {
			t.Errorf("an absent unit: %v", err)
		}
		pass(10)
		a.refuse()
		a.sever()
		if got, err := m.Inquiry(t.Context(), id, 0, 96); err != nil || !slices.Equal(got[:36], asked) || len(got) != 96 {
			t.Errorf("INQUIRY while down: %x, %v: the answer was cut by its asker only", got, err)
		}
		if _, err := m.ReportLUNs(within(t, 10*time.Second), id, 4096); !errors.Is(err, ErrTimeout) {
			t.Errorf("REPORT LUNS, never asked before: %v", err)
		}
		pass(100)
		a.heal()
		blocks, _, err := m.ReadCapacity(within(t, 10*time.Second), id, 0)
		if err != nil || blocks != 1<<17 {
			t.Errorf("capacity %d, %v", blocks, err)
		}
		if s := m.Sessions(); len(s) != 1 || s[0].ID != id || s[0].Kind != Informational {
			t.Errorf("listed %+v", s)
		}
		if len(m.Devices()) != 0 {
			t.Errorf("devices %+v", m.Devices())
		}
	})
}

// TestBootSession checks that the boot unit outlives the latency and the other units do not.
func TestBootSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Boot)
		if d := m.Devices(); len(d) != 2 || !d[0].Boot || d[1].Boot {
			t.Fatalf("devices %+v", d)
		}
		pass(10)
		a.refuse()
		a.sever()
		boot := submit(t, m, id, readRequest(0, 512), time.Time{})
		other := submit(t, m, id, onLUN(readRequest(0, 512), 1), time.Time{})
		pass(90)
		boot.wants(t, "pending")
		other.wants(t, "DEVICE-REMOVED")
		if d := m.Devices(); len(d) != 1 || !d[0].Boot {
			t.Errorf("devices after 90 s: %+v", d)
		}
		if _, err := m.Inquiry(t.Context(), id, 0, 36); err != nil {
			t.Errorf("INQUIRY of the boot unit: %v", err)
		}
		a.heal()
		pass(5)
		boot.wants(t, "GOOD")
		if got := deviceLUNs(m); !slices.Equal(got, []uint64{0, 1}) {
			t.Errorf("devices after the return: %v", got)
		}
	})
}

// TestLoginAll checks initiator ports times portal groups, one ISID towards all groups of a port, and that a second round adds nothing.
func TestLoginAll(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, func(c *ManagerConfig) { c.Ports = append(c.Ports, Port{Name: "p2", Dialer: n}) })
		results, err := m.LoginAll(t.Context(), address(portalA))
		if err != nil || len(results) != 4 {
			t.Fatalf("%+v, %v", results, err)
		}
		isids := map[string]iscsi.ISID{}
		for _, s := range m.Sessions() {
			if was, ok := isids[s.InitiatorPort]; ok && was != s.ISID {
				t.Errorf("port %s uses %v and %v", s.InitiatorPort, was, s.ISID)
			}
			isids[s.InitiatorPort] = s.ISID
		}
		if isids["p1"] == isids["p2"] {
			t.Error("two ports share an ISID")
		}
		n.dials()
		again, err := m.LoginAll(t.Context())
		if err != nil || len(again) != 4 || len(n.dials()) != 0 {
			t.Errorf("second round: %+v, %v", again, err)
		}
		for i, r := range again {
			if !r.Existed || r.ID != results[i].ID {
				t.Errorf("second round: %+v, want the session of the first, %v", r, results[i].ID)
			}
		}
		if d := m.Devices(); len(d) != 1 || len(d[0].Paths) != 4 {
			t.Errorf("devices %+v, want one with four paths", d)
		}
		if len(a.said()) == 0 {
			t.Error("nothing was enumerated")
		}
	})
}

// TestAddSession checks clones and sessions at chosen portals: an ISID of their own, another path, the settings of the original, and
// nothing left of one that is refused.
func TestAddSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, nil)
		first := mustOpen(t, m, Data)
		clone, err := m.AddSession(t.Context(), AddSpec{Clone: first})
		if err != nil {
			t.Fatal(err)
		}
		other, err := m.AddSession(t.Context(), AddSpec{LoginSpec: LoginSpec{Target: testTarget, Portal: address(portalB)}})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[iscsi.ISID]bool{}
		for _, isid := range a.isids {
			if seen[isid] {
				t.Errorf("ISID %v was used twice", isid)
			}
			seen[isid] = true
		}
		if d := m.Devices(); len(d) != 1 || len(d[0].Paths) != 3 {
			t.Errorf("devices %+v, want one with three paths", d)
		}
		a.change(func() { a.script = append(a.script, refuseWith(iscsi.StatusTooManyConnections)) })
		var refused *LoginError
		if _, err := m.AddSession(t.Context(), AddSpec{Clone: first}); !errors.As(err, &refused) {
			t.Errorf("a refused clone: %v", err)
		}
		if s := m.Sessions(); len(s) != 3 || s[0].Added || !s[1].Added || s[2].Configured != address(portalB) {
			t.Errorf("sessions %+v", s)
		}
		pass(10)
		a.sever()
		pass(1)
		compare := func(a, b iscsi.ISID) int { return bytes.Compare(a[:], b[:]) }
		before, after := a.isids[:3], a.isids[3:]
		slices.SortFunc(before, compare)
		slices.SortFunc(after, compare) // The three log in again at one instant.
		if !slices.Equal(before, after) {
			t.Errorf("ISIDs %v, want the same three again: %v", after, before)
		}
		if err := m.RemoveSession(t.Context(), clone); err != nil {
			t.Error(err)
		}
		if d := m.Devices(); len(d[0].Paths) != 2 || state(m, first) != StateConnected || state(m, other) != StateConnected {
			t.Errorf("after the removal: %+v, %+v", d, m.Sessions())
		}
		if again, err := m.AddSession(t.Context(), AddSpec{Clone: clone}); err != nil || again == clone {
			t.Errorf("a clone of a removed session: %v, %v", again, err)
		}
		if err := m.Logout(t.Context(), clone); !errors.Is(err, ErrNoSession) {
			t.Errorf("a stale handle: %v", err)
		}
	})
}

// TestRestart checks that default sessions come back with their ISIDs and added ones do not.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA)
		m := newTestManager(t, n, nil)
		first := mustOpen(t, m, Data)
		if _, err := m.AddSession(t.Context(), AddSpec{Clone: first}); err != nil {
			t.Fatal(err)
		}
		isid := a.isids[0]
		ids, err := m.Restart(t.Context(), 3*time.Second)
		pass(1)
		s := m.Sessions()
		if err != nil || len(s) != 1 || s[0].ID != ids[0] || s[0].ID == first || s[0].ISID != isid || s[0].State != StateConnected {
			t.Errorf("after the restart: %+v, %v, %v", s, ids, err)
		}
	})
}

// TestRedirectMemoryOfSession checks where a session goes after a temporary redirect, and how the listing shows it.
func TestRedirectMemoryOfSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		send := func(e *fakeEnd) { e.redirect(iscsi.StatusMovedTemporarily, portalB) }
		a.change(func() { a.script = append(a.script, send) })
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		s := m.Sessions()[0]
		if s.Configured != address(portalA) || s.Current != address(portalB) || s.NextPortal != address(portalA) {
			t.Errorf("listed %+v", s)
		}
		pass(10)
		n.dials()
		a.sever()
		if d := n.dials(); len(d) != 1 || d[0] != portalA {
			t.Errorf("dialled %v, want the configured portal", d)
		}
		if s := m.Sessions()[0]; s.ID != id || s.Current != address(portalA) {
			t.Errorf("listed %+v", s)
		}
	})
}

// TestRedirectIntoOwnSession checks that a redirect to where another session uses the same ISID is not followed.
func TestRedirectIntoOwnSession(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, nil)
		if _, err := m.LoginAll(t.Context(), address(portalA)); err != nil {
			t.Fatal(err)
		}
		pass(10)
		s := m.Sessions()
		a.change(func() {
			a.script = append(a.script, func(e *fakeEnd) { e.redirect(iscsi.StatusMovedTemporarily, portalB) })
		})
		a.mu.Lock()
		first := a.live[1]
		a.mu.Unlock()
		first.Close()
		pass(0)
		var conflict *ReinstatementError
		if now := m.Sessions()[0]; !errors.As(now.LastError, &conflict) || conflict.ID != s[1].ID {
			t.Errorf("listed %+v", now)
		}
		pass(5)
		for _, s := range m.Sessions() {
			if s.State != StateConnected {
				t.Errorf("listed %+v", s)
			}
		}
	})
}

// TestSilentDuringEnumeration checks that a target that leaves the enumeration unanswered loses its session, and that the login still
// returns.
func TestSilentDuringEnumeration(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA)
		a.change(func() { a.hold = func(*pdu.SCSICommand) bool { return true } })
		m := newTestManager(t, n, nil)
		before := time.Now()
		id := mustOpen(t, m, Data)
		if took := time.Since(before); took != scanCommandTimeout+stagger { // the connection is closed behind the ABORT TASK
			t.Errorf("the login took %v", took)
		}
		a.change(func() { a.hold = nil })
		pass(10)
		if state(m, id) != StateConnected || len(m.Devices()) != 1 {
			t.Errorf("sessions %+v, devices %+v", m.Sessions(), m.Devices())
		}
	})
}
