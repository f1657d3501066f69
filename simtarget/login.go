package simtarget

import (
	"errors"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	// loginDataMax is the longest data segment of a login PDU in either direction: MaxRecvDataSegmentLength does not count before full
	// feature phase (RFC 7143, Section 13.12).
	loginDataMax = 8192
	// loginTextMax bounds the text of one negotiation step.
	loginTextMax = 64 << 10
	// loginExchangesMax bounds the Login Requests of one login.
	loginExchangesMax = 256
)

// login is one connection's login (RFC 7143, Section 6.3). The connection's reading goroutine owns it.
type login struct {
	c     *connection
	array *Array
	dev   *Deviations

	// From the first request; later ones must agree.
	started bool
	isid    iscsi.ISID
	tsih    uint16
	cid     uint16
	itt     uint32
	cmdSN   uint32
	// expStatSN is that of the connection whose place this one takes (RFC 7143, Section 11.12.9).
	expStatSN uint32

	stage     pdu.Stage
	exchanges int
	assembler text.Assembler
	parts     [][]byte // of an answer that is longer than one PDU

	named       bool // the first text is complete
	initiator   string
	target      *target // nil for a Discovery session that names none
	discovery   bool
	joins       *session // the session whose connection this login replaces or adds
	orders      *orders
	negotiation *text.Negotiation
	chap        *chap.Target
	proven      bool // authentication is done, or not asked for
	operational bool // a request of the operational stage was answered
	granted     *session
	began       pdu.Stage
	refused     bool // the array has ended the login
	taken       int  // bytes of text so far
	gated       bool // a deviation: the login holds the only place
	switched    bool // a deviation: AuthMethod=None is to be answered to a second offer
	turn        bool // the login goes on at a portal that takes one at a time

	emptyRequests int               // a deviation: so many requests in a row had no text
	active        byte              // a deviation: Version-active
	early         *pdu.SCSIResponse // a deviation: of a command that came during the login

	// Of faulty arrays (fault_offers.go).
	insteadAnswers text.Pairs // in place of answers that the negotiation would make
	forced         text.Pairs // in force although nobody agreed
	stalled        bool       // the empty exchange was had
	stalledPairs   text.Pairs // the answers that waited meanwhile
}

// refusal ends a login with a status. What follows the response is the connection's end.
type refusal struct {
	status iscsi.Status
	keys   text.Pairs // TargetAddress
	reason string
}

func (r *refusal) Error() string { return fmt.Sprintf("login refused with %s: %s", r.status, r.reason) }

func refuse(status iscsi.Status, format string, args ...any) error {
	return &refusal{status: status, reason: fmt.Sprintf(format, args...)}
}

// vanished ends a login without a response.
type vanished struct {
	how    Ending
	reason string
}

func (v *vanished) Error() string { return "login ended without a response: " + v.reason }

// login takes the connection to full feature phase and reports whether it got there.
func (c *connection) login() bool {
	l := &login{c: c, array: c.array, dev: &c.array.dev}
	c.statSN = c.array.sessionPolicy().FirstStatSN
	defer l.leave()
	if !l.connected() {
		return false
	}
	for !c.deaf.Load() {
		var h pdu.BHS
		c.settle()
		_, err := c.reader.ReadHeader(&h)
		var tooLong *pdu.LengthError
		if err != nil && !errors.As(err, &tooLong) || c.deaf.Load() {
			return false
		}
		if h.Opcode() != pdu.OpLoginRequest {
			if l.dev.LoginForm.foreign(l, &h) {
				continue
			}
			l.foreign(&h)
			return false
		}
		l.dev.Robustness.login(l, h.DataSegmentLength())
		if tooLong != nil {
			l.decode(&h)
			l.end(refuse(iscsi.StatusInitiatorError, "data segment of %d bytes, want at most %d", h.DataSegmentLength(), loginDataMax))
			return false
		}
		data, err := c.readData(h.DataSegmentLength())
		if err != nil {
			return false
		}
		c.tally.received(pdu.BHSLength + len(data))
		done, err := l.step(&h, data)
		c.dataDone()
		if err != nil {
			if l.end(err) {
				continue
			}
			return false
		}
		if done {
			return true
		}
	}
	return false
}

// connected does what rules want done before anything is read.
func (l *login) connected() bool {
	if l.array.unanswered(l.c.door) {
		l.end(&vanished{how: EndSilent, reason: "nobody answers at the portal"})
		return false
	}
	if !l.array.enterLogin(l) || !l.takeTurn() {
		return false
	}
	rule := l.array.loginRuleAtConnect(l.c.portal.Name)
	if rule == nil {
		return true
	}
	if !l.c.pause(rule.Delay) {
		return false
	}
	switch {
	case rule.Drop != "":
		l.end(&vanished{how: rule.Drop, reason: "a rule wants it"})
		return false
	case rule.Silence:
		l.end(&vanished{how: EndSilent, reason: "a rule wants silence"})
		return false
	}
	return true
}

