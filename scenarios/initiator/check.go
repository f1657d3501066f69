package initiator

import (
	"slices"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
)

// Check is the code for one row of the catalogue.
type Check struct {
	// ID is the row's.
	ID string
	// Needs are the capabilities without which the check is skipped; nil means those of the row.
	Needs []scenarios.Capability
	// Limits widen or narrow the runner's.
	Limits scenarios.Limits
	// Accepts are the accepted outcomes in words.
	Accepts []string
	// Base changes what the scripted array is; nil leaves it as NewBase gives it.
	Base func(b *Base)
	// Driver changes what the own initiator is told to be; an external one is as it is.
	Driver func(s *Settings)
	// Run is the check itself. Falling off its end without a finding is a pass.
	Run func(t *T)
	// Defects are further faults of the initiator that the check has to find, beside the row's own in initiator.RowDeviations.
	Defects []func(d *ini.Deviations)
}

// Checks lists all checks of the suite, group by group.
func Checks() []Check {
	return slices.Concat(
		loginChecks(),
		loginRequestChecks(),
		discoveryChecks(),
		discoveryRecordChecks(),
		textChecks(),
		loginStageChecks(),
		loginNumberChecks(),
		loginTextChecks(),
		loginStatusChecks(),
		loginPaceChecks(),
		negotiationChecks(),
		negotiationOfferChecks(),
		negotiationFormChecks(),
		redirectChecks(),
		authMethodChecks(),
		authIdentifierChecks(),
		authChallengeChecks(),
		authProofChecks(),
		authSuccessChecks(),
		keyChecks(),
		keyDataChecks(),
		keyConnectionChecks(),
		asyncChecks(),
		asyncConnectionChecks(),
		nopChecks(),
		logoutChecks(),
		rejectChecks(),
		rejectSNACKChecks(),
		dataOutChecks(),
		r2tChecks(),
		sessionRecoveryChecks(),
		dataInChecks(),
		dataInRecoveryChecks(),
		statusChecks(),
		taskManagementChecks(),
		taskEffectChecks(),
		taskConnectionChecks(),
		cmdSNChecks(),
		windowChecks(),
		statSNChecks(),
		commandChecks(),
		digestChecks(),
		robustnessChecks(),
		robustnessLongChecks(),
		resourceChecks(),
		snackChecks(),
		reassignChecks(),
		multiConnectionChecks(),
	)
}

// scenario turns the check into what the registry takes.
func (c Check) scenario() scenarios.Check {
	s := scenarios.Check{ID: c.ID, Needs: c.Needs, Limits: c.Limits, Accepts: c.Accepts, Run: c.run}
	var set []func(*ini.Deviations)
	for _, row := range ini.RowDeviations() {
		if row.Row == c.ID {
			set = append(set, row.Set)
		}
	}
	for _, f := range append(set, c.Defects...) {
		s.Deviations = append(s.Deviations, scenarios.Deviation{Name: scenarios.DeviationName(f), Apply: f})
	}
	return s
}
