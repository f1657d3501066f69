package simtarget

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// challengeLength is the length of a CHAP challenge in bytes.
const challengeLength = 16

// authMethods is what the array answers AuthMethod from.
func (l *login) authMethods() string {
	p := l.array.loginPolicy().CHAP
	switch {
	case l.dev.Method.AcceptNone && l.stage == pdu.StageSecurity && len(p.Users) > 0:
		return "CHAP,None"
	case l.dev.planted.ProofRemembered && l.array.knowsProof(l):
		return "CHAP,None"
	case l.dev.Connections.TrustTSIH && l.joins != nil:
		return "None"
	case l.dev.Auth.RejectNone && len(p.Users) == 0:
		return "SPKM1" // nothing that anybody offers
	case len(p.Users) == 0, l.orders != nil && l.orders.NoAuthentication, l.discovery && (p.OpenDiscovery || l.dev.Listing.OpenToAll),
		slices.Contains(p.OpenPortals, l.c.portal.Name):
		return "None"
	case p.Optional:
		return "CHAP,None"
	}
	return "CHAP"
}

// authMethod is the array's want of AuthMethod. Where it insists on CHAP it says so to an initiator that does not bring the matter up (RFC
// 7143, Section 12.1).
func (l *login) authMethod() text.Want {
	w := text.Want{Key: text.KeyAuthMethod, Limit: l.authMethods()}
	if w.Limit == "CHAP" && l.stage == pdu.StageSecurity && l.array.loginPolicy().OfferUnasked {
		w.Offer = w.Limit
	}
	return w
}

// authenticate takes the security keys of a request, and decides whether the login may go on without authentication (RFC 7143,
// Sections 6.3.2 and 12.1).
func (l *login) authenticate(q *pdu.LoginRequest, keys text.Pairs) (text.Pairs, error) {
	if l.proven {
		if l.dev.Method.CHAPInOperational && l.stage == pdu.StageOperational && len(keys) > 0 {
			return l.array.newCHAP(l).Step(keys)
		}
		if len(keys) > 0 {
			return nil, refuse(iscsi.StatusInitiatorError, "%s after the authentication", keys[0].Key)
		}
		return nil, nil
	}
	methods := l.authMethods()
	open := methods != "CHAP"
	if l.stage != pdu.StageSecurity {
		if !open && !l.dev.Method.OperationalUnguarded {
			return nil, refuse(iscsi.StatusAuthenticationFailure, "the login left out the security stage, and CHAP is required")
		}
		l.proven = true
		return l.authenticate(q, keys)
	}
	method, settled := l.negotiation.Answer(text.KeyAuthMethod)
	switch {
	case settled && method == text.Reject && (!open || !l.dev.Auth.RejectNone):
		return nil, refuse(iscsi.StatusAuthenticationFailure, "no method in common with %s", methods)
	case settled && method == "CHAP":
		return l.exchange(l.distortSecurity(q, keys))
	case len(keys) > 0:
		return nil, refuse(iscsi.StatusInitiatorError, "%s without AuthMethod=CHAP", keys[0].Key)
	case settled || open && q.Transit:
		l.proven = true
	case q.Transit:
		return nil, refuse(iscsi.StatusAuthenticationFailure, "no AuthMethod was offered, and CHAP is required")
	}
	return nil, nil
}

// exchange takes a step of CHAP.
func (l *login) exchange(keys text.Pairs) (text.Pairs, error) {
	if l.chap == nil {
		l.chap = l.array.newCHAP(l)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	answers, err := l.chap.Step(keys)
	if err != nil {
		var failed *chap.Error
		if errors.As(err, &failed) && failed.Authentication {
			return nil, refuse(iscsi.StatusAuthenticationFailure, "%v", err)
		}
		return nil, refuse(iscsi.StatusInitiatorError, "%v", err)
	}
	l.proven = l.chap.Done()
	if l.proven && l.joins != nil && l.chap.Name() != l.joins.user && !l.dev.Connections.AnyIdentity {
		return nil, refuse(iscsi.StatusAuthenticationFailure, "CHAP name %.64q, want that of the session", l.chap.Name())
	}
	return answers, nil
}

// newCHAP begins an exchange with a challenge of its own, drawn from the seed and the connection's place in the run.
func (a *Array) newCHAP(l *login) *chap.Target {
	policy := a.loginPolicy().CHAP
	random := rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d/chap/%s", a.seed, l.challengeKey()))))
	t := &chap.Target{
		Peer:       func(name string) (chap.Credentials, bool) { return l.account(policy.Users, name) },
		Own:        chap.Credentials{Name: policy.Own.Name, Secret: iscsi.Secret(policy.Own.Secret)},
		Algorithms: []chap.Algorithm{chap.MD5, chap.SHA1, chap.SHA256, chap.SHA3256},
		Identifier: byte(random.Uint32()),
		Challenge:  make([]byte, challengeLength),
		Reflected:  a.reflected,
		Deviations: &l.dev.CHAP,
	}
	for i := range t.Challenge {
		t.Challenge[i] = byte(random.Uint32())
	}
	if l.dev.Method.OnlySHA256 {
		t.Algorithms = []chap.Algorithm{chap.SHA256}
	}
	if len(policy.Algorithms) > 0 {
		t.Algorithms = nil
		for _, n := range policy.Algorithms {
			t.Algorithms = append(t.Algorithms, chap.Algorithm(n))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.challenges[hex.EncodeToString(t.Challenge)]++
	return t
}

// account finds what a name has to prove. A name that belongs to one initiator is unknown to others (RFC 7143, Section 9.2).
func (l *login) account(users []CHAPUser, name string) (chap.Credentials, bool) {
	for _, u := range users {
		if (u.Name == name || l.dev.Method.takesName(u.Name, name)) && (u.Initiator == "" || u.Initiator == l.initiator || l.dev.Method.NameUnbound) {
			return chap.Credentials{Name: name, Secret: iscsi.Secret(l.dev.Method.kept(u.Secret) + l.dev.Auth.wrongSecret())}, true
		}
	}
	return chap.Credentials{}, false
}

// reflected reports whether a challenge is one of the array's own (RFC 7143, Section 9.2.1).
func (a *Array) reflected(challenge []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.challenges[hex.EncodeToString(challenge)] > 0
}

// forgetChallenge is for a login that is over. The caller holds the lock.
func (a *Array) forgetChallenge(challenge []byte) {
	key := hex.EncodeToString(challenge)
	if a.challenges[key]--; a.challenges[key] <= 0 {
		delete(a.challenges, key)
	}
}
