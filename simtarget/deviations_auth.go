package simtarget

import (
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// MethodDeviations are faults about which authentication is asked of whom. Those of the exchange itself are chap.TargetDeviations.
type MethodDeviations struct {
	// AcceptNone takes AuthMethod=None where CHAP is required.
	AcceptNone bool
	// FirstMemberOnly looks at the first member of an offered list only.
	FirstMemberOnly bool
	// TransitWithMethod grants a transition that is asked for together with AuthMethod=CHAP.
	TransitWithMethod bool
	// TransitWithAlgorithm grants a transition that is asked for together with AuthMethod=CHAP and CHAP_A.
	TransitWithAlgorithm bool
	// OperationalUnguarded asks for no authentication where the login starts in the operational stage.
	OperationalUnguarded bool
	// FallBackToNone answers AuthMethod=None where no offered method is known.
	FallBackToNone bool
	// SecondOfferTaken lets the initiator go over to AuthMethod=None after the answer to its first offer.
	SecondOfferTaken bool
	// CHAPInOperational sends a challenge in the operational stage.
	CHAPInOperational bool
	// EarlyAlgorithmLost passes over CHAP_A in the request that answers the array's AuthMethod.
	EarlyAlgorithmLost bool
	// OnlySHA256 knows no other algorithm.
	OnlySHA256 bool
	// ConstantChallenge sends the same challenge in every login.
	ConstantChallenge bool
	// ChallengePerName sends an initiator name the same challenge each time.
	ChallengePerName bool
	// AnyName takes every CHAP name for the first account.
	AnyName bool
	// EmptyName takes an empty CHAP name for the first account.
	EmptyName bool
	// NamePrefix compares CHAP names over the length of the shorter one.
	NamePrefix bool
	// TwelveBytes keeps 12 bytes of a secret.
	TwelveBytes bool
	// NameUnbound never compares the initiator name with that of the account.
	NameUnbound bool
	// LeakOnFailure takes a place among the sessions for each failed authentication.
	LeakOnFailure bool
}

// takesName tells whether a name is taken for another one's.
func (d *MethodDeviations) takesName(account, name string) bool {
	n := min(len(account), len(name))
	return d.AnyName || d.EmptyName && name == "" || d.NamePrefix && n > 0 && account[:n] == name[:n]
}

// kept is what is kept of a secret.
func (d *MethodDeviations) kept(secret string) string {
	if d.TwelveBytes {
		return secret[:min(len(secret), 12)]
	}
	return secret
}

// challengeKey is what a challenge is drawn for: the connection, unless the array is faulty.
func (l *login) challengeKey() string {
	switch {
	case l.dev.Method.ConstantChallenge:
		return "constant"
	case l.dev.Method.ChallengePerName:
		return l.initiator
	}
	return strconv.Itoa(int(l.c.ordinal))
}

// distortMethod is where a faulty array reads another AuthMethod than was offered.
func (l *login) distortMethod(offers text.Pairs) text.Pairs {
	dev := &l.dev.Method
	value, offered := offers.Get(text.KeyAuthMethod)
	switch {
	case !offered:
	case dev.FirstMemberOnly:
		offers.Set(text.KeyAuthMethod, text.ParseList(value)[0])
	case dev.SecondOfferTaken && l.chap != nil && value == "None":
		l.proven, l.switched = true, true
		return offers.Without(text.KeyAuthMethod)
	}
	return offers
}

// fallBack is where a faulty array answers AuthMethod otherwise than it has negotiated.
func (l *login) fallBack(answers text.Pairs) text.Pairs {
	if value, answered := answers.Get(text.KeyAuthMethod); answered && value == text.Reject && l.dev.Method.FallBackToNone {
		answers.Set(text.KeyAuthMethod, "None")
		l.proven = true
	}
	if l.switched {
		answers.Add(text.KeyAuthMethod, "None")
		l.switched = false
	}
	return answers
}

// distortSecurity is where a faulty array takes the initiator for authenticated before CHAP has begun, or loses its keys.
func (l *login) distortSecurity(q *pdu.LoginRequest, keys text.Pairs) text.Pairs {
	dev := &l.dev.Method
	switch {
	case l.chap != nil:
	case q.Transit && (dev.TransitWithMethod && len(keys) == 0 || dev.TransitWithAlgorithm && len(keys) > 0):
		l.proven = true
		return nil
	case dev.EarlyAlgorithmLost:
		l.chap = l.array.newCHAP(l)
		return nil
	}
	return keys
}
