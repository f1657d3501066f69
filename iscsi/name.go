package iscsi

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameLength is the longest iSCSI name, in bytes (RFC 7143, Section 4.2.7.1).
const MaxNameLength = 223

// NameError says why a text is no iSCSI name.
type NameError struct {
	// Name is the text, cut to 256 bytes.
	Name string
	// Reason says what was expected and what came.
	Reason string
	// Clause is the rule that is broken.
	Clause string
}

// Error names the text, the reason and the clause.
func (e *NameError) Error() string {
	return fmt.Sprintf("iSCSI name %q: %s (%s)", e.Name, e.Reason, e.Clause)
}

// ValidName reports as a *NameError why name is not an iSCSI node name in the form in which it stands on the wire:
// of type iqn, eui or naa, at most 223 bytes, in lower case, with none of the characters that the iSCSI string
// profile forbids (RFC 7143, Sections 4.2.7.2 to 4.2.7.6). A valid name gives nil.
func ValidName(name string) error {
	clause, reason := nameFault(name)
	if reason == "" {
		return nil
	}
	if len(name) > 256 {
		name = name[:256]
	}
	return &NameError{Name: name, Reason: reason, Clause: clause}
}

// NormalName folds the capitals of a name that a user typed, as the iSCSI string profile does before a name is used on the wire (RFC 7143,
// Section 4.2.7.2). The hexadecimal digits of eui and naa names stay as they are. The result may still be no valid name.
func NormalName(name string) string {
	kind, rest, found := strings.Cut(name, ".")
	kind = strings.ToLower(kind)
	switch {
	case !found:
		return kind
	case kind == "eui" || kind == "naa":
		return kind + "." + rest
	}
	return kind + "." + strings.ToLower(rest)
}

func nameFault(name string) (clause, reason string) {
	switch {
	case name == "":
		return "RFC 7143, Section 4.2.7.1", "expected a name, got none"
	case len(name) > MaxNameLength:
		return "RFC 7143, Section 4.2.7.1", fmt.Sprintf("expected at most %d bytes, got %d", MaxNameLength, len(name))
	case strings.HasPrefix(name, "iqn."):
		return iqnFault(name)
	case strings.HasPrefix(name, "eui."):
		return "RFC 7143, Section 4.2.7.5", hexFault(name[4:], 16)
	case strings.HasPrefix(name, "naa."):
		return "RFC 7143, Section 4.2.7.6", naaFault(name[4:])
	}
	return "RFC 7143, Section 4.2.7.3", `expected the type "iqn.", "eui." or "naa."`
}

// iqnFault holds name against "iqn.yyyy-mm.reversed.domain[:anything]".
func iqnFault(name string) (clause, reason string) {
	clause = "RFC 7143, Section 4.2.7.4"
	rest := name[len("iqn."):]
	if len(rest) < 8 || !isDate(rest[:7]) || rest[7] != '.' {
		return clause, `expected a date "yyyy-mm." after "iqn."`
	}
	domain, _, _ := strings.Cut(rest[8:], ":")
	if domain == "" || domain[0] == '.' || domain[len(domain)-1] == '.' || strings.Contains(domain, "..") {
		return clause, "expected a reversed domain name after the date"
	}
	if !utf8.ValidString(name) {
		return "RFC 7143, Section 4.2.7.2", "expected UTF-8"
	}
	for _, r := range name {
		if !nameRune(r) {
			return "RFC 7143, Section 4.2.7.2", fmt.Sprintf("character %q is not allowed", r)
		}
	}
	return "", ""
}

// nameRune tells which characters may stand in an iqn name: in ASCII lower-case letters, digits, hyphen, dot and
// colon; beyond ASCII what is neither a capital, a space nor a control character. A full stringprep table is not
// held here: it could only find further faults in names that no implementation is known to use.
func nameRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == ':'
	}
	return !unicode.IsUpper(r) && !unicode.IsSpace(r) && !unicode.IsControl(r) && unicode.IsGraphic(r)
}

func isDate(s string) bool {
	for i := range len(s) {
		if i == 4 {
			continue
		}
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	month := s[5:7]
	return s[4] == '-' && month >= "01" && month <= "12"
}

func naaFault(digits string) string {
	if len(digits) == 32 {
		return hexFault(digits, 32)
	}
	if len(digits) != 16 {
		return fmt.Sprintf("expected 16 or 32 hexadecimal digits, got %d characters", len(digits))
	}
	return hexFault(digits, 16)
}

// hexFault accepts capitals, since the examples of the RFC use them.
func hexFault(digits string, want int) string {
	if len(digits) != want {
		return fmt.Sprintf("expected %d hexadecimal digits, got %d characters", want, len(digits))
	}
	for i := range len(digits) {
		c := digits[i]
		if digit, letter := c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'f'; !digit && !letter {
			return fmt.Sprintf("%q is not a hexadecimal digit", c)
		}
	}
	return ""
}
