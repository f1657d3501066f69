package text

import "strconv"

// Want is what one side wants of one key.
type Want struct {
	// Key is the key's name. A key that the table does not know can be offered too; its answer is recorded.
	Key string
	// Offer is what this side sends without being asked, as an offer or a declaration. "" sends nothing.
	Offer string
	// Limit is what this side answers from. Of a Minimum key it is the most, of a Maximum key the least that this side
	// takes; of a boolean key it is this side's value; of a List key it is the list of what this side takes, in any
	// order, since the offering side's order decides. "" means the same as Offer, or, without one, the key's default.
	Limit string
	// Require makes every result that is not this side's own value (the first of the list, the limit itself) an error.
	Require bool
}

// Negotiation is one side of the text negotiation of one login, a pure state type that its owner drives from one
// goroutine. See the package comment for the order of calls.
type Negotiation struct {
	role        Role
	sessionType SessionType
	stage       Stage
	joining     bool  // the connection joins a session
	received    Pairs // the text that is being worked off
	order       []*keyState
	byName      map[string]*keyState // Lookup only: never iterated.
	params      Params
}

type keyState struct {
	want     Want
	key      Key
	known    bool
	offered  bool   // This side has sent its offer or declaration.
	settled  bool   // The result stands, or the other side has declared.
	declared bool   // The other side has declared.
	answer   string // The value that settled a negotiated key, a reserved word included.
}

// NewNegotiation starts a negotiation in the stage LoginOperationalNegotiation. Keys are offered in the order of wants.
// Keys without a Want are answered from their defaults. A want that its own key's rules do not allow is a mistake of
// the caller, which is not corrected: a probe offers illegal values on purpose.
func NewNegotiation(role Role, sessionType SessionType, wants []Want) *Negotiation {
	n := &Negotiation{role: role, sessionType: sessionType, stage: LoginOperationalNegotiation,
		byName: make(map[string]*keyState, len(wants)), params: DefaultParams()}
	n.params.SessionType = sessionType
	for _, want := range wants {
		state := n.state(want.Key)
		state.want = want
	}
	return n
}

func (n *Negotiation) state(name string) *keyState {
	if s := n.byName[name]; s != nil {
		return s
	}
	key, known := Lookup(name)
	s := &keyState{key: key, known: known, want: Want{Key: name}}
	n.byName[name] = s
	n.order = append(n.order, s)
	return s
}

// Role returns the side whose negotiation it is.
func (n *Negotiation) Role() Role { return n.role }

// SetStage says in which stage the login is. In SecurityNegotiation Offer hands out only the keys that may come there,
// and operational keys that come are answered Reject.
func (n *Negotiation) SetStage(stage Stage) { n.stage = stage }

// SetJoining says that the login adds a connection to a session, whose parameters stand already: keys of use LeadingOnly are
// then neither offered nor taken, but answered Reject (RFC 7143, Section 13).
func (n *Negotiation) SetJoining(joining bool) { n.joining = joining }

// SetSessionType changes the session type once a target has learned it from the initiator's SessionType. Receive does so
// by itself.
func (n *Negotiation) SetSessionType(t SessionType) { n.sessionType, n.params.SessionType = t, t }

// Offer returns what this side sends without being asked and has not sent yet, in the order of the wants, and counts it
// as sent. Keys that the other side has offered meanwhile are left out: they have been answered.
func (n *Negotiation) Offer() Pairs {
	var pairs Pairs
	for _, s := range n.order {
		if s.want.Offer == "" || s.offered || !n.mayOffer(s) {
			continue
		}
		s.offered = true
		pairs.Add(s.want.Key, s.want.Offer)
		if s.known && s.key.Function == Declarative {
			n.params.set(s.want.Key, s.want.Offer, true)
		}
	}
	return pairs
}

func (n *Negotiation) mayOffer(s *keyState) bool {
	if !s.known {
		return n.stage != SecurityNegotiation && !s.settled
	}
	if s.key.Function != Declarative && s.settled {
		return false
	}
	if n.sessionType == Discovery && s.key.NotInDiscovery || n.joining && s.key.Use == LeadingOnly && s.key.Negotiated() {
		return false
	}
	if n.stage == SecurityNegotiation {
		return s.key.Security
	}
	return s.key.Operational
}

