package chap

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxBinaryLength is the longest binary value of CHAP, in bytes (RFC 7143, Section 12.1.3).
const MaxBinaryLength = 1024

// BinaryError says why a text is no binary value.
type BinaryError struct {
	// Reason says what was expected and what came. It never holds the value.
	Reason string
}

// Error names the reason.
func (e *BinaryError) Error() string {
	return "CHAP binary value: " + e.Reason + " (RFC 7143, Section 6.1)"
}

// FormatHex writes a binary value as "0x" and lower-case digits.
func FormatHex(b []byte) string { return "0x" + hex.EncodeToString(b) }

// FormatBase64 writes a binary value as "0b" and padded base64.
func FormatBase64(b []byte) string { return "0b" + base64.StdEncoding.EncodeToString(b) }

// ParseBinary reads a binary value of 1 to maxLength bytes in hexadecimal (after 0x or 0X) or base64 (after 0b or 0B). Of
// an odd number of hexadecimal digits the first byte has only one digit, since the constant is a number that starts with
// its highest digit (RFC 7143, Section 6.1). Errors are *BinaryError.
func ParseBinary(s string, maxLength int) ([]byte, error) {
	if len(s) < 2 || s[0] != '0' {
		return nil, &BinaryError{Reason: `expected "0x" or "0b" in front`}
	}
	digits := s[2:]
	var value []byte
	var err error
	switch s[1] {
	case 'x', 'X':
		value, err = parseHex(digits, maxLength)
	case 'b', 'B':
		value, err = parseBase64(digits, maxLength)
	default:
		return nil, &BinaryError{Reason: `expected "0x" or "0b" in front`}
	}
	if err != nil {
		return nil, err
	}
	if len(value) == 0 {
		return nil, &BinaryError{Reason: "expected at least one byte"}
	}
	if len(value) > maxLength {
		return nil, tooLong(maxLength, len(value))
	}
	return value, nil
}

func tooLong(limit, got int) error {
	return &BinaryError{Reason: fmt.Sprintf("expected at most %d bytes, got %d", limit, got)}
}

func parseHex(digits string, maxLength int) ([]byte, error) {
	if n := (len(digits) + 1) / 2; n > maxLength {
		return nil, tooLong(maxLength, n)
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	value, err := hex.DecodeString(digits)
	if err != nil {
		return nil, &BinaryError{Reason: "expected hexadecimal digits"}
	}
	return value, nil
}

func parseBase64(digits string, maxLength int) ([]byte, error) {
	if n := base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(digits, "="))); n > maxLength {
		return nil, tooLong(maxLength, n)
	}
	if strings.ContainsAny(digits, "\r\n") { // The decoder of the standard library would pass over them.
		return nil, &BinaryError{Reason: "expected base64"}
	}
	value, err := base64.StdEncoding.Strict().DecodeString(digits)
	if err != nil {
		return nil, &BinaryError{Reason: "expected padded base64"}
	}
	return value, nil
}
