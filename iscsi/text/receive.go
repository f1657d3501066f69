package text

import "strconv"

// Receive takes the pairs that the other side sent in one text and returns the answers that they call for, in order.
// After an error (a *KeyError) the login cannot go on; the answers up to there are returned for the record.
func (n *Negotiation) Receive(pairs Pairs) (answers Pairs, err error) {
	if err := n.learnSessionType(pairs); err != nil {
		return nil, err
	}
	n.received = pairs
	defer func() { n.received = nil }()
	for _, pair := range pairs {
		answer, err := n.receive(pair)
		if err != nil {
			return answers, err
		}
		if answer != "" {
			answers.Add(pair.Key, answer)
		}
	}
	return answers, nil
}

// learnSessionType looks ahead, since the order of keys has no meaning and the session type decides about others.
func (n *Negotiation) learnSessionType(pairs Pairs) error {
	value, found := pairs.Get(KeySessionType)
	if !found || n.role == Initiator {
		return nil
	}
	switch value {
	case Normal.String():
		n.SetSessionType(Normal)
	case Discovery.String():
		n.SetSessionType(Discovery)
	default:
		return keyError(KeySessionType, value, "Normal or Discovery", "RFC 7143, Section 13.21")
	}
	return nil
}

func (n *Negotiation) receive(pair Pair) (answer string, err error) {
	s := n.byName[pair.Key]
	if s == nil {
		if !answerable(pair.Key) {
			return "", keyError(pair.Key, pair.Value, "a key of at most 63 letters, digits and .-+@_#", "RFC 7143, Section 6.1")
		}
		if _, known := Lookup(pair.Key); !known && reserved(pair.Value) {
			return "", keyError(pair.Key, pair.Value, "no answer, since the key was not offered", "RFC 7143, Section 6.2")
		}
		s = n.state(pair.Key)
	}
	switch {
	case !s.known && s.offered && !s.settled:
		s.settled, s.answer = true, pair.Value
		return "", nil
	case !s.known:
		if s.settled {
			return "", repeated(s, pair)
		}
		s.settled, s.answer = true, NotUnderstood
		return NotUnderstood, nil
	case s.key.Function == Declarative:
		return n.receiveDeclaration(s, pair)
	case s.key.Function == Security || s.key.Function == Command:
		return "", keyError(pair.Key, pair.Value, "no such key in this negotiation", s.key.Clause)
	case s.settled:
		return "", repeated(s, pair)
	case s.offered:
		return "", n.receiveAnswer(s, pair)
	}
	return n.receiveOffer(s, pair)
}

func notUnderstood(pair Pair) error {
	return keyError(pair.Key, pair.Value, "an answer other than NotUnderstood to a key of RFC 7143", "RFC 7143, Section 6.2")
}

