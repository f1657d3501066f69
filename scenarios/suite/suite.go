// Package suite puts all lists of checks together against the catalogue, and holds the Ginkgo front beside them.
package suite

import (
	"sync"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// Registry returns the registry of all suites over their embedded peers. It is made once, on first use.
var Registry = sync.OnceValues(func() (*scenarios.Registry, error) {
	return scenarios.NewRegistry(scenarios.LoadCatalogue(), Embedded()...)
})

// Embedded returns the suites over their embedded peers, in the order in which the command line names them.
func Embedded() []scenarios.Suite {
	return []scenarios.Suite{Monitored(sessions.Suite()), Monitored(initiator.Suite()), Monitored(target.Suite())}
}

// Monitored returns the suite with the monitors that fit its checks.
func Monitored(s scenarios.Suite) scenarios.Suite {
	switch s.Name {
	case target.Name:
		s.Monitor = monitor.OfTargets()
	case initiator.Name:
		s.Monitor = monitor.OfInitiators()
	default:
		s.Monitor = monitor.OfSessions()
	}
	return s
}
