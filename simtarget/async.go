package simtarget

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// sendAsync carries out the action: one Asynchronous Message on every connection of the sessions, or on one of each (RFC 7143, Section
// 11.9).
func (a *Array) sendAsync(m Async) {
	for _, s := range a.selected(m.Which) {
		s.mu.Lock()
		for _, c := range s.chosen(m.CID) {
			s.async(c, m)
		}
		s.mu.Unlock()
	}
}

// async sends one message and arranges for what follows it. The caller holds the session's lock.
func (s *session) async(c *connection, m Async) {
	a := s.array
	p := pdu.AsyncMessage{Event: m.Event, VendorCode: m.VendorCode, Data: m.Data}
	within := a.failover.Load().LogoutWithin
	switch m.Event {
	case pdu.AsyncSCSI:
		p.LUN = uint64(scsi.LUNOf(m.LUN))
		if p.Data == nil && !a.dev.Async.EventWithoutSense {
			p.Data = pdu.SenseSegment(m.Sense.sense().Append(nil))
		}
	case pdu.AsyncTasksTerminated:
		p.LUN = uint64(scsi.LUNOf(m.LUN))
	case pdu.AsyncLogoutRequest:
		p.Parameter3 = uint16(within / time.Second)
	case pdu.AsyncConnectionDrop:
		p.Parameter1 = c.cid
		p.Parameter2, p.Parameter3 = uint16(s.params.DefaultTime2Wait), uint16(s.params.DefaultTime2Retain)
		if a.dev.Async.DropNamesCIDZero {
			p.Parameter1 = 0
		}
	case pdu.AsyncSessionDrop:
		p.Parameter2, p.Parameter3 = uint16(s.params.DefaultTime2Wait), uint16(s.params.DefaultTime2Retain)
	}
	s.faults.negotiates = s.faults.negotiates || m.Event == pdu.AsyncNegotiation
	override(&p.Parameter1, m.Parameter1)
	override(&p.Parameter2, m.Parameter2)
	override(&p.Parameter3, m.Parameter3)
	if a.dev.Async.UncountedStatSN {
		s.sendUnnumbered(c, &p)
	} else {
		s.send(c, &p)
	}
	s.recordAsync(&p)
	s.afterAsync(c, &p, m)
}

func override(field, value *uint16) {
	if value != nil {
		*field = *value
	}
}

// afterAsync ends the connection when the message announced it and its time has come.
func (s *session) afterAsync(c *connection, p *pdu.AsyncMessage, m Async) {
	a, how, after := s.array, m.Then, m.After
	if p.Event == pdu.AsyncLogoutRequest {
		c.logoutWait = true
		if how == "" && !a.failover.Load().KeepAfterDeadline {
			how, after = EndFIN, time.Duration(p.Parameter3)*time.Second
		}
		if a.dev.Async.DropAtOnce {
			how, after = EndFIN, 0
		}
	}
	if how == "" || how == EndKeep {
		return
	}
	reason := reasonDropped
	if p.Event == pdu.AsyncLogoutRequest {
		reason = reasonLogoutDeadline
	}
	// A timer does it in every case, since the session's lock is held here.
	time.AfterFunc(after, func() { a.closeConnection(s, c, how, reason) })
}

// announceDrop tells that the connection will be dropped (event 2). The caller holds the session's lock.
func (s *session) announceDrop(c *connection) {
	p := pdu.AsyncMessage{Event: pdu.AsyncConnectionDrop, Parameter1: c.cid}
	s.send(c, &p)
	s.recordAsync(&p)
}
