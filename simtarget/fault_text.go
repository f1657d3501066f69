package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// This file is what faulty arrays do with text, pings and rejects.

// faultyText reports whether a faulty array is done with a Text Request.
func (s *session) faultyText(c *connection, p *pdu.TextRequest, r *request) bool {
	dev, x := &s.array.dev.Text, &c.textState
	if s.array.dev.Sequencing.TakesExpStatSN {
		c.statSN = p.ExpStatSN
	}
	switch {
	case s.array.dev.Async.RefusesNegotiation && s.faults.negotiates:
		s.reject(c, &r.bhs, pdu.RejectProtocolError)
	case dev.WaitsForData && len(r.data) == 0 && p.TTT == pdu.ReservedTag:
	case dev.HangsOnUnknownTTT && p.TTT != pdu.ReservedTag && (!x.open || x.ttt != p.TTT):
		c.end(EndSilent)
	case dev.DropsFragment && p.Continue:
		*x = textExchange{open: true, itt: p.ITT, ttt: s.newTTT()}
		x.assembler.MaxBytes = textBytesMax
		s.send(c, &pdu.TextResponse{ITT: x.itt, TTT: x.ttt})
	default:
		if s.array.dev.Reject.LeaksText && !p.Final {
			if s.faults.exchanges++; s.faults.exchanges > 50 {
				s.later(s.array.leakLogins)
			}
		}
		return false
	}
	return true
}

// leakLogins stops logins.
func (a *Array) leakLogins() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults.lockLeaked = true
}

// cutPair is the data of the response to a part of a text: a faulty array answers what it does not know whole.
func (s *session) cutPair(x *textExchange) []byte {
	if s.array.dev.Text.CutPairWhole {
		return []byte("X-com.example.iscsispec=NotUnderstood\x00")
	}
	return nil
}

// refuseText rejects a Text Request.
func (s *session) refuseText(c *connection, h *pdu.BHS, reason pdu.RejectReason) {
	if s.array.dev.Reject.Withdrawn {
		reason = pdu.RejectNegotiationReset
	}
	s.reject(c, h, reason)
}

// faultyPing reports whether a faulty array is done with a NOP-Out.
func (s *session) faultyPing(c *connection, p *pdu.NOPOut) bool {
	dev := &s.array.dev.NOP
	s.faults.pinged = p.Immediate
	switch {
	case p.ITT != pdu.ReservedTag:
		return dev.WaitsForTasks && s.tasks.count() > 0
	case dev.AnswersEverything && p.TTT == pdu.ReservedTag:
		s.sendUnnumbered(c, &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, Data: []byte("yes?")})
	case dev.HangsOnUnknownAnswer && p.TTT != pdu.ReservedTag && p.TTT != c.pings.ttt:
		c.end(EndSilent)
	case dev.DropsAnswered && p.TTT == c.pings.ttt:
		if s.faults.pings++; s.faults.pings == 3 {
			c.end(EndFIN)
		}
	}
	return false
}

// distort spoils the data of an answer to a ping.
func (d *NOPDeviations) distort(s *session, p *pdu.NOPOut, came, answer []byte) []byte {
	switch {
	case d.EchoesAll, d.EchoesAllNonImmediate && !p.Immediate:
		return append([]byte(nil), came...)
	case d.EchoOnlyNonImmediate && p.Immediate:
		return nil
	case d.EchoesZeros:
		clear(answer)
	case d.ShortEcho && len(answer) > 4096:
		return answer[:4096]
	case d.OneBuffer && len(answer) > 0:
		if s.faults.pingData == nil {
			s.faults.pingData = append([]byte(nil), answer...)
		}
		return s.faults.pingData
	}
	return answer
}

// uncount is where a faulty array does not count a PDU as received.
func (s *session) uncountRequest(h *pdu.BHS) {
	op := h.Opcode()
	if s.array.dev.NOP.Uncounted && op == pdu.OpNOPOut || s.array.dev.Text.Uncounted && op == pdu.OpTextRequest ||
		s.array.dev.Connections.LogoutUncounted && op == pdu.OpLogoutRequest {
		s.order.exp--
	}
}

// faultyReject is where a faulty array answers a PDU otherwise that it rejects. It reports whether it is done.
func (s *session) faultyReject(c *connection, h *pdu.BHS, p *pdu.Reject) bool {
	dev, op := &s.array.dev.Reject, h.Opcode()
	switch {
	case dev.SilentOnUnknown && p.Reason == pdu.RejectCommandNotSupported:
		return true
	case dev.TakesR2T && op == pdu.OpR2T:
		c.end(EndSilent)
		return true
	case dev.Endless && op == pdu.OpReject:
		for range 3 {
			s.send(c, p)
		}
	case dev.SNACKAborts && op == pdu.OpSNACKRequest:
		s.tasks.dropAll(s)
	case dev.CountsRejected && op == pdu.OpSCSICommand && !h.Immediate():
		s.order.shift++
	case dev.ForgetsTask && op == pdu.OpDataOut:
		if k := s.tasks.find(h.ITT()); k != nil {
			s.remove(k)
		}
	case dev.RepeatsStatSN:
		c.statSN--
		s.sendUnnumbered(c, p)
		c.statSN++
		return true
	}
	return false
}
