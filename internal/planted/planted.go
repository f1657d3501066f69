// Package planted names the defects that are planted into the login paths of the project's own array and initiator, to prove that the
// fuzzer of logins (scenarios/fuzz) finds what it is there to find. They are none of the catalogue's: whoever wrote a check for a row has not
// thought of them.
//
// Only tests plant them. The package is internal, no profile and no command line reaches the fields, and a test holds that nothing but the
// two peers, which consult them at the point of departure, and tests import it.
package planted

// Initiator are defects in the initiator's logins.
type Initiator struct {
	// SilenceIsConsent puts each offer in force that the target has not answered.
	SilenceIsConsent bool
	// ShortcutTaken goes from the security stage to full feature phase with a target that does, although the operational stage was asked for.
	ShortcutTaken bool
	// ContinuationUncounted does not count the StatSN of a Login Response with C=1 in the ExpStatSN of the request that asks for the rest.
	ContinuationUncounted bool
	// AlgorithmUnoffered computes a CHAP response with any algorithm that it knows, though CHAP_A did not offer it.
	AlgorithmUnoffered bool
	// HotRetryAfterRedirect tries again 100 ms after an attempt that has failed behind a redirect.
	HotRetryAfterRedirect bool
}

// Target are defects in the logins of the simulated array.
type Target struct {
	// ContinuationUncounted uses the StatSN of the response to a request with C=1 again.
	ContinuationUncounted bool
	// OnePastRange takes DefaultTime2Wait=3601, one above the greatest value that there is, and answers it with itself.
	OnePastRange bool
	// ProofRemembered asks for no proof where a login reinstates a session that has proved itself.
	ProofRemembered bool
	// QualifierIgnored compares ISIDs without their qualifiers when it looks for the session that a login reinstates.
	QualifierIgnored bool
	// EightAnswers answers at most eight offers of one request.
	EightAnswers bool
}
