package initiator

// QueueDeviations are faults in what waits while a session is down.
type QueueDeviations struct {
	// AnswerTestUnitReady answers TEST UNIT READY with GOOD while the session is down.
	AnswerTestUnitReady bool
	// LastInFirstOut replays the newest request first.
	LastInFirstOut bool
	// NewBypass sends a newcomer at once when the session is connected, although others wait for the replay.
	NewBypass bool
	// ReplayFinished sends the requests of the last replay again, those that were answered included.
	ReplayFinished bool
	// FailInFlight fails commands that were in flight at the loss.
	FailInFlight bool
	// ForgetInFlight drops commands that were in flight at the loss without completing them.
	ForgetInFlight bool
	// Unbounded takes any number of requests.
	Unbounded bool
	// OverwriteOldest drops the oldest request for a newcomer when the queue is full.
	OverwriteOldest bool
	// CountNeverFalls counts every request that was ever queued against the bound.
	CountNeverFalls bool
	// KeepAtRemoval keeps the queue when the devices leave, and replays it when they return.
	KeepAtRemoval bool
	// ForgetAtRemoval drops the last of several requests that wait when their device leaves, without completing it.
	ForgetAtRemoval bool
	// ReplayTimedOut reports a request whose deadline passed as timed out and replays it nevertheless.
	ReplayTimedOut bool
	// AbortKeepsEntry reports a queued request as aborted and replays it nevertheless.
	AbortKeepsEntry bool
	// LoseWakeUp leaves the last waiting request of a replay behind until the next one.
	LoseWakeUp bool
	// RetryAbsentUnit sends requests for a unit that is no longer listed again and again.
	RetryAbsentUnit bool
	// ForgetAtLogoff drops the queue at a logoff without completing its requests.
	ForgetAtLogoff bool
	// OvertakeDoubt sends at once what overlaps a write whose outcome is unknown and that is to be sent again, over whichever path.
	OvertakeDoubt bool
	// ResetNeedsTarget lets a reset that is asked for while the session is down wait for the target's answer.
	ResetNeedsTarget bool
}
