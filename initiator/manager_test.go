package initiator

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// TestSessionSurvivesLoss follows one data session through a loss: the handle and the ISID stay, the TSIH changes, devices are
// blocked and come back, attempts keep the cadence.
func TestSessionSurvivesLoss(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1, 5}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		if got := deviceLUNs(m); !slices.Equal(got, []uint64{0, 1, 5}) {
			t.Fatalf("devices %v", got)
		}
		before := m.Sessions()[0]
		pass(100)
		a.refuse()
		a.sever()
		lost := time.Now()
		down := m.Sessions()[0]
		if down.ID != id || down.State != StateReconnecting || down.LastError == nil || !down.LostAt.Equal(lost) {
			t.Errorf("down: %+v", down)
		}
		if d := m.Devices(); len(d) != 3 || !d[0].Blocked {
			t.Errorf("devices while down: %+v", d)
		}
		pass(12)
		if d := n.dials(); len(d) != 1+3 {
			t.Errorf("%d dials after 12 s, want the login and 3 attempts", len(d))
		}
		a.heal()
		pass(3)
		after := m.Sessions()[0]
		if after.ID != id || after.State != StateConnected || after.ISID != before.ISID || after.TSIH == before.TSIH || after.Logins != 2 {
			t.Errorf("after: %+v, before: %+v", after, before)
		}
		if got := after.Since.Sub(lost); got != 15*time.Second {
			t.Errorf("back after %v, want 15s", got)
		}
		if d := m.Devices(); len(d) != 3 || d[0].Blocked {
			t.Errorf("devices after: %+v", d)
		}
		pass(60)
		if d := n.dials(); len(d) != 1 {
			t.Errorf("%d dials afterwards, want 1", len(d))
		}
	})
}

// TestRemovalAndReturn checks the latency to the instant, what becomes of requests, and the return under the same name.
func TestRemovalAndReturn(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		names := []string{m.Devices()[0].Name, m.Devices()[1].Name}
		pass(100)
		a.refuse()
		a.sever()
		lost := time.Now()
		var waiting []*flight
		for i := range 50 {
			waiting = append(waiting, submit(t, m, id, onLUN(writeRequest(i, make([]byte, 512)), uint32(i%2)), time.Time{}))
		}
		time.Sleep(60*time.Second - 1)
		waiting[0].wants(t, "pending")
		if len(m.Devices()) != 2 {
			t.Error("a device left before its latency")
		}
		time.Sleep(time.Nanosecond)
		for _, f := range waiting {
			f.wants(t, "DEVICE-REMOVED")
			if f.at.Sub(lost) != 60*time.Second {
				t.Errorf("failed after %v", f.at.Sub(lost))
			}
		}
		if d := m.Devices(); len(d) != 0 {
			t.Errorf("devices at the latency: %+v", d)
		}
		submit(t, m, id, readRequest(0, 512), time.Time{}).wants(t, "DEVICE-REMOVED")
		inquiry := &Request{CDB: scsi.Inquiry(255), Read: make([]byte, 255)}
		submit(t, m, id, inquiry, time.Time{}).wants(t, "DEVICE-REMOVED")
		a.forget()
		a.heal()
		pass(10)
		d := m.Devices()
		if len(d) != 2 || d[0].Name != names[0] || d[1].Name != names[1] || state(m, id) != StateConnected {
			t.Errorf("devices after the return: %+v, want %v", d, names)
		}
		for _, command := range a.said() {
			if len(command) > 5 && command[:5] == "WRITE" {
				t.Errorf("%s was sent after its removal", command)
			}
		}
	})
}

