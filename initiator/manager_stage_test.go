package initiator

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// newTestManager makes a Manager with one port on n.
func newTestManager(t *testing.T, n *fakeNetwork, edit func(*ManagerConfig)) *Manager {
	t.Helper()
	cfg := ManagerConfig{
		InitiatorName: testInitiator, Ports: []Port{{Name: "p1", Dialer: n}}, Log: trace.NewLog(),
		Defaults: LoginSettings{PingInterval: Never},
	}
	if edit != nil {
		edit(&cfg)
	}
	m, err := NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// address reads a portal's address.
func address(portal string) iscsi.Address {
	a, err := iscsi.ParseAddress(portal)
	if err != nil {
		panic(err)
	}
	return a
}

// mustOpen logs in at portalA.
func mustOpen(t *testing.T, m *Manager, kind Kind) SessionID {
	t.Helper()
	spec := LoginSpec{Kind: kind, Target: testTarget, Portal: address(portalA)}
	if kind == Discovery {
		spec.Target = ""
	}
	id, err := m.Login(t.Context(), spec)
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return id
}

// flight is a request on its way.
type flight struct {
	*Request
	mu   sync.Mutex
	over bool
	at   time.Time
}

// submit submits r and returns what becomes of it.
func submit(t *testing.T, m *Manager, id SessionID, r *Request, deadline time.Time) *flight {
	t.Helper()
	f := &flight{Request: r}
	r.Done = func(*Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.over {
			t.Errorf("request completed twice")
		}
		f.over, f.at = true, time.Now()
	}
	if err := m.Submit(id, r, deadline); err != nil {
		t.Fatalf("submit: %v", err)
	}
	synctest.Wait()
	return f
}

// wants checks how a request ended.
func (f *flight) wants(t *testing.T, outcome string) {
	t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := "pending"
	if f.over {
		got = f.Outcome()
	}
	if got != outcome {
		t.Errorf("request %x is %s, want %s", f.CDB, got, outcome)
	}
}

// state returns the state of a session, or StateClosed.
func state(m *Manager, id SessionID) State {
	status, err := m.Session(id)
	if err != nil {
		return StateClosed
	}
	return status.State
}

// deviceLUNs lists the LUN numbers of all paths of all devices.
func deviceLUNs(m *Manager) []uint64 {
	list := []uint64{}
	for _, d := range m.Devices() {
		for _, p := range d.Paths {
			list = append(list, lunNumber(p.LUN))
		}
	}
	slices.Sort(list)
	return list
}

// pass lets virtual time pass.
func pass(s float64) {
	time.Sleep(time.Duration(s * float64(time.Second)))
	synctest.Wait()
}

// onLUN addresses a request to a LUN.
func onLUN(r *Request, lun uint32) *Request {
	r.LUN = uint64(scsi.LUNOf(lun))
	return r
}
