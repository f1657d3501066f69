package chap

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Initiator is the initiator's side of one CHAP exchange. Call Start, then Step with the CHAP keys of each response until
// Done. It is driven by one goroutine and serves one connection's login.
type Initiator struct {
	// Own are the initiator's credentials.
	Own Credentials
	// Peer, when not zero, is what the target has to prove in mutual authentication.
	Peer Credentials
	// Algorithms is what to offer, first choice first. Empty means MD5 alone.
	Algorithms []Algorithm
	// Identifier and Challenge are sent to the target in mutual authentication. The challenge is fresh random bytes that
	// the caller draws, 16 or more.
	Identifier byte
	Challenge  []byte
	// Base64 makes binary values go out in base64 instead of hexadecimal.
	Base64 bool
	// Reflected, when set, tells whether a challenge is one that this initiator has sent on any connection whose login is still going
	// on. Such a challenge is not answered: the answer would serve as the target's proof there (RFC 7143, Section 9.2.1).
	Reflected func(challenge []byte) bool
	// Deviations, when not nil, makes the initiator break rules.
	Deviations *Deviations

	received  byte   // The target's identifier.
	answered  []byte // The target's challenge.
	step      int
	algorithm Algorithm
	done      bool
}

// Start returns the first message: CHAP_A.
func (i *Initiator) Start() text.Pairs {
	if len(i.Algorithms) == 0 {
		i.Algorithms = []Algorithm{MD5}
	}
	i.step = 1
	return text.Pairs{{Key: KeyAlgorithm, Value: FormatAlgorithms(i.Algorithms)}}
}

// Done tells whether the exchange is over and, in mutual authentication, the target has proved itself.
func (i *Initiator) Done() bool { return i.done }

// Algorithm returns the algorithm that the target chose, 0 before it did.
func (i *Initiator) Algorithm() Algorithm { return i.algorithm }

// Step takes the CHAP keys of a response and returns the next message; nil when there is none. Errors are *Error, after
// which the login has to end.
func (i *Initiator) Step(pairs text.Pairs) (text.Pairs, error) {
	dev := i.Deviations.orSound()
	v, err := gather(pairs, dev)
	if err != nil {
		return nil, err
	}
	if dev.AlgorithmRestarts && v.has[KeyAlgorithm] {
		i.step, i.done = 1, false
	}
	switch {
	case i.step == 1:
		return i.answer(v)
	case i.step == 2 && !i.done:
		return nil, i.verify(v)
	case dev.IdentifierRestarts && v.has[KeyIdentifier]:
		identifier, err := parseIdentifier(v.identifier, dev)
		return i.proof(identifier, i.answered), err
	}
	return nil, &Error{Want: "no more keys", Got: v.names(), Clause: clauseCHAP}
}

// answer takes the target's choice and challenge.
func (i *Initiator) answer(v values) (text.Pairs, error) {
	dev := i.Deviations.orSound()
	if dev.NameIsProof && v.has[KeyName] {
		i.done = true
		delete(v.has, KeyName)
	}
	if dev.IdentifierOptional && !v.has[KeyIdentifier] {
		v.has[KeyIdentifier], v.identifier = true, "0"
	}
	if err := v.exactly(KeyAlgorithm, KeyIdentifier, KeyChallenge); err != nil {
		return nil, err
	}
	algorithm, err := i.chosen(v.algorithm)
	if err != nil {
		return nil, err
	}
	identifier, err := parseIdentifier(v.identifier, dev)
	if err != nil {
		return nil, err
	}
	challenge, err := i.challenge(v.challenge)
	if err != nil {
		return nil, err
	}
	if err := i.reflection(challenge); err != nil {
		return nil, err
	}
	i.algorithm, i.step, i.received, i.answered = algorithm, 2, identifier, challenge
	message := i.proof(identifier, challenge)
	if i.Peer.IsZero() {
		i.done = true
		return message, nil
	}
	if dev.CopyChallenge {
		i.Challenge = challenge
	}
	return append(message, text.Pair{Key: KeyIdentifier, Value: strconv.Itoa(int(i.Identifier))}, text.Pair{Key: KeyChallenge, Value: i.format(i.Challenge)}), nil
}

