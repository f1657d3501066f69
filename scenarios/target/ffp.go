package target

import "slices"

// fullFeatureChecks are those of full feature phase and of sessions.
func fullFeatureChecks() []Check {
	return slices.Concat(
		sequencingChecks(), orderChecks(), commandChecks(), responseChecks(), dataInChecks(), dataInFormChecks(), residualChecks(), dataOutChecks(), burstChecks(), immediateChecks(), unsolicitedChecks(), writeChecks(), taskManagementChecks(), abortTaskChecks(), taskSetChecks(), resetChecks(), queryChecks(), fastAbortChecks(), fenceChecks(), logoutChecks(), asyncChecks(), pingChecks(), pingDataChecks(), textChecks(), textExchangeChecks(), rejectChecks(), rejectReasonChecks(),
		recoveryChecks(), robustnessChecks(), sessionDefaultChecks(), cloneChecks(), digestReloginChecks(),
		sessionPortChecks(), redirectChecks(), redirectFormChecks(), sessionStateChecks(),
	)
}
