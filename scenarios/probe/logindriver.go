package probe

import (
	"errors"
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// loginDriver carries one std-login to its end.
type loginDriver struct {
	login   Login
	walk    *Walk
	result  *LoginResult
	csg     pdu.Stage
	pending text.Pairs // answers that the next request carries
	offered bool       // the operational keys are out
	named   bool       // the names are out
	chap    *chap.Initiator
	proven  bool // this side's proof is out, so that the next stage may be asked for
	round   int
}

func (d *loginDriver) run() {
	p := d.walk.Conn.prober
	d.csg = pdu.StageOperational
	authenticate := d.login.Auth == AuthWhenConfigured && !p.opts.CHAP.IsZero()
	if d.login.Security || d.login.Straight || authenticate {
		d.csg = pdu.StageSecurity
	}
	if authenticate {
		d.chap = &chap.Initiator{Own: p.opts.CHAP, Peer: p.opts.Mutual, Algorithms: p.opts.Algorithms,
			Identifier: byte(p.Uint32()), Challenge: p.Random(16)}
	}
	rounds := d.login.Rounds
	if rounds == 0 {
		rounds = loginRounds
	}
	for d.round = 0; d.round < rounds; d.round++ {
		if err := d.take(d.walk.Exchange(d.next())); err != nil {
			d.result.Outcome, d.result.Why = LoginBroken, err.Error()
		}
		if d.result.Outcome != 0 {
			return
		}
	}
	d.result.Outcome = LoginEndless
}

// next makes the step that follows from all that was said.
func (d *loginDriver) next() Step {
	s := Step{CSG: d.csg, NSG: pdu.StageFullFeature, Transit: true}
	if d.login.Patch != nil {
		round := d.round
		s.Patch = func(r *pdu.LoginRequest) { d.login.Patch(round, r) }
	}
	names := d.walk.Conn.prober.Names(d.login)
	if !d.named {
		s.Keys, d.named = names, true
	}
	if d.csg == pdu.StageSecurity {
		d.security(&s)
	} else if !d.offered {
		s.Keys, d.offered = append(s.Keys, d.login.operational(names, &d.walk.Conn.prober.opts)...), true
	}
	s.Keys = append(s.Keys, d.pending...)
	d.pending = nil
	return s
}

func (d *loginDriver) security(s *Step) {
	if !d.login.Straight {
		s.NSG = pdu.StageOperational
	}
	if d.round > 0 {
		s.Transit = d.chap == nil || d.proven
		return
	}
	method := "None"
	if d.chap != nil {
		method, s.Transit = "CHAP", false
	}
	if value, given := d.login.Keys.Get(text.KeyAuthMethod); given {
		method = value
	}
	if !slices.Contains(d.login.Omit, text.KeyAuthMethod) {
		s.Keys.Add(text.KeyAuthMethod, method)
	}
}

// take works an answer off.
func (d *loginDriver) take(a Answer) error {
	d.result.Last = a.Event
	if status, refused := a.Refused(); refused {
		d.result.Outcome, d.result.Status = LoginRefused, status
		return nil
	}
	switch {
	case a.Event.Ended():
		d.result.Outcome = LoginDropped
	case a.Event.Kind == TimedOut:
		d.result.Outcome = LoginSilent
	case a.Event.Kind == Interrupted:
		d.result.Outcome = LoginInterrupted
	case a.Response == nil:
		d.result.Outcome = LoginBroken
	case a.TextErr != nil:
		return a.TextErr
	}
	if d.result.Outcome != 0 {
		return nil
	}
	if d.csg == pdu.StageSecurity {
		if err := d.takeSecurity(a); err != nil {
			return err
		}
	}
	if a.FullFeature() {
		d.result.Outcome, d.result.Session = LoginGranted, d.walk.Conn.Session
		return nil
	}
	d.answer(a.Pairs)
	if a.Response.Transit && a.Response.NSG == pdu.StageOperational {
		d.csg = pdu.StageOperational
	}
	return nil
}

// takeSecurity carries CHAP on, and does not let the target leave the stage without the proof that it owes.
func (d *loginDriver) takeSecurity(a Answer) error {
	if d.chap == nil || d.chap.Done() {
		return nil
	}
	keys, others := text.CutSecurity(a.Pairs)
	method, answered := others.Get(text.KeyAuthMethod)
	switch {
	case answered && method == "CHAP":
		d.pending = append(d.pending, d.chap.Start()...)
	case answered && method == "None":
		d.chap = nil
		return nil
	case answered:
		return fmt.Errorf("the target answered AuthMethod=%s to an offer of CHAP", method)
	case len(keys) > 0:
		message, err := d.chap.Step(keys)
		if err != nil {
			return err
		}
		d.pending = append(d.pending, message...)
		d.proven = len(message) > 0
	}
	if a.Response.Transit && !d.chap.Done() {
		return errors.New("the target left the security stage without the proof that was asked of it")
	}
	return nil
}

// answer prepares answers to what the target has proposed.
func (d *loginDriver) answer(pairs text.Pairs) {
	said := d.walk.Said
	for _, pair := range pairs {
		key, known := text.Lookup(pair.Key)
		if _, answered := AnswerOf(said, pair.Key); answered || known && !key.Negotiated() {
			continue
		}
		value := pair.Value
		if !known {
			value = text.NotUnderstood
		} else if key.Function == text.List {
			value = text.ParseList(value)[0]
		}
		if own, given := d.login.Answers.Get(pair.Key); given {
			value = own
		}
		d.pending.Add(pair.Key, value)
	}
}
