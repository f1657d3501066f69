package target

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// recoveryChecks are those of the groups snack and recovery.
func recoveryChecks() []Check {
	return append(snackChecks(), []Check{
		{ID: "recovery.retry.inadvertent-duplicate-discarded", Risk: scenarios.Writes, Run: duplicateDiscarded},
		{ID: "recovery.retry.duplicate-during-data-discarded", Risk: scenarios.Writes, Run: duplicateDuringData},
		{ID: "recovery.retry.after-data-digest-error", Risk: scenarios.Writes, Array: recovering, Run: retryAfterDigestError},
		{ID: "recovery.level-one.header-digest-error-continues", Array: recovering, Run: headerErrorContinues},
		{ID: "recovery.connection-reinstatement.same-cid", Run: reinstateConnection},
		{ID: "recovery.connection-reinstatement.tasks-ended-below-level-two", Risk: scenarios.Writes, Run: reinstatedTasksEnd},
		{ID: "recovery.session-reinstatement.old-session-closed", Run: func(t *T) {
			t.Part("logins that start in the operational stage", func() { t.oldSessionCloses(probe.Login{}) })
			t.Part("logins that start in the security stage", func() { t.oldSessionCloses(probe.Login{Security: true}) })
		}},
		{ID: "recovery.session-reinstatement.new-tsih", Run: reinstatedNumbers},
		{ID: "recovery.session-reinstatement.pending-tasks-ended", Risk: scenarios.Writes, Run: reinstatedWriteEnds},
		{ID: "recovery.session-reinstatement.failed-login-harmless", Run: failedReinstatement},
		{ID: "recovery.session-continuation.after-retain-expired", Run: expiredSession,
			Limits: scenarios.Limits{Run: 5 * time.Minute, Wall: 6 * time.Minute}},
		{ID: "recovery.tcp-loss.fresh-login-works", Run: freshLoginAfterLoss},
		{ID: "recovery.escalation.no-status-lost", Risk: scenarios.Writes, Run: acknowledgedDataStays},
	}...)
}

// declined tells whether a target would not log in, in a way that an initiator can live with: a status of class 2 or 3, or a bare drop.
func declined(r *probe.LoginResult) bool {
	class := r.Status.Class()
	return r.Outcome == probe.LoginDropped || r.Refused() && (class == iscsi.ClassInitiatorError || class == iscsi.ClassTargetError)
}

// LoginWithin logs in, and tries again each second while less time has passed than that. It returns the last attempt.
func (t *T) LoginWithin(l probe.Login, within time.Duration) *probe.LoginResult {
	for began := time.Now(); ; {
		r := t.Login(l)
		if r.Granted() || time.Since(began) >= within || !t.Pause(time.Second) {
			return r
		}
		if r.Conn != nil {
			// The target may have closed first.
			_ = r.Conn.Close()
		}
	}
}
