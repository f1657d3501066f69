package monitor

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// answered holds an answer against the offer.
func (n *negotiation) answered(c *conn, from side, pair text.Pair, key text.Key, known bool, s *spoken) {
	switch {
	case !known:
		return
	case pair.Value == text.NotUnderstood:
		switch pair.Key {
		case text.KeyTaskReporting, text.KeyISCSIProtocolLevel:
			return
		}
		if from == target && key.Function != text.Obsolete {
			c.broken(&understood, "%v", pair)
			return
		}
		c.spoil(from, keys)
		return
	case text.Reserved(pair.Value) || key.Function == text.Obsolete:
		return
	}
	switch key.Function {
	case text.Minimum, text.Maximum:
		n.number(c, from, pair, key, s)
	case text.Or, text.And:
		n.boolean(c, from, pair, key, s)
	case text.List:
		if slices.Contains(text.ParseList(s.offer), pair.Value) {
			return
		}
		switch {
		case from == initiator:
			c.broken(&initiatorList, "%v, of %s=%s", pair, pair.Key, s.offer)
		case pair.Key == text.KeyAuthMethod:
			c.broken(&methodOffered, "%v, of %s=%s", pair, pair.Key, s.offer)
		default:
			c.broken(&fromTheList, "%v, of %s=%s", pair, pair.Key, s.offer)
		}
	}
}

// number holds a numeric answer to the function of its key.
func (n *negotiation) number(c *conn, from side, pair text.Pair, key text.Key, s *spoken) {
	offer, sound := text.ParseNumber(s.offer)
	if !sound || !key.Admits(s.offer) {
		return
	}
	value, sound := text.ParseNumber(pair.Value)
	if sound && key.Admits(pair.Value) && (key.Function == text.Minimum && value <= offer || key.Function == text.Maximum && value >= offer) {
		return
	}
	switch {
	case from == initiator:
		c.spoil(initiator, everything&^framing)
	case key.Function == text.Minimum:
		c.broken(&minimum, "%v in answer to %s", pair, s.offer)
	default:
		c.broken(&maximum, "%v in answer to %s", pair, s.offer)
	}
}

// boolean holds a boolean answer to the function of its key.
func (n *negotiation) boolean(c *conn, from side, pair text.Pair, key text.Key, s *spoken) {
	if !key.Admits(s.offer) || key.Admits(pair.Value) && (!key.Decides(s.offer) || pair.Value == s.offer) {
		return
	}
	switch {
	case from == initiator:
		c.broken(&initiatorBooleans, "%v in answer to %s", pair, s.offer)
	case key.Function == text.Or:
		c.broken(&orFunction, "%v in answer to %s", pair, s.offer)
	default:
		c.broken(&andFunction, "%v in answer to %s", pair, s.offer)
	}
}

// params are what the two sides agreed on. A zero stands for what is not known.
type params struct {
	maxBurst, firstBurst, outstanding int
	// limits are the most bytes of data in a PDU to that side.
	limits [2]int
	level  int // ErrorRecoveryLevel plus one
	// The booleans: 0 unknown, 1 No, 2 Yes.
	initialR2T, immediate, pduInOrder, sequenceInOrder int
	protocol                                           int // iSCSIProtocolLevel plus one
	discovery                                          bool
	fastAbort                                          bool // a TaskReporting other than RFC3720 may be in force
}

// settle works out what was agreed when a login ends, and looks for offers that nobody answered.
func (n *negotiation) settle(c *conn) {
	for _, name := range n.order {
		s := n.keys[name]
		key, known := text.Lookup(name)
		if s.answered || known && (key.Decides(s.offer) || key.Function == text.Obsolete) || text.Reserved(s.offer) {
			continue
		}
		if s.by == target && known {
			c.broken(&answersAll, "%s=%s stays without an answer", name, s.offer)
		} else if s.by == target {
			c.broken(&answersStrange, "%s=%.80s stays without an answer", name, s.offer)
		} else if c.login.first.TSIH == 0 && known {
			c.broken(&answersOnce, "%s=%s stays without an answer", name, s.offer)
		} else if !known {
			c.broken(&strangeAnswered, "%s=%s stays without an answer", name, s.offer)
		}
	}
	a := &c.agreed
	a.discovery = n.discovery()
	a.maxBurst, a.firstBurst = n.numeric(text.KeyMaxBurstLength, 0), n.numeric(text.KeyFirstBurstLength, 0)
	a.outstanding = n.numeric(text.KeyMaxOutstandingR2T, 0)
	a.level, a.protocol = n.numeric(text.KeyErrorRecoveryLevel, 1), n.numeric(text.KeyISCSIProtocolLevel, 1)
	a.initialR2T, a.immediate = n.truth(text.KeyInitialR2T), n.truth(text.KeyImmediateData)
	a.pduInOrder, a.sequenceInOrder = n.truth(text.KeyDataPDUInOrder), n.truth(text.KeyDataSequenceInOrder)
	reporting, _ := n.result(text.KeyTaskReporting)
	a.fastAbort = reporting != "RFC3720"
	for _, receiver := range []side{initiator, target} {
		a.limits[receiver] = 8192
		if value, told := n.declared[receiver][text.KeyMaxRecvDataSegmentLength]; told {
			a.limits[receiver], _ = text.ParseNumber(value)
		}
	}
}

// result gives the value in force of a key, as far as that is sure.
func (n *negotiation) result(name string) (string, bool) {
	key, _ := text.Lookup(name)
	s := n.keys[name]
	switch {
	case s == nil:
		return key.Default, true
	case s.answered && key.Admits(s.answer):
		return s.answer, true
	case s.answered && text.Reserved(s.answer) && (name == text.KeyTaskReporting || name == text.KeyISCSIProtocolLevel):
		return key.Default, true
	case !s.answered && key.Decides(s.offer):
		return s.offer, true
	}
	return "", false
}

func (n *negotiation) numeric(name string, plus int) int {
	value, _ := n.result(name)
	number, ok := text.ParseNumber(value)
	if !ok {
		return 0
	}
	return number + plus
}

func (n *negotiation) truth(name string) int {
	switch value, _ := n.result(name); value {
	case text.No:
		return 1
	case text.Yes:
		return 2
	}
	return 0
}
