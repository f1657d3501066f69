package simtarget

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// pingState is the array's side of pings on a connection (RFC 7143, Section 11.19). The session's lock guards it.
type pingState struct {
	ttt      uint32 // of the ping that waits for its answer; 0 when none does
	lun      uint64 // that the ping had
	timer    *time.Timer
	interval time.Duration // of the timer
	last     time.Time     // when the initiator was heard last
}

// heard notes that the initiator lives.
func (p *pingState) heard() {
	if p.timer != nil {
		p.last = time.Now()
	}
}

// answered notes that the ping that was outstanding is answered: the next one comes after a quiet interval, not after the time for an answer.
func (p *pingState) answered() {
	p.ttt = 0
	if p.timer != nil {
		p.timer.Reset(p.interval)
	}
}

func (p *pingState) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// nopOut answers a ping, or takes the answer to one (RFC 7143, Section 11.18).
func (s *session) nopOut(c *connection, r *request) {
	var p pdu.NOPOut
	if p.DecodeBHS(&r.bhs) != nil {
		return
	}
	if s.faultyPing(c, &p) {
		return
	}
	if p.ITT == pdu.ReservedTag {
		if p.TTT != c.pings.ttt {
			return
		}
		c.pings.answered()
		if s.pingPolicy.strict && p.LUN != c.pings.lun {
			s.reject(c, &r.bhs, pdu.RejectProtocolError)
			s.later(func() { s.array.closeConnection(s, c, EndFIN, reasonPing) })
		}
		return
	}
	dev := &s.array.dev.NOP
	answer := pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag}
	n := min(len(r.data), c.params.PeerMaxRecvDataSegmentLength)
	if n > 0 {
		answer.Data = dev.distort(s, &p, r.data, append([]byte(nil), r.data[:n]...))
	}
	if dev.AnswerWithTTT {
		answer.TTT = s.newTTT()
		answer.LUN = p.LUN
	}
	s.send(c, &answer)
}

// ping sends a NOP-In that asks for an answer.
func (s *session) ping(c *connection, lun uint64) {
	p := pdu.NOPIn{ITT: pdu.ReservedTag, TTT: s.newTTT(), LUN: lun}
	c.pings.ttt, c.pings.lun = p.TTT, lun
	if s.array.dev.NOP.PingWithReservedTTT {
		p.TTT = pdu.ReservedTag
	}
	s.sendUnnumbered(c, &p)
}

// tell sends a NOP-In that asks for nothing and shows the numbers.
func (s *session) tell(c *connection) {
	s.sendUnnumbered(c, &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
	if s.array.dev.NOP.CountsInformation {
		c.statSN++
	}
}

// startPings begins to watch a connection that has come into full feature phase. The caller holds the session's lock.
func (s *session) startPings(c *connection, interval, timeout time.Duration) {
	if interval <= 0 {
		return
	}
	c.pings.last, c.pings.interval = time.Now(), interval
	c.pings.timer = time.AfterFunc(interval, func() { s.watch(c, interval, timeout) })
}

// watch sends a ping on a quiet connection, and ends one that did not answer.
func (s *session) watch(c *connection, interval, timeout time.Duration) {
	s.mu.Lock()
	if !c.attached {
		s.mu.Unlock()
		return
	}
	quiet := time.Since(c.pings.last)
	switch {
	case c.pings.ttt != 0 && quiet >= timeout:
		s.mu.Unlock()
		s.array.closeConnection(s, c, EndFIN, reasonPing)
		return
	case quiet >= interval:
		s.ping(c, s.pingPolicy.lun)
		c.pings.last = time.Now()
		c.pings.timer.Reset(timeout)
	default:
		c.pings.ttt = 0
		c.pings.timer.Reset(interval - quiet)
	}
	s.mu.Unlock()
}

// Ping carries out the action.
func (a *Array) ping(p Ping) {
	for _, s := range a.selected(p.Which) {
		s.mu.Lock()
		for _, c := range s.chosen(p.CID) {
			if p.NoAnswer {
				s.tell(c)
			} else {
				s.ping(c, uint64(scsi.LUNOf(p.LUN)))
			}
		}
		s.mu.Unlock()
	}
}