// Open returns the names of the keys that this side has offered and that still need an answer, in the order of the
// offers. Boolean keys whose offer decides by itself need none (RFC 7143, Section 6.2.2).
func (n *Negotiation) Open() []string {
	var names []string
	for _, s := range n.order {
		negotiated := !s.known || s.key.Negotiated()
		if s.offered && !s.settled && negotiated && !s.decidesItself() {
			names = append(names, s.want.Key)
		}
	}
	return names
}

func (s *keyState) decidesItself() bool {
	return s.key.Decides(s.want.Offer)
}

// Unoffered tells whether Offer would return anything in the present stage.
func (n *Negotiation) Unoffered() bool {
	for _, s := range n.order {
		if s.want.Offer != "" && !s.offered && n.mayOffer(s) {
			return true
		}
	}
	return false
}

// Result returns the parameters as they stand. Offers that decide by themselves count as agreed.
func (n *Negotiation) Result() Params {
	p := n.params
	for _, s := range n.order {
		if s.offered && !s.settled && s.known && s.decidesItself() {
			p.set(s.want.Key, s.want.Offer, true)
		}
	}
	p.FirstBurstLength = min(p.FirstBurstLength, p.MaxBurstLength)
	return p
}

// Answer returns the value that settled a negotiated key: a result, or NotUnderstood, Irrelevant or Reject.
func (n *Negotiation) Answer(key string) (string, bool) {
	s := n.byName[key]
	if s == nil || !s.settled || s.declared {
		return "", false
	}
	return s.answer, true
}

// Check reports as a *KeyError the first required key whose result is not the required one. A login driver calls it
// when nothing is open, before it enters the full feature phase.
func (n *Negotiation) Check() error {
	for _, s := range n.order {
		if !s.want.Require || !s.known {
			continue
		}
		required := n.limit(s)
		if s.key.Function == List {
			required = ParseList(required)[0]
		}
		got := s.key.Default
		if s.settled && !reserved(s.answer) {
			got = s.answer
		}
		if !sameValue(s.key, required, got) {
			return keyError(s.want.Key, got, required+" (required by this side)", s.key.Clause)
		}
	}
	return nil
}

func sameValue(k Key, a, b string) bool {
	if k.Numeric() {
		x, validX := ParseNumber(a)
		y, validY := ParseNumber(b)
		return validX && validY && x == y
	}
	return a == b
}

// limit returns what this side answers from.
func (n *Negotiation) limit(s *keyState) string {
	limit := s.want.Limit
	if limit == "" {
		limit = s.want.Offer
	}
	if limit == "" {
		limit = s.key.Default
	}
	if s.want.Key == KeyMaxOutstandingR2T && n.oneR2T() {
		return "1"
	}
	if s.want.Key != KeyFirstBurstLength {
		return limit
	}
	// Both sides may answer the two bursts in any order, so this side never answers a first burst above its own bound for
	// a burst, nor above the burst that is agreed.
	bound := n.params.MaxBurstLength
	if burst := n.byName[KeyMaxBurstLength]; burst != nil && !burst.settled {
		if own, valid := ParseNumber(n.limit(burst)); valid {
			bound = own
		}
	}
	if own, valid := ParseNumber(limit); valid && own > bound {
		return strconv.Itoa(bound)
	}
	return limit
}

// oneR2T tells whether MaxOutstandingR2T has to be 1, as it has beside a recovery level above 0 and DataSequenceInOrder=Yes (RFC 7143,
// Section 13.19). Where one of them is open still, it is taken for what the text at hand makes of it, or else for the most that this side takes.
func (n *Negotiation) oneR2T() bool {
	level, _ := ParseNumber(n.expected(KeyErrorRecoveryLevel))
	return level > 0 && n.expected(KeyDataSequenceInOrder) == Yes
}

// expected is the result of a key, or what it will be when it is answered from this side's limit.
func (n *Negotiation) expected(name string) string {
	s := n.byName[name]
	if s == nil {
		key, _ := Lookup(name)
		s = &keyState{key: key, known: true, want: Want{Key: name}}
	}
	switch offer, offered := n.received.Get(name); {
	case s.settled && reserved(s.answer):
		return s.key.Default
	case s.settled:
		return s.answer
	case offered && !s.offered:
		if answer := n.answerTo(s, offer); !reserved(answer) {
			return answer
		}
		return s.key.Default
	case s.key.Boolean():
		return s.key.Default
	}
	return n.limit(s)
}
