package initiator

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// doubtful is a stage with two paths to one device, whose first has lost its connection with a write to block 7 under way.
type doubtful struct {
	t             *testing.T
	a             *fakeArray
	m             *Manager
	first, second SessionID
	lost          *flight
}

// onDoubtful sets the stage: the first session's attempts are refused from now on, the second goes on.
func onDoubtful(t *testing.T, edit func(*ManagerConfig), f func(d *doubtful)) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		d := &doubtful{t: t, a: newArray(n, []uint32{0, 1}, portalA, portalB), m: newTestManager(t, n, edit)}
		d.first = mustOpen(t, d.m, Data)
		second, err := d.m.AddSession(t.Context(), AddSpec{LoginSpec: LoginSpec{Target: testTarget, Portal: address(portalB)}})
		if err != nil {
			t.Fatal(err)
		}
		d.second = second
		pass(10)
		d.hold(true)
		d.lost = submit(t, d.m, d.first, writeRequest(7, block("older")), time.Time{})
		d.hold(false)
		d.a.refuse()
		d.a.severFirst()
		d.a.forget()
		f(d)
	})
}

// hold lets the array leave commands unanswered, or not.
func (d *doubtful) hold(on bool) {
	d.a.change(func() {
		d.a.hold = nil
		if on {
			d.a.hold = func(*pdu.SCSICommand) bool { return true }
		}
	})
}

// wants checks what the array has heard of reads and writes since the last time.
func (d *doubtful) wants(want ...string) {
	d.t.Helper()
	got := slices.DeleteFunc(d.a.said(), func(s string) bool { return s[:2] != "RE" && s[:2] != "WR" || s[:6] == "REPORT" || s[:8] == "READ CAP" })
	if !slices.Equal(got, want) {
		d.t.Errorf("the array has heard %q, want %q", got, want)
	}
	d.a.forget()
}

// block is one block that begins with what is given.
func block(begin string) []byte { return append([]byte(begin), make([]byte, 512-len(begin))...) }

const (
	readOf7  = "READ(10) lun 0 lba 7"
	writeOf7 = "WRITE(10) lun 0 lba 7"
	writeOf8 = "WRITE(10) lun 0 lba 8"
)

// TestOverlapWaits checks that reads and writes that overlap a write of unknown outcome wait on the other path until it was sent again and answered, and
// that others pass.
func TestOverlapWaits(t *testing.T) {
	onDoubtful(t, nil, func(d *doubtful) {
		newer := submit(t, d.m, d.second, writeRequest(7, block("newer")), time.Time{})
		read := submit(t, d.m, d.second, readRequest(7, 512), time.Time{})
		elsewhere := submit(t, d.m, d.second, writeRequest(8, block("else")), time.Time{})
		otherUnit := submit(t, d.m, d.second, onLUN(writeRequest(7, block("unit 1")), 1), time.Time{})
		elsewhere.wants(t, "GOOD")
		otherUnit.wants(t, "GOOD")
		newer.wants(t, "pending")
		d.wants(writeOf8, "WRITE(10) lun 1 lba 7")
		d.a.heal()
		pass(6)
		d.wants(writeOf7, writeOf7, readOf7)
		for _, f := range []*flight{d.lost, newer, read} {
			f.wants(t, "GOOD")
		}
		if !bytes.Equal(read.Read, block("newer")) {
			t.Errorf("block 7 begins with %q, want %q", read.Read[:8], "newer")
		}
		if n := d.m.doubts.open.Load(); n != 0 {
			t.Errorf("%d writes are of unknown outcome still", n)
		}
	})
}

// TestOverlapKeepsItsPlace checks that what was submitted to the same session after a write of unknown outcome is sent in its order, and only when that
// write has its answer.
func TestOverlapKeepsItsPlace(t *testing.T) {
	onDoubtful(t, nil, func(d *doubtful) {
		newer := submit(t, d.m, d.first, writeRequest(7, block("newer")), time.Time{})
		behind := submit(t, d.m, d.first, writeRequest(8, block("behind")), time.Time{})
		d.a.change(func() { d.a.hold = func(p *pdu.SCSICommand) bool { return scsi.Opcode(p.CDB[0]) == scsi.OpWrite10 } })
		d.a.heal()
		pass(6)
		late := submit(t, d.m, d.first, writeRequest(8, block("late")), time.Time{})
		d.wants(writeOf7)
		d.hold(false)
		d.a.severLast() // The first session's, which came back: the outcome is unknown still.
		pass(6)
		d.wants(writeOf7, writeOf7, writeOf8, writeOf8)
		for _, f := range []*flight{d.lost, newer, behind, late} {
			f.wants(t, "GOOD")
		}
	})
}

