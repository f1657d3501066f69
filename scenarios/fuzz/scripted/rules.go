package scripted

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// function is how a key is settled.
type function byte

const (
	declared function = iota // by who declares it
	minimum
	maximum
	and
	or
	list
	obsolete
)

// rule is what the model knows of one key (RFC 7143, Sections 12 and 13): its own table, so that a mistake in the peers' cannot hide itself.
type rule struct {
	key        string
	function   function
	least      int64
	most       int64
	values     []string
	fallback   string // the default
	limit      string // what the sound array answers from
	fromTarget bool   // a target may declare it
	security   bool   // it may come in the security stage
	everywhere bool   // it has a meaning in Discovery sessions
	recent     bool   // older peers do not understand it
	row        string // the catalogue's row about it
}

const most24 = 1<<24 - 1

var rules = []rule{
	{key: "AuthMethod", function: list, values: []string{"CHAP", "None", "KRB5", "SRP"}, fallback: "None", security: true, everywhere: true, row: "auth.method-target-picks-unoffered"},
	{key: "HeaderDigest", function: list, values: []string{"CRC32C", "None"}, fallback: "None", limit: "CRC32C,None", everywhere: true, row: "keys.digest-response"},
	{key: "DataDigest", function: list, values: []string{"CRC32C", "None"}, fallback: "None", limit: "CRC32C,None", everywhere: true, row: "keys.digest-response"},
	{key: "MaxConnections", function: minimum, least: 1, most: 65535, fallback: "1", limit: "1", row: "negotiation.numeric-answer-above-offer"},
	{key: "ErrorRecoveryLevel", function: minimum, least: 0, most: 2, fallback: "0", limit: "1", everywhere: true, row: "negotiation.numeric-answer-above-offer"},
	{key: "InitialR2T", function: or, fallback: "Yes", limit: "Yes", row: "negotiation.boolean-functions"},
	{key: "ImmediateData", function: and, fallback: "Yes", limit: "Yes", row: "negotiation.boolean-functions"},
	{key: "MaxBurstLength", function: minimum, least: 512, most: most24, fallback: "262144", limit: "262144", row: "negotiation.numeric-out-of-range"},
	{key: "FirstBurstLength", function: minimum, least: 512, most: most24, fallback: "65536", limit: "65536", row: "negotiation.numeric-out-of-range"},
	{key: "MaxOutstandingR2T", function: minimum, least: 1, most: 65535, fallback: "1", limit: "1", row: "negotiation.numeric-answer-above-offer"},
	{key: "DataPDUInOrder", function: or, fallback: "Yes", limit: "Yes", row: "negotiation.boolean-functions"},
	{key: "DataSequenceInOrder", function: or, fallback: "Yes", limit: "Yes", row: "negotiation.boolean-functions"},
	{key: "DefaultTime2Wait", function: maximum, least: 0, most: 3600, fallback: "2", limit: "0", everywhere: true, row: "keys.time2wait"},
	{key: "DefaultTime2Retain", function: minimum, least: 0, most: 3600, fallback: "20", limit: "20", everywhere: true, row: "negotiation.numeric-answer-above-offer"},
	{key: "TaskReporting", function: list, values: []string{"RFC3720", "ResponseFence", "FastAbort"}, fallback: "RFC3720", limit: "RFC3720", recent: true, row: "negotiation.list-answer-not-offered"},
	{key: "iSCSIProtocolLevel", function: minimum, least: 0, most: 31, fallback: "1", limit: "1", recent: true, row: "negotiation.numeric-answer-above-offer"},
	{key: "MaxRecvDataSegmentLength", least: 512, most: most24, fallback: "8192", fromTarget: true, everywhere: true, row: "negotiation.numeric-out-of-range"},
	{key: "TargetPortalGroupTag", least: 0, most: 65535, fromTarget: true, security: true, everywhere: true, row: "negotiation.numeric-out-of-range"},
	{key: "TargetAlias", fromTarget: true, security: true, everywhere: true, row: "negotiation.text-malformed"},
	{key: "TargetName", fromTarget: true, security: true, everywhere: true, row: "negotiation.text-malformed"},
	{key: "TargetAddress", fromTarget: true, security: true, everywhere: true, row: "redirect.during-established"},
	{key: "InitiatorName", security: true, everywhere: true, row: "negotiation.text-malformed"},
	{key: "InitiatorAlias", security: true, everywhere: true, row: "negotiation.text-malformed"},
	{key: "SessionType", security: true, everywhere: true, row: "negotiation.text-malformed"},
	{key: "IFMarker", function: obsolete, everywhere: true, row: "negotiation.boolean-illegal-value"},
	{key: "OFMarker", function: obsolete, everywhere: true, row: "negotiation.boolean-illegal-value"},
	{key: "IFMarkInt", function: obsolete, everywhere: true, row: "negotiation.boolean-illegal-value"},
	{key: "OFMarkInt", function: obsolete, everywhere: true, row: "negotiation.boolean-illegal-value"},
}

