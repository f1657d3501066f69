package scripted

import (
	"encoding/binary"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// served is the array's side of one connection: what a sound array would answer, and the steps that make it answer otherwise. The array's lock
// guards it.
type served struct {
	a    *array
	l    *link
	next int  // of the connection's steps
	hush bool // nothing is answered any more
	wait time.Duration

	request  pdu.LoginRequest
	begun    bool
	full     bool // the final response went out
	ready    bool // the conductor may go on with the steps
	statSN   uint32
	expCmdSN uint32

	text     text.Assembler
	asked    []string // keys that the array has offered
	declared bool
	named    bool
	rest     []byte // of a text that broke off
	digests  pdu.Digests
	chap     arrayCHAP
}

func newServed(a *array, l *link) *served {
	return &served{a: a, l: l, statSN: 0x1000, chap: newArrayCHAP(l.number)}
}

// place is the place of the next step of the connection; false where there is none.
func (s *served) place() (int, bool) {
	places := s.a.stepsOf(s.l.number)
	if s.a.setup.loop && len(places) > 0 {
		return places[s.next%len(places)], true
	}
	if s.next >= len(places) {
		return 0, false
	}
	return places[s.next], true
}

// take serves a PDU of the initiator.
func (s *served) take(f *pdu.Frame) {
	switch {
	case s.hush:
	case f.Opcode() == pdu.OpLoginRequest && !s.full:
		if s.request.DecodeBHS(&f.BHS) == nil {
			s.request.Data = f.Data
			s.answer()
		}
	default:
		s.serve(f)
	}
}

// answer answers a Login Request: as the steps say, or soundly when there is none left.
func (s *served) answer() {
	if !s.begun {
		s.begun, s.expCmdSN = true, s.request.CmdSN
	}
	sound := s.sound()
	for range s.a.stepsOf(s.l.number) { // A loop may have no answer among its steps.
		i, more := s.place()
		if !more {
			break
		}
		s.next++
		step := &s.a.flow.Steps[i]
		switch step.Verb {
		case fuzz.VerbWait:
			s.wait += step.For
		case fuzz.VerbAnswer:
			s.respond(sound, step, i+1)
			return
		case fuzz.VerbWalk:
			s.respond(sound, nil, i+1)
			if !s.full {
				s.next--
			}
			return
		default:
			s.disturb(step, i+1)
			return
		}
	}
	s.respond(sound, nil, 0)
}

// disturb does what is no answer.
func (s *served) disturb(step *fuzz.Step, number int) {
	switch step.Verb {
	case fuzz.VerbHush:
		s.hush = true
		return
	case fuzz.VerbClose, fuzz.VerbReset:
		how := fuzz.EndClose
		if step.Verb == fuzz.VerbReset {
			how = fuzz.EndReset
		}
		s.hush = true
		s.a.end(s.l, how, number, s.wait)
		return
	}
	if p := s.stray(step); p != nil {
		s.say(p, number, step)
	}
}

// stray is a PDU that nothing asked for.
func (s *served) stray(step *fuzz.Step) pdu.PDU {
	switch step.Verb {
	case fuzz.VerbPing:
		return &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 0x77, StatSN: s.statSN, ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
	case fuzz.VerbCommand:
		return &pdu.SCSIResponse{ITT: 0x4242, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
	case fuzz.VerbText:
		return &pdu.TextResponse{Final: true, ITT: 0x4242, TTT: pdu.ReservedTag, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
	case fuzz.VerbLogout:
		return &pdu.LogoutResponse{ITT: 0x4242, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
	case fuzz.VerbReject:
		return &pdu.Reject{Reason: pdu.RejectReason(max(step.Reason, 4)), StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31, Data: make([]byte, pdu.BHSLength)}
	case fuzz.VerbAsync:
		p := &pdu.AsyncMessage{Event: pdu.AsyncEvent(step.Reason), StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
		seconds := uint16(step.For / time.Second)
		switch p.Event {
		case pdu.AsyncLogoutRequest, pdu.AsyncNegotiation:
			p.Parameter3 = seconds
		default:
			p.Parameter1, p.Parameter2 = s.request.CID, seconds
		}
		return p
	case fuzz.VerbAnswer, fuzz.VerbLogin:
		return &pdu.LoginResponse{Transit: step.Transit, CSG: 1, NSG: 3, ISID: s.request.ISID, ITT: s.request.ITT, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: s.expCmdSN + 31}
	}
	return nil
}

// number uses a StatSN up.
func (s *served) number() uint32 {
	s.statSN++
	return s.statSN - 1
}

// say sends a PDU of the full feature phase, or one that has no place in a login.
func (s *served) say(p pdu.PDU, number int, step *fuzz.Step) {
	f := pdu.FrameOf(p)
	b := f.Append(nil, s.digests)
	r := record{frame: *f, step: number}
	if step != nil && step.Cut.End != "" {
		s.cut(b, r, step.Cut)
		return
	}
	s.a.send(s.l, b, r, s.wait, 0)
	s.wait = 0
}

// cut sends the beginning of a PDU and ends the connection there.
func (s *served) cut(b []byte, r record, c fuzz.Cut) {
	r.broken = true
	s.hush = true
	s.a.send(s.l, b[:c.At%len(b)], r, s.wait, 0)
	s.a.end(s.l, c.End, r.step, s.wait)
	s.wait = 0
}

// serve answers what comes in full feature phase.
func (s *served) serve(f *pdu.Frame) {
	if !s.full {
		return
	}
	if !f.BHS.Immediate() {
		s.expCmdSN++
	}
	highest := s.expCmdSN + 31
	switch f.Opcode() {
	case pdu.OpNOPOut:
		if f.BHS.ITT() != pdu.ReservedTag {
			s.say(&pdu.NOPIn{ITT: f.BHS.ITT(), TTT: pdu.ReservedTag, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: highest, Data: f.Data}, 0, nil)
		}
	case pdu.OpLogoutRequest:
		s.say(&pdu.LogoutResponse{ITT: f.BHS.ITT(), StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: highest}, 0, nil)
	case pdu.OpTextRequest:
		s.say(&pdu.TextResponse{Final: true, ITT: f.BHS.ITT(), TTT: pdu.ReservedTag, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: highest}, 0, nil)
	case pdu.OpSCSICommand:
		s.say(&pdu.SCSIResponse{ITT: f.BHS.ITT(), Status: 2, StatSN: s.number(), ExpCmdSN: s.expCmdSN, MaxCmdSN: highest,
			Underflow: true, ResidualCount: binary.BigEndian.Uint32(f.BHS[20:])}, 0, nil)
	}
}
