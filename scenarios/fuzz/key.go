package fuzz

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function is how the two sides' values of a key make its result (RFC 7143, Section 6.2). The judge has a table of its own, so that a
// mistake in the peers' table shows.
type function byte

const (
	declared  function = iota // told, not negotiated
	numeric                   // declared, a number
	and                       // Yes where both say Yes
	or                        // Yes where one says Yes
	minimum                   // the smaller number
	maximum                   // the larger number
	list                      // the first of the offered that the other side takes
	obsolete                  // answered Reject
	question                  // SendTargets: no key of a login
	secret                    // a key of CHAP
	strange                   // no key that any RFC defines
	foreigner                 // a key that only targets may send
)

// key is one key of RFC 7143, Section 13, RFC 7144, Section 7.1.1, or CHAP (RFC 7143, Section 12.1.3).
type key struct {
	name     string
	function function
	min, max int      // of numbers
	fallback int      // of numbers: the default
	values   []string // of lists and of declared keys that have a fixed set
	leading  bool     // only in the login of a session's first connection
	mild     bool     // may be answered NotUnderstood: it is younger than RFC 3720, or obsolete
	either   bool     // may come in the security stage
}

// The keys, by their place in keys.
const (
	kInitiatorName = iota
	kTargetName
	kSessionType
	kInitiatorAlias
	kAuthMethod
	kCHAPA
	kCHAPI
	kCHAPC
	kCHAPN
	kCHAPR
	kHeaderDigest
	kDataDigest
	kMaxConnections
	kInitialR2T
	kImmediateData
	kMaxRecvDataSegmentLength
	kMaxBurstLength
	kFirstBurstLength
	kDefaultTime2Wait
	kDefaultTime2Retain
	kMaxOutstandingR2T
	kDataPDUInOrder
	kDataSequenceInOrder
	kErrorRecoveryLevel
	kTaskReporting
	kISCSIProtocolLevel
	kNodeArchitecture
	kIFMarker
	kOFMarker
	kIFMarkInt
	kOFMarkInt
	kSendTargets
	kTargetAlias
	kTargetAddress
	kTargetPortalGroupTag
	kUnknown
	keyCount
)

var bursts = [2]int{512, 1<<24 - 1}

