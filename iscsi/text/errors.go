package text

import "fmt"

// FormatError says that bytes are no key=value text (RFC 7143, Section 6.1).
type FormatError struct {
	// Offset is where the faulty piece begins, in bytes from the start of the text.
	Offset int
	// Reason says what was expected and what came.
	Reason string
}

// Error names the place and the reason.
func (e *FormatError) Error() string {
	return fmt.Sprintf("key=value text, byte %d: %s (RFC 7143, Section 6.1)", e.Offset, e.Reason)
}

// LimitError says that a peer sent more text than this side takes.
type LimitError struct {
	// What is counted: "bytes", "parts" or "pairs".
	What string
	// Limit is the most that is taken; Got is the count that went beyond it.
	Limit, Got int
}

// Error names the limit and the count.
func (e *LimitError) Error() string {
	return fmt.Sprintf("key=value text: expected at most %d %s in one sequence, got %d", e.Limit, e.What, e.Got)
}

// KeyError says that a key breaks a rule of negotiation, or that its result is not what this side requires.
type KeyError struct {
	// Key and Value are what came, the value cut to 256 bytes.
	Key, Value string
	// Want says what was expected.
	Want string
	// Clause is the rule, for example "RFC 7143, Section 13.13".
	Clause string
}

// Error names what came, what was expected, and the clause.
func (e *KeyError) Error() string {
	return fmt.Sprintf("key %s=%s: expected %s (%s)", e.Key, e.Value, e.Want, e.Clause)
}

func keyError(key, value, want, clause string) *KeyError {
	if len(value) > 256 {
		value = value[:256]
	}
	return &KeyError{Key: key, Value: value, Want: want, Clause: clause}
}