// TestOverlapIsLetGo checks what ends the waiting beside an answer: the end of the write, however it ends. The waiting itself ends as any other does.
func TestOverlapIsLetGo(t *testing.T) {
	for name, end := range map[string]func(d *doubtful){
		"its session is logged off": func(d *doubtful) { _ = d.m.Logout(d.t.Context(), d.first) },
		"its device leaves":         func(d *doubtful) { pass(61) },
		"it is aborted":             func(d *doubtful) { _ = d.m.Abort(d.t.Context(), d.first, d.lost.Request) },
		"its unit is reset":         func(d *doubtful) { _ = d.m.ResetLUN(d.t.Context(), d.first, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			onDoubtful(t, nil, func(d *doubtful) {
				impatient := submit(t, d.m, d.second, writeRequest(7, block("impatient")), time.Now().Add(500*time.Millisecond))
				newer := submit(t, d.m, d.second, writeRequest(7, block("newer")), time.Time{})
				pass(1)
				impatient.wants(t, "TIMEOUT")
				newer.wants(t, "pending")
				end(d)
				pass(1)
				newer.wants(t, "GOOD")
				d.wants(writeOf7)
			})
		})
	}
}

// TestOverlapIsBounded checks that what waits for a write counts against the bound of the queue, and nothing else does.
func TestOverlapIsBounded(t *testing.T) {
	onDoubtful(t, func(cfg *ManagerConfig) { cfg.QueueBound.Entries = 2 }, func(d *doubtful) {
		var waiting []*flight
		for range 2 {
			waiting = append(waiting, submit(t, d.m, d.second, writeRequest(7, block("newer")), time.Time{}))
		}
		submit(t, d.m, d.second, writeRequest(7, block("newest")), time.Time{}).wants(t, "QUEUE-FULL")
		submit(t, d.m, d.second, writeRequest(8, block("else")), time.Time{}).wants(t, "GOOD")
		for _, f := range waiting {
			f.wants(t, "pending")
		}
	})
}

// TestOvertakeDoubt checks the defect: what overlaps is sent at once.
func TestOvertakeDoubt(t *testing.T) {
	onDoubtful(t, func(cfg *ManagerConfig) { cfg.Deviations = &Deviations{Queue: QueueDeviations{OvertakeDoubt: true}} }, func(d *doubtful) {
		submit(t, d.m, d.second, writeRequest(7, block("newer")), time.Time{}).wants(t, "GOOD")
		d.wants(writeOf7)
	})
}

// TestExtentOf checks which blocks commands are about.
func TestExtentOf(t *testing.T) {
	whole := extent{0, math.MaxUint64}
	for _, test := range []struct {
		cdb        []byte
		want       extent
		writes, ok bool
	}{
		{scsi.Read10(7, 3), extent{7, 10}, false, true},
		{scsi.Verify16(7, 3), extent{7, 10}, false, true},
		{scsi.Write6(7, 0), extent{7, 263}, true, true},
		{scsi.Write16(1<<40, 8), extent{1 << 40, 1<<40 + 8}, true, true},
		{scsi.WriteSame10(7, 0), extent{7, math.MaxUint64}, true, true},
		{scsi.WriteSame16(7, 2, true), extent{7, 9}, true, true},
		{scsi.Unmap(24), whole, true, true},
		{scsi.Inquiry(96), extent{}, false, false},
		{scsi.SynchronizeCache10(0, 0), extent{}, false, false},
		{[]byte{0xc0, 0, 0, 0, 0, 0}, extent{}, false, false},
	} {
		if got, writes, ok := extentOf(test.cdb); got != test.want || writes != test.writes || ok != test.ok {
			t.Errorf("%x: %v, writes %v, %v; want %v, %v, %v", test.cdb, got, writes, ok, test.want, test.writes, test.ok)
		}
	}
	for _, test := range []struct {
		a, b extent
		want bool
	}{{extent{1, 3}, extent{3, 4}, false}, {extent{1, 3}, extent{2, 4}, true}, {extent{1, 9}, extent{4, 5}, true}} {
		if test.a.overlaps(test.b) != test.want || test.b.overlaps(test.a) != test.want {
			t.Errorf("%v and %v: want %v", test.a, test.b, test.want)
		}
	}
}
