package chap

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"strconv"

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
	v, err := gather(pairs)
	if err != nil {
		return nil, err
	}
	switch {
	case i.step == 1:
		return i.answer(v)
	case i.step == 2 && !i.done:
		return nil, i.verify(v)
	}
	return nil, &Error{Want: "no more keys", Got: v.names(), Clause: clauseCHAP}
}

func (i *Initiator) answer(v values) (text.Pairs, error) {
	if err := v.exactly(KeyAlgorithm, KeyIdentifier, KeyChallenge); err != nil {
		return nil, err
	}
	algorithm, err := i.chosen(v.algorithm)
	if err != nil {
		return nil, err
	}
	identifier, err := parseIdentifier(v.identifier)
	if err != nil {
		return nil, err
	}
	challenge, err := binary(KeyChallenge, v.challenge, MaxBinaryLength)
	if err != nil {
		return nil, err
	}
	i.algorithm, i.step = algorithm, 2
	message := text.Pairs{{Key: KeyName, Value: i.Own.Name}, {Key: KeyResponse, Value: i.format(Response(algorithm, identifier, i.Own.Secret, challenge))}}
	if i.Peer.IsZero() {
		i.done = true
		return message, nil
	}
	if bytes.Equal(challenge, i.Challenge) {
		return nil, &Error{Key: KeyChallenge, Want: "a challenge other than this side's own", Got: "the same", Clause: clauseSecurity}
	}
	if i.Peer.Secret == i.Own.Secret {
		return nil, &Error{Want: "different secrets for both directions", Got: "one secret for both", Clause: clauseSecurity}
	}
	return append(message, text.Pair{Key: KeyIdentifier, Value: strconv.Itoa(int(i.Identifier))}, text.Pair{Key: KeyChallenge, Value: i.format(i.Challenge)}), nil
}

func (i *Initiator) chosen(value string) (Algorithm, error) {
	list, err := ParseAlgorithms(value)
	if err == nil && len(list) == 1 {
		for _, offered := range i.Algorithms {
			if offered == list[0] && offered.Supported() {
				return offered, nil
			}
		}
	}
	return 0, &Error{Key: KeyAlgorithm, Want: "one of " + FormatAlgorithms(i.Algorithms), Got: strconv.Quote(cut(value)), Clause: clauseCHAP}
}

func (i *Initiator) verify(v values) error {
	if err := v.exactly(KeyName, KeyResponse); err != nil {
		return err
	}
	if err := verify(i.algorithm, i.Identifier, i.Peer, i.Challenge, v); err != nil {
		return err
	}
	i.done = true
	return nil
}

func (i *Initiator) format(b []byte) string { return format(b, i.Base64) }

func format(b []byte, base64 bool) string {
	if base64 {
		return FormatBase64(b)
	}
	return FormatHex(b)
}

// verify holds CHAP_N and CHAP_R against the credentials that the other side has to prove.
func verify(a Algorithm, identifier byte, peer Credentials, challenge []byte, v values) error {
	response, err := binary(KeyResponse, v.response, MaxBinaryLength)
	if err != nil {
		return err
	}
	if len(response) != a.ResponseLength() {
		return &Error{Key: KeyResponse, Want: fmt.Sprintf("%d bytes", a.ResponseLength()),
			Got: fmt.Sprintf("%d bytes", len(response)), Clause: clauseCHAP, Authentication: true}
	}
	right := Response(a, identifier, peer.Secret, challenge)
	if v.name != peer.Name || subtle.ConstantTimeCompare(right, response) != 1 {
		return &Error{Key: KeyResponse, Want: "the response that proves the secret", Got: "another name or response",
			Clause: clauseCHAP, Authentication: true}
	}
	return nil
}
