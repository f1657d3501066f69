package initiator

import (
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	// loginRoundLimit bounds the Login Requests of one login.
	loginRoundLimit = 128
	// loginTextLimit is the longest data segment of a Login Request in bytes: the target has not said yet that it takes more.
	loginTextLimit = 8192
	// loginTag is the task tag of the login, which is over before any other task begins, unless LoginManners has another one.
	loginTag = 0xfffe
	// firstCmdSN is the CmdSN of the login and of the first command after it, unless LoginManners has another one.
	firstCmdSN = 1
)

// loginExchange is the initiator's side of the login at one portal: a state machine without I/O. Its owner sends what first and next
// return, one request for each response, until next returns no request.
type loginExchange struct {
	cfg  *LoginConfig
	dev  *Deviations
	hops int // Redirects that led here.

	stage         pdu.Stage
	negotiation   *text.Negotiation
	answers       text.Assembler
	chap          *chap.Initiator
	authenticated bool

	parts     [][]byte // What is still to be sent of the present text.
	asked     pdu.LoginRequest
	rounds    int
	cmdSN     uint32
	expStatSN uint32
	tsih      uint16
	window    commandWindow
	// expCmdSN and maxCmdSN are those of the last response.
	expCmdSN, maxCmdSN uint32
	held               text.Pairs // What the deviations LateNames and LateChallenge keep for the next request.
	stray              text.Pairs // TargetAddress in a response that was no redirect.
	delayed            bool       // For the deviation RestartSecurity: the last request asked for the end of the operational stage.
	repeated           bool       // For deviations that do a thing once.
	faulty             faultyNegotiation
}

// newLoginExchange prepares a login that hops redirects have led to. After redirects nothing of an earlier portal is left: the
// whole login is begun anew.
func newLoginExchange(cfg *LoginConfig, dev *Deviations, hops int) *loginExchange {
	x := &loginExchange{cfg: cfg, dev: dev, hops: hops, stage: pdu.StageSecurity, cmdSN: cfg.cmdSN}
	wants := cfg.wants(dev)
	if j := cfg.joins; j != nil {
		x.cmdSN, x.expStatSN = j.cmdSN, j.expStatSN
		if !dev.Keys.LeadingOnJoin {
			wants = j.wants(wants)
		}
	}
	if dev.Redirect.CarryAuthentication && hops > 0 && cfg.CHAP != nil {
		x.authenticated = true
		for i := range wants {
			if wants[i].Key == text.KeyAuthMethod {
				wants[i].Offer = "CHAP,None"
			}
		}
	}
	x.tolerateNone(wants)
	wants = x.misoffer(wants)
	if dev.Negotiation.FourKilobytes {
		x.answers.MaxBytes = 4096
	}
	x.negotiation = text.NewNegotiation(text.Initiator, cfg.Type, wants)
	x.negotiation.SetJoining(cfg.joins != nil && !dev.Keys.LeadingOnJoin)
	if cfg.SkipSecurityStage || dev.Auth.StartOperational || dev.Auth.OncePerSession && cfg.joins != nil || dev.Redirect.ContinueStage && hops > 0 {
		x.stage = pdu.StageOperational
	}
	x.negotiation.SetStage(negotiationStage(x.stage))
	if dev.Redirect.ContinueStage && hops > 0 {
		x.forgetNames()
	}
	return x
}

// forgetNames is part of the defect ContinueStage: what the old portal was told is not said again.
func (x *loginExchange) forgetNames() {
	var offers []text.Want
	for _, o := range x.cfg.operational() {
		offers = append(offers, text.Want{Key: o.Key, Offer: o.Value})
	}
	x.negotiation = text.NewNegotiation(text.Initiator, x.cfg.Type, offers)
}

func negotiationStage(s pdu.Stage) text.Stage {
	if s == pdu.StageSecurity {
		return text.SecurityNegotiation
	}
	return text.LoginOperationalNegotiation
}

// first returns the first request.
func (x *loginExchange) first() *pdu.LoginRequest {
	offers := x.negotiation.Offer()
	if name, ok := offers.Get(text.KeyTargetName); ok && x.dev.Login.LateNames {
		x.held.Add(text.KeyTargetName, name)
		offers = offers.Without(text.KeyTargetName)
	}
	return x.say(append(offers, x.early()...))
}