// TestReplayOrder checks that requests in flight come first, then those that waited, then newcomers, each once.
func TestReplayOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		pass(10)
		a.change(func() { a.hold = func(*pdu.SCSICommand) bool { return true } })
		var all []*flight
		for i := range 4 {
			all = append(all, submit(t, m, id, writeRequest(i, make([]byte, 512)), time.Time{}))
		}
		a.refuse()
		a.sever()
		for i := 4; i < 8; i++ {
			all = append(all, submit(t, m, id, writeRequest(i, make([]byte, 512)), time.Time{}))
		}
		a.change(func() { a.hold = nil })
		a.forget()
		a.heal()
		pass(10)
		var blocks []string
		for _, command := range a.said() {
			if command[:5] == "WRITE" {
				blocks = append(blocks, command[len(command)-1:])
			}
		}
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7"}; !slices.Equal(blocks, want) {
			t.Errorf("written in the order %v, want %v", blocks, want)
		}
		for _, f := range all {
			f.wants(t, "GOOD")
		}
		if first := a.said()[1]; first != "REPORT LUNS lun 0 lba 0" {
			t.Errorf("the first command after the login is %s", first)
		}
	})
}

// TestWhileDown checks each way for a request to end while its session is down: cache, deadline, abort, reset, full queue, cancelled
// context, logoff.
func TestWhileDown(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1}, portalA)
		m := newTestManager(t, n, func(c *ManagerConfig) { c.QueueBound.Entries = 5 })
		id := mustOpen(t, m, Data)
		up, err := m.Inquiry(t.Context(), id, 0, 255)
		if err != nil {
			t.Fatal(err)
		}
		pass(10)
		a.refuse()
		a.sever()
		down, err := m.Inquiry(t.Context(), id, 0, 36)
		if err != nil || !slices.Equal(down, up[:36]) {
			t.Errorf("INQUIRY while down: %x, %v", down, err)
		}
		list, err := m.ReportLUNs(t.Context(), id, 16)
		if err != nil || len(list) != 16 || list[3] != 16 {
			t.Errorf("REPORT LUNS while down: %x, %v", list, err)
		}
		if _, err := m.InquiryVPD(within(t, time.Second), id, 0, 0xb0, 255); !errors.Is(err, ErrTimeout) {
			t.Errorf("a page never seen: %v, want a timeout", err)
		}
		var flights []*flight
		for i := range 6 {
			r := onLUN(writeRequest(i, make([]byte, 512)), uint32(i%2))
			deadline := time.Time{}
			if i == 2 {
				deadline = time.Now().Add(7 * time.Second)
			}
			flights = append(flights, submit(t, m, id, r, deadline))
		}
		flights[5].wants(t, "QUEUE-FULL")
		if err := m.Abort(t.Context(), id, flights[0].Request); err != nil {
			t.Error(err)
		}
		flights[0].wants(t, "ABORTED")
		pass(6.999)
		flights[2].wants(t, "pending")
		pass(0.001)
		flights[2].wants(t, "TIMEOUT")
		if err := m.ResetLUN(t.Context(), id, uint64(scsi.LUNOf(1))); err != nil {
			t.Error(err)
		}
		flights[1].wants(t, "ABORTED")
		flights[3].wants(t, "ABORTED")
		flights[4].wants(t, "pending")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := m.Do(ctx, id, readRequest(9, 512)); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		before := time.Now()
		if err := m.Logout(t.Context(), id); err != nil || time.Since(before) != 0 {
			t.Errorf("logout while down: %v after %v", err, time.Since(before))
		}
		flights[4].wants(t, "LOGGED-OUT")
		if len(m.Sessions()) != 0 || len(m.Devices()) != 0 {
			t.Errorf("left: %v %v", m.Sessions(), m.Devices())
		}
		n.dials()
		a.heal()
		pass(60)
		if d := n.dials(); len(d) != 0 {
			t.Errorf("dialled %v after the logoff", d)
		}
	})
}

