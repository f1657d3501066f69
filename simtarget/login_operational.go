package simtarget

import (
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// wants is the array's side of the negotiation (RFC 7143, Section 13).
func (l *login) wants() []text.Want {
	d, s := l.array.dataPolicy(), l.array.sessionPolicy()
	header, data := d.HeaderDigest, d.DataDigest
	if l.discovery && !d.DigestInDiscovery {
		header, data = DigestNone, DigestNone
	}
	if l.discovery {
		s.ErrorRecoveryLevel = 0
	}
	var wants []text.Want
	if l.target != nil {
		wants = append(wants, text.Want{Key: text.KeyTargetPortalGroupTag, Offer: l.array.told(l.c.portal)})
		if l.target.Alias != "" {
			wants = append(wants, text.Want{Key: text.KeyTargetAlias, Offer: l.target.Alias})
		}
	}
	wants = append(wants,
		l.authMethod(),
		l.digest(text.KeyHeaderDigest, header), l.digest(text.KeyDataDigest, data),
		text.Want{Key: text.KeyMaxConnections, Limit: strconv.Itoa(s.MaxConnections)},
		text.Want{Key: text.KeyInitialR2T, Limit: text.FormatBool(d.InitialR2T)},
		text.Want{Key: text.KeyImmediateData, Limit: text.FormatBool(d.ImmediateData), Offer: l.unaskedNo(d.ImmediateData)},
		text.Want{Key: text.KeyMaxRecvDataSegmentLength, Offer: strconv.Itoa(d.MaxRecvDataSegmentLength)},
		l.atMost(text.KeyMaxBurstLength, d.MaxBurstLength), l.atMost(text.KeyFirstBurstLength, d.FirstBurstLength),
		text.Want{Key: text.KeyDefaultTime2Wait, Limit: strconv.Itoa(d.Time2Wait)},
		text.Want{Key: text.KeyDefaultTime2Retain, Limit: strconv.Itoa(d.Time2Retain)},
		text.Want{Key: text.KeyMaxOutstandingR2T, Limit: strconv.Itoa(d.MaxOutstandingR2T)},
		text.Want{Key: text.KeyDataPDUInOrder, Limit: text.FormatBool(!d.DataPDUOutOfOrder)},
		text.Want{Key: text.KeyDataSequenceInOrder, Limit: text.FormatBool(!d.DataSequenceOutOfOrder)},
		text.Want{Key: text.KeyErrorRecoveryLevel, Limit: strconv.Itoa(s.ErrorRecoveryLevel)},
		text.Want{Key: text.KeyISCSIProtocolLevel, Limit: strconv.Itoa(d.ProtocolLevel)},
		text.Want{Key: text.KeyTaskReporting, Limit: taskReporting(d.TaskReporting, s.MaxConnections)},
	)
	if l.discovery && l.dev.Listing.ProposesVendorKey {
		wants = append(wants, text.Want{Key: "X-com.vendor.caps", Offer: "1"})
	}
	return l.ruled(wants)
}

// ruled lets a rule's settings take the place of the profile's.
func (l *login) ruled(wants []text.Want) []text.Want {
	if l.orders == nil {
		return wants
	}
	for _, s := range l.orders.Keys {
		found := false
		for i := range wants {
			if wants[i].Key == s.Key {
				wants[i].Offer, wants[i].Limit, found = s.Value, s.Value, true
			}
		}
		if !found {
			wants = append(wants, text.Want{Key: s.Key, Offer: s.Value, Limit: s.Value})
		}
	}
	return wants
}

// digest is the want of a digest key. A digest that is required is offered where the initiator offers none.
func (l *login) digest(key string, p DigestPolicy) text.Want {
	if l.dev.Keys.NoDigests {
		p = DigestNone
	}
	switch p {
	case DigestNone:
		return text.Want{Key: key, Limit: "None"}
	case DigestRequire:
		w := text.Want{Key: key, Limit: "CRC32C", Require: true}
		if l.array.loginPolicy().OfferUnasked {
			w.Offer = "CRC32C"
		}
		return w
	}
	return text.Want{Key: key, Limit: "CRC32C,None"}
}

// taskReporting is what the array takes of TaskReporting. In a session with one connection the response fence holds by itself: all
// responses are in one order (RFC 7143, Section 4.2.2.3.3).
func taskReporting(wanted string, connections int) string {
	switch {
	case wanted != "":
		return wanted
	case connections > 1:
		return "RFC3720"
	}
	return fastAbort + ",ResponseFence,RFC3720"
}

// atMost is the want of a key whose smaller value wins. It is offered unasked where the default would exceed the limit.
func (l *login) atMost(key string, limit int) text.Want {
	w := text.Want{Key: key, Limit: strconv.Itoa(limit)}
	k, _ := text.Lookup(key)
	if fallback, valid := text.ParseNumber(k.Default); valid && fallback > limit && l.array.loginPolicy().OfferUnasked && !l.discovery {
		w.Offer = w.Limit
	}
	return w
}

// unaskedNo offers No where the array's value is No and the default Yes: an offer that needs no answer.
func (l *login) unaskedNo(value bool) string {
	if !value && l.array.loginPolicy().OfferUnasked && !l.discovery {
		return text.No
	}
	return ""
}

// limitsBelowDefaults reports whether a login that skipped the operational stage would get more than the array gives.
func (a *Array) limitsBelowDefaults(l *login) bool {
	d, fallback := a.dataPolicy(), text.DefaultParams()
	return !l.discovery && (d.MaxBurstLength < fallback.MaxBurstLength || d.FirstBurstLength < fallback.FirstBurstLength || !d.ImmediateData) ||
		l.orders != nil && len(l.orders.Keys) > 0
}

// firstWindow is the command window of a session to come.
func (a *Array) firstWindow(o *orders) int {
	if o != nil && o.Window != nil {
		return *o.Window
	}
	return a.sessionPolicy().CommandWindow
}
