package chap

import (
	"bytes"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Target is the target's side of one CHAP exchange. Call Step with the CHAP keys of each request until Done. It is driven
// by one goroutine and serves one connection's login.
type Target struct {
	// Peer finds the secret that a name has to prove. A name that it does not know fails like a wrong response.
	Peer func(name string) (Credentials, bool)
	// Own, when not zero, lets the target prove itself when the initiator asks.
	Own Credentials
	// Algorithms is what the target takes. Empty means MD5 alone.
	Algorithms []Algorithm
	// Identifier and Challenge go to the initiator; the challenge is fresh random bytes that the caller draws, 16 or more.
	Identifier byte
	Challenge  []byte
	// Base64 makes binary values go out in base64 instead of hexadecimal.
	Base64 bool
	// Reflected, when set, tells whether a challenge is one that this target has sent on any connection whose login is
	// still going on. Such a challenge is refused, and so is the target's own.
	Reflected func(challenge []byte) bool
	// Deviations, when not nil, makes the target break rules.
	Deviations *TargetDeviations

	step      int
	algorithm Algorithm
	name      string
	mutual    bool
	done      bool
}

// Done tells whether the initiator has proved itself.
func (t *Target) Done() bool { return t.done }

// Name returns the CHAP name that the initiator proved; "" before it did.
func (t *Target) Name() string { return t.name }

// Mutual tells whether the initiator asked for the target's proof and got it.
func (t *Target) Mutual() bool { return t.mutual }

// Step takes the CHAP keys of a request and returns those of the response; nil when there are none. Errors are *Error:
// the login is to be refused, with status 0x0201 where Authentication is set and with 0x0200 otherwise.
func (t *Target) Step(pairs text.Pairs) (text.Pairs, error) {
	v, err := gather(pairs, &sound)
	if err != nil {
		return nil, err
	}
	switch {
	case t.step == 0 && v.has[KeyResponse] && t.Deviations.orSound().BlankDigest && blank(v.response):
		t.step, t.done, t.name = 2, true, v.name
		return nil, nil
	case t.step == 0:
		return t.challenge(v)
	case t.step == 1:
		return t.verify(v)
	}
	return nil, &Error{Want: "no more keys", Got: v.names(), Clause: clauseCHAP}
}

func (t *Target) challenge(v values) (text.Pairs, error) {
	if err := v.exactly(KeyAlgorithm); err != nil {
		return nil, err
	}
	if err := t.choose(v.algorithm); err != nil {
		return nil, err
	}
	t.step = 1
	identifier := int(t.Identifier)
	if t.Deviations.orSound().IdentifierBeyond {
		identifier = 256
	}
	return text.Pairs{
		{Key: KeyAlgorithm, Value: strconv.Itoa(int(t.algorithm))},
		{Key: KeyIdentifier, Value: strconv.Itoa(identifier)},
		{Key: KeyChallenge, Value: format(t.Challenge, t.Base64)},
	}, nil
}

// choose takes the first algorithm of the initiator's list that this target has.
func (t *Target) choose(list string) error {
	dev := t.Deviations.orSound()
	offered, err := ParseAlgorithms(list)
	switch {
	case err != nil && dev.JunkMeansMD5:
		t.algorithm = MD5
		return nil
	case err != nil:
		return err
	case dev.FirstAlgorithm:
		t.algorithm = offered[0]
		return nil
	}
	accepted := t.Algorithms
	if len(accepted) == 0 {
		accepted = []Algorithm{MD5}
	}
	for _, a := range offered {
		for _, own := range accepted {
			if a == own && a.Supported() && t.algorithm == 0 {
				t.algorithm = a
			}
		}
	}
	if t.algorithm == 0 && dev.UnofferedMD5 {
		t.algorithm = MD5
	}
	if t.algorithm == 0 {
		return &Error{Key: KeyAlgorithm, Want: "one of " + FormatAlgorithms(accepted), Got: strconv.Quote(cut(list)),
			Clause: clauseCHAP, Authentication: true}
	}
	return nil
}

func (t *Target) verify(v values) (text.Pairs, error) {
	dev := t.Deviations.orSound()
	if dev.MissingResponsePasses && !v.has[KeyResponse] {
		t.step, t.done, t.name = 2, true, v.name
		return nil, nil
	}
	if dev.IdentifierOptional && v.has[KeyChallenge] && !v.has[KeyIdentifier] {
		v.has[KeyIdentifier], v.identifier = true, "0"
	}
	asks := v.has[KeyIdentifier] || v.has[KeyChallenge]
	want := []string{KeyName, KeyResponse}
	if asks {
		want = append(want, KeyIdentifier, KeyChallenge)
	}
	if err := v.exactly(want...); err != nil {
		return nil, err
	}
	peer, known := t.Peer(v.name)
	if !known {
		// Nobody is named "" with an empty secret, so this never verifies, and takes as long as a name that is known.
		peer = Credentials{Name: v.name + "?"}
	}
	response, err := binary(KeyResponse, dev.response(v.response), MaxBinaryLength)
	if err != nil {
		return nil, err
	}
	c := check{algorithm: t.algorithm, identifier: t.Identifier, challenge: t.Challenge, peer: peer, own: t.Own.Secret}
	if err := c.verify(v.name, response); err != nil && !dev.passes(c, response) {
		return nil, err
	}
	var proof text.Pairs
	if asks {
		var err error
		if proof, err = t.prove(v, peer); err != nil {
			return nil, err
		}
	}
	t.step, t.done, t.name, t.mutual = 2, true, v.name, asks
	return proof, nil
}

// prove answers the initiator's challenge, unless that would let it use this target as an oracle for its own proof, or would be made from a
// secret that a listener could find by trying (RFC 7143, Section 9.2.1).
func (t *Target) prove(v values, peer Credentials) (text.Pairs, error) {
	dev := t.Deviations.orSound()
	identifier, err := parseIdentifier(v.identifier, &sound)
	if err != nil {
		return nil, err
	}
	challenge, err := binary(KeyChallenge, v.challenge, dev.challengeMax())
	if err != nil {
		return nil, err
	}
	challenge, own := dev.kept(challenge), t.Own
	if dev.ProvesWithPeerSecret {
		own.Name, own.Secret = own.Name+"?", peer.Secret
	}
	switch {
	case !dev.ReflectionAnswered && (bytes.Equal(challenge, t.Challenge) || t.Reflected != nil && t.Reflected(challenge)):
		return nil, &Error{Key: KeyChallenge, Want: "a challenge of the initiator's own", Got: "one that this side has sent",
			Clause: clauseSecurity, Authentication: true}
	case own.IsZero():
		return nil, &Error{Key: KeyChallenge, Want: "authentication in one direction, for which this target is set up",
			Got: "a challenge", Clause: clauseCHAP, Authentication: true}
	case len(own.Secret) < MinSecretLength && !dev.ShortSecretUsed:
		return nil, &Error{Key: KeyChallenge, Want: "authentication in one direction, since this target's own secret is too short to answer with",
			Got: "a challenge", Clause: clauseSecurity, Authentication: true}
	}
	return text.Pairs{
		{Key: KeyName, Value: own.Name},
		{Key: KeyResponse, Value: format(Response(t.algorithm, identifier, own.Secret, challenge), t.Base64)},
	}, nil
}
