package initiator

import "time"

// ManagerDeviations are faults in the choices of the session manager that its settings offer: jitter, other portals of the portal group, I/O
// spread over paths, the logoff of a boot session.
type ManagerDeviations struct {
	// JitterDrifts adds each draw of the jitter to the ones before, so that the cadence drifts away from the interval.
	JitterDrifts bool
	// FailoverNewISID logs in with another ISID at another portal of the portal group: a second nexus.
	FailoverNewISID bool
	// FailoverAnyGroup takes the portals of all portal groups of the target for those of the session's.
	FailoverAnyGroup bool
	// SwitchReplays sends what was in flight on a path that broke over another path of the device, and replays it on its own as well.
	SwitchReplays bool
	// BootRefusedLate refuses the logoff of a boot session after its Logout Request went out.
	BootRefusedLate bool
	// TimerPerLogin starts a timer at every login, and something that waits for it, which only the end of the manager stops.
	TimerPerLogin bool
}

// leakedTimer is how long what TimerPerLogin starts goes on.
const leakedTimer = 10000 * time.Hour

// tickAway is the defect TimerPerLogin.
func (m *Manager) tickAway() {
	timer := time.NewTimer(leakedTimer)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.closing:
	}
}
