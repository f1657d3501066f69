package sessions

import "slices"

// Checks are all checks of this package. Each file of checks hands out its list; the registry sorts them by the catalogue.
func Checks() []Check {
	return slices.Concat(
		sessionTypeChecks(),
		sessionIDChecks(),
		sessionInfoChecks(),
		reconnectFirstChecks(),
		reconnectCadenceChecks(),
		reconnectOutcomeChecks(),
		reconnectRefusedChecks(),
		reconnectLogoffChecks(),
		removalChecks(),
		removalClockChecks(),
		removalConfigurableChecks(),
		removalCauseChecks(),
		removalBoundaryChecks(),
		removalReturnChecks(),
		cacheChecks(),
		queueChecks(),
		queueOnceChecks(),
		queueBoundChecks(),
		queueOutcomeChecks(),
		lunsetChecks(),
		redirectChecks(),
		sessionsDefaultChecks(),
		sessionsAddChecks(),
		sessionsAddPortChecks(),
		sessionsAddRefusedChecks(),
		sessionsDigestChecks(),
		sessionsRemoveChecks(),
		sessionsRemoveIOChecks(),
		sessionsRestartChecks(),
		bootLogoffChecks(),
		reconnectJitterChecks(),
		reconnectFailoverChecks(),
		sessionsSpreadChecks(),
	)
}
