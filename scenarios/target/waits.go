package target

import "time"

// wait is what makes a check last.
type wait struct {
	lasts time.Duration
	what  string
}

// waits are the checks that last for seconds on a target that gives them no reason to end before, the longest first. Who changes how long a
// check waits changes this too: it decides which checks begin first, and tells the tester where the time goes.
var waits = map[string]wait{
	"nop.unsolicited.unanswered-ping-drop":                    {2 * answeringTime, "the target's pings are answered for 2 minutes on one session, and then on another one not"},
	"robustness.login.half-open-timeout":                      {halfOpenTime, "the target drops logins that do not go on, within 180 s; this ends when it does"},
	"robustness.pdu.write-with-no-data-ever":                  {heldTime, "a WRITE is held without its data, and others have to go on"},
	"robustness.ffp.half-close":                               {halfClosedTime, "the target closes a connection that is half closed; this ends when it does"},
	"discovery.restrictions.unsolicited-pdus":                 {leftAlone, "a Discovery session is left alone"},
	"robustness.length.huge-declared-never-sent":              {announcedTime, "data of 16 MiB is announced and never sent, and others have to go on; this ends when the target drops the connections"},
	"robustness.ffp.peer-stops-reading":                       {deafTime, "an initiator does not read 64 MiB that it has asked for, and others have to go on"},
	"robustness.login.connection-flood":                       {floodTime, "500 silent connections stay; this ends when the target drops them"},
	"nop.unsolicited.format":                                  {idleTime, "a session is idle until the target pings"},
	"text.failure.abandoned-has-no-effect":                    {abandonedTime, "a text exchange is left alone"},
	"recovery.session-continuation.after-retain-expired":      {forgottenTime, "the target has to forget a session whose connection was lost"},
	"recovery.reassign.time2retain-expiry":                    {30 * time.Second, "the target has to forget tasks whose connection was lost"},
	"session-management.clone.same-isid-is-not-a-clone":       {2 * settledTime, "the end of the old session may take its time"},
	"robustness.framing.random-bytes-before-login":            {5 * garbageWait, "the target may say something to garbage"},
	"tmf.multi-task.no-r2t-after-response":                    {12 * time.Second, "the target may wait for data before it answers ABORT TASK SET, and must be silent after"},
	"tmf.abort-task-set.out-of-order-second-connection":       {12 * time.Second, "the target may wait for a command before it answers ABORT TASK SET, and must be silent after"},
	"tmf.multi-task.no-wait-for-third-party-commands":         {10 * time.Second, "the target may wait for a missing command of another session"},
	"tmf.multi-task.waits-for-outstanding-r2t":                {12 * time.Second, "the target must wait for data, and be silent after its answer"},
	"session-management.clone.different-isid-defined-outcome": {settledTime, "the end of a session that a clone displaces may take its time"},
	"negotiation.exchange.one-response-per-request":           {8 * time.Second, "nothing may come that was not asked for"},
	"recovery.session-reinstatement.pending-tasks-ended":      {5 * time.Second, "a WRITE of a session that is gone must not come through late"},
}

// waitOf is what makes a check last; the zero value where nothing does.
func waitOf(id string) wait { return waits[id] }

// patient is how long a check waits for what ought not to happen, or need not: as long as its row says, and no longer than the tester's
// patience. Waits for what has to happen are not shortened: they end when it does.
func (t *T) patient(d time.Duration) time.Duration {
	if t.patience > 0 {
		return min(d, t.patience)
	}
	return d
}
