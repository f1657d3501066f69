package initiator

import (
	"fmt"
	"io"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// challengeBytes is the length of the challenge to the target in mutual CHAP.
const challengeBytes = 16

// authenticate runs the security stage: it takes the keys of CHAP in and returns the next ones.
func (x *loginExchange) authenticate(keys text.Pairs) (text.Pairs, error) {
	if x.stage != pdu.StageSecurity || x.cfg.CHAP == nil || x.authenticated {
		if len(keys) > 0 {
			return nil, x.fault("no keys of authentication here", keys[0].Key, "RFC 7143, Section 6.3.2")
		}
		return nil, nil
	}
	method, answered := x.negotiation.Answer(text.KeyAuthMethod)
	switch {
	case !answered && len(keys) == 0:
		return nil, nil // It may still come, unless the target leaves the stage.
	case method == "None" && len(keys) == 0 && x.cfg.mayDoWithout():
		x.authenticated = true // There is nothing to prove.
		return nil, nil
	case method != "CHAP":
		return nil, x.unproved("AuthMethod=" + method)
	case x.chap == nil:
		if len(keys) > 0 {
			return nil, x.fault("AuthMethod alone", keys[0].Key, "RFC 7143, Section 12.1.3")
		}
		if x.postpones() {
			return nil, nil
		}
		return x.begin()
	}
	return x.step(keys)
}

// begin makes CHAP's first message.
func (x *loginExchange) begin() (text.Pairs, error) {
	c := x.cfg.CHAP
	x.chap = &chap.Initiator{
		Own: chap.Credentials{Name: c.Name, Secret: c.Secret}, Algorithms: c.Algorithms, Reflected: x.cfg.challenges.sent, Deviations: &x.dev.Auth.CHAP,
	}
	if c.Name == "" || x.dev.Auth.SendInitiatorName {
		x.chap.Own.Name = x.cfg.InitiatorName
	}
	if x.dev.Auth.LogSecret {
		x.cfg.Log.Record(trace.Event{Kind: trace.KindNote, Node: trace.NodeInitiator, State: "chap", Reason: c.Secret.Reveal()})
	}
	if c.TargetSecret != "" {
		random := make([]byte, 1+challengeBytes)
		if _, err := io.ReadFull(x.cfg.Rand, random); err != nil {
			return nil, x.failure(fmt.Errorf("drawing a challenge: %w", err))
		}
		if x.dev.Auth.FixedIdentifier {
			random[0] = 0
		}
		if x.dev.Auth.FixedChallenge {
			copy(random[1:], "a constant's seed")
		}
		x.chap.Peer = chap.Credentials{Name: c.TargetName, Secret: c.TargetSecret}
		x.chap.Identifier, x.chap.Challenge = random[0], random[1:]
		x.cfg.challenges.open(x.chap.Challenge)
	}
	message := x.chap.Start()
	if x.dev.planted.AlgorithmUnoffered {
		x.chap.Algorithms = []chap.Algorithm{chap.MD5, chap.SHA1, chap.SHA256, chap.SHA3256}
	}
	return message, nil
}

// end is for a login that is over, well or not: an answer to its challenge is of no use to anybody any more.
func (x *loginExchange) end() {
	if x.chap != nil && len(x.chap.Challenge) > 0 {
		x.cfg.challenges.close(x.chap.Challenge)
	}
}

// step makes CHAP's next message, or ends it.
func (x *loginExchange) step(keys text.Pairs) (text.Pairs, error) {
	if x.authenticated || len(keys) == 0 && x.chap.Done() {
		x.authenticated = true
		return nil, nil
	}
	if name, ok := keys.Get(chap.KeyName); ok && x.cfg.CHAP.TargetName == "" && x.cfg.CHAP.TargetSecret != "" {
		x.chap.Peer.Name = name // Any name will do that comes with the proof.
	}
	if message := x.postponed(); message != nil {
		return message, nil
	}
	message, err := x.chap.Step(keys)
	if err != nil {
		return nil, x.failure(fmt.Errorf("%w: %w", ErrAuthFailed, err))
	}
	x.authenticated = message == nil && x.chap.Done()
	return x.spoilProof(keys, message), nil
}

// proved reports whether this side has nothing more to send in CHAP: its proof is in the text under way.
func (x *loginExchange) proved() bool { return x.chap.Algorithm() != 0 }

// unproved is the failure of a target that would go on without the authentication that the configuration requires.
func (x *loginExchange) unproved(got string) error {
	return &LoginError{
		Stage: StageSecurity, Expected: "authentication by CHAP", Got: got, Clause: "RFC 7143, Section 6.3.2", Err: ErrAuthFailed,
	}
}
