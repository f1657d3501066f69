package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// asyncConnectionChecks are those of the group async that take several connections.
func asyncConnectionChecks() []Check {
	return []Check{{ID: "async.event2.other-cid", Base: takesTwo, Driver: twoConnections, Run: func(t *T) {
		for _, n := range []int{0, 2} {
			base, driver := level(n)
			t.PartWith(fmt.Sprintf("ErrorRecoveryLevel=%d", n), func(b *Base, s *Settings) {
				base(b)
				driver(s)
			}, func() { dropOfOther(t) })
		}
	}}}
}

// dropGrace is how long the array keeps a connection that it said it would drop: long enough to see which one the initiator gives up by itself.
const dropGrace = 3 * time.Second

// dropOfOther announces on one connection that the other one will be dropped, and drops it.
func dropOfOther(t *T) {
	c1, c2 := t.pair()
	c1.Async(pdu.AsyncConnectionDrop, func(p *pdu.AsyncMessage) { p.Parameter1, p.Parameter2, p.Parameter3 = c2.CID, 0, 20 })
	t.Serve(dropGrace)
	e, wrong := c1.Ended()
	if _, right := c2.Ended(); wrong && !right {
		t.Fail(fmt.Sprintf("%v on %s, with %s kept", e, c1, c2), "the connection that the event names is the one that goes")
	}
	c2.Fin()
	t.Serve(time.Second)
	if e, ended := c1.Ended(); ended {
		t.Check(c1.Params.ErrorRecoveryLevel < 2, e, "the other connection goes on")
		t.RAlive() // Below level 2 the whole session may be recovered.
		return
	}
	t.RIgnore(c1)
}
