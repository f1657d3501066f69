package simtarget

import (
	"bytes"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// This file is what arrays do that take the text of a login badly, or answer single keys wrongly.

// wrongAnswer is a wrong answer to the offer of one key. To answers nothing where it returns "".
type wrongAnswer struct {
	is  bool
	key string
	to  func(offer, sound string) string
}

// always is a wrong answer that does not depend on the offer, and instead one that stands for an offer.
func always(answer string) func(string, string) string {
	return func(string, string) string { return answer }
}

func instead(of, answer string) func(string, string) string {
	return func(offer, sound string) string {
		if offer == of {
			return answer
		}
		return sound
	}
}

// echo answers an offer with itself where the sound answer is a refusal.
func echo(offer, sound string) string {
	if text.Reserved(sound) {
		return offer
	}
	return sound
}

func wordsAreZero(offer, sound string) string {
	if _, number := text.ParseNumber(offer); !number {
		return "0"
	}
	return sound
}

// wrongOffers are the wrong answers of OfferDeviations.
func wrongOffers(d *OfferDeviations) []wrongAnswer {
	digests := func(is bool, to func(string, string) string) []wrongAnswer {
		return []wrongAnswer{{is, text.KeyHeaderDigest, to}, {is, text.KeyDataDigest, to}}
	}
	all := []wrongAnswer{
		{d.SequenceNotUnderstood, text.KeyDataSequenceInOrder, always(text.NotUnderstood)},
		{d.AliasRejected, text.KeyInitiatorAlias, always(text.Reject)},
		{d.OrAsAnd, text.KeyInitialR2T, always(text.No)},
		{d.AndAsOr, text.KeyImmediateData, always(text.Yes)},
		{d.EchoesBoolean, text.KeyImmediateData, echo},
		{d.OwnMaximum, text.KeyMaxBurstLength, always("16776192")},
		{d.OwnWait, text.KeyDefaultTime2Wait, always("2")},
		{d.EchoesLevel, text.KeyErrorRecoveryLevel, instead("3", "3")},
		{d.WordsAreZero, text.KeyMaxBurstLength, wordsAreZero},
		{d.WordsAreZero, text.KeyMaxConnections, wordsAreZero},
		{d.BurstIrrelevant, text.KeyMaxBurstLength, always(text.Irrelevant)},
		{d.TakesMarkers, "IFMarker", instead(text.Yes, text.Yes)},
		{d.TakesMarkerInterval, "OFMarkInt", always("2048")},
		{d.EchoesRange, text.KeyMaxBurstLength, echo},
		{d.EchoesRange, text.KeyMaxConnections, echo},
	}
	all = append(all, digests(d.UnknownMemberSpoilsList, func(offer, sound string) string {
		for _, member := range text.ParseList(offer) {
			if member != "CRC32C" && member != "None" {
				return text.Reject
			}
		}
		return sound
	})...)
	all = append(all, digests(d.InventsNone, func(_, sound string) string { return strings.Replace(sound, text.Reject, "None", 1) })...)
	return append(all, digests(d.KeepsBlanks, func(offer, sound string) string {
		if at := strings.Index(offer, ", "); at >= 0 {
			return offer[at+1:]
		}
		return sound
	})...)
}

// wrongValues are the wrong answers of KeyValueDeviations.
func wrongValues(d *KeyValueDeviations, discovery, recovering bool) []wrongAnswer {
	return []wrongAnswer{
		{d.ConnectionsAboveOffer, text.KeyMaxConnections, instead("1", "4")},
		{d.FirstBurstAboveMaxBurst, text.KeyFirstBurstLength, func(offer, _ string) string { return offer }},
		{d.FirstBurstAboveOffer, text.KeyFirstBurstLength, always("262144")},
		{d.WaitZero, text.KeyDefaultTime2Wait, always("0")},
		{d.RetainTwenty, text.KeyDefaultTime2Retain, always("20")},
		{d.EightR2Ts, text.KeyMaxOutstandingR2T, instead("1", "8")},
		{d.EightWithRecovery && recovering, text.KeyMaxOutstandingR2T, always("8")},
		{d.LevelTwo, text.KeyErrorRecoveryLevel, instead("1", "2")},
		{d.LevelTwoInDiscovery && discovery, text.KeyErrorRecoveryLevel, always("2")},
		{d.ReportingYes, text.KeyTaskReporting, always(text.Yes)},
		{d.OldestReporting, text.KeyTaskReporting, func(offer, _ string) string {
			list := text.ParseList(offer)
			return list[len(list)-1]
		}},
		{d.ProtocolTwo, text.KeyISCSIProtocolLevel, instead("1", "2")},
	}
}

// distortValues puts the wrong answers in the places of the sound ones.
func (l *login) distortValues(offers, answers text.Pairs) text.Pairs {
	recovering := false
	if level, offered := offers.Get(text.KeyErrorRecoveryLevel); offered {
		recovering = level != "0"
	}
	for _, fault := range append(wrongOffers(&l.dev.Offers), wrongValues(&l.dev.Values, l.discovery, recovering)...) {
		offer, offered := offers.Get(fault.key)
		if !fault.is || !offered {
			continue
		}
		sound, _ := answers.Get(fault.key)
		if wrong := fault.to(offer, sound); wrong != "" {
			answers.Set(fault.key, wrong)
		}
	}
	if l.dev.Offers.PlainNamesUnanswered {
		for _, p := range offers {
			if _, known := text.Lookup(p.Key); !known && !strings.HasPrefix(p.Key, "X") {
				answers = answers.Without(p.Key)
			}
		}
	}
	return append(answers, l.insteadAnswers...)
}

// distortText is where faulty arrays misread the bytes of a text. It reports whether the login is stuck.
func (l *login) distortText(data []byte) (read []byte, stuck bool) {
	dev := &l.dev.Offers
	if at := bytes.Index(data, []byte{0, 0}); dev.StopsAtEmptyToken && at >= 0 {
		data = data[:at+1]
	}
	if n := len(data); dev.ReadsPastEnd && n > 0 && data[n-1] != 0 {
		data = append(bytes.Clone(data), "00\x00"...)
	}
	for token := range bytes.SplitSeq(bytes.TrimRight(data, "\x00"), []byte{0}) {
		name, value, pair := strings.Cut(string(token), "=")
		switch {
		case dev.HangsOnBareToken && !pair && len(token) > 0:
			return data, true
		case dev.DiesOfEmptyValue && pair && value == "" && name == text.KeyMaxBurstLength, dev.DiesOfLongValue && len(value) > 256:
			l.array.stopListening()
			return data, true
		}
	}
	return data, false
}

// refusesText is where faulty arrays refuse what they have to take.
func (l *login) refusesText(pairs text.Pairs) error {
	dev, values := &l.dev.Offers, &l.dev.Values
	switch {
	case dev.FourExchanges && l.exchanges > 4, dev.TenExchanges && l.exchanges > 10:
		return refuse(iscsi.StatusInitiatorError, "exchange %d", l.exchanges)
	case dev.ShortOfText && pairs.Length() > 4096:
		return refuse(iscsi.StatusOutOfResources, "a text of %d bytes", pairs.Length())
	case dev.WantsNameFirst && !l.named && len(pairs) > 0 && pairs[0].Key != text.KeyInitiatorName:
		return refuse(iscsi.StatusMissingParameter, "InitiatorName is not the first key")
	}
	kind, _ := pairs.Get(text.KeySessionType)
	for _, p := range pairs {
		_, known := text.Lookup(p.Key)
		length, _ := text.ParseNumber(p.Value)
		if dev.RefusesHash && !known && strings.Contains(p.Key, "#") || dev.RefusesArchitecture && p.Key == text.KeyNodeArchitecture ||
			values.ASCIIAliasOnly && p.Key == text.KeyInitiatorAlias && strings.ContainsFunc(p.Value, func(r rune) bool { return r > 0x7f }) ||
			values.RefusesOddLength && p.Key == text.KeyMaxRecvDataSegmentLength && length%512 != 0 && length != 1<<24-1 ||
			values.RefusesBurstInDiscovery && p.Key == text.KeyMaxBurstLength && kind == text.Discovery.String() {
			return refuse(iscsi.StatusInitiatorError, "%s", p.Key)
		}
	}
	return nil
}

// misread is where faulty arrays take offers for something else than they are.
func (l *login) misread(offers text.Pairs) text.Pairs {
	dev, values := &l.dev.Offers, &l.dev.Values
	l.insteadAnswers = nil
	kept := make(text.Pairs, 0, len(offers))
	for i, p := range offers {
		_, again := offers[i+1:].Get(p.Key)
		settled, before := "", false
		if l.negotiation != nil {
			settled, before = l.negotiation.Answer(p.Key)
		}
		length, number := text.ParseNumber(p.Value)
		declares := p.Key == text.KeyMaxRecvDataSegmentLength
		switch {
		case dev.LastOfTextWins && again:
			continue
		case dev.TakesLaterOffer && before && settled != "":
			l.insteadAnswers.Add(p.Key, p.Value)
			continue
		case dev.TakesLastDeclaration && declares, values.TakesTinyLength && declares && number && length < 512:
			l.forced = append(l.forced, p)
			continue
		case dev.ReadsDigitsOnly && p.Key == text.KeyMaxBurstLength && strings.HasPrefix(p.Value, "0x"):
			p.Value = "0"
		case dev.FoldsCase && p.Key == "maxburstlength":
			p.Key = text.KeyMaxBurstLength
		case dev.CutsLongNames && len(p.Key) > 63:
			p.Key = p.Key[:63]
		case dev.SecurityKeySilent && p.Key == text.KeyMaxBurstLength && l.stage == pdu.StageSecurity, dev.RejectedInForce && p.Key == text.KeyMaxBurstLength && length > 1<<24-1:
			l.forced = append(l.forced, p)
			if dev.RejectedInForce {
				break
			}
			continue
		case values.SendTargetsInLogin && p.Key == text.KeySendTargets:
			l.insteadAnswers.Add(text.KeyTargetName, l.target.Name)
			l.insteadAnswers.Add(text.KeyTargetAddress, l.c.portal.Address+",1")
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// distortOwn is where faulty arrays say something of their own accord that they must not say.
func (l *login) distortOwn(pairs text.Pairs) text.Pairs {
	dev, values := &l.dev.Offers, &l.dev.Values
	if l.stage == pdu.StageSecurity {
		if dev.DeclaresInSecurity {
			pairs.Add(text.KeyMaxRecvDataSegmentLength, "65536")
		}
		if dev.ProposesMalformedMethod {
			pairs.Add(text.KeyAuthMethod, "Z-com.vendor/auth")
		}
		if dev.ProposesWithdrawnMethod {
			pairs.Add(text.KeyAuthMethod, "X-com.vendor.auth")
		}
	}
	for i, p := range pairs {
		switch {
		case dev.ProposesLongBurst && p.Key == text.KeyFirstBurstLength:
			pairs[i].Value = "16776192"
		case values.LongAlias && p.Key == text.KeyTargetAlias:
			pairs[i].Value = strings.Repeat("alias ", 50)
		case values.DeclaresTooMuch && p.Key == text.KeyMaxRecvDataSegmentLength:
			pairs[i].Value = "262144"
		}
	}
	return pairs
}

// distortResult is where faulty arrays put other values in force than were agreed.
func (l *login) distortResult(p *text.Params) {
	dev, values := &l.dev.Offers, &l.dev.Values
	if *dev == (OfferDeviations{}) && *values == (KeyValueDeviations{}) {
		return
	}
	open := func(key string) bool {
		_, settled := l.negotiation.Answer(key)
		return !settled
	}
	for _, pair := range l.forced {
		n, _ := text.ParseNumber(pair.Value)
		if pair.Key == text.KeyMaxBurstLength {
			p.MaxBurstLength = n
		} else {
			p.PeerMaxRecvDataSegmentLength = n
		}
	}
	if values.R2TNoByDefault && open(text.KeyInitialR2T) || values.SolicitsAnyway {
		p.InitialR2T = values.SolicitsAnyway
	}
	if values.ImmediateNoByDefault && open(text.KeyImmediateData) {
		p.ImmediateData = false
	}
	if values.LongSegmentsByDefault && p.PeerMaxRecvDataSegmentLength == 8192 {
		p.PeerMaxRecvDataSegmentLength = 262144
	}
	if values.DeclaresTooMuch {
		p.MaxRecvDataSegmentLength = 8192
	}
	if values.OneSequence || values.WholeR2T {
		p.MaxBurstLength = 1<<24 - 1
	}
	if values.MebibyteBursts && open(text.KeyMaxBurstLength) {
		p.MaxBurstLength = 1 << 20
	}
	if values.FirstBurstSmallByDefault && open(text.KeyFirstBurstLength) {
		p.FirstBurstLength = 8192
	}
	if values.AllR2TsAtOnce {
		p.MaxOutstandingR2T = 65535
	}
	p.DataPDUInOrder = p.DataPDUInOrder && !values.PDUsBackwards
	p.DataSequenceInOrder = p.DataSequenceInOrder && !values.SequencesBackwards
	if values.NoVersionClaimed {
		p.ProtocolLevel = 0
	}
}

// stalls is where a faulty array puts an empty exchange before full feature phase. It reports whether this is that exchange.
func (l *login) stalls(r *reply) bool {
	switch {
	case !l.dev.Offers.EmptyRound || l.stage != pdu.StageOperational:
		return false
	case !l.stalled:
		l.stalled, l.stalledPairs, r.pairs = true, r.pairs, nil
		return true
	}
	r.pairs = append(l.stalledPairs, r.pairs...)
	return false
}
