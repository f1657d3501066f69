package initiator

import (
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// TestUnitsChangeWhileDown checks additions, removals and exchanges of units over an outage.
func TestUnitsChangeWhileDown(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0, 1, 5}, portalA)
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		kept := m.Devices()[1].Name
		pass(10)
		a.refuse()
		a.sever()
		swapped := submit(t, m, id, writeRequest(0, make([]byte, 512)), time.Time{})
		same := submit(t, m, id, onLUN(writeRequest(0, make([]byte, 512)), 1), time.Time{})
		gone := submit(t, m, id, onLUN(writeRequest(0, make([]byte, 512)), 5), time.Time{})
		a.change(func() {
			a.units.luns = []uint32{0, 1, 2}
			a.units.before = func(q question) (reply, bool) {
				if q.lun != 0 || q.cdb[0] != opInquiry || q.cdb[2] != 0x80 {
					return reply{}, false
				}
				return reply{data: scsi.VPD{Page: 0x80, Body: []byte("OTHER")}.Append(nil)}, true
			}
		})
		a.forget()
		a.heal()
		pass(10)
		swapped.wants(t, "DEVICE-REMOVED")
		same.wants(t, "GOOD")
		gone.wants(t, "DEVICE-REMOVED")
		if got := deviceLUNs(m); !slices.Equal(got, []uint64{0, 1, 2}) {
			t.Errorf("devices %v", got)
		}
		if !slices.ContainsFunc(m.Devices(), func(d DeviceInfo) bool { return d.Name == kept }) {
			t.Errorf("%s is not the same device any more: %+v", kept, m.Devices())
		}
		for _, command := range a.said() {
			if command == "WRITE(10) lun 0 lba 0" || command == "WRITE(10) lun 5 lba 0" {
				t.Errorf("%s reached another unit", command)
			}
		}
	})
}

// TestUnitsChangeWhileUp checks that a unit attention about the list and an Async Message bring another enumeration, without
// disturbing requests.
func TestUnitsChangeWhileUp(t *testing.T) {
	for _, how := range []string{"unit attention", "async"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				a := newArray(n, []uint32{0, 1}, portalA)
				m := newTestManager(t, n, nil)
				id := mustOpen(t, m, Data)
				told := false
				a.change(func() {
					a.units.luns = []uint32{0, 2}
					a.units.blocks = 1 << 18
					a.units.before = func(q question) (reply, bool) {
						if told || how == "async" || scsi.Opcode(q.cdb[0]) != scsi.OpServiceActionIn16 {
							return reply{}, false
						}
						told = true
						return check(scsi.UnitAttention, scsi.LUNsDataChanged), true
					}
				})
				if how == "async" {
					a.tell(scsi.NewSense(scsi.UnitAttention, scsi.LUNsDataChanged))
				} else {
					r := &Request{CDB: scsi.ReadCapacity16(32), Read: make([]byte, 32)}
					submit(t, m, id, r, time.Time{}).wants(t, "CHECK CONDITION")
				}
				pass(1)
				if got := deviceLUNs(m); !slices.Equal(got, []uint64{0, 2}) {
					t.Errorf("devices %v", got)
				}
				if d := m.Devices()[0]; d.Blocks != 1<<18 {
					t.Errorf("size %d, want the new one", d.Blocks)
				}
			})
		})
	}
}

// tell sends an Async Message with sense data on every connection.
func (a *fakeArray) tell(sense scsi.Sense) {
	data := sense.Append(nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.live {
		e.write(&pdu.AsyncMessage{Data: append([]byte{0, byte(len(data))}, data...)})
	}
}

// TestSequentialInFlight checks that a tape's commands in flight fail at a loss, and those that wait are sent later.
func TestSequentialInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA)
		a.change(func() { a.units.kind = map[uint32]scsi.DeviceType{0: scsi.TypeSequential} })
		m := newTestManager(t, n, nil)
		id := mustOpen(t, m, Data)
		pass(10)
		a.change(func() { a.hold = func(*pdu.SCSICommand) bool { return true } })
		flying := submit(t, m, id, writeRequest(0, make([]byte, 512)), time.Time{})
		a.refuse()
		a.sever()
		flying.wants(t, "TRANSPORT-LOST")
		waiting := submit(t, m, id, writeRequest(1, make([]byte, 512)), time.Time{})
		a.change(func() { a.hold = nil })
		a.heal()
		pass(5)
		waiting.wants(t, "GOOD")
	})
}

// TestLatencyAtRunTime checks zero, infinite, and a change in the middle of an outage.
func TestLatencyAtRunTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		initial Latency
		at      float64
		change  Latency
		gone    float64
	}{
		{"zero", After(0), 0, Latency{}, 0},
		{"infinite", Infinite(), 0, Latency{}, -1},
		{"shortened", Latency{}, 20, After(30 * time.Second), 30},
		{"shortened below what passed", Latency{}, 20, After(10 * time.Second), 20},
		{"lengthened", After(30 * time.Second), 20, After(300 * time.Second), 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				a := newArray(n, []uint32{0}, portalA)
				m := newTestManager(t, n, func(cfg *ManagerConfig) { cfg.RemovalLatency = c.initial })
				id := mustOpen(t, m, Data)
				pass(10)
				a.change(func() { a.hold = func(*pdu.SCSICommand) bool { return true } })
				f := submit(t, m, id, readRequest(0, 512), time.Time{})
				a.refuse()
				lost := time.Now()
				a.sever()
				if c.change != (Latency{}) {
					pass(c.at)
					if err := m.Set(func(s *Settings) { s.RemovalLatency = c.change }); err != nil {
						t.Error(err)
					}
				}
				if c.gone < 0 {
					pass(24 * 3600)
					f.wants(t, "pending")
				} else {
					pass(c.gone - time.Since(lost).Seconds())
					f.wants(t, "DEVICE-REMOVED")
					if got := f.at.Sub(lost).Seconds(); got != c.gone {
						t.Errorf("removed after %v s, want %v", got, c.gone)
					}
				}
				a.change(func() { a.hold = nil })
				a.heal()
				pass(10)
				if len(m.Devices()) != 1 {
					t.Errorf("devices after the return: %+v", m.Devices())
				}
			})
		})
	}
}

// TestIntervalAtRunTime checks that a new interval governs the gap that is being waited for.
func TestIntervalAtRunTime(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		a := newArray(n, []uint32{0}, portalA)
		m := newTestManager(t, n, func(c *ManagerConfig) { c.ReconnectInterval = 30 * time.Second })
		mustOpen(t, m, Data)
		pass(100)
		a.refuse()
		a.sever()
		n.dials()
		pass(3)
		if err := m.Set(func(s *Settings) { s.ReconnectInterval = time.Second }); err != nil {
			t.Error(err)
		}
		pass(0)
		if d := n.dials(); len(d) != 1 {
			t.Errorf("%d attempts at the change, want the one that is overdue", len(d))
		}
		pass(10)
		if d := n.dials(); len(d) != 10 {
			t.Errorf("%d attempts in 10 s, want 10", len(d))
		}
		if err := m.Set(func(s *Settings) { s.QueueBound.Entries = -1 }); err == nil {
			t.Error("a bound below zero was taken")
		}
	})
}