// say makes the next request out of pairs.
func (x *loginExchange) say(pairs text.Pairs) *pdu.LoginRequest {
	if x.rounds == 1 {
		pairs = append(pairs, x.held...)
	}
	x.hideNone(pairs)
	pairs = x.missay(pairs)
	limit := loginTextLimit
	if x.dev.Login.OneRequest {
		limit = 0
	}
	x.parts = text.Split(pairs, limit)
	return x.request()
}

// listen makes the empty request that lets the target go on with its text.
func (x *loginExchange) listen() *pdu.LoginRequest {
	p := x.say(nil)
	p.Transit, p.NSG = false, 0
	return p
}

// request makes a request out of the next part of the present text.
func (x *loginExchange) request() *pdu.LoginRequest {
	x.rounds++
	part := x.parts[0]
	x.parts = x.parts[1:]
	part = x.missend(part)
	p := &x.asked
	*p = pdu.LoginRequest{
		Continue: len(x.parts) > 0, CSG: x.stage, ISID: x.cfg.ISID, TSIH: x.cfg.TSIH, ITT: x.cfg.taskTag, CID: x.cfg.CID,
		CmdSN: x.cmdSN, ExpStatSN: x.expStatSN, Data: part,
	}
	if !p.Continue && x.ready() {
		p.Transit, p.NSG = true, x.following()
	}
	x.spoil(p)
	return p
}

// ready reports whether this side has nothing left to do in the present stage once the present text is out.
func (x *loginExchange) ready() bool {
	if x.stage == pdu.StageSecurity {
		return x.cfg.CHAP == nil || x.authenticated || x.chap != nil && x.proved()
	}
	return !x.negotiation.Unoffered()
}

// following is the stage that is asked for after the present one. Who has nothing to negotiate leaves the operational stage out (RFC 7143,
// Section 6.3).
func (x *loginExchange) following() pdu.Stage {
	if x.stage == pdu.StageSecurity && len(x.cfg.operational()) > 0 {
		return pdu.StageOperational
	}
	return pdu.StageFullFeature
}

// next takes a response in and returns the next request, or nil when the login is complete. Errors are *LoginError without portal, or
// *moved.
func (x *loginExchange) next(p *pdu.LoginResponse) (*pdu.LoginRequest, error) {
	if err := x.checkStatus(p); err != nil {
		return nil, err
	}
	if err := x.checkHeader(p); err != nil {
		return nil, err
	}
	if x.rounds >= x.roundLimit() {
		return nil, x.fault("an end", fmt.Sprintf("%d responses", x.rounds), "RFC 7143, Section 6.3")
	}
	if err := x.impatient(); err != nil {
		return nil, err
	}
	if x.dev.Login.DropRest && len(p.Data) > 0 {
		x.parts = nil
	}
	if len(x.parts) > 0 {
		if len(p.Data) > 0 {
			return nil, x.fault("no keys before the end of this side's text", fmt.Sprintf("%d bytes", len(p.Data)), "RFC 7143, Section 6.2")
		}
		return x.request(), nil
	}
	pairs, complete, err := x.answers.Add(p.Data, p.Continue && !x.dev.Login.EachPDUAlone)
	if err != nil && !x.dev.Login.EachPDUAlone && !x.dev.Negotiation.AnyText {
		return nil, x.failure(err)
	}
	if !complete {
		return x.listen(), nil
	}
	if p.Transit && x.dev.Auth.TrustStage {
		x.authenticated = true
	}
	if err := x.untagged(pairs); err != nil {
		return nil, err
	}
	reply, err := x.take(pairs)
	if err != nil {
		return nil, err
	}
	if p.Transit || x.dev.Login.OwnTransit && x.asked.Transit {
		return x.transit(p, owed(pairs, reply))
	}
	return x.say(append(reply, x.negotiation.Offer()...)), nil
}