var keys = [keyCount]key{
	kInitiatorName:            {name: "InitiatorName", function: declared, either: true},
	kTargetName:               {name: "TargetName", function: declared, either: true},
	kSessionType:              {name: "SessionType", function: declared, values: []string{"Normal", "Discovery"}, either: true},
	kInitiatorAlias:           {name: "InitiatorAlias", function: declared, either: true},
	kAuthMethod:               {name: "AuthMethod", function: list, values: []string{"CHAP", "None", "KRB5", "SRP", "SPKM1", "SPKM2"}, either: true},
	kCHAPA:                    {name: "CHAP_A", function: secret, either: true},
	kCHAPI:                    {name: "CHAP_I", function: secret, max: 255, either: true},
	kCHAPC:                    {name: "CHAP_C", function: secret, min: 1, max: 1024, either: true},
	kCHAPN:                    {name: "CHAP_N", function: secret, either: true},
	kCHAPR:                    {name: "CHAP_R", function: secret, either: true},
	kHeaderDigest:             {name: "HeaderDigest", function: list, values: []string{"CRC32C", "None"}},
	kDataDigest:               {name: "DataDigest", function: list, values: []string{"CRC32C", "None"}},
	kMaxConnections:           {name: "MaxConnections", function: minimum, min: 1, max: 65535, fallback: 1, leading: true},
	kInitialR2T:               {name: "InitialR2T", function: or, leading: true},
	kImmediateData:            {name: "ImmediateData", function: and, leading: true},
	kMaxRecvDataSegmentLength: {name: "MaxRecvDataSegmentLength", function: numeric, min: bursts[0], max: bursts[1], fallback: 8192},
	kMaxBurstLength:           {name: "MaxBurstLength", function: minimum, min: bursts[0], max: bursts[1], fallback: 262144, leading: true},
	kFirstBurstLength:         {name: "FirstBurstLength", function: minimum, min: bursts[0], max: bursts[1], fallback: 65536, leading: true},
	kDefaultTime2Wait:         {name: "DefaultTime2Wait", function: maximum, max: 3600, fallback: 2, leading: true},
	kDefaultTime2Retain:       {name: "DefaultTime2Retain", function: minimum, max: 3600, fallback: 20, leading: true},
	kMaxOutstandingR2T:        {name: "MaxOutstandingR2T", function: minimum, min: 1, max: 65535, fallback: 1, leading: true},
	kDataPDUInOrder:           {name: "DataPDUInOrder", function: or, leading: true},
	kDataSequenceInOrder:      {name: "DataSequenceInOrder", function: or, leading: true},
	kErrorRecoveryLevel:       {name: "ErrorRecoveryLevel", function: minimum, max: 2, leading: true},
	kTaskReporting:            {name: "TaskReporting", function: list, values: []string{"RFC3720", "ResponseFence", "FastAbort"}, leading: true, mild: true},
	kISCSIProtocolLevel:       {name: "iSCSIProtocolLevel", function: minimum, max: 31, fallback: 1, leading: true, mild: true},
	kNodeArchitecture:         {name: "X#NodeArchitecture", function: declared, mild: true},
	kIFMarker:                 {name: "IFMarker", function: obsolete, mild: true},
	kOFMarker:                 {name: "OFMarker", function: obsolete, mild: true},
	kIFMarkInt:                {name: "IFMarkInt", function: obsolete, mild: true},
	kOFMarkInt:                {name: "OFMarkInt", function: obsolete, mild: true},
	kSendTargets:              {name: "SendTargets", function: question, mild: true},
	kTargetAlias:              {name: "TargetAlias", function: foreigner, mild: true, either: true},
	kTargetAddress:            {name: "TargetAddress", function: foreigner, mild: true, either: true},
	kTargetPortalGroupTag:     {name: "TargetPortalGroupTag", function: foreigner, mild: true, either: true},
	kUnknown:                  {name: "(unknown)", function: strange},
}

var keyByName = func() map[string]int {
	m := map[string]int{}
	for i := range kUnknown {
		m[keys[i].name] = i
	}
	return m
}()

// keyOf finds a key by its name; every name that no RFC defines is kUnknown.
func keyOf(name string) int {
	if i, is := keyByName[name]; is {
		return i
	}
	return kUnknown
}

// answered tells whether an offer of the key asks for an answer.
func (k *key) answered() bool {
	switch k.function {
	case and, or, minimum, maximum, list, strange:
		return true
	}
	return false
}

// The constants that answer an offer (RFC 7143, Section 6.2).
const (
	notUnderstood = "NotUnderstood"
	irrelevant    = "Irrelevant"
	reject        = "Reject"
)

// numberOf reads a numerical-value (RFC 7143, Section 6.1).
func numberOf(s string) (int, bool) {
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' || base == 10 && len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	v, err := strconv.ParseInt(digits, base, 64)
	return int(v), err == nil
}

// binaryOf reads a binary-value and gives its length in bytes.
func binaryOf(s string) ([]byte, bool) {
	if len(s) < 2 {
		return nil, false
	}
	var b []byte
	var err error
	switch s[:2] {
	case "0x", "0X":
		if len(s)%2 == 1 {
			s = s[:2] + "0" + s[2:]
		}
		b, err = hex.DecodeString(s[2:])
	case "0b", "0B":
		b, err = base64.StdEncoding.DecodeString(s[2:])
	default:
		return nil, false
	}
	return b, err == nil
}

