package text

import (
	"strconv"
	"strings"
)

// ParseNumber reads a numerical-value: decimal without leading zeros, or hexadecimal after 0x or 0X (RFC 7143,
// Section 6.1). A sign, blanks, and numbers of 2^63 or more are refused.
func ParseNumber(s string) (int, bool) {
	base := 10
	digits := s
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		base, digits = 16, s[2:]
	}
	if digits == "" || len(digits) > 1 && base == 10 && digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' && (base == 10 || c|0x20 < 'a' || c|0x20 > 'f') {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(digits, base, 64)
	return int(n), err == nil
}

// ParseBool reads a boolean-value: "Yes" or "No", case and all.
func ParseBool(s string) (value, valid bool) { return s == Yes, s == Yes || s == No }

// FormatBool writes "Yes" or "No".
func FormatBool(b bool) string {
	if b {
		return Yes
	}
	return No
}

// ParseList cuts a list-of-values at its commas.
func ParseList(s string) []string { return strings.Split(s, ",") }

// ValidKeyName tells whether a name has the form of a key: a capital letter, then letters, digits and . - + @ _, at most 63
// bytes in all (RFC 7143, Section 6.1). iSCSIProtocolLevel and X#NodeArchitecture break that form and are valid.
func ValidKeyName(name string) bool {
	if name == KeyISCSIProtocolLevel || name == KeyNodeArchitecture {
		return true
	}
	if name == "" || len(name) > 63 || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for i := range len(name) {
		if !keyByte(name[i]) {
			return false
		}
	}
	return true
}

// keyByte tells whether a byte may stand in a key.
func keyByte(c byte) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return letter || strings.IndexByte(".-+@_", c) >= 0
}

// Reserved tells whether a value is one of the constants that answer an offer: NotUnderstood, Irrelevant or Reject.
func Reserved(value string) bool { return reserved(value) }

func reserved(value string) bool {
	return value == NotUnderstood || value == Irrelevant || value == Reject
}

func contains(list []string, s string) bool {
	for _, member := range list {
		if member == s {
			return true
		}
	}
	return false
}
