package probe

import "github.com/iscsispec/iscsispec/iscsi/text"

// Said is one pair of a login, and who said it.
type Said struct {
	FromTarget bool
	text.Pair
}

func (w *Walk) say(fromTarget bool, pairs text.Pairs) {
	for _, pair := range pairs {
		w.Said = append(w.Said, Said{FromTarget: fromTarget, Pair: pair})
	}
}

// Sent returns the pairs that the probe has sent so far.
func (w *Walk) Sent() text.Pairs { return saidBy(w.Said, false) }

// Received returns the pairs that the target has sent so far.
func (w *Walk) Received() text.Pairs { return saidBy(w.Said, true) }

func saidBy(said []Said, target bool) text.Pairs {
	var pairs text.Pairs
	for _, s := range said {
		if s.FromTarget == target {
			pairs = append(pairs, s.Pair)
		}
	}
	return pairs
}

// AnswerOf returns the target's answer to a key that the probe has offered: the first pair with that key that the target
// sent after the offer.
func AnswerOf(said []Said, key string) (string, bool) {
	offered := false
	for _, s := range said {
		if s.Key != key {
			continue
		}
		if s.FromTarget && offered {
			return s.Value, true
		}
		offered = offered || !s.FromTarget
	}
	return "", false
}

// ProposalsOf returns the pairs with which the target began: its offers and declarations, not its answers.
func ProposalsOf(said []Said) text.Pairs {
	var proposals text.Pairs
	for i, s := range said {
		if _, answered := AnswerOf(said[:i+1], s.Key); s.FromTarget && !answered {
			proposals = append(proposals, s.Pair)
		}
	}
	return proposals
}

// Settled returns the parameters that a login's texts have settled, as leniently as a tester has to read them. A declared
// key counts as its sender says. Of a negotiated key the last word counts, which is the answer, when it is a legal value; an
// offer without an answer counts only where it decides a boolean key by itself (RFC 7143, Section 6.2.2).
func Settled(said []Said) text.Params {
	params := text.DefaultParams()
	for i, s := range said {
		key, known := text.Lookup(s.Key)
		switch {
		case !known:
		case key.Function == text.Declarative:
			params.Set(s.Key, s.Value, !s.FromTarget)
		case key.Negotiated() && isLast(said[i:]):
			if !isFirst(said[:i+1]) || decides(key, s.Value) {
				params.Set(s.Key, s.Value, !s.FromTarget)
			}
		}
	}
	params.FirstBurstLength = min(params.FirstBurstLength, params.MaxBurstLength)
	return params
}

func decides(k text.Key, offer string) bool {
	return k.Function == text.And && offer == text.No || k.Function == text.Or && offer == text.Yes
}

// isLast tells whether the first pair's key does not come again.
func isLast(said []Said) bool {
	for _, s := range said[1:] {
		if s.Key == said[0].Key {
			return false
		}
	}
	return true
}

// isFirst tells whether the last pair's key has not come before.
func isFirst(said []Said) bool {
	last := len(said) - 1
	for _, s := range said[:last] {
		if s.Key == said[last].Key {
			return false
		}
	}
	return true
}
