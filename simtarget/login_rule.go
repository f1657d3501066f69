package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// orders are a LoginRule on its way through one login. A nil *orders has no effect anywhere.
type orders struct {
	LoginRule
	held     int        // requests that were answered with T=0 for HoldTransit
	deferred text.Pairs // the answers that waited meanwhile
	acted    bool       // the answer that the rule is about was given, or is being given
	now      bool       // the present answer is one that the rule is about
}

func newOrders(r *LoginRule) *orders {
	if r == nil {
		return nil
	}
	return &orders{LoginRule: *r}
}

// next looks whether the answer about to be made is one that the rule is about.
func (o *orders) next(l *login) {
	if o == nil {
		return
	}
	switch o.At {
	case AtFirst, "":
		o.now = !o.acted
	case AtOperational:
		o.now = !o.acted && l.stage == pdu.StageOperational
	case AtEvery:
		o.now = true
	default:
		o.now = false
	}
	o.acted = o.acted || o.now
}

// final makes the present answer the one of an AtFinal rule.
func (o *orders) final() bool {
	if o == nil || o.At != AtFinal {
		return false
	}
	o.now, o.acted = true, true
	return true
}

func (o *orders) acting() bool { return o != nil && o.now }

// obey does what takes the place of an answer.
func (l *login) obey() error {
	o := l.orders
	switch {
	case o.Silence:
		return &vanished{how: EndSilent, reason: "a rule wants silence"}
	case o.Redirect != nil:
		if !l.c.pause(o.Delay) {
			return &vanished{how: EndFIN, reason: "connection closed during a delay"}
		}
		return l.ruledRedirect(o.Redirect)
	case o.Drop != "":
		if !l.c.pause(o.Delay) {
			return &vanished{how: EndFIN, reason: "connection closed during a delay"}
		}
		return &vanished{how: o.Drop, reason: "a rule wants it"}
	case o.Status != 0:
		if !l.c.pause(o.Delay) {
			return &vanished{how: EndFIN, reason: "connection closed during a delay"}
		}
		return refuse(iscsi.Status(o.Status), "a rule wants it")
	}
	return nil
}

// ruledRedirect sends the initiator where a rule says.
func (l *login) ruledRedirect(r *RedirectAnswer) error {
	no := &refusal{status: iscsi.StatusMovedTemporarily, reason: "a rule wants it"}
	if r.Permanent {
		no.status = iscsi.StatusMovedPermanently
	}
	for _, to := range r.To {
		if address := l.array.Address(to); address != "" {
			to = address
		}
		no.keys.Add(text.KeyTargetAddress, to)
	}
	return no
}

// holdTransit reports whether a transition is to wait, and counts it.
func (o *orders) holdTransit() bool {
	if o == nil || o.held >= o.HoldTransit {
		return false
	}
	o.held++
	return true
}

// edit changes the text of an answer.
func (o *orders) edit(pairs text.Pairs) text.Pairs {
	pairs = slices.Clone(pairs)
	for _, e := range o.Edit {
		if _, has := pairs.Get(e.Key); has {
			pairs.Set(e.Key, e.Value)
		} else {
			pairs.Add(e.Key, e.Value)
		}
	}
	return pairs.Without(o.Remove...)
}

func (o *orders) patch(out *outgoing) {
	for _, p := range o.Patch {
		p.apply(out.bhs[:])
	}
}
