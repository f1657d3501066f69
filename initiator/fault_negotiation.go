package initiator

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// faultyNegotiation is what the deviations of the negotiation remember of one login. Each method is a point of departure and leaves
// everything as it is when none of its deviations is on.
type faultyNegotiation struct {
	offered text.Pairs // What this side has sent, in order.
	heard   text.Pairs // What the target has sent.
	forced  text.Pairs // What is in force although the negotiation never heard of it.
}

// misoffer changes what the login wants.
func (x *loginExchange) misoffer(wants []text.Want) []text.Want {
	set := func(key, value string) {
		for i := range wants {
			if wants[i].Key == key {
				wants[i].Offer = value
				return
			}
		}
		wants = append(wants, text.Want{Key: key, Offer: value})
	}
	switch discovery := x.cfg.Type == DiscoverySession; {
	case x.dev.Negotiation.OfferReject:
		set(text.KeyErrorRecoveryLevel, text.Reject)
	case x.dev.Negotiation.VendorDigest:
		set(text.KeyHeaderDigest, "X-com.vendor.crc64,None")
	case x.dev.Keys.LowerCaseDigest:
		set(text.KeyHeaderDigest, "crc32c,None")
	case x.dev.Discovery.RecoveryLevel && discovery:
		set(text.KeyErrorRecoveryLevel, "2")
	case x.dev.Discovery.VendorKey && discovery:
		set("X-com.example.vendor", "1")
	}
	return wants
}

// missay changes the pairs of a request before they are cut.
func (x *loginExchange) missay(pairs text.Pairs) text.Pairs {
	f := &x.faulty
	if x.dev.Negotiation.ResendOffers && x.stage == pdu.StageOperational {
		again := f.offered.Without(text.KeyInitiatorName, text.KeyTargetName, text.KeySessionType, text.KeyAuthMethod, text.KeyInitiatorAlias)
		pairs = append(pairs, again...)
	}
	if x.dev.Keys.RepeatSessionType && x.stage == pdu.StageOperational {
		if kind, told := f.offered.Get(text.KeySessionType); told {
			pairs = append(pairs, text.Pair{Key: text.KeySessionType, Value: kind})
		}
	}
	if x.dev.Discovery.InLogin && x.stage == pdu.StageOperational && x.ready() {
		pairs = append(pairs, text.Pair{Key: text.KeySendTargets, Value: "All"})
	}
	for i, p := range pairs {
		if p.Key == text.KeyAuthMethod && x.dev.Negotiation.MalformedMethod {
			p.Value += ",Z-com.vendor/auth"
			pairs[i] = p
		}
		f.offered.Set(p.Key, p.Value)
	}
	return pairs
}

// missend changes the last part of a text.
func (x *loginExchange) missend(part []byte) []byte {
	if x.dev.Negotiation.NoFinalZero && len(x.parts) == 0 && len(part) > 0 {
		return part[:len(part)-1]
	}
	return part
}

