package iscsi

import (
	"encoding/hex"
	"fmt"
)

// ISID is the initiator's part of the session identifier, six bytes as on the wire (RFC 7143, Section 11.12.5).
type ISID [6]byte

// ISIDFormat is the two-bit type field in the first byte of an ISID. It says who assigned the number.
type ISIDFormat byte

// The formats of RFC 7143, Section 11.12.5.
const (
	ISIDFormatOUI        ISIDFormat = 0
	ISIDFormatEnterprise ISIDFormat = 1
	ISIDFormatRandom     ISIDFormat = 2
	ISIDFormatReserved   ISIDFormat = 3
)

// OUIISID makes an ISID of format 00b. Of oui, a 24-bit IEEE company id, the two lowest bits of the first octet
// (individual/group, universal/local) have no room and are left out; of qualifier 24 bits are used.
func OUIISID(oui, qualifier uint32) ISID {
	return ISID{byte(oui>>18) & 0x3f, byte(oui >> 8), byte(oui), byte(qualifier >> 16), byte(qualifier >> 8), byte(qualifier)}
}

// ENISID makes an ISID of format 01b from a 24-bit IANA enterprise number.
func ENISID(en uint32, qualifier uint16) ISID {
	return ISID{byte(ISIDFormatEnterprise) << 6, byte(en >> 16), byte(en >> 8), byte(en), byte(qualifier >> 8), byte(qualifier)}
}

// RandomISID makes an ISID of format 10b from 24 random bits that the caller has drawn.
func RandomISID(random24 uint32, qualifier uint16) ISID {
	return ISID{byte(ISIDFormatRandom) << 6, byte(random24 >> 16), byte(random24 >> 8), byte(random24), byte(qualifier >> 8), byte(qualifier)}
}

// Format returns the type field.
func (i ISID) Format() ISIDFormat { return ISIDFormat(i[0] >> 6) }

// String returns twelve lower-case hexadecimal digits.
func (i ISID) String() string { return hex.EncodeToString(i[:]) }

// MarshalText writes the twelve digits of String.
func (i ISID) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (i *ISID) UnmarshalText(text []byte) error {
	parsed, err := ParseISID(string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// ParseISID reads twelve hexadecimal digits, with or without 0x before them.
func ParseISID(s string) (ISID, error) {
	digits := s
	if len(digits) > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') {
		digits = digits[2:]
	}
	var isid ISID
	if len(digits) != 2*len(isid) {
		return ISID{}, fmt.Errorf("ISID %q: expected 12 hexadecimal digits, got %d characters", s, len(digits))
	}
	if _, err := hex.Decode(isid[:], []byte(digits)); err != nil {
		return ISID{}, fmt.Errorf("ISID %q: expected 12 hexadecimal digits: %w", s, err)
	}
	return isid, nil
}