// chapKeys are the keys of CHAP, which come in the security stage alone (RFC 7143, Section 12.1.3).
var chapKeys = []string{"CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"}

// ruleOf finds the rule of a key; nil where the standards define none that a login may hold.
func ruleOf(key string) *rule {
	for i := range rules {
		if rules[i].key == key {
			return &rules[i]
		}
	}
	return nil
}

// number reads a number as RFC 7143, Section 6.1 writes them: decimal without leading zeros, or hexadecimal behind 0x or 0X.
func numberOf(s string) (int64, bool) {
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	if digits == "" || base == 10 && len(digits) > 1 && digits[0] == '0' || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, false
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok || !n.IsInt64() {
		return 0, false
	}
	return n.Int64(), true
}

// numeric reports whether the values of a key are numbers.
func (r *rule) numeric() bool { return r.most > 0 }

// takes reports whether a value is one that the key has.
func (r *rule) takes(value string) bool {
	switch {
	case r.numeric():
		n, ok := numberOf(value)
		return ok && n >= r.least && n <= r.most
	case r.function == and || r.function == or:
		return value == "Yes" || value == "No"
	case r.function == list:
		return slices.Contains(r.values, value)
	}
	return len(value) <= 255
}

// reservedWord reports whether a value is one of the words that answer an offer instead of a value.
func reservedWord(value string) bool {
	return value == "NotUnderstood" || value == "Irrelevant" || value == "Reject"
}

// answerTo is the right answer of a side with a limit to an offer (RFC 7143, Section 6.2).
func (r *rule) answerTo(offer, limit string) string {
	switch {
	case r.function == obsolete, reservedWord(offer) && r.function != list:
		return "Reject"
	case r.function == list:
		for _, v := range strings.Split(offer, ",") {
			if slices.Contains(strings.Split(limit, ","), v) {
				return v
			}
		}
		return "Reject"
	case !r.takes(offer):
		return "Reject"
	case r.function == and:
		return yes(offer == "Yes" && limit == "Yes")
	case r.function == or:
		return yes(offer == "Yes" || limit == "Yes")
	}
	n, _ := numberOf(offer)
	own, _ := numberOf(limit)
	if r.function == maximum {
		return strconv.FormatInt(max(n, own), 10)
	}
	return strconv.FormatInt(min(n, own), 10)
}

func yes(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

// fits reports whether an answer is one that the offer allows.
func (r *rule) fits(offer, answer string) bool {
	switch r.function {
	case list:
		return slices.Contains(strings.Split(offer, ","), answer)
	case and:
		return r.takes(answer) && (offer == "Yes" || answer == "No")
	case or:
		return r.takes(answer) && (offer == "No" || answer == "Yes")
	case obsolete:
		return answer == "No"
	}
	n, _ := numberOf(answer)
	offered, _ := numberOf(offer)
	if r.function == maximum {
		return r.takes(answer) && n >= offered
	}
	return r.takes(answer) && n <= offered
}

// decides reports whether an offer needs no answer, since no answer could change it (RFC 7143, Section 6.2.2).
func (r *rule) decides(offer string) bool {
	return r.function == and && offer == "No" || r.function == or && offer == "Yes"
}
