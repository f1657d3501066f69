package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// sessionScenes are about sessions opened, moved, added and ended.
var sessionScenes = []scene{
	{"logoff in an outage", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.cut()
		o.ask("write", write(0, 0), 0)
		pass(7)
		o.logout(o.id)
		o.pass(0.1)
		o.a.heal()
		o.pass(60)
	}},
	{"logoff in a login", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.next(func(e *fakeEnd) {
			time.Sleep(2 * time.Second)
			o.a.serve(e, portalA)
		})
		o.a.sever()
		pass(2.5)
		o.logout(o.id)
		o.pass(0.1, 10)
		o.note("live %d", len(o.a.live))
	}},
	{"logoff", func(o *observation) {
		o.login(Data)
		o.hold(true)
		o.ask("flying", write(0, 0), 0)
		o.logout(o.id)
		o.pass(0.1, 70)
		o.hold(false)
		old := o.id
		o.login(Data)
		o.logout(old)
		o.pass(0.1)
		o.a.change(func() { o.a.mute = true })
		o.logout(o.id)
		o.pass(1)
		o.a.sever()
		o.pass(1, 60)
		o.login(Data)
		o.logout(o.id)
		o.pass(60)
	}},
	{"target asks for logout", func(o *observation) {
		o.login(Data)
		for _, event := range []byte{1, 3} {
			o.pass(10)
			o.a.async(&pdu.AsyncMessage{Event: pdu.AsyncEvent(event), LUN: 0, Parameter1: 9, Parameter2: 1, Parameter3: 3})
			if event == 3 {
				o.a.sever()
			}
			o.pass(0.5, 6)
		}
	}},
	{"redirects", func(o *observation) {
		o.login(Data)
		for _, script := range []func(*fakeEnd){
			redirectTo(iscsi.StatusMovedTemporarily, portalB), redirectTo(iscsi.StatusMovedPermanently, portalB),
			redirectTo(iscsi.StatusMovedTemporarily, "192.0.2.9:3260"),
		} {
			o.pass(10)
			o.next(script)
			o.a.sever()
			o.pass(3)
			o.a.sever()
			o.pass(9)
		}
	}},
	{"kinds", func(o *observation) {
		for _, kind := range []Kind{Discovery, Informational, Boot, 9} {
			o.login(kind)
			o.ask("look", look(0, 36), 0)
			o.pass(10)
			o.cut()
			o.ask("capacity", &Request{CDB: scsi.ReadCapacity10(), Read: make([]byte, 8)}, 3*time.Second)
			o.pass(5, 7)
			o.a.heal()
			o.pass(10)
			if kind != Discovery {
				o.logout(o.id)
			}
			o.pass(1)
		}
	}},
	{"default sessions", func(o *observation) {
		o.do("all", func() error { _, err := o.m.LoginAll(o.t.Context(), address(portalA)); return err })
		o.pass(1)
		o.do("all", func() error { _, err := o.m.LoginAll(o.t.Context(), address(portalA)); return err })
		o.pass(1)
		o.do("restart", func() error { _, err := o.m.Restart(o.t.Context(), 0); return err })
		o.pass(1)
	}},
	{"a chosen portal", func(o *observation) {
		o.login(Discovery)
		o.do("discover", func() error { _, err := o.m.Discover(o.t.Context(), o.id); return err })
		o.logout(o.id)
		o.do("login", func() (err error) {
			o.id, err = o.m.Login(o.t.Context(), LoginSpec{Kind: Data, Target: testTarget, Portal: address(portalB)})
			return err
		})
		o.pass(1)
		o.do("add", func() error {
			_, err := o.m.AddSession(o.t.Context(), AddSpec{LoginSpec: LoginSpec{Target: testTarget, Portal: address(portalB)}})
			return err
		})
		o.pass(1)
		_ = o.m.Set(func(s *Settings) { s.Login.HeaderDigest = []string{"CRC32C"} })
		o.ask("write", write(0, 0), 0)
		o.pass(30)
	}},
	{"duplicate in an outage", func(o *observation) {
		o.login(Data)
		o.pass(10)
		o.a.sever()
		pass(0.1)
		o.login(Data)
		o.pass(10)
	}},
	{"digests required", func(o *observation) {
		_ = o.m.Set(func(s *Settings) { s.Login.HeaderDigest = []string{"CRC32C"} })
		o.a.picksNone = true
		o.login(Data)
		o.pass(20)
	}},
	{"failed first login", func(o *observation) {
		o.a.refuse()
		o.login(Data)
		o.pass(20)
	}},
	{"clones", func(o *observation) {
		clone := func(of SessionID) (id SessionID) {
			o.do("clone", func() (err error) {
				id, err = o.m.AddSession(within(o.t, 3*time.Second), AddSpec{Clone: of})
				return err
			})
			pass(0.1)
			return id
		}
		o.do("login", func() (err error) {
			spec := LoginSpec{Kind: Data, Target: testTarget, Portal: address(portalA)}
			spec.Settings.Offers = append(DefaultOffers(NormalSession), Offer{"MaxOutstandingR2T", "1"})[:3]
			o.id, err = o.m.Login(o.t.Context(), spec)
			return err
		})
		o.pass(1)
		o.a.change(func() { o.a.tsih = 0x42; o.a.oneTSIH = true })
		second := clone(o.id)
		o.pass(1)
		third := clone(o.id)
		o.pass(10)
		o.next(refuseWith(0x0206))
		clone(o.id)
		o.pass(1)
		o.next(silent)
		o.do("clone", func() error { _, err := o.m.AddSession(within(o.t, 3*time.Second), AddSpec{Clone: o.id}); return err })
		o.do("read", func() error { return o.m.Do(o.t.Context(), o.id, readRequest(0, 512)) })
		o.pass(1, 4)
		o.logout(third)
		o.pass(1)
		var ids []SessionID
		for i := range 20 {
			ids = append(ids, clone(o.id))
			if i > 0 {
				o.logout(ids[i])
			}
			pass(0.1)
		}
		o.note("isids %v", o.a.isids)
		o.logout(second)
		o.pass(1)
	}},
	{"one clone", func(o *observation) {
		o.login(Data)
		o.do("clone", func() (err error) { _, err = o.m.AddSession(o.t.Context(), AddSpec{Clone: o.id}); return err })
		o.pass(1)
		o.next(refuseWith(0x0301))
		o.a.severLast()
		o.pass(65)
		o.do("restart", func() error { _, err := o.m.Restart(o.t.Context(), 0); return err })
		o.pass(1)
	}},
}