// foreign answers a PDU that is no Login Request: before the login has begun the connection closes, afterwards the login is refused
// (RFC 7143, Section 6.3).
func (l *login) foreign(h *pdu.BHS) {
	if !l.started {
		if l.dev.Robustness.GarbageStopsListening {
			l.array.stopListening()
		}
		l.end(&vanished{how: EndFIN, reason: h.Opcode().String() + " before the login"})
		return
	}
	l.end(refuse(iscsi.StatusInvalidDuringLogin, "%s during the login", h.Opcode()))
}

// decode keeps what a response has to repeat.
func (l *login) decode(h *pdu.BHS) pdu.LoginRequest {
	var q pdu.LoginRequest
	_ = q.DecodeBHS(h) // the opcode was looked at
	if !l.started {
		l.started = true
		l.isid, l.tsih, l.cid, l.itt, l.cmdSN, l.stage = iscsi.ISID(q.ISID), q.TSIH, q.CID, q.ITT, q.CmdSN, q.CSG
		l.expStatSN = q.ExpStatSN
		l.began = q.CSG
	}
	return q
}

// step answers one Login Request. It reports whether full feature phase has begun.
func (l *login) step(h *pdu.BHS, data []byte) (bool, error) {
	first := !l.started
	q := l.decode(h)
	if err := l.dev.LoginForm.request(l, &q, first, len(data)); err != nil {
		return false, err
	}
	if err := l.lawful(h, &q, first); err != nil {
		return false, err
	}
	if err := l.strict(&q, first); err != nil {
		return false, err
	}
	answer, err := l.answer(&q, data)
	if err != nil {
		return false, err
	}
	return l.respond(&q, answer)
}

// lawful checks the header of a request (RFC 7143, Section 11.12).
func (l *login) lawful(h *pdu.BHS, q *pdu.LoginRequest, first bool) error {
	l.exchanges++
	switch {
	case q.VersionMin > 0:
		return refuse(iscsi.StatusUnsupportedVersion, "versions %d to %d, want 0", q.VersionMin, q.VersionMax)
	case h.TotalAHSLength() != 0:
		return refuse(iscsi.StatusInitiatorError, "additional header segments in a Login Request")
	case iscsi.ISID(q.ISID) != l.isid || q.TSIH != l.tsih || q.CID != l.cid || q.ITT != l.itt:
		return refuse(iscsi.StatusInitiatorError, "ISID, TSIH, CID or ITT changed during the login")
	case q.CSG != pdu.StageSecurity && q.CSG != pdu.StageOperational:
		return refuse(iscsi.StatusInitiatorError, "current stage %d, want 0 or 1", q.CSG)
	case q.CSG != l.stage:
		return refuse(iscsi.StatusInitiatorError, "current stage %d, want %d", q.CSG, l.stage)
	case q.Transit && q.Continue:
		return refuse(iscsi.StatusInitiatorError, "T and C bit in one request")
	case q.Transit && (q.NSG <= q.CSG || q.NSG != pdu.StageOperational && q.NSG != pdu.StageFullFeature) && !l.dev.LoginForm.grants(q):
		return refuse(iscsi.StatusInitiatorError, "next stage %d after %d", q.NSG, q.CSG)
	case q.Transit && q.CSG == pdu.StageSecurity && q.NSG == pdu.StageFullFeature && l.dev.Login.RefuseSecurityToFullFeature:
		return refuse(iscsi.StatusInitiatorError, "next stage %d after %d", q.NSG, q.CSG)
	case l.exchanges > loginExchangesMax && !l.dev.Robustness.UnboundedLoginText:
		return refuse(iscsi.StatusInitiatorError, "more than %d exchanges", loginExchangesMax)
	case first && l.isid.Format() == iscsi.ISIDFormatEnterprise && l.dev.Login.RefuseEnterpriseISID:
		return refuse(iscsi.StatusInitiatorError, "ISID format")
	case first && l.cid == 0 && l.dev.Login.RefuseCIDZero:
		return refuse(iscsi.StatusInitiatorError, "CID 0")
	}
	return nil
}

// reply is what a Login Response says beside its numbers.
type reply struct {
	pairs    text.Pairs
	part     []byte // in place of pairs: a piece of a longer text
	isPart   bool
	more     bool // the C bit
	hold     bool // no transition now
	isPolite bool // an answer to a part of a text: empty
}

// answer makes the reply to a lawful request.
func (l *login) answer(q *pdu.LoginRequest, data []byte) (reply, error) {
	if len(l.parts) > 0 {
		if len(data) > 0 {
			return reply{}, refuse(iscsi.StatusInitiatorError, "text before the answer to the last one was sent in full")
		}
		return l.nextPart(), nil
	}
	if pairs, has, err := l.dev.LoginForm.text(l, q, data); has {
		if err != nil {
			return reply{}, err
		}
		answers, err := l.negotiate(q, pairs)
		return reply{pairs: answers}, err
	}
	data, stuck := l.distortText(data)
	if stuck {
		return reply{}, &vanished{how: EndSilent, reason: "a fault"}
	}
	l.assembler.MaxBytes = loginTextMax
	if l.dev.Robustness.UnboundedLoginText {
		l.assembler.MaxBytes = 1 << 24
	}
	pairs, complete, err := l.assembler.Add(data, q.Continue)
	if err != nil {
		var limit *text.LimitError
		if errors.As(err, &limit) {
			return reply{}, refuse(iscsi.StatusOutOfResources, "%v", err)
		}
		return reply{}, refuse(iscsi.StatusInitiatorError, "%v", err)
	}
	if !complete {
		return reply{isPolite: true, hold: true}, nil
	}
	answers, err := l.negotiate(q, pairs)
	if err != nil {
		return reply{}, err
	}
	return l.split(answers), nil
}

