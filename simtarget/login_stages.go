package simtarget

import (
	"errors"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// negotiate answers a complete text.
func (l *login) negotiate(q *pdu.LoginRequest, pairs text.Pairs) (text.Pairs, error) {
	if err := l.refusesText(pairs); err != nil {
		return nil, err
	}
	if l.named {
		pairs = l.dev.LoginWho.renamed(l, pairs)
	} else {
		var err error
		if pairs, err = l.dev.LoginWho.identify(l, pairs); err != nil {
			return nil, err
		}
		if err := l.identify(pairs); err != nil {
			return nil, err
		}
	}
	l.orders.next(l)
	if l.orders.acting() {
		if err := l.obey(); err != nil {
			return nil, err
		}
	}
	l.negotiation.SetStage(textStage(l.stage))
	security, others := text.CutSecurity(pairs)
	said := others
	others = l.distortMethod(l.misread(l.distortOffers(others)))
	answers, err := l.negotiation.Receive(others)
	if err != nil {
		return nil, negotiationRefusal(err)
	}
	answers = l.dev.planted.answers(others, answers)
	answers = l.fallBack(l.dev.LoginWho.answers(others, l.distortValues(said, l.distortAnswers(others, answers))))
	security, answers = l.dev.LoginForm.challenge(l, security, answers)
	proof, err := l.authenticate(q, security)
	if err != nil {
		return nil, err
	}
	answers = append(answers, proof...)
	if l.stage == pdu.StageOperational {
		l.operational = true
	}
	return append(answers, l.offer()...), nil
}

func textStage(s pdu.Stage) text.Stage {
	if s == pdu.StageSecurity {
		return text.SecurityNegotiation
	}
	return text.LoginOperationalNegotiation
}

func negotiationRefusal(err error) error {
	var key *text.KeyError
	if errors.As(err, &key) && key.Key == text.KeySessionType {
		return refuse(iscsi.StatusSessionTypeNotSupported, "%v", err)
	}
	return refuse(iscsi.StatusInitiatorError, "%v", err)
}

// offer is what the array says without being asked.
func (l *login) offer() text.Pairs {
	pairs := l.negotiation.Offer()
	if l.dev.Keys.OmitPortalGroupTag {
		pairs = pairs.Without(text.KeyTargetPortalGroupTag)
	}
	return l.distortOwn(pairs)
}

// identify reads who logs in to what from the first complete text (RFC 7143, Section 6.3).
func (l *login) identify(pairs text.Pairs) error {
	l.named = true
	sessionType, typed := pairs.Get(text.KeySessionType)
	l.discovery = sessionType == text.Discovery.String()
	if _, named := pairs.Get(text.KeyTargetName); named && l.dev.Listing.NamedIsNormal {
		l.discovery, sessionType = false, text.Normal.String()
	}
	if typed && !l.discovery && sessionType != text.Normal.String() {
		return refuse(iscsi.StatusSessionTypeNotSupported, "SessionType=%.64q", sessionType)
	}
	if !typed && l.dev.Login.DemandSessionType {
		return refuse(iscsi.StatusMissingParameter, "no SessionType")
	}
	name, has := pairs.Get(text.KeyInitiatorName)
	if !has && !l.dev.Login.AcceptAnonymous {
		return refuse(iscsi.StatusMissingParameter, "no InitiatorName in the first request")
	}
	if err := iscsi.ValidName(name); has && err != nil && iscsi.ValidName(lower(name)) != nil {
		return refuse(iscsi.StatusInitiatorError, "%v", err)
	}
	l.initiator = name
	targetName, hasTarget := pairs.Get(text.KeyTargetName)
	l.orders = newOrders(l.array.loginRule(targetName, l.c.portal.Name, name, l.isid, l.discovery))
	l.array.begin(l)
	if err := l.findTarget(targetName, hasTarget); err != nil {
		return err
	}
	overlooked := typed && l.dev.LoginWho.SkipsAccessList
	if policy := l.array.loginPolicy(); len(policy.Allow) > 0 && !slices.Contains(policy.Allow, name) && !overlooked {
		return refuse(iscsi.Status(policy.AllowStatus), "initiator name is not on the list")
	}
	if err := l.turnedAway(); err != nil {
		return err
	}
	if err := l.array.suspended(l); err != nil {
		return err
	}
	if l.tsih != 0 {
		if err := l.findSession(); err != nil {
			return err
		}
	}
	l.negotiation = text.NewNegotiation(text.Target, l.sessionType(), l.wants())
	l.negotiation.SetJoining(l.joins != nil && !l.dev.Connections.RenegotiateSession)
	if l.dev.Redirect.CleanUpFirst || l.dev.Recovery.CloseOnFirstRequest || l.dev.Auth.ReinstateBeforeAuthentication {
		l.array.earlyCleanUp(l)
	}
	if err := l.redirect(false); err != nil {
		return err
	}
	return l.array.limit(l, false)
}

func (l *login) sessionType() text.SessionType {
	if l.discovery {
		return text.Discovery
	}
	return text.Normal
}

// lower folds ASCII capitals: the hexadecimal digits of eui and naa names are written either way (RFC 7143, Section 4.2.7.4).
func lower(name string) string {
	b := []byte(name)
	for i, ch := range b {
		if 'A' <= ch && ch <= 'Z' {
			b[i] = ch + 'a' - 'A'
		}
	}
	return string(b)
}

// findTarget looks for the target that the initiator names.
func (l *login) findTarget(name string, named bool) error {
	a := l.array
	switch {
	case !named && l.discovery && l.dev.Discovery.DemandTargetName:
		return refuse(iscsi.StatusMissingParameter, "no TargetName")
	case !named && l.discovery:
		return nil
	case !named && l.dev.Login.DefaultTarget:
		l.target = a.targets[0]
		return nil
	case !named:
		return refuse(iscsi.StatusMissingParameter, "no TargetName in the first request of a Normal session")
	}
	t := a.target(name)
	if t == nil && l.dev.Login.UnknownNameToDefault {
		t = a.targets[0]
	}
	if t == nil || !a.exported(t, l.c.portal) {
		return refuse(iscsi.StatusNotFound, "no target %.256q at this portal", name)
	}
	l.target = t
	return nil
}

// respond sends the reply, with a transition where one is due, and reports whether full feature phase has begun.
func (l *login) respond(q *pdu.LoginRequest, r reply) (bool, error) {
	next, transit, err := l.transition(q, &r)
	if err != nil {
		return false, err
	}
	p := pdu.LoginResponse{CSG: l.stage, ISID: l.isid, TSIH: l.tsih, ITT: l.itt, Continue: r.more, Transit: transit, NSG: next}
	full := transit && next == pdu.StageFullFeature
	if full {
		if l.orders.final() {
			if err := l.obey(); err != nil {
				return false, err
			}
		}
	}
	if err := l.pauseBefore(); err != nil {
		return false, err
	}
	if full {
		if err := l.admit(); err != nil {
			return false, err
		}
		p.TSIH = l.granted.tsih
	}
	l.finish(&p, r, full)
	if transit && !full {
		l.stage = next
	}
	if l.dev.Login.SecurityEndsInFullFeature && transit && p.CSG == pdu.StageSecurity && next == pdu.StageOperational {
		l.stage = pdu.StageFullFeature
	}
	return full, nil
}

// finish encodes and queues a response of a login that goes on or succeeds.
func (l *login) finish(p *pdu.LoginResponse, r reply, full bool) {
	c := l.c
	pairs := r.pairs
	if l.orders.acting() {
		pairs = l.orders.edit(pairs)
	}
	if p.Data = r.part; !r.isPart {
		p.Data = pairs.Append(nil)
	}
	if n := len(p.Data); l.dev.Offers.NoLastZero && n > 0 {
		p.Data = p.Data[:n-1]
	}
	if l.dev.Login.ZeroTSIH {
		p.TSIH = 0
	} else if l.dev.Login.EarlyTSIH && p.TSIH == 0 {
		p.TSIH = 0x0e0e
	}
	l.dev.LoginForm.response(l, p, full)
	out := l.encode(p)
	if l.orders.acting() {
		l.orders.patch(&out)
	}
	if !full {
		if !r.isPolite || !l.dev.planted.ContinuationUncounted {
			c.statSN++
		}
		c.out.put(out)
		return
	}
	s := l.granted
	s.mu.Lock()
	defer s.mu.Unlock()
	c.statSN++
	if l.dev.Login.StatSNRestarts {
		c.statSN = 1
	}
	if l.dev.Keys.DigestOnFinalResponse {
		out.digests = c.digests
	}
	c.out.put(out)
	s.opened(c)
	l.fullFeature()
	if l.early != nil {
		s.send(c, l.early)
	}
}

// transition decides about the T bit of the response: it is granted when the initiator asks for it, nothing that was offered is open, and
// authentication is done (RFC 7143, Section 6.3).
func (l *login) transition(q *pdu.LoginRequest, r *reply) (next pdu.Stage, transit bool, err error) {
	if r.hold || r.isPolite {
		return 0, false, nil
	}
	if l.dev.Login.TransitUnasked && !q.Transit && l.stage == pdu.StageOperational {
		return pdu.StageFullFeature, true, nil
	}
	if l.dev.LoginForm.grants(q) {
		return q.NSG, true, nil
	}
	if !q.Transit || len(l.negotiation.Open()) > 0 {
		return 0, false, nil
	}
	if o := l.orders; o.holdTransit() {
		o.deferred, r.pairs = append(o.deferred, r.pairs...), nil
		return 0, false, nil
	} else if o != nil && len(o.deferred) > 0 {
		o.deferred, r.pairs = nil, append(o.deferred, r.pairs...)
	}
	if l.stalls(r) {
		return 0, false, nil
	}
	if l.dev.Login.NeverTransitFromOperational && l.began == pdu.StageOperational {
		return 0, false, nil
	}
	if l.stage == pdu.StageSecurity {
		if !l.proven {
			return 0, false, nil
		}
		return l.leaveSecurity(q)
	}
	return pdu.StageFullFeature, true, l.negotiationDone()
}

// leaveSecurity grants the next stage: never beyond what was asked for, and the operational stage where the array has something to settle
// there.
func (l *login) leaveSecurity(q *pdu.LoginRequest) (pdu.Stage, bool, error) {
	if err := l.redirect(true); err != nil {
		return 0, false, err
	}
	next := q.NSG
	if l.dev.Login.GrantBeyondRequest {
		next = pdu.StageFullFeature
	}
	if next == pdu.StageFullFeature && l.mustNegotiate() {
		next = pdu.StageOperational
	}
	if next == pdu.StageFullFeature {
		return next, true, l.negotiationDone()
	}
	return next, true, nil
}

// mustNegotiate reports whether the defaults would break a limit of the array.
func (l *login) mustNegotiate() bool {
	return l.negotiation.Check() != nil || l.array.limitsBelowDefaults(l)
}

// negotiationDone checks the result before full feature phase.
func (l *login) negotiationDone() error {
	if err := l.negotiation.Check(); err != nil {
		return refuse(iscsi.StatusInitiatorError, "%v", err)
	}
	return nil
}