// take takes the keys of one whole text in and returns what they call for.
func (x *loginExchange) take(pairs text.Pairs) (text.Pairs, error) {
	if _, found := pairs.Get(text.KeyTargetAddress); found {
		x.stray = pairs
	}
	security, others := text.CutSecurity(pairs)
	heard, err := x.mishear(others)
	if err != nil {
		return nil, x.failure(err)
	}
	reply, err := x.negotiation.Receive(heard)
	reply = x.misanswer(heard, reply)
	var key *text.KeyError
	if x.cfg.CHAP != nil && errors.As(err, &key) && key.Key == text.KeyAuthMethod {
		if x.downgraded() {
			return reply, nil
		}
		err = fmt.Errorf("%w: %w", ErrAuthFailed, err)
	}
	if err != nil {
		return nil, x.failure(err)
	}
	if err := x.checkGroup(); err != nil {
		return nil, err
	}
	proof, err := x.authenticate(security)
	if err != nil {
		return nil, err
	}
	return append(reply, proof...), nil
}

// owed leaves out of a reply what offers do not need: an offer that decides by itself may come with T=1 (RFC 7143, Section 6.2.2).
func owed(offers, reply text.Pairs) text.Pairs {
	var kept text.Pairs
	for _, pair := range reply {
		offer, _ := offers.Get(pair.Key)
		if key, known := text.Lookup(pair.Key); !known || !key.Decides(offer) {
			kept = append(kept, pair)
		}
	}
	return kept
}

// transit enters the next stage, as both sides have agreed.
func (x *loginExchange) transit(p *pdu.LoginResponse, reply text.Pairs) (*pdu.LoginRequest, error) {
	if len(reply) > 0 {
		return nil, x.fault("no keys that call for an answer together with T=1", reply[0].Key, "RFC 7143, Section 6.3")
	}
	if x.stage == pdu.StageSecurity {
		if x.cfg.CHAP != nil && !x.authenticated {
			return nil, x.unproved("T=1 before that")
		}
	}
	if x.stage == pdu.StageSecurity && p.NSG != pdu.StageFullFeature {
		x.stage = pdu.StageOperational
		x.negotiation.SetStage(text.LoginOperationalNegotiation)
		if x.dev.Negotiation.EmptyFirst {
			return x.listen(), nil
		}
		return x.say(x.negotiation.Offer()), nil
	}
	if err := x.negotiation.Check(); err != nil {
		return nil, x.failure(err)
	}
	if x.goesOn(p) {
		return x.listen(), nil
	}
	x.tsih = p.TSIH // A fielded target grants 0; with one connection to the session it is of no use anyway.
	if err := x.checkJoined(p); err != nil {
		return nil, err
	}
	next := x.cmdSN
	if x.dev.Login.CommandAfterLogin {
		next++
	}
	x.expCmdSN, x.maxCmdSN = p.ExpCmdSN, p.MaxCmdSN
	x.window = newWindow(next, p.ExpCmdSN, p.MaxCmdSN)
	return nil, nil
}

// checkStatus looks at the status before anything else: a login that is refused is refused, whatever the other fields say.
func (x *loginExchange) checkStatus(p *pdu.LoginResponse) error {
	status := iscsi.Status(p.Status())
	if x.overlooks(p, status) {
		return nil
	}
	switch status.Class() {
	case iscsi.ClassSuccess:
		return nil
	case iscsi.ClassRedirection:
		if x.dev.Redirect.Fatal || x.dev.Redirect.PermanentFatal && status == iscsi.StatusMovedPermanently {
			break
		}
		pairs, _ := text.Parse(p.Data) // What can be read of it decides.
		return &moved{status: status, addresses: pairs.Values(text.KeyTargetAddress)}
	}
	return x.refusal(status)
}

// stageName is the present stage for errors.
func (x *loginExchange) stageName() LoginStage {
	if x.stage == pdu.StageSecurity {
		return StageSecurity
	}
	return StageOperational
}

// fault says what the target did wrong.
func (x *loginExchange) fault(expected, got, clause string) error {
	return &LoginError{Stage: x.stageName(), Expected: expected, Got: got, Clause: clause}
}

// failure wraps a cause.
func (x *loginExchange) failure(err error) error {
	return &LoginError{Stage: x.stageName(), Err: err}
}
