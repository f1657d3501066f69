package initiator

// RedirectDeviations are faults in following a redirect (RFC 7143, Section 11.13.5). What the Manager makes of a redirect afterwards is
// in ReconnectDeviations.
type RedirectDeviations struct {
	// Fatal reports every redirect as a failed login.
	Fatal bool
	// PermanentFatal knows only the temporary redirect and reports 0x0102 as a failed login.
	PermanentFatal bool
	// ContinueStage begins the login at the new portal in the stage that the old one had reached.
	ContinueStage bool
	// CarryAuthentication takes a target for authenticated at the new portal because it was at the old one.
	CarryAuthentication bool
	// PortZero dials port 0 when the address names no port.
	PortZero bool
	// SplitFirstColon takes what follows the first colon for the port, also in IPv6 addresses.
	SplitFirstColon bool
	// OnlyDottedQuads refuses host names.
	OnlyDottedQuads bool
	// TagInPort leaves a portal group tag in the port, which then parses as 0.
	TagInPort bool
	// MissingAddressRetries logs in again at the same portal, at once and without end, when the redirect names no address.
	MissingAddressRetries bool
	// TruncatePort keeps the low 16 bits of a port that is too large.
	TruncatePort bool
	// LastAddressOnly lets each further TargetAddress overwrite the one before.
	LastAddressOnly bool
	// NoLimit follows redirects without end.
	NoLimit bool
	// AnyAddressMoves follows a TargetAddress wherever it comes, also in a successful login and in Text Responses.
	AnyAddressMoves bool
	// UnknownDetailSucceeds takes a redirect with an unknown detail for success.
	UnknownDetailSucceeds bool
	// OnlyFirstResponse looks at the status of the first Login Response only.
	OnlyFirstResponse bool
}
