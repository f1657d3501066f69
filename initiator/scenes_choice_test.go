package initiator

import "time"

// choiceScenes are about what the settings of the Manager offer to choose.
var choiceScenes = []scene{
	{"jitter", func(o *observation) {
		_ = o.m.Set(func(s *Settings) { s.ReconnectJitter, s.RemovalLatency = 0.2, After(time.Hour) })
		o.login(Data)
		o.pass(10)
		o.cut()
		for range 60 {
			o.pass(2)
		}
	}},
	{"another portal of the group", func(o *observation) { o.failOver("1") }},
	{"a portal of another group", func(o *observation) { o.failOver("2") }},
	{"in flight on one of two paths", func(o *observation) {
		o.login(Data)
		o.do("clone", func() (err error) { _, err = o.m.AddSession(o.t.Context(), AddSpec{Clone: o.id}); return err })
		o.pass(10)
		o.hold(true)
		o.ask("flying", write(1, 0), 0)
		o.hold(false)
		o.a.severFirst()
		o.pass(0.1, 10)
	}},
	{"logoff of a boot session", func(o *observation) {
		o.login(Boot)
		o.logout(o.id)
		o.pass(1, 10)
	}},
}

// failOver discovers portal B, in a group of that tag, and loses A, which is of group 1, with other portals allowed.
func (o *observation) failOver(tag string) {
	o.a.change(func() { o.a.tags[portalB] = tag })
	_ = o.m.Set(func(s *Settings) { s.PortalFailover = true })
	o.login(Discovery)
	o.do("discover", func() error { _, err := o.m.Discover(o.t.Context(), o.id); return err })
	o.logout(o.id)
	o.login(Data)
	o.pass(10)
	o.n.mu.Lock()
	o.n.places[portalA] = nil
	o.n.mu.Unlock()
	o.a.sever()
	o.pass(3, 10)
	o.a.change(func() { o.note("isids %v", o.a.isids) })
}
