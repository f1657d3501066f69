package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// LoginWhoDeviations are faults about who logs in to what: names, session types, access, and a target that is away.
type LoginWhoDeviations struct {
	// SkipsAccessList lets in who is not on the list, when the login gives a SessionType.
	SkipsAccessList bool
	// UnknownTypeIsNormal takes an unknown SessionType for Normal.
	UnknownTypeIsNormal bool
	// DropsDiscovery closes at a Discovery login, without a response.
	DropsDiscovery bool
	// DemandsIQN refuses initiator names of other types than iqn.
	DemandsIQN bool
	// ShortNames refuses initiator names above 64 bytes.
	ShortNames bool
	// TakesLaterTarget goes over to the target that a later request names.
	TakesLaterTarget bool
	// TakesLaterInitiator goes over to the initiator name of a later request.
	TakesLaterInitiator bool
	// DemandsAuthMethod refuses a first request in the security stage that offers no AuthMethod.
	DemandsAuthMethod bool
	// AdoptsBurstZero takes MaxBurstLength=0.
	AdoptsBurstZero bool
	// ServesSuspended lets in who logs in while the target is away.
	ServesSuspended bool
	// SilentWhileSuspended never answers who logs in while the target is away.
	SilentWhileSuspended bool
	// ComparesCmdSNUnsigned takes every CmdSN below the greatest one so far for an old one.
	ComparesCmdSNUnsigned bool
}

// identify is where faulty arrays look otherwise at the first text of a login.
func (d *LoginWhoDeviations) identify(l *login, pairs text.Pairs) (text.Pairs, error) {
	kind, _ := pairs.Get(text.KeySessionType)
	name, _ := pairs.Get(text.KeyInitiatorName)
	_, method := pairs.Get(text.KeyAuthMethod)
	switch {
	case d.UnknownTypeIsNormal && kind != text.Discovery.String():
		return pairs.Without(text.KeySessionType), nil
	case d.DropsDiscovery && kind == text.Discovery.String():
		return nil, &vanished{how: EndFIN, reason: "a Discovery login"}
	case d.DemandsIQN && (len(name) < 4 || name[:4] != "iqn."):
		return nil, refuse(iscsi.StatusInitiatorError, "a name that does not begin with iqn.")
	case d.ShortNames && len(name) > 64:
		return nil, refuse(iscsi.StatusInitiatorError, "a name of %d bytes, want at most 64", len(name))
	case d.DemandsAuthMethod && !method && textStage(l.stage) == text.SecurityNegotiation:
		return nil, refuse(iscsi.StatusMissingParameter, "no AuthMethod")
	}
	return pairs, nil
}

// renamed is where faulty arrays take other names from a later text.
func (d *LoginWhoDeviations) renamed(l *login, pairs text.Pairs) text.Pairs {
	if name, has := pairs.Get(text.KeyTargetName); has && d.TakesLaterTarget {
		if t := l.array.target(name); t != nil {
			l.target = t
		}
		pairs = pairs.Without(text.KeyTargetName)
	}
	if name, has := pairs.Get(text.KeyInitiatorName); has && d.TakesLaterInitiator {
		l.initiator = name
		pairs = pairs.Without(text.KeyInitiatorName)
	}
	return pairs
}

// answers is where faulty arrays answer otherwise.
func (d *LoginWhoDeviations) answers(offers, answers text.Pairs) text.Pairs {
	if burst, _ := offers.Get(text.KeyMaxBurstLength); burst == "0" && d.AdoptsBurstZero {
		answers.Set(text.KeyMaxBurstLength, burst)
	}
	return answers
}

// suspended is where faulty arrays do not refuse a login while the target is away. It reports whether it decides.
func (d *LoginWhoDeviations) suspended() (decides bool, err error) {
	switch {
	case d.ServesSuspended:
		return true, nil
	case d.SilentWhileSuspended:
		return true, &vanished{how: EndSilent, reason: "the target is away"}
	}
	return false, nil
}

// old reports whether a faulty array takes a CmdSN for an old one.
func (d *LoginWhoDeviations) old(o *ordering, cmdSN uint32) bool {
	return d.ComparesCmdSNUnsigned && cmdSN < o.exp-1
}