// classOf tells of what class a value of a key is. Duplicated and Missing are no matter of a value.
func classOf(k int, name, value string) Class {
	if value == notUnderstood || value == irrelevant || value == reject {
		return Illegal // They are answers and no offers.
	}
	switch key := &keys[k]; key.function {
	case and, or:
		return choice(value, value == "Yes" || value == "No")
	case minimum, maximum, numeric:
		return numberClass(value, key.min, key.max)
	case list:
		return listClass(value, key.values)
	case secret:
		return secretClass(k, value)
	case strange:
		return nameClass(name)
	case obsolete:
		return choice(value, value == "Yes" || value == "No" || span(value))
	case question:
		return choice(value, value == "All")
	}
	return declaredClass(k, value)
}

// span tells whether a value is a numeric-range, or one number.
func span(value string) bool {
	lo, hi, both := strings.Cut(value, "~")
	_, first := numberOf(lo)
	_, second := numberOf(hi)
	return first && both && second
}

// choice is the class of a value that is either right or not.
func choice(value string, right bool) Class {
	switch {
	case right:
		return Legal
	case value == "" || strings.Trim(value, letters+digits) != "":
		return Malformed
	}
	return Illegal
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func numberClass(value string, lo, hi int) Class {
	n, ok := numberOf(value)
	switch {
	case !ok:
		return Malformed
	case n < lo || n > hi:
		return Illegal
	case n == lo || n == hi:
		return Boundary
	}
	return Legal
}

// listClass: a list with members that nobody knows beside one that is known is on the border of what is legal.
func listClass(value string, known []string) Class {
	some, all := false, true
	for member := range strings.SplitSeq(value, ",") {
		if member == "" || strings.Trim(member, letters+digits+".-+@_#") != "" {
			return Malformed
		}
		is := slices.Contains(known, member)
		some, all = some || is, all && is
	}
	switch {
	case all:
		return Legal
	case some:
		return Boundary
	}
	return Illegal
}

func secretClass(k int, value string) Class {
	switch k {
	case kCHAPA:
		for member := range strings.SplitSeq(value, ",") {
			if _, ok := numberOf(member); !ok {
				return Malformed
			}
		}
		return listClass(value, []string{"5", "6", "7", "8"})
	case kCHAPI:
		return numberClass(value, 0, 255)
	case kCHAPN:
		return textClass(value, 255)
	}
	b, ok := binaryOf(value)
	switch {
	case !ok:
		return Malformed
	case k == kCHAPC && (len(b) == 1 || len(b) == 1024):
		return Boundary
	case k == kCHAPC && len(b) > 1 && len(b) < 1024, k == kCHAPR && (len(b) == 16 || len(b) == 20 || len(b) == 32):
		return Legal
	}
	return Illegal
}

// textClass is of values that may be any text of a length.
func textClass(value string, most int) Class {
	switch {
	case value == "" || !utf8.ValidString(value):
		return Malformed
	case len(value) > most:
		return Illegal
	case len(value) == most:
		return Boundary
	}
	return Legal
}

// nameClass is of names that no RFC defines.
func nameClass(name string) Class {
	switch {
	case name == "" || strings.Trim(name, letters+digits+".-+@_") != "":
		return Malformed
	case len(name) > 63 || name[0] < 'A' || name[0] > 'Z':
		return Illegal
	case len(name) == 63:
		return Boundary
	}
	return Legal
}

func declaredClass(k int, value string) Class {
	switch k {
	case kInitiatorName, kTargetName:
		return nodeClass(value)
	case kSessionType:
		return choice(value, value == "Normal" || value == "Discovery")
	}
	return textClass(value, 255)
}

// nodeClass is of iSCSI names (RFC 7143, Section 4.2.7).
func nodeClass(value string) Class {
	lower := strings.ToLower(value)
	iqn := strings.HasPrefix(lower, "iqn.") && len(value) > 4
	eui := strings.HasPrefix(lower, "eui.") && len(value) == 20
	naa := strings.HasPrefix(lower, "naa.") && (len(value) == 20 || len(value) == 36)
	switch {
	case value == "" || strings.Trim(value, letters+digits+".-:") != "":
		return Malformed
	case len(value) > 223 || !iqn && !eui && !naa:
		return Illegal
	case len(value) == 223:
		return Boundary
	}
	return Legal
}
