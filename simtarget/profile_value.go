package simtarget

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Size is a number of bytes. Its text is a number with a unit (KiB, MiB, GiB, TiB) or without.
type Size int64

var sizeUnits = []struct {
	name   string
	factor int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size in the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.factor == 0 {
			return strconv.FormatInt(int64(s)/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes the form of String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for _, u := range sizeUnits {
		if rest, found := strings.CutSuffix(digits, u.name); found {
			digits, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return fmt.Errorf("size %q: want a number of bytes, KiB, MiB, GiB or TiB", text)
	}
	*s = Size(n * factor)
	return nil
}

// Status is a login status that is written as four hexadecimal digits after 0x.
type Status iscsi.Status

// MarshalText writes "0x0206".
func (s Status) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "0x%04x", uint16(s)), nil }

// UnmarshalText reads "0x0206", with or without 0x.
func (s *Status) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0x"), 16, 16)
	if err != nil || len(text) < 4 {
		return fmt.Errorf("login status %q: want four hexadecimal digits such as 0x0206", text)
	}
	*s = Status(n)
	return nil
}

// status gives the login status that an Excess names, if it names one.
func (e Excess) status() (iscsi.Status, bool) {
	var s Status
	if err := s.UnmarshalText([]byte(e)); err != nil {
		return 0, false
	}
	return iscsi.Status(s), true
}
