package initiator

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// scene is a play for the Manager and the scripted array; see TestEveryDeviationShows.
type scene struct {
	name string
	play func(*observation)
}

// scenes together bring about every situation that a row of the heart is about.
var scenes = slices.Concat(outageScenes, sessionScenes, choiceScenes)

// outageScenes are about what goes on while a session is down, and when it comes back.
var outageScenes = []scene{
	{"short outages", func(o *observation) {
		o.login(Data)
		for range 17 {
			pass(8)
			o.a.sever()
		}
		o.a.change(func() { o.a.limits = []string{"MaxBurstLength=16384"} })
		o.pass(3, 5)
		o.a.sever()
		o.pass(3, 100)
	}},
	{"units change in an outage", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		for lun := range 6 {
			o.ask(fmt.Sprint("write", lun), write(lun, lun), 0)
		}
		o.a.change(func() { o.a.units.luns, o.a.units.before = []uint32{0, 1, 2}, otherSerial })
		o.a.heal()
		o.pass(10)
		o.cut()
		o.ask("list", list(4096), 0)
		o.ask("page", lookPage(0x80), 0)
		o.pass(1)
		o.a.change(func() { o.a.hold = func(p *pdu.SCSICommand) bool { return p.CDB[0] == opInquiry } })
		o.a.heal()
		pass(3)
		o.ask("early", write(0, 0), 0)
		o.pass(1)
	}},
	{"a latency in the past", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		pass(20)
		_ = o.m.Set(func(s *Settings) { s.RemovalLatency = After(10 * time.Second) })
		o.pass(1)
		o.a.units.blocks = 1 << 18
		o.a.heal()
		o.pass(10)
		for _, d := range o.m.Devices() {
			o.note("size %d", d.Blocks)
		}
		o.a.change(func() { o.a.units.blocks = 1 << 19 })
		o.a.sever()
		o.pass(10)
		for _, d := range o.m.Devices() {
			o.note("size %d", d.Blocks)
		}
	}},
	{"digests changed before an outage", func(o *observation) {
		o.login(Data)
		_ = o.m.Set(func(s *Settings) { s.Login.HeaderDigest = []string{"CRC32C"} })
		o.pass(10)
		o.a.sever()
		o.pass(10)
	}},
	{"one of two hangs", func(o *observation) {
		o.login(Data)
		o.do("clone", func() (err error) { _, err = o.m.AddSession(o.t.Context(), AddSpec{Clone: o.id}); return err })
		o.pass(10)
		o.next(silent)
		for range 2 {
			o.a.severFirst()
			pass(3)
		}
		o.pass(5, 30)
	}},
	{"requests in an outage", func(o *observation) {
		o.login(Data)
		o.ask("look", look(0, 255), 0)
		o.pass(10)
		o.hold(true)
		o.ask("flying", write(1, 0), 0)
		o.cut()
		for i := range 3 {
			o.ask(fmt.Sprint("write", i), write(i+2, i%2), 0)
		}
		o.ask("deadline", write(7, 0), 4*time.Second)
		aborted := o.ask("aborted", write(8, 0), 0)
		o.ask("full", write(9, 0), 0)
		for name, r := range orderly(map[string]*Request{
			"look": look(0, 36), "page": lookPage(0x80), "list": list(4096), "short list": list(16), "other": look(7, 36),
			"ready": {CDB: scsi.TestUnitReady()},
		}) {
			o.ask(name, r, time.Second)
		}
		o.see()
		o.do("abort", func() error { return o.m.Abort(o.t.Context(), o.id, aborted) })
		o.do("reset", func() error { return o.m.ResetLUN(within(o.t, 20*time.Second), o.id, uint64(scsi.LUNOf(1))) })
		o.pass(5, 7.3)
		o.hold(false)
		o.a.heal()
		o.pass(3, 60)
		o.a.sever()
		o.pass(3, 3)
		for i := range 7 {
			o.ask(fmt.Sprint("late", i), write(i, 0), 0)
		}
		o.pass(0.2)
	}},
	{"answered and lost again", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		for i := range 6 {
			o.ask(fmt.Sprint("write", i), write(i, 0), 0)
		}
		left := 3
		o.a.change(func() {
			o.a.hold = func(p *pdu.SCSICommand) bool {
				if p.CDB[0] != 0x2a {
					return false
				}
				left--
				return left < 0
			}
		})
		o.a.heal()
		o.pass(10)
		o.a.change(func() { o.a.hold = nil })
		o.a.sever()
		o.pass(10)
		o.cut()
		for i := range 6 {
			o.ask(fmt.Sprint("again", i), write(i, 0), 0)
		}
		o.a.heal()
		o.pass(10)
	}},
	{"long outage", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.hold(true)
		for i := range 4 {
			o.ask(fmt.Sprint("write", i), write(i, 0), 0)
		}
		o.cut()
		o.pass(1, 53.5, 1, 4, 0.4, 0.2, 5)
		o.hold(false)
		o.a.units.luns = []uint32{0, 1, 5, 6}
		o.a.change(func() { o.a.units.before = otherSerial })
		o.a.heal()
		o.pass(30)
		o.a.sever()
		o.ask("look", look(0, 255), 0)
		o.pass(70)
	}},
	{"flapping", func(o *observation) {
		o.login(Data)
		for range 3 {
			o.pass(10)
			o.cut()
			pass(40)
			o.a.heal()
		}
		o.pass(12, 100)
	}},
	{"a day", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		o.pass(700)
		o.a.heal()
		o.pass(10)
	}},
	{"infinite and zero", func(o *observation) {
		_ = o.m.Set(func(s *Settings) { s.RemovalLatency, s.ReconnectInterval = Infinite(), 7*time.Second })
		o.login(Data)
		o.pass(10)
		o.cut()
		o.pass(100)
		_ = o.m.Set(func(s *Settings) { s.RemovalLatency = After(0) })
		o.see()
		o.a.heal()
		o.pass(10)
		o.cut()
		o.pass(1)
	}},
	{"slow logins", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.next(silent, silent, silent, silent, silent)
		o.a.sever()
		o.pass(3, 3, 3, 20, 35, 20)
	}},
	{"login over the deadline", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		pass(58)
		o.next(func(e *fakeEnd) {
			time.Sleep(5 * time.Second)
			o.a.serve(e, portalA)
		})
		o.a.heal()
		o.pass(10, 20)
	}},
	{"refused logins", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.next(refuseWith(0x0203), refuseWith(0x0203), refuseWith(0x0201), refuseWith(0x0301))
		o.a.sever()
		o.pass(1, 5, 5, 1.5, 60)
	}},
	{"silent connection", func(o *observation) {
		o.login(Data)
		o.next(silent)
		o.a.sever()
		o.pass(30)
		o.a.deafen()
		o.pass(30)
		o.a.refuse()
		o.pass(45, 60)
	}},
}

// otherSerial gives LUN 0 another serial number.
func otherSerial(q question) (reply, bool) {
	if q.lun != 0 || q.cdb[0] != opInquiry || q.cdb[2] != 0x80 {
		return reply{}, false
	}
	return reply{data: scsi.VPD{Page: 0x80, Body: []byte("OTHER")}.Append(nil)}, true
}
