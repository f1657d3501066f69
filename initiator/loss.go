package initiator

import "time"

// Loss says how a session ended. Before the end it is zero.
type Loss struct {
	// At is the instant at which the initiator saw the end.
	At time.Time
	// Cause is never nil: an I/O error, *ProtocolError, ErrPingTimeout, ErrClosed, ErrLoggedOut (a logout by the user),
	// ErrAsyncLogout, ErrAsyncDrop ...
	Cause error
	// Time2Wait is the least time to wait after At before the next login: the negotiated DefaultTime2Wait, or that of
	// an Async Message (events 2 and 3), or of a Logout Response whose response is 2 or 3 (RFC 7143, Section 11.15.3).
	Time2Wait time.Duration
	// Planned says that the target announced the end (Async Message) or the user asked for it.
	Planned bool
	// Async is the event code of the Async Message that announced the end, or 0.
	Async byte
}
