package initiator

// ReconnectDeviations are faults in when and where the Manager logs in again.
type ReconnectDeviations struct {
	// IgnoreTime2Wait starts the first attempt at once, whatever wait the target asked for.
	IgnoreTime2Wait bool
	// ExponentialBackoff doubles the gap between attempts, from 1 s up to 64 s.
	ExponentialBackoff bool
	// IntervalReadOnce uses the default interval for ever, whatever is configured.
	IntervalReadOnce bool
	// OverlapAttempts starts an attempt at every tick although one is still in progress.
	OverlapAttempts bool
	// AttemptsAtMost, when above 0, is the number of attempts after which an outage is given up.
	AttemptsAtMost int
	// StopAtRemoval ends the attempts when the devices leave.
	StopAtRemoval bool
	// TickAfterSuccess lets the ticker run on: the session is logged in again at every interval.
	TickAfterSuccess bool
	// LogoffWaitsForReturn lets a logoff that comes in an outage wait until the session is back.
	LogoffWaitsForReturn bool
	// LogoffForgetsLoginInProgress lets a logoff that comes in the middle of an attempt return, while the attempt goes on
	// and leaves a session at the target.
	LogoffForgetsLoginInProgress bool
	// StopOnLoginStatus ends the attempts at the first Login Response that carries an error of the target.
	StopOnLoginStatus bool
	// HotRetryNotFound tries again after 100 ms when the target was not found (0x0203).
	HotRetryNotFound bool
	// HotRetryAuth tries again after 100 ms when authentication failed.
	HotRetryAuth bool
	// HotRetryClosed tries again after 100 ms unless the connection could not even be made.
	HotRetryClosed bool
	// ReportBeforeLogin lets the login operation report success before the first login began, and keep trying.
	ReportBeforeLogin bool
	// OneWorker lets the attempts of all sessions take turns, the hanging ones included.
	OneWorker bool
	// AtOnceOnDrop starts an attempt at every loss at once, however young the session was.
	AtOnceOnDrop bool
	// NoPing never pings an idle session.
	NoPing bool
	// DuplicateWhileDown lets a login to a place be repeated while the session there is down.
	DuplicateWhileDown bool
	// DiscoveryToo re-establishes discovery sessions like all others.
	DiscoveryToo bool
	// OnlyWithDevices re-establishes only sessions that have devices.
	OnlyWithDevices bool
	// NotBoot never re-establishes boot sessions.
	NotBoot bool
	// TemporarySticks makes a temporary redirect replace the configured portal.
	TemporarySticks bool
	// PermanentForgotten treats a permanent redirect as a temporary one.
	PermanentForgotten bool
	// DeadRedirectSticks makes the address of a redirect replace the configured portal although no login succeeded there.
	DeadRedirectSticks bool
}

// IdentityDeviations are faults in the session ID.
type IdentityDeviations struct {
	// FromTSIH makes the ID the TSIH that the target granted.
	FromTSIH bool
	// NewOnRelogin gives a new ID at each login.
	NewOnRelogin bool
	// NewEverySixteenth gives a new ID at each sixteenth re-login.
	NewEverySixteenth bool
	// AsyncLogoutForgets drops the session when the target asks for a logout, as if the user had.
	AsyncLogoutForgets bool
	// AsyncDropAllRecreates gives a new ID after Async Message event 3.
	AsyncDropAllRecreates bool
	// FollowsPortal gives a new ID whenever a re-login ends at another portal than the login before.
	FollowsPortal bool
	// StaleReaches lets the ID of a session that was logged off act on a newer session to the same target.
	StaleReaches bool
}

// KindDeviations are faults in what the kinds of sessions may do.
type KindDeviations struct {
	// UnknownIsData treats every unknown kind as data.
	UnknownIsData bool
	// InformationalHangsWhileDown lets requests of an informational session that is down hang, deadline or not.
	InformationalHangsWhileDown bool
	// InformationalRefuses refuses all commands on informational sessions.
	InformationalRefuses bool
	// InformationalSurfaces makes devices of an informational session's units after a re-login.
	InformationalSurfaces bool
	// DiscoveryProbes sends an INQUIRY to LUN 0 on a discovery session.
	DiscoveryProbes bool
	// BootKeyOnWire declares SessionType=Boot in the login of a boot session.
	BootKeyOnWire bool
}

// ListingDeviations are faults in what listings of sessions show.
type ListingDeviations struct {
	// KindDataAlways shows every session but discovery ones as data.
	KindDataAlways bool
	// TSIHOfLeadingLogin shows the TSIH that the login began with, which is 0.
	TSIHOfLeadingLogin bool
	// FirstLoginForEver shows portal, TSIH and parameters of the first login after every other.
	FirstLoginForEver bool
	// StateOnSuccessOnly changes the state only when a login succeeds.
	StateOnSuccessOnly bool
	// OnePerTarget shows one session of each target.
	OnePerTarget bool
}