// challenge reads the target's challenge.
func (i *Initiator) challenge(value string) ([]byte, error) {
	dev := i.Deviations.orSound()
	limit := MaxBinaryLength
	if dev.ChallengeBytes > 0 {
		limit = 1 << 20
	}
	if dev.LeadingZeroLost {
		value = withoutLeadingZeros(value)
	}
	challenge, err := i.binary(KeyChallenge, value, limit)
	if err != nil && dev.EmptyChallenge {
		return []byte{}, nil
	}
	if dev.ChallengeBytes > 0 {
		challenge = challenge[:min(len(challenge), dev.ChallengeBytes)]
	}
	return challenge, err
}

// withoutLeadingZeros serves the defect LeadingZeroLost.
func withoutLeadingZeros(value string) string {
	if len(value) < 2 || value[:2] != "0x" {
		return value
	}
	digits := strings.TrimLeft(value[2:], "0")
	return value[:2] + digits + strings.Repeat("0", len(digits)%2)
}

// reflection refuses what would make this side prove itself to itself (RFC 7143, Section 9.2.1).
func (i *Initiator) reflection(challenge []byte) error {
	switch {
	case i.Deviations.orSound().OwnChallengeTaken || i.Peer.IsZero():
		return nil
	case bytes.Equal(challenge, i.Challenge) || i.Reflected != nil && i.Reflected(challenge):
		return &Error{Key: KeyChallenge, Want: "a challenge other than this side's own", Got: "one that this side has sent", Clause: clauseSecurity}
	case i.Peer.Secret == i.Own.Secret:
		return &Error{Want: "different secrets for both directions", Got: "one secret for both", Clause: clauseSecurity}
	}
	return nil
}

// proof is this side's name and response.
func (i *Initiator) proof(identifier byte, challenge []byte) text.Pairs {
	return text.Pairs{{Key: KeyName, Value: i.Own.Name}, {Key: KeyResponse, Value: i.format(i.response(identifier, challenge))}}
}

// response computes this side's response.
func (i *Initiator) response(identifier byte, challenge []byte) []byte {
	dev, secret := i.Deviations.orSound(), i.Own.Secret
	if dev.SecretBytes > 0 && len(secret) > dev.SecretBytes {
		secret = secret[:dev.SecretBytes]
	}
	if dev.IdentifierAsText || dev.SecretFirst {
		h := i.algorithm.new()
		for _, part := range faultyOrder(dev, identifier, secret) {
			h.Write(part)
		}
		h.Write(challenge)
		return h.Sum(nil)
	}
	return Response(i.algorithm, identifier, secret, challenge)
}

// faultyOrder is what comes before the challenge in the hash of a deviating initiator.
func faultyOrder(dev *Deviations, identifier byte, secret iscsi.Secret) [][]byte {
	first := []byte{identifier}
	if dev.IdentifierAsText {
		first = strconv.AppendInt(nil, int64(identifier), 10)
	}
	if dev.SecretFirst {
		return [][]byte{[]byte(secret.Reveal()), first}
	}
	return [][]byte{first, []byte(secret.Reveal())}
}

func (i *Initiator) chosen(value string) (Algorithm, error) {
	dev := i.Deviations.orSound()
	list, err := ParseAlgorithms(value)
	if err == nil && len(list) == 1 {
		for _, offered := range i.Algorithms {
			if offered == list[0] && offered.Supported() {
				return offered, nil
			}
		}
	}
	junk := err != nil || len(list) != 1
	if dev.IgnoreChoice || dev.JunkMeansMD5 && junk {
		return MD5, nil
	}
	return 0, &Error{Key: KeyAlgorithm, Want: "one of " + FormatAlgorithms(i.Algorithms), Got: strconv.Quote(cut(value)), Clause: clauseCHAP}
}

