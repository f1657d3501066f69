package chap

// Deviations are faults of an Initiator, each one rule broken at one point; the zero value is sound. They exist for the builds that
// checks have to be able to catch.
type Deviations struct {
	// IgnoreChoice answers with MD5 whatever algorithm the target chose.
	IgnoreChoice bool
	// JunkMeansMD5 takes a choice that is no number, or several, for MD5.
	JunkMeansMD5 bool
	// IdentifierAsText hashes the identifier's digits instead of its one byte.
	IdentifierAsText bool
	// IdentifierWraps reduces the identifier modulo 256, and takes what is no number for 0.
	IdentifierWraps bool
	// IdentifierOptional takes a missing identifier for 0.
	IdentifierOptional bool
	// AlgorithmRestarts answers a new challenge, whenever the target chooses an algorithm again.
	AlgorithmRestarts bool
	// IdentifierRestarts answers once more when an identifier comes after the response.
	IdentifierRestarts bool
	// SharedIdentifier checks the target's response with the identifier that the target itself sent.
	SharedIdentifier bool
	// ChallengeBytes, when above 0, is how much of a challenge is hashed, however long it is.
	ChallengeBytes int
	// LeadingZeroLost drops the zeros that a hexadecimal challenge begins with.
	LeadingZeroLost bool
	// EmptyChallenge takes a challenge that cannot be read for an empty one.
	EmptyChallenge bool
	// OwnChallengeTaken answers a challenge that this side has sent itself, and takes one secret for both directions.
	OwnChallengeTaken bool
	// CopyChallenge sends the target its own challenge back.
	CopyChallenge bool
	// NameBytes, when above 0, is how much of the target's name is kept.
	NameBytes int
	// EmptyNamePasses does not compare an empty name of the target's.
	EmptyNamePasses bool
	// NamePrefixPasses compares names over the length of the shorter one.
	NamePrefixPasses bool
	// NameIsProof takes the target for authenticated as soon as it names itself.
	NameIsProof bool
	// SecretByName checks the response with the secret of whoever the target says it is, this side included.
	SecretByName bool
	// Unverified never looks at the target's response.
	Unverified bool
	// LongResponsePasses compares the first bytes of a response that is too long.
	LongResponsePasses bool
	// ShortResponsePasses compares the bytes that came of a response that is too short.
	ShortResponsePasses bool
	// ResponseOptional takes an answer without keys for the target's proof.
	ResponseOptional bool
	// OnlyHexadecimal knows no base64.
	OnlyHexadecimal bool
	// SecretFirst hashes the secret before the identifier.
	SecretFirst bool
	// Positional takes the keys of a message for what their place in it says.
	Positional bool
	// SecretBytes, when above 0, is how much of a secret is used.
	SecretBytes int
}

// sound is what a nil *Deviations stands for.
var sound Deviations

func (d *Deviations) orSound() *Deviations {
	if d == nil {
		return &sound
	}
	return d
}
