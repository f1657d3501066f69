package chap

import (
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The keys of CHAP (RFC 7143, Section 12.1.3).
const (
	KeyAlgorithm  = "CHAP_A"
	KeyIdentifier = "CHAP_I"
	KeyChallenge  = "CHAP_C"
	KeyName       = "CHAP_N"
	KeyResponse   = "CHAP_R"
)

// values are the CHAP keys of one message.
type values struct {
	algorithm, identifier, challenge, name, response string
	has                                              map[string]bool
}

// gather takes the keys of one message. Keys that are no CHAP keys, and keys that come twice, are errors.
func gather(pairs text.Pairs, dev *Deviations) (values, error) {
	v := values{has: make(map[string]bool, len(pairs))}
	for i, pair := range pairs {
		if dev.Positional {
			pair.Key = positional(len(pairs), i, pair.Key)
		}
		var field *string
		switch pair.Key {
		case KeyAlgorithm:
			field = &v.algorithm
		case KeyIdentifier:
			field = &v.identifier
		case KeyChallenge:
			field = &v.challenge
		case KeyName:
			field = &v.name
		case KeyResponse:
			field = &v.response
		default:
			return v, &Error{Key: cut(pair.Key), Want: "keys of CHAP only", Got: "another key", Clause: clauseCHAP}
		}
		if v.has[pair.Key] {
			return v, &Error{Key: pair.Key, Want: "the key once", Got: "it twice", Clause: clauseCHAP}
		}
		v.has[pair.Key] = true
		*field = pair.Value
	}
	return v, nil
}

// positional serves the defect Positional: it names a key by its place.
func positional(n, i int, key string) string {
	switch n {
	case 3:
		return [...]string{KeyAlgorithm, KeyIdentifier, KeyChallenge}[i]
	case 2:
		return [...]string{KeyName, KeyResponse}[i]
	}
	return key
}

// exactly checks that just these keys came.
func (v values) exactly(keys ...string) error {
	for _, key := range keys {
		if !v.has[key] {
			return &Error{Key: key, Want: strings.Join(keys, ", "), Got: v.names(), Clause: clauseCHAP}
		}
	}
	if len(v.has) != len(keys) {
		return &Error{Want: strings.Join(keys, ", "), Got: v.names(), Clause: clauseCHAP}
	}
	return nil
}

func (v values) names() string {
	var names []string
	for _, key := range []string{KeyAlgorithm, KeyIdentifier, KeyChallenge, KeyName, KeyResponse} {
		if v.has[key] {
			names = append(names, key)
		}
	}
	if names == nil {
		return "none of its keys"
	}
	return strings.Join(names, ", ")
}

func parseIdentifier(s string, dev *Deviations) (byte, error) {
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	if dev.IdentifierWraps {
		n, _ := strconv.Atoi(s) // Junk gives 0.
		return byte(n), nil
	}
	n, err := strconv.ParseUint(digits, base, 8)
	if err != nil || strings.HasPrefix(digits, "+") {
		return 0, &Error{Key: KeyIdentifier, Want: "a number from 0 to 255", Got: strconv.Quote(cut(s)), Clause: clauseCHAP}
	}
	return byte(n), nil
}

// ParseAlgorithms reads the list of CHAP_A. Numbers above 255 and other text are errors.
func ParseAlgorithms(s string) ([]Algorithm, error) {
	var list []Algorithm
	for member := range strings.SplitSeq(s, ",") {
		n, ok := text.ParseNumber(member)
		if !ok || n > 255 {
			return nil, &Error{Key: KeyAlgorithm, Want: "a list of numbers", Got: strconv.Quote(cut(s)), Clause: clauseCHAP}
		}
		list = append(list, Algorithm(n))
	}
	return list, nil
}

// FormatAlgorithms writes the list of CHAP_A.
func FormatAlgorithms(list []Algorithm) string {
	members := make([]string, len(list))
	for i, a := range list {
		members[i] = strconv.Itoa(int(a))
	}
	return strings.Join(members, ",")
}

// binary reads a binary value of a key.
func binary(key, s string, maxLength int) ([]byte, error) {
	value, err := ParseBinary(s, maxLength)
	if err != nil {
		return nil, &Error{Key: key, Want: "a binary value", Got: err.Error(), Clause: clauseCHAP}
	}
	return value, nil
}

// cut keeps a peer's text in a message short.
func cut(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