// verify takes the target's proof.
func (i *Initiator) verify(v values) error {
	dev := i.Deviations.orSound()
	if dev.ResponseOptional && !v.has[KeyResponse] || dev.Unverified && v.has[KeyResponse] {
		i.done = true
		return nil
	}
	if err := v.exactly(KeyName, KeyResponse); err != nil {
		return err
	}
	response, err := i.binary(KeyResponse, v.response, MaxBinaryLength)
	if err != nil {
		return err
	}
	identifier, peer := i.Identifier, i.expected(&v)
	if dev.SharedIdentifier {
		identifier = i.received
	}
	if n := i.algorithm.ResponseLength(); dev.LongResponsePasses && len(response) > n {
		response = response[:n]
	} else if dev.ShortResponsePasses && len(response) < n {
		response = append(response, Response(i.algorithm, identifier, peer.Secret, i.Challenge)[len(response):]...)
	}
	own := i.Own.Secret
	if dev.OwnChallengeTaken || dev.SecretByName {
		own = ""
	}
	c := check{algorithm: i.algorithm, identifier: identifier, challenge: i.Challenge, peer: peer, own: own}
	if err := c.verify(v.name, response); err != nil {
		return err
	}
	i.done = true
	return nil
}

// expected returns whose proof it has to be. A deviating initiator may change v to fit.
func (i *Initiator) expected(v *values) Credentials {
	dev, peer := i.Deviations.orSound(), i.Peer
	if dev.NameBytes > 0 {
		v.name = v.name[:min(len(v.name), dev.NameBytes)]
	}
	n := min(len(v.name), len(peer.Name))
	switch {
	case dev.SecretByName && v.name == i.Own.Name:
		peer = i.Own
	case dev.EmptyNamePasses && v.name == "", dev.NamePrefixPasses && v.name[:n] == peer.Name[:n]:
		peer.Name = v.name
	}
	return peer
}

// binary reads a binary value of the target's.
func (i *Initiator) binary(key, value string, limit int) ([]byte, error) {
	if i.Deviations.orSound().OnlyHexadecimal && strings.HasPrefix(value, "0b") {
		value = "0x"
	}
	return binary(key, value, limit)
}

func (i *Initiator) format(b []byte) string { return format(b, i.Base64) }

func format(b []byte, base64 bool) string {
	if base64 {
		return FormatBase64(b)
	}
	return FormatHex(b)
}

// check is what a response is held against.
type check struct {
	algorithm  Algorithm
	identifier byte
	challenge  []byte
	// peer is who has to prove itself; own is this side's secret, empty if it has none.
	peer Credentials
	own  iscsi.Secret
}

// verify holds a name and a response against the credentials that the other side has to prove. A response that this side itself would
// have given proves nothing, even if the secret were right (RFC 7143, Section 9.2.1).
func (c check) verify(name string, response []byte) error {
	if len(response) != c.algorithm.ResponseLength() {
		return &Error{Key: KeyResponse, Want: fmt.Sprintf("%d bytes", c.algorithm.ResponseLength()),
			Got: fmt.Sprintf("%d bytes", len(response)), Clause: clauseCHAP, Authentication: true}
	}
	if c.own != "" && subtle.ConstantTimeCompare(Response(c.algorithm, c.identifier, c.own, c.challenge), response) == 1 {
		return &Error{Key: KeyResponse, Want: "the other side's response", Got: "the one that this side would give",
			Clause: clauseSecurity, Authentication: true}
	}
	right := Response(c.algorithm, c.identifier, c.peer.Secret, c.challenge)
	if name != c.peer.Name || subtle.ConstantTimeCompare(right, response) != 1 {
		return &Error{Key: KeyResponse, Want: "the response that proves the secret", Got: "another name or response",
			Clause: clauseCHAP, Authentication: true}
	}
	return nil
}
