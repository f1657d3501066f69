package initiator

// DiscoveryDeviations are faults in SendTargets (RFC 7143, Appendix C).
type DiscoveryDeviations struct {
	// FreshTagOnContinue asks for the rest of an answer under a new task tag.
	FreshTagOnContinue bool
	// ContinueOnTTT asks for more whenever the answer carries a target transfer tag, even if it is final.
	ContinueOnTTT bool
	// ZeroTTT begins a text exchange with TTT 0.
	ZeroTTT bool
	// MergeAddresses gives every target the addresses of all.
	MergeAddresses bool
	// FreshOnReservedTTT begins anew when an answer that is not final carries the reserved target transfer tag.
	FreshOnReservedTTT bool
	// NoSessionType leaves the SessionType out of the login.
	NoSessionType bool
}
