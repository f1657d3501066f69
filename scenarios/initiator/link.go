package initiator

import (
	"github.com/iscsispec/iscsispec/faults"
)

// Sever is the link action: TCP RST to both ends.
func (c *Conn) Sever() { _ = c.Reset() }

// Fin is the link action: an orderly close by the target.
func (c *Conn) Fin() { _ = c.Shut() }

// network is what link actions work on. On real sockets only those of one connection are there.
func (t *T) network() *faults.Network {
	n := t.rig.links()
	if n == nil {
		t.Skip("NOT-TESTABLE: the stimulus needs a network that can be told to fail.")
	}
	return n
}

// Refuse is the link action: a portal refuses every connection, until Heal.
func (t *T) Refuse(letter string) { t.must(t.network().Refuse(t.scope(letter))) }

// Blackhole is the link action: all packets of a portal are dropped silently, until Heal.
func (t *T) Blackhole(letter string) { t.must(t.network().Blackhole(t.scope(letter))) }

// Heal is the link action: normal service of a portal again.
func (t *T) Heal(letter string) { t.must(t.network().Heal(t.scope(letter))) }

func (t *T) scope(letter string) faults.Scope {
	scope, err := faults.AtPortal(t.Portal(letter).HostPort())
	t.must(err)
	return scope
}

// must panics on an error that only a mistake of the check can cause.
func (t *T) must(err error) {
	if err != nil {
		panic(err)
	}
}
