package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// acknowledger looks now and then whether the target waits for the acknowledgement of status, and sends it. It is driven by one timer and
// guarded by the session's mutex.
type acknowledger struct {
	timer *time.Timer
	told  uint32 // ExpStatSN as it went out last.
}

// start arms the timer where acknowledgements are wanted; in a discovery session NOP-Out is not allowed.
func (a *acknowledger) start(c *connection) {
	if c.s.cfg.AcknowledgeAfter > 0 && c.s.info.Type != DiscoverySession {
		a.timer = time.AfterFunc(c.s.cfg.AcknowledgeAfter, c.acknowledge)
	}
}

func (a *acknowledger) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// acknowledge sends a NOP-Out that wants no answer when status has come that nothing sent since has acknowledged (RFC 7143, Section
// 11.18).
func (c *connection) acknowledge() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.broken != nil || c.phase == phaseLeaving {
		return
	}
	if c.ack.told != c.expStatSN && len(c.queue) == 0 {
		p := pdu.NOPOut{Immediate: !c.s.dev.NOP.PlainAcknowledgement, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: c.s.window.next}
		var e sendEntry
		p.EncodeBHS(&e.header)
		c.send(e)
	}
	c.ack.timer.Reset(c.s.cfg.AcknowledgeAfter)
}