// mishear changes what the negotiation gets to hear of the target's pairs.
func (x *loginExchange) mishear(pairs text.Pairs) (text.Pairs, error) {
	kept := make(text.Pairs, 0, len(pairs))
	for _, p := range pairs {
		_, again := x.faulty.heard.Get(p.Key)
		x.faulty.heard = append(x.faulty.heard, p)
		if x.dev.Negotiation.DecimalOnly && strings.HasPrefix(strings.ToLower(p.Value), "0x") {
			p.Value = "0"
		}
		if want := x.misrefuse(p); want != "" {
			return nil, &text.KeyError{Key: p.Key, Value: p.Value, Want: want}
		}
		switch value := x.misread(p); {
		case x.dev.Negotiation.IgnoreRepeated && again:
		case value != "":
			x.faulty.forced.Set(p.Key, value)
		default:
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// misrefuse tells what is wanted instead of a pair that a defect refuses, or "".
func (x *loginExchange) misrefuse(p text.Pair) string {
	offer, offered := x.faulty.offered.Get(p.Key)
	number, _ := text.ParseNumber(p.Value)
	wished, _ := text.ParseNumber(offer)
	below := offered && number < wished
	switch {
	case x.dev.Negotiation.IrrelevantFails && p.Value == text.Irrelevant:
		return "a number"
	case x.dev.Negotiation.NotUnderstoodFails && p.Value == text.NotUnderstood:
		return "an answer"
	case x.dev.Keys.OwnMaxBurst && p.Key == text.KeyMaxBurstLength && below,
		x.dev.Keys.DemandLevel && p.Key == text.KeyErrorRecoveryLevel && below:
		return offer
	case x.dev.Keys.EightBitR2Ts && p.Key == text.KeyMaxOutstandingR2T && number > 255:
		return "at most 255"
	}
	return ""
}

// misread returns the value that a defect makes of a pair, past all rules, or "".
func (x *loginExchange) misread(p text.Pair) string {
	offer, offered := x.faulty.offered.Get(p.Key)
	key, _ := text.Lookup(p.Key)
	dev := &x.dev.Negotiation
	switch {
	case dev.OfferStandsAfterReject && offered && p.Value == text.Reject:
		return offer
	case dev.AnyListAnswer && offered && key.Function == text.List:
		return p.Value
	case dev.AnyNumber && offered && (key.Function == text.Minimum || key.Function == text.Maximum):
		return itoa(digits(p.Value) & (1<<24 - 1))
	case dev.AnythingButNoIsYes && offered && key.Boolean() && p.Value != text.Yes && p.Value != text.No:
		return text.Yes
	}
	switch {
	case p.Key == text.KeyMaxRecvDataSegmentLength && x.dev.Keys.AnyLength:
		return itoa(digits(p.Value))
	case p.Key == text.KeyImmediateData && offered && x.dev.Keys.ImmediateDespiteNo,
		p.Key == text.KeyFirstBurstLength && offered && x.dev.Keys.OwnFirstBurst,
		p.Key == text.KeyDefaultTime2Retain && offered && x.dev.Keys.MaximumTime2Retain,
		p.Key == text.KeyDefaultTime2Wait && offered && x.dev.Keys.MinimumTime2Wait:
		return offer
	case p.Key == text.KeyFirstBurstLength && x.dev.Keys.FirstAboveMax:
		return p.Value
	}
	return ""
}

// digits reads the decimal digits that a text begins with.
func digits(s string) int {
	n := 0
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9' && n < 1<<40; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// misanswer changes the answers to what came in heard.
func (x *loginExchange) misanswer(heard, reply text.Pairs) text.Pairs {
	dev := &x.dev.Negotiation
	kept := make(text.Pairs, 0, len(reply))
	for _, p := range reply {
		offer, _ := heard.Get(p.Key)
		key, known := text.Lookup(p.Key)
		switch {
		case dev.IgnoreUnknownKeys && !known,
			dev.FewAnswers && p.Key != text.KeyMaxConnections,
			dev.IgnoreLowerCase && p.Key[0] >= 'a' && p.Key[0] <= 'z',
			dev.SixtyFourKeys && len(kept) == 64:
			continue
		case dev.EchoLists && known && key.Function == text.List:
			p.Value = offer
		case dev.InitialR2TIsAnd && p.Key == text.KeyInitialR2T:
			p.Value = text.No
		case dev.ReservedWordIsZero && key.Numeric() && text.Reserved(offer):
			p.Value = "0"
		}
		x.misanswerKey(&p, offer)
		kept = append(kept, p)
	}
	if tag, told := heard.Get(text.KeyTargetPortalGroupTag); told && x.dev.Keys.EchoTag {
		kept.Add(text.KeyTargetPortalGroupTag, tag)
	}
	if value, told := heard.Get(text.KeyNodeArchitecture); told && x.dev.Keys.NegotiateArchitecture {
		kept.Add(text.KeyNodeArchitecture, value)
	}
	return kept
}

// misanswerKey changes the answer to one key.
func (x *loginExchange) misanswerKey(p *text.Pair, offer string) {
	dev := &x.dev.Keys
	switch {
	case dev.AgreeToMarkers && (p.Key == "OFMarker" || p.Key == "IFMarker"):
		p.Value = text.Yes
	case dev.AssumeFastAbort && p.Key == text.KeyTaskReporting:
		p.Value = "FastAbort"
	case dev.LastOfList && p.Key == text.KeyTaskReporting:
		list := text.ParseList(offer)
		p.Value = list[len(list)-1]
	case dev.LevelAbove && p.Key == text.KeyISCSIProtocolLevel:
		n, _ := text.ParseNumber(offer)
		p.Value = itoa(n + 1)
	case x.dev.Discovery.RecoveryLevel && p.Key == text.KeyErrorRecoveryLevel:
		p.Value = offer
	}
}

// misjudge changes the parameters that the login has led to.
func (x *loginExchange) misjudge(p *text.Params) {
	for _, pair := range x.faulty.forced {
		force(p, pair)
	}
	if x.dev.Negotiation.LargePeer && p.PeerMaxRecvDataSegmentLength == text.DefaultParams().PeerMaxRecvDataSegmentLength {
		p.PeerMaxRecvDataSegmentLength = 262144
	}
	if x.dev.Keys.DataDigestFollowsHeader {
		p.DataDigest = p.HeaderDigest
	}
}

// force sets a parameter, lawful or not.
func force(p *text.Params, pair text.Pair) {
	n := digits(pair.Value)
	numbers := map[string]*int{
		text.KeyMaxConnections: &p.MaxConnections, text.KeyErrorRecoveryLevel: &p.ErrorRecoveryLevel,
		text.KeyDefaultTime2Wait: &p.DefaultTime2Wait, text.KeyDefaultTime2Retain: &p.DefaultTime2Retain,
		text.KeyMaxOutstandingR2T: &p.MaxOutstandingR2T, text.KeyMaxBurstLength: &p.MaxBurstLength,
		text.KeyFirstBurstLength: &p.FirstBurstLength, text.KeyMaxRecvDataSegmentLength: &p.PeerMaxRecvDataSegmentLength,
	}
	if at := numbers[pair.Key]; at != nil {
		*at = n
		return
	}
	p.Set(pair.Key, pair.Value, false)
}

// impatient is the defect FourExchanges.
func (x *loginExchange) impatient() error {
	if x.dev.Negotiation.FourExchanges && x.rounds > 5 {
		return x.fault("an end", fmt.Sprintf("%d responses", x.rounds), "RFC 7143, Section 6.2")
	}
	return nil
}
