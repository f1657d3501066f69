package iscsi

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password that never shows itself: every way of printing or encoding it gives "[redacted]", and only
// Reveal gives the text away. An empty secret prints as nothing.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret itself. Call it only where the bytes go into a computation.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or "" when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format redacts under every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText redacts, so that JSON and YAML do too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue redacts in structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