// split cuts an answer that is longer than a login PDU may be.
func (l *login) split(answers text.Pairs) reply {
	if answers.Length() <= loginDataMax || l.dev.LoginForm.LongResponses && answers.Length() <= 2*loginDataMax {
		return reply{pairs: answers}
	}
	l.parts = text.Split(answers, loginDataMax)
	return l.nextPart()
}

func (l *login) nextPart() reply {
	part := l.parts[0]
	l.parts = l.parts[1:]
	more := len(l.parts) > 0
	return reply{part: part, isPart: true, more: more, hold: more}
}

// end answers a login that has failed, and reports whether the connection takes another one all the same.
func (l *login) end(err error) bool {
	l.refused = true
	var gone *vanished
	if errors.As(err, &gone) {
		l.array.recordLogin(l, "login-dropped", gone.reason)
		l.c.end(gone.how)
		return false
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{status: iscsi.StatusTargetError, reason: err.Error()}
	}
	if !l.c.pause(l.array.loginPolicy().Delay) {
		return false
	}
	if l.dev.Values.EmptyRedirect && len(no.keys) > 0 {
		no.keys.Set(text.KeyTargetAddress, "")
	}
	p := pdu.LoginResponse{CSG: l.stage, ISID: l.isid, TSIH: l.tsih, ITT: l.itt, Data: no.keys.Append(nil)}
	p.SetStatus(uint16(no.status))
	if l.dev.Login.UndefinedStatusClass && no.status.Class() != iscsi.ClassRedirection {
		p.StatusClass = 5
	}
	if o := l.orders; o.acting() && o.Redirect != nil && o.Redirect.Transit {
		p.Transit, p.NSG = true, pdu.StageFullFeature
	}
	out := l.encode(&p)
	if l.orders.acting() {
		l.orders.patch(&out)
	}
	state := "login-refused"
	if no.status.Class() == iscsi.ClassRedirection {
		state = "login-redirected"
	}
	l.array.recordLogin(l, state, no.status.String()+": "+no.reason)
	if l.dev.Login.KeepOpenAfterRefusal {
		l.c.out.put(out)
		*l = login{c: l.c, array: l.array, dev: l.dev}
		return true
	}
	if l.dev.Redirect.ContinueAfterRedirect && no.status.Class() == iscsi.ClassRedirection {
		l.c.out.put(out)
		return true
	}
	l.c.endAfter(out, EndFIN)
	return false
}

// encode gives a Login Response its numbers.
func (l *login) encode(p *pdu.LoginResponse) outgoing {
	p.StatSN, p.ExpCmdSN = l.c.statSN, l.cmdSN
	p.MaxCmdSN = l.cmdSN - 1 + uint32(l.array.firstWindow(l.orders))
	if l.joins != nil {
		l.joins.mu.Lock()
		p.ExpCmdSN, p.MaxCmdSN = l.joins.order.advertise(l.array)
		l.joins.mu.Unlock()
	}
	if p.VersionActive = l.active; l.dev.LoginForm.ActiveVersionOne {
		p.VersionActive = 1
	}
	if l.dev.Login.CountLoginCmdSN {
		p.ExpCmdSN++
	}
	if l.dev.Login.ZeroMaxCmdSN {
		p.MaxCmdSN = 0
	}
	if l.dev.Login.ZeroISID {
		p.ISID = [6]byte{}
	}
	var out outgoing
	p.EncodeBHS(&out.bhs)
	out.data = p.Data
	return out
}

// leave is done when the login is over, whichever way.
func (l *login) leave() {
	a := l.array
	l.passTurn()
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.chap != nil {
		a.forgetChallenge(l.chap.Challenge)
	}
	a.leaveLogin(l)
}

// pauseBefore waits as the profile and the rule want it before an answer.
func (l *login) pauseBefore() error {
	delay := l.array.loginPolicy().Delay
	if l.orders.acting() {
		delay += l.orders.Delay
	}
	delay += l.array.slowness()
	if delay > 0 && !l.c.pause(delay) {
		return &vanished{how: EndFIN, reason: "connection closed during a delay"}
	}
	return nil
}

// fullFeature makes the connection one of full feature phase.
func (l *login) fullFeature() {
	c := l.c
	c.granted = time.Now()
	c.opens = l.joins == nil && !l.discovery
	c.inSession.Store(true)
}
