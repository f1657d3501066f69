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
	// WrongCID closes the connection (reason 1) and names another one.
	WrongCID bool
	// RepeatsOnFailure asks again, without end, when the target answers with an error.
	RepeatsOnFailure bool
	// WaitsForEver does not bound the wait for the Logout Response.
	WaitsForEver bool
	// DropsLateData discards the data that comes behind the Logout Request, and ends its commands with GOOD all the same.
	DropsLateData bool
	// LeavesSocketOpen leaves it to the target to close the connection.
	LeavesSocketOpen bool
	// StopsAbruptly lets an orderly stop of the Manager close the connections without a logout.
	StopsAbruptly bool
}