// within is a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestLogoffEverywhere checks logoff in the middle of a login, with requests in flight, and from a target that does not answer.
func TestLogoffEverywhere(t *testing.T) {
	t.Run("login in progress", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			a := newArray(n, []uint32{0}, portalA)
			m := newTestManager(t, n, nil)
			id := mustOpen(t, m, Data)
			pass(10)
			var ended atomic.Bool
			a.change(func() { a.script = append(a.script, func(e *fakeEnd) { e.readLogin(); e.read(); ended.Store(true) }) })
			a.sever()
			pass(1)
			if err := m.Logout(t.Context(), id); err != nil {
				t.Error(err)
			}
			if pass(0); !ended.Load() {
				t.Error("the login in progress goes on")
			}
			pass(60)
			if len(a.isids) != 1 {
				t.Errorf("%d logins, want 1", len(a.isids))
			}
		})
	})
	t.Run("requests in flight", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			a := newArray(n, []uint32{0}, portalA)
			m := newTestManager(t, n, nil)
			id := mustOpen(t, m, Data)
			a.change(func() { a.hold = func(*pdu.SCSICommand) bool { return true } })
			f := submit(t, m, id, readRequest(0, 512), time.Time{})
			if err := m.RemoveSession(t.Context(), id); err != nil {
				t.Error(err)
			}
			f.wants(t, "LOGGED-OUT")
			if err := m.Submit(id, readRequest(0, 512), time.Time{}); !errors.Is(err, ErrNoSession) {
				t.Errorf("submit to a session that is gone: %v", err)
			}
		})
	})
	t.Run("no Logout Response", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			a := newArray(n, []uint32{0}, portalA)
			m := newTestManager(t, n, nil)
			id := mustOpen(t, m, Data)
			a.change(func() { a.mute = true })
			before := time.Now()
			if err := m.RemoveSession(t.Context(), id); err != nil || time.Since(before) != DefaultLogoutTimeout {
				t.Errorf("%v after %v, want %v", err, time.Since(before), DefaultLogoutTimeout)
			}
			n.dials()
			pass(60)
			if d := n.dials(); len(d) != 0 || len(m.Sessions()) != 0 {
				t.Errorf("dialled %v, listed %v", d, m.Sessions())
			}
		})
	})
}

// TestFirstLogin checks that a first login that fails leaves nothing, and that taken places and unknown kinds are refused.
func TestFirstLogin(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA, portalB)
		m := newTestManager(t, n, nil)
		a.change(func() { a.script = append(a.script, refuseWith(iscsi.StatusNotFound)) })
		spec := LoginSpec{Kind: Data, Target: testTarget, Portal: address(portalA)}
		var refused *LoginError
		if _, err := m.Login(t.Context(), spec); !errors.As(err, &refused) || refused.Status != iscsi.StatusNotFound {
			t.Errorf("refused login: %v", err)
		}
		a.change(func() { a.script = append(a.script, func(e *fakeEnd) { e.read(); e.read() }) })
		if _, err := m.Login(within(t, time.Second), spec); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("login given up: %v", err)
		}
		if len(m.Sessions()) != 0 {
			t.Errorf("left: %v", m.Sessions())
		}
		id := mustOpen(t, m, Data)
		var exists *ExistsError
		for _, kind := range []Kind{Data, Boot} {
			spec.Kind = kind
			if _, err := m.Login(t.Context(), spec); !errors.As(err, &exists) || exists.ID != id {
				t.Errorf("second %v login: %v, want session %v to exist", kind, err, id)
			}
		}
		if _, err := m.Login(t.Context(), LoginSpec{Kind: 9, Target: testTarget, Portal: address(portalA)}); !errors.Is(err, ErrNotSupported) {
			t.Errorf("unknown kind: %v", err)
		}
		if _, err := m.Login(t.Context(), LoginSpec{Kind: Data, Target: "iqn.2026-01.org.example:none"}); !errors.Is(err, ErrNoPortal) {
			t.Errorf("no portal: %v", err)
		}
		a.change(func() { a.tags[portalB] = "1" })
		spec = LoginSpec{Kind: Data, Target: testTarget, Portal: address(portalB)}
		if _, err := m.Login(t.Context(), spec); !errors.As(err, &exists) || exists.ID != id {
			t.Errorf("login to another address of the same group: %v, want session %v to exist", err, id)
		}
		if state(m, id) != StateConnected || len(m.Sessions()) != 1 {
			t.Errorf("sessions %+v", m.Sessions())
		}
	})
}
