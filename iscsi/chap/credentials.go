package chap

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Credentials are a CHAP name and its secret.
type Credentials struct {
	Name   string
	Secret iscsi.Secret
}

// IsZero reports whether there are no credentials.
func (c Credentials) IsZero() bool { return c == Credentials{} }

// MinSecretLength is the least length of a secret, in bytes, that an implementation has to be able to insist on: 96 bits
// (RFC 7143, Section 9.2.1).
const MinSecretLength = 12

// secretBytes are the random bytes in a generated secret: 128 bits (RFC 7143, Section 9.2.1).
const secretBytes = 16

// GenerateSecret draws a secret of 128 random bits, which it writes as 22 letters, digits, "-" and "_", so that it can be typed, kept in a URL,
// and taken by other implementations. random is crypto/rand.Reader except in tests, and an error is its own. Secrets are not made in any
// other way: what a person thinks up, or a machine derives from less, can be found by trying.
func GenerateSecret(random io.Reader) (iscsi.Secret, error) {
	var b [secretBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing a CHAP secret: %w", err)
	}
	return iscsi.Secret(base64.RawURLEncoding.EncodeToString(b[:])), nil
}

// Error says that the other side broke a rule of CHAP, or failed to prove itself.
type Error struct {
	// Key is the key at fault, "" when keys are missing or come in the wrong step.
	Key string
	// Want and Got say what was expected and what came. They never hold secrets.
	Want, Got string
	// Clause is the rule.
	Clause string
	// Authentication tells that all was well-formed and the proof was wrong: a login status 0x0201.
	Authentication bool
}

// Error names the key, what was expected, what came, and the clause.
func (e *Error) Error() string {
	subject := "CHAP"
	if e.Key != "" {
		subject = "CHAP key " + e.Key
	}
	return fmt.Sprintf("%s: expected %s, got %s (%s)", subject, e.Want, e.Got, e.Clause)
}

const (
	clauseCHAP     = "RFC 7143, Section 12.1.3"
	clauseSecurity = "RFC 7143, Section 9.2.1"
)
