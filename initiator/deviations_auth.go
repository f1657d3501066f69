package initiator

import "github.com/iscsispec/iscsispec/iscsi/chap"

// AuthDeviations are faults in the authentication of a login (RFC 7143, Sections 9.2.1 and 12).
type AuthDeviations struct {
	// CHAP are the faults in the exchange itself.
	CHAP chap.Deviations
	// StartOperational begins the login in the operational stage although there are credentials.
	StartOperational bool
	// WithoutSecret offers CHAP without credentials, and answers with an empty secret.
	WithoutSecret bool
	// AcceptUnofferedNone goes on without authentication when the target answers None to an offer of CHAP alone.
	AcceptUnofferedNone bool
	// TrustStage takes the target for authenticated as soon as it leaves the security stage.
	TrustStage bool
	// EarlyAlgorithm sends CHAP_A together with the offer of AuthMethod.
	EarlyAlgorithm bool
	// LateAlgorithm answers an AuthMethod that the target proposed without CHAP_A, which follows in the next request.
	LateAlgorithm bool
	// LateChallenge sends CHAP_C in the request after the one with CHAP_N and CHAP_R.
	LateChallenge bool
	// FixedIdentifier sends the same CHAP_I always.
	FixedIdentifier bool
	// FixedChallenge sends the same CHAP_C always.
	FixedChallenge bool
	// CacheByIdentifier gives the response again that an identifier had before.
	CacheByIdentifier bool
	// CacheByChallenge gives the response again that a challenge had before.
	CacheByChallenge bool
	// SendInitiatorName sends the InitiatorName as CHAP_N whatever name is configured.
	SendInitiatorName bool
	// TakeSameSecret logs in with one secret for both directions.
	TakeSameSecret bool
	// LogSecret writes the secret into the log.
	LogSecret bool
	// NoneInDiscovery logs in to discovery sessions without authentication.
	NoneInDiscovery bool
	// FailureIsProtocolError reports status 0x0201 as a fault of the target's.
	FailureIsProtocolError bool
	// BitsAreBytes asks for secrets of 96 bytes where 96 bits are meant.
	BitsAreBytes bool
	// OncePerSession leaves the authentication out on further connections of a session.
	OncePerSession bool
}
