package fuzz

import (
	"fmt"
	"strconv"
	"strings"
)

// ExpandMax bounds what one template expands to, in bytes.
const ExpandMax = 64 << 10

// Names gives the words of templates their values during a run. It reports false for a word that has none, which expands to nothing.
type Names func(word string) (string, bool)

// Expand makes the bytes of a template. Printable ASCII other than blank, ";", "%", braces and quotes stands for itself; %XX is a byte in two
// capital hexadecimal digits; {c*N} is the byte c N times (c may be %XX); {word} and {word:option} are what names says. With nil names
// words expand to nothing, so that a template can be checked before a run. The error is a *ParseError.
func Expand(template string, names Names) (string, error) {
	if plain(template) {
		return template, nil
	}
	var b strings.Builder
	for rest := template; rest != ""; {
		switch ch := rest[0]; {
		case ch == '%':
			v, ok := escaped(rest)
			if !ok {
				return "", &ParseError{Got: template, Want: "two capital hexadecimal digits after %"}
			}
			b.WriteByte(v)
			rest = rest[3:]
		case ch == '{':
			word, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", &ParseError{Got: template, Want: "a } after {"}
			}
			if err := expandWord(&b, word, names); err != nil {
				return "", err
			}
			rest = after
		case ch <= ' ' || ch >= 0x7f || strings.IndexByte(";}'\"\\`", ch) >= 0:
			return "", &ParseError{Got: template, Want: "printable ASCII without blanks, quotes and ;, other bytes as %XX"}
		default:
			b.WriteByte(ch)
			rest = rest[1:]
		}
		if b.Len() > ExpandMax {
			return "", &ParseError{Got: template, Want: fmt.Sprintf("at most %d bytes", ExpandMax)}
		}
	}
	return b.String(), nil
}

// specials are the bytes that do not stand for themselves.
var specials = func() (table [256]bool) {
	for i := range table {
		table[i] = i <= ' ' || i >= 0x7f || strings.IndexByte("%{};'\"\\`", byte(i)) >= 0
	}
	return table
}()

func plain(s string) bool {
	for i := range len(s) {
		if specials[s[i]] {
			return false
		}
	}
	return true
}

// escaped reads %XX at the beginning of s.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || strings.ToUpper(s[1:3]) != s[1:3] {
		return 0, false
	}
	v, err := strconv.ParseUint(s[1:3], 16, 8)
	return byte(v), err == nil
}

func expandWord(b *strings.Builder, word string, names Names) error {
	if unit, count, repeats := strings.Cut(word, "*"); repeats {
		n, err := strconv.Atoi(count)
		if v, is := escaped(unit); is && len(unit) == 3 {
			unit = string([]byte{v})
		} else if len(unit) != 1 || specials[unit[0]] {
			err = strconv.ErrSyntax
		}
		if err != nil || n < 0 || n > ExpandMax || strconv.Itoa(n) != count {
			return &ParseError{Got: word, Want: "one character, *, and how often"}
		}
		b.WriteString(strings.Repeat(unit, n))
		return nil
	}
	if word == "" || !plain(word) {
		return &ParseError{Got: word, Want: "a word in the braces"}
	}
	if names == nil {
		return nil
	}
	value, _ := names(word)
	b.WriteString(value)
	return nil
}

// Escape makes a template of bytes that stand for themselves.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if specials[s[i]] {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