// answerable tells whether a name has a form in which it can be sent back. It is wider than that of valid names, since an answer
// NotUnderstood is due to all that begins with another letter or holds the withdrawn X#.
func answerable(name string) bool {
	for i := range len(name) {
		if !keyByte(name[i]) && name[i] != '#' {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

func repeated(s *keyState, pair Pair) error {
	return keyError(pair.Key, pair.Value, "no second negotiation of a key in one login", "RFC 7143, Section 6.3")
}

func (n *Negotiation) receiveDeclaration(s *keyState, pair Pair) (string, error) {
	if s.offered && !s.declared && reserved(pair.Value) {
		if pair.Value == NotUnderstood && !s.key.recent() {
			return "", notUnderstood(pair)
		}
		// The other side answers a declaration, against the rules but without harm.
		s.declared, s.settled, s.answer = true, true, pair.Value
		return "", nil
	}
	peer := both ^ n.role
	switch {
	case s.key.Senders&peer == 0:
		return "", keyError(pair.Key, pair.Value, "the key from the "+s.key.Senders.String()+" only", s.key.Clause)
	case s.declared && pair.Key == KeyTargetAddress: // The first one counts.
		return "", nil
	case s.declared:
		return "", repeated(s, pair)
	case !s.key.Admits(pair.Value):
		return "", keyError(pair.Key, pair.Value, admissible(s.key), s.key.Clause)
	}
	s.declared, s.settled = true, true
	n.params.set(pair.Key, pair.Value, false)
	return "", nil
}

// admissible says in words which values a key takes.
func admissible(k Key) string {
	switch {
	case k.Numeric():
		return "a number from " + strconv.Itoa(k.Min) + " to " + strconv.Itoa(k.Max)
	case k.Boolean():
		return "Yes or No"
	case k.Values != nil:
		want := k.Values[0]
		for _, value := range k.Values[1:] {
			want += " or " + value
		}
		return want
	}
	return "at most " + strconv.Itoa(k.MaxLength) + " bytes"
}

// receiveAnswer holds the answer to this side's offer against the rules of the key.
func (n *Negotiation) receiveAnswer(s *keyState, pair Pair) error {
	s.settled, s.answer = true, pair.Value
	if pair.Value == NotUnderstood && !s.key.recent() {
		return notUnderstood(pair)
	}
	if reserved(pair.Value) {
		return nil
	}
	if want := wrongAnswer(s.key, s.want.Offer, pair.Value); want != "" {
		return keyError(pair.Key, pair.Value, want, s.key.Clause)
	}
	n.params.set(pair.Key, pair.Value, false)
	return nil
}

// wrongAnswer returns what was expected instead of an answer that the offer does not allow, or "".
func wrongAnswer(k Key, offer, answer string) string {
	switch k.Function {
	case List:
		if !contains(ParseList(offer), answer) {
			return "one of the offered " + offer
		}
	case And, Or:
		value, valid := ParseBool(answer)
		if !valid {
			return admissible(k)
		}
		if k.Function == And && offer == No && value || k.Function == Or && offer == Yes && !value {
			return offer + ", which the offer decides"
		}
	case Minimum, Maximum:
		number, valid := ParseNumber(answer)
		if !valid || number < k.Min || number > k.Max {
			return admissible(k)
		}
		offered, _ := ParseNumber(offer)
		if k.Function == Minimum && number > offered {
			return "at most the offered " + offer
		}
		if k.Function == Maximum && number < offered {
			return "at least the offered " + offer
		}
	case Obsolete:
		if answer != No {
			return "Reject or No"
		}
	}
	return ""
}

// receiveOffer answers an offer of the other side.
func (n *Negotiation) receiveOffer(s *keyState, pair Pair) (string, error) {
	s.settled = true
	s.answer = n.answerTo(s, pair.Value)
	if !reserved(s.answer) {
		n.params.set(pair.Key, s.answer, false)
	}
	return s.answer, nil
}

func (n *Negotiation) answerTo(s *keyState, offer string) string {
	k := s.key
	switch {
	case k.Function == Obsolete || reserved(offer) && k.Function != List:
		return Reject
	case n.stage == SecurityNegotiation && !k.Security || n.joining && k.Use == LeadingOnly:
		return Reject
	case n.stage == LoginOperationalNegotiation && !k.Operational:
		return Reject
	case n.sessionType == Discovery && k.NotInDiscovery:
		return Irrelevant
	}
	limit := n.limit(s)
	switch k.Function {
	case List:
		return firstCommon(offer, limit)
	case And, Or:
		return answerBool(k, offer, limit)
	default:
		return answerNumber(k, offer, limit)
	}
}

// firstCommon picks the first offered value that this side takes (RFC 7143, Section 6.2.1).
func firstCommon(offer, limit string) string {
	accepted := ParseList(limit)
	for _, value := range ParseList(offer) {
		if contains(accepted, value) && !reserved(value) {
			return value
		}
	}
	return Reject
}

func answerBool(k Key, offer, limit string) string {
	offered, valid := ParseBool(offer)
	if !valid {
		return Reject
	}
	own := limit == Yes
	if k.Function == And {
		return FormatBool(offered && own)
	}
	return FormatBool(offered || own)
}

func answerNumber(k Key, offer, limit string) string {
	offered, valid := ParseNumber(offer)
	if !valid || offered < k.Min || offered > k.Max {
		return Reject
	}
	own, valid := ParseNumber(limit)
	if !valid {
		own = offered
	}
	if k.Function == Maximum {
		return strconv.Itoa(max(offered, own))
	}
	return strconv.Itoa(min(offered, own))
}
