package text

import (
	"bytes"
	"strings"
)

// MaxPairs bounds how many pairs Parse hands out for one text.
const MaxPairs = 1 << 16

// Pair is one key=value.
type Pair struct {
	Key, Value string
}

// String returns "key=value".
func (p Pair) String() string { return p.Key + "=" + p.Value }

// Pairs are the pairs of one text, in order, duplicates kept.
type Pairs []Pair

// Parse cuts a text into pairs. It passes over empty pieces (zero bytes too many), and returns what it could read even
// with an error: a *FormatError for the first piece without "=", without a key, or without its closing zero byte, or a
// *LimitError. The last such piece counts as a pair when only its zero byte is missing, so that a caller may be lenient.
func Parse(b []byte) (Pairs, error) {
	var pairs Pairs
	var fault error
	note := func(offset int, reason string) {
		if fault == nil {
			fault = &FormatError{Offset: offset, Reason: reason}
		}
	}
	for offset := 0; offset < len(b); {
		piece := b[offset:]
		end := bytes.IndexByte(piece, 0)
		if end >= 0 {
			piece = piece[:end]
		} else {
			note(offset, "expected a zero byte after the last pair")
		}
		if len(piece) > 0 {
			key, value, found := strings.Cut(string(piece), "=")
			switch {
			case !found:
				note(offset, `expected "=" in a pair`)
			case key == "":
				note(offset, `expected a key before "="`)
			case len(pairs) == MaxPairs:
				return pairs, &LimitError{What: "pairs", Limit: MaxPairs, Got: MaxPairs + 1}
			default:
				pairs = append(pairs, Pair{Key: key, Value: value})
			}
		}
		offset += len(piece) + 1
	}
	return pairs, fault
}

// Append appends the text to b: each pair followed by one zero byte.
func (p Pairs) Append(b []byte) []byte {
	for _, pair := range p {
		b = append(b, pair.Key...)
		b = append(b, '=')
		b = append(b, pair.Value...)
		b = append(b, 0)
	}
	return b
}

// Length returns the number of bytes that Append adds.
func (p Pairs) Length() int {
	n := 0
	for _, pair := range p {
		n += len(pair.Key) + len(pair.Value) + 2
	}
	return n
}

// Get returns the value of the first pair with the key.
func (p Pairs) Get(key string) (string, bool) {
	for _, pair := range p {
		if pair.Key == key {
			return pair.Value, true
		}
	}
	return "", false
}

// Values returns the values of all pairs with the key, in order.
func (p Pairs) Values(key string) []string {
	var values []string
	for _, pair := range p {
		if pair.Key == key {
			values = append(values, pair.Value)
		}
	}
	return values
}

// Add appends a pair.
func (p *Pairs) Add(key, value string) { *p = append(*p, Pair{Key: key, Value: value}) }

// Set replaces the value of the first pair with the key and drops the others, or adds the pair.
func (p *Pairs) Set(key, value string) {
	kept := make(Pairs, 0, len(*p)+1)
	done := false
	for _, pair := range *p {
		if pair.Key == key {
			if done {
				continue
			}
			pair.Value, done = value, true
		}
		kept = append(kept, pair)
	}
	if !done {
		kept.Add(key, value)
	}
	*p = kept
}

// Without returns the pairs that have none of the keys.
func (p Pairs) Without(keys ...string) Pairs {
	var kept Pairs
	for _, pair := range p {
		if !contains(keys, pair.Key) {
			kept = append(kept, pair)
		}
	}
	return kept
}

// String returns the pairs with blanks between, for messages.
func (p Pairs) String() string {
	var b strings.Builder
	for i, pair := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pair.String())
	}
	return b.String()
}

// CutSecurity parts the keys of the authentication methods (CHAP_A and its like, RFC 7143, Section 12) from the others.
// AuthMethod stays with the others, since it is negotiated like them.
func CutSecurity(p Pairs) (security, others Pairs) {
	for _, pair := range p {
		if key, known := Lookup(pair.Key); known && key.Function == Security {
			security = append(security, pair)
		} else {
			others = append(others, pair)
		}
	}
	return security, others
}
