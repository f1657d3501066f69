package initiator

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// checkOffers refuses offers that no initiator may make (RFC 7143, Sections 6.1, 6.2 and 13). The errors are *text.KeyError.
func (cfg *LoginConfig) checkOffers() error {
	offers := cfg.operational()
	for i, o := range offers {
		again := slices.ContainsFunc(offers[:i], func(other Offer) bool { return other.Key == o.Key })
		if want, clause := offerFault(o, again); want != "" {
			return &text.KeyError{Key: o.Key, Value: o.Value, Want: want, Clause: clause}
		}
	}
	first, burst := offeredNumber(offers, text.KeyFirstBurstLength), offeredNumber(offers, text.KeyMaxBurstLength)
	if first > burst {
		return &text.KeyError{
			Key: text.KeyFirstBurstLength, Value: itoa(first), Want: "at most MaxBurstLength, " + itoa(burst), Clause: "RFC 7143, Section 13.14",
		}
	}
	return nil
}

// offeredNumber is what is offered of a numeric key, or its default.
func offeredNumber(offers []Offer, name string) int {
	key, _ := text.Lookup(name)
	value := key.Default
	for _, o := range offers {
		if o.Key == name {
			value = o.Value
		}
	}
	n, _ := text.ParseNumber(value)
	return n
}

// offerFault says what is expected instead of an offer, and where that is said, or "".
func offerFault(o Offer, again bool) (want, clause string) {
	key, known := text.Lookup(o.Key)
	switch {
	case again:
		return "each key once", "RFC 7143, Section 6.3"
	case text.Reserved(o.Value):
		return "a value that is no answer", "RFC 7143, Section 6.2"
	case !known:
		return privateFault(o)
	case !key.Operational || key.Security && key.Function == text.Declarative:
		return "a key of the operational stage", key.Clause
	case key.Function == text.List:
		return listFault(key, text.ParseList(o.Value)), key.Clause
	case key.Function == text.Obsolete && o.Value != text.No:
		return "no such key, or No", key.Clause
	case !key.Admits(o.Value):
		return "a value that the key takes", key.Clause
	}
	return "", ""
}

// privateFault looks at a key that the standards do not define: X- names private ones, Y- and Z- are for values.
func privateFault(o Offer) (want, clause string) {
	switch {
	case !text.ValidKeyName(o.Key):
		return "a key of at most 63 letters, digits and .-+@_, the first a capital letter", "RFC 7143, Section 6.1"
	case strings.HasPrefix(o.Key, "Y-") || strings.HasPrefix(o.Key, "Z-"):
		return "the prefix X- of a private key", "RFC 7143, Section 14"
	case strings.IndexByte(o.Value, 0) >= 0 || len(o.Value) > 255:
		return "at most 255 bytes without a zero byte", "RFC 7143, Section 6.1"
	}
	return "", ""
}

// listFault looks at the values of a list: those that the key has, and Y- names among the digests, each once. TaskReporting has to
// hold the two values that every target knows.
func listFault(key text.Key, list []string) string {
	for i, value := range list {
		private := key.Name != text.KeyTaskReporting && strings.HasPrefix(value, "Y-") && len(value) <= 63
		if slices.Contains(list[:i], value) || !slices.Contains(key.Values, value) && !private {
			return strings.Join(key.Values, ", ") + ", each at most once"
		}
	}
	if key.Name == text.KeyTaskReporting && (!slices.Contains(list, "RFC3720") || !slices.Contains(list, "ResponseFence")) {
		return "RFC3720 and ResponseFence among others"
	}
	return ""
}
