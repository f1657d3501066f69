package initiator

// LogoutDeviations are faults in ending a session (RFC 7143, Section 11.14).
type LogoutDeviations struct {
	// NoLogoutRequest closes the connection without a Logout Request.
	NoLogoutRequest bool
	// CommandsAfterLogout sends what waited for the window after the Logout Request.
	CommandsAfterLogout bool
	// ForgetWaiters leaves the tasks that were open at the Logout Response without an answer for ever.
	ForgetWaiters bool
	// DefaultTime2Wait ignores the Time2Wait of a Logout Response with response 2 or 3.
	DefaultTime2Wait bool
}
