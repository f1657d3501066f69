package target

import (
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Check is the code for one row of the catalogue.
type Check struct {
	// ID is the row's.
	ID string
	// Needs are the capabilities without which the check is skipped; nil means those of the row.
	Needs []scenarios.Capability
	// Risk is what the operator of a foreign target has to allow. A check that writes says scenarios.Writes.
	Risk scenarios.Risk
	// Limits widen or narrow the runner's.
	Limits scenarios.Limits
	// Accepts are the accepted outcomes in words.
	Accepts []string
	// Array changes the simulated array that the check runs against; nil leaves it as Profile gives it.
	Array func(p *simtarget.Profile)
	// Run is the check itself. Falling off its end without a finding is a pass.
	Run func(t *T)
	// Defects are further faults of the array that the check has to find, beside the row's own in simtarget.RowDeviations.
	Defects []func(d *simtarget.Deviations)
}

// Checks lists all checks of the suite, group by group.
func Checks() []Check {
	var all []Check
	for _, group := range []func() []Check{
		loginChecks, negotiationChecks, keyChecks, authChecks, discoveryChecks, digestChecks,
		fullFeatureChecks, multiConnectionChecks, reassignChecks, portNameChecks,
	} {
		all = append(all, group()...)
	}
	return all
}

// scenario turns the check into what the registry takes.
func (c Check) scenario() scenarios.Check {
	company, waits := mannerOf(c.ID), waitOf(c.ID)
	s := scenarios.Check{ID: c.ID, Needs: c.Needs, Risk: c.Risk, Sessions: company.sessions, Unit: company.unit, Waits: waits.lasts,
		WaitsFor: waits.what, Limits: c.Limits, Accepts: c.Accepts, Run: c.run}
	set := c.Defects
	for _, row := range simtarget.RowDeviations() {
		if row.Row == c.ID {
			set = append([]func(*simtarget.Deviations){row.Set}, set...)
		}
	}
	for _, f := range set {
		s.Deviations = append(s.Deviations, scenarios.Deviation{Name: scenarios.DeviationName(f), Apply: f})
	}
	return s
}
