// Package suite puts all lists of checks together against the catalogue, and holds the Ginkgo front beside them.
package suite

import (
	"sync"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/scenarios/target"
	"github.com/iscsispec/iscsispec/trace"
)

// Registry returns the registry of all suites over their embedded peers. It is made once, on first use.
var Registry = sync.OnceValues(func() (*scenarios.Registry, error) {
	return scenarios.NewRegistry(scenarios.LoadCatalogue(), Embedded()...)
})

// Embedded returns the suites over their embedded peers, in the order in which the command line names them.
func Embedded() []scenarios.Suite {
	return []scenarios.Suite{Monitored(sessions.Suite()), Monitored(initiator.Suite()), Monitored(target.Suite())}
}

// Monitored returns the suite with monitors beside its checks. They look at the side that the suite judges, and from the other end of the
// connection where that was recorded too, as it is with a foreign peer; where links are cut, from the judged side's own.
func Monitored(s scenarios.Suite) scenarios.Suite {
	o := monitor.Options{Judge: scenarios.RoleInitiator, At: []string{trace.NodeTarget}}
	switch s.Name {
	case target.Name:
		o = monitor.Options{Judge: scenarios.RoleTarget, At: []string{trace.NodeProbe}}
	case "sessions":
		o.At = []string{trace.NodeInitiator}
	}
	s.Monitor = func(events []trace.Event) []scenarios.Finding { return monitor.Judge(events, o) }
	return s
}
