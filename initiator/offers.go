package initiator

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// DefaultOffers returns the operational keys of a login of this type, in the order in which they are sent. The list is the caller's.
// DefaultTime2Wait is offered as 0, so that the target decides it.
func DefaultOffers(t SessionType) []Offer {
	offers := []Offer{
		{text.KeyHeaderDigest, "None"},
		{text.KeyDataDigest, "None"},
		{text.KeyMaxRecvDataSegmentLength, "262144"},
	}
	if t == DiscoverySession {
		return offers
	}
	return append(offers,
		Offer{text.KeyMaxConnections, "1"},
		Offer{text.KeyErrorRecoveryLevel, "0"},
		Offer{text.KeyInitialR2T, text.No},
		Offer{text.KeyImmediateData, text.Yes},
		Offer{text.KeyMaxBurstLength, "16776192"},
		Offer{text.KeyFirstBurstLength, "262144"},
		Offer{text.KeyMaxOutstandingR2T, "8"},
		Offer{text.KeyDataPDUInOrder, text.Yes},
		Offer{text.KeyDataSequenceInOrder, text.Yes},
		Offer{text.KeyDefaultTime2Wait, "0"},
		Offer{text.KeyDefaultTime2Retain, "0"},
	)
}

// wants is the login's whole list: who is speaking, how it authenticates, and the operational offers.
func (cfg *LoginConfig) wants(dev *Deviations) []text.Want {
	wants := []text.Want{{Key: text.KeyInitiatorName, Offer: cfg.InitiatorName}}
	if cfg.InitiatorAlias != "" {
		wants = append(wants, text.Want{Key: text.KeyInitiatorAlias, Offer: cfg.InitiatorAlias})
	}
	if cfg.TargetName != "" {
		wants = append(wants, text.Want{Key: text.KeyTargetName, Offer: cfg.TargetName})
	}
	switch {
	case cfg.boot && dev.Kinds.BootKeyOnWire:
		wants = append(wants, text.Want{Key: text.KeySessionType, Offer: "Boot"})
	case !dev.Discovery.NoSessionType:
		wants = append(wants, text.Want{Key: text.KeySessionType, Offer: cfg.Type.String()})
	}
	if cfg.AwaitAuthMethod {
		wants = append(wants, text.Want{Key: text.KeyAuthMethod, Limit: cfg.authMethods()})
	} else {
		wants = append(wants, text.Want{Key: text.KeyAuthMethod, Offer: cfg.authMethods()})
	}
	cfg.Manners.orOwn().arrange(wants)
	for _, o := range cfg.operational() {
		if cfg.Type == DiscoverySession && !discoveryOffers(o) {
			continue
		}
		wants = append(wants, text.Want{Key: o.Key, Offer: o.Value, Require: demandsDigest(o)})
	}
	if !slices.ContainsFunc(cfg.Offers, func(o Offer) bool { return o.Key == text.KeyTaskReporting }) {
		wants = append(wants, text.Want{Key: text.KeyTaskReporting, Limit: taskReporting})
	}
	return wants
}

// taskReporting is all that a target may offer as TaskReporting and have: FastAbort is the one that aborts soonest, but the target's
// order decides (RFC 7143, Sections 6.2.1 and 13.23).
const taskReporting = "FastAbort,ResponseFence,RFC3720"

// discoveryOffers reports whether an offer may be made in a discovery session, where private keys have no place and
// ErrorRecoveryLevel is 0 whatever normal sessions offer (RFC 7143, Sections 13.21 and 13.22).
func discoveryOffers(o Offer) bool {
	key, known := text.Lookup(o.Key)
	return known && !key.NotInDiscovery && (o.Key != text.KeyErrorRecoveryLevel || o.Value == "0")
}

// demandsDigest reports whether an offer leaves the target no choice but a digest: without it, a login must not succeed, although a
// target may reject the offer or pass over it (RFC 7143, Section 7.10).
func demandsDigest(o Offer) bool {
	return (o.Key == text.KeyHeaderDigest || o.Key == text.KeyDataDigest) && o.Value == "CRC32C"
}

// raised puts the number of connections and the level of error recovery that were asked for in the places of the offers.
func (cfg *LoginConfig) raised(offers []Offer) []Offer {
	for i := range offers {
		o := &offers[i]
		switch {
		case o.Key == text.KeyMaxConnections && cfg.MaxConnections > 1:
			o.Value = itoa(cfg.MaxConnections)
		case o.Key == text.KeyErrorRecoveryLevel && cfg.ErrorRecoveryLevel > 0:
			o.Value = itoa(cfg.ErrorRecoveryLevel)
		case o.Key == text.KeyDefaultTime2Retain && cfg.ErrorRecoveryLevel == 2 && o.Value == "0":
			o.Value = "20"
		}
	}
	return offers
}

// operational returns the offers with the preference lists of the digests put in their places.
func (cfg *LoginConfig) operational() []Offer {
	offers := cfg.raised(slices.Clone(cfg.Offers))
	for _, d := range []struct {
		key  string
		list []string
	}{{text.KeyHeaderDigest, cfg.HeaderDigest}, {text.KeyDataDigest, cfg.DataDigest}} {
		if len(d.list) == 0 {
			continue
		}
		offer := Offer{d.key, strings.Join(d.list, ",")}
		if i := slices.IndexFunc(offers, func(o Offer) bool { return o.Key == d.key }); i >= 0 {
			offers[i] = offer
		} else {
			offers = append(offers, offer)
		}
	}
	return offers
}
