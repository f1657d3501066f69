package iscsi

import (
	"strconv"
	"strings"
)

// TargetAddress is the value of the key TargetAddress: a portal, and in answers to SendTargets the tag of the portal
// group that it belongs to. A redirection carries it without a tag (RFC 7143, Section 13.8).
type TargetAddress struct {
	Address
	// Tag is the portal group tag; it counts only where HasTag is set.
	Tag    uint16
	HasTag bool
}

// String returns "host[:port][,tag]".
func (t TargetAddress) String() string {
	if !t.HasTag {
		return t.Address.String()
	}
	return t.Address.String() + "," + strconv.Itoa(int(t.Tag))
}

// MarshalText writes the form of String.
func (t TargetAddress) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *TargetAddress) UnmarshalText(text []byte) error {
	parsed, err := ParseTargetAddress(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// ParseTargetAddress reads "host[:port][,tag]". Unlike ParseAddress it insists on brackets around an IPv6 address,
// as the clause does. Errors are *AddressError.
func ParseTargetAddress(s string) (TargetAddress, error) {
	host, tag, hasTag := strings.Cut(s, ",")
	if !strings.HasPrefix(host, "[") && strings.Count(host, ":") > 1 {
		return TargetAddress{}, &AddressError{Text: s, Reason: "expected brackets around an IPv6 address"}
	}
	address, err := ParseAddress(host)
	if err != nil {
		return TargetAddress{}, err
	}
	result := TargetAddress{Address: address, HasTag: hasTag}
	if !hasTag {
		return result, nil
	}
	n, err := strconv.ParseUint(tag, 0, 16)
	if err != nil || strings.HasPrefix(tag, "+") || strings.Contains(tag, "_") {
		return TargetAddress{}, &AddressError{Text: s, Reason: "expected a portal group tag from 0 to 65535 after the comma"}
	}
	result.Tag = uint16(n)
	return result, nil
}
