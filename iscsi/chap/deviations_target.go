package chap

import (
	"bytes"
	"strings"
)

// TargetDeviations are faults of a Target, each one rule broken at one point; the zero value is sound.
type TargetDeviations struct {
	// FirstAlgorithm answers the first number of the list, whether it knows it or not.
	FirstAlgorithm bool
	// UnofferedMD5 takes MD5 where nothing that was offered is known.
	UnofferedMD5 bool
	// JunkMeansMD5 takes a list that cannot be read for MD5.
	JunkMeansMD5 bool
	// IdentifierBeyond sends CHAP_I=256.
	IdentifierBeyond bool
	// BlankDigest compares a response that comes before the challenge with a digest of zeros.
	BlankDigest bool
	// MissingResponsePasses takes the initiator for authenticated when it sends no response.
	MissingResponsePasses bool
	// FirstByteOnly compares the first byte of a response.
	FirstByteOnly bool
	// LongResponsePasses compares the first bytes of a response that is too long.
	LongResponsePasses bool
	// ShortSecretPasses takes a response that was made without the last byte of the secret.
	ShortSecretPasses bool
	// Base64AsHexadecimal decodes every response as hexadecimal.
	Base64AsHexadecimal bool
	// JunkDigitsAreZero reads what is no hexadecimal digit as 0.
	JunkDigitsAreZero bool
	// OwnResponsePasses takes the response that this side itself would give, where one secret serves both directions.
	OwnResponsePasses bool
	// ProvesWithPeerSecret answers the initiator's challenge with the initiator's secret.
	ProvesWithPeerSecret bool
	// ReflectionAnswered answers a challenge that this side has sent.
	ReflectionAnswered bool
	// ChallengeCut keeps 256 bytes of the initiator's challenge.
	ChallengeCut bool
	// ChallengeOverflows takes challenges of any length, and answers from the first 1024 bytes.
	ChallengeOverflows bool
	// IdentifierOptional takes a missing identifier for 0.
	IdentifierOptional bool
	// ShortSecretUsed answers with an own secret of less than 96 bits.
	ShortSecretUsed bool
}

// soundTarget is what a nil *TargetDeviations stands for.
var soundTarget TargetDeviations

func (d *TargetDeviations) orSound() *TargetDeviations {
	if d == nil {
		return &soundTarget
	}
	return d
}

// response distorts a response before it is decoded.
func (d *TargetDeviations) response(value string) string {
	digits, hexadecimal := strings.CutPrefix(value, "0x")
	switch {
	case d.Base64AsHexadecimal && len(value) > 2:
		return "0x" + value[2:]
	case d.JunkDigitsAreZero && hexadecimal:
		return "0x" + strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789abcdefABCDEF", r) {
				return r
			}
			return '0'
		}, digits)
	}
	return value
}

// passes tells whether a response that is not right is taken all the same. The name counts as known.
func (d *TargetDeviations) passes(c check, response []byte) bool {
	right := Response(c.algorithm, c.identifier, c.peer.Secret, c.challenge)
	switch {
	case d.FirstByteOnly:
		return response[0] == right[0]
	case d.LongResponsePasses:
		return bytes.HasPrefix(response, right)
	case d.OwnResponsePasses:
		return bytes.Equal(response, right)
	case d.ShortSecretPasses:
		c.peer.Secret = c.peer.Secret[:max(0, len(c.peer.Secret)-1)]
		return bytes.Equal(response, Response(c.algorithm, c.identifier, c.peer.Secret, c.challenge))
	}
	return false
}

// challengeMax is the longest challenge that is taken, in bytes.
func (d *TargetDeviations) challengeMax() int {
	if d.ChallengeOverflows {
		return 8 * MaxBinaryLength
	}
	return MaxBinaryLength
}

// kept is what is kept of a challenge.
func (d *TargetDeviations) kept(challenge []byte) []byte {
	switch {
	case d.ChallengeCut:
		return challenge[:min(len(challenge), 256)]
	case d.ChallengeOverflows:
		return challenge[:min(len(challenge), MaxBinaryLength)]
	}
	return challenge
}

// blank tells whether a value is nothing but zeros.
func blank(value string) bool {
	b, err := ParseBinary(value, MaxBinaryLength)
	return err == nil && len(bytes.Trim(b, "\x00")) == 0
}
