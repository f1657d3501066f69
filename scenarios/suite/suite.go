// Package suite puts all lists of checks together against the catalogue, and holds the Ginkgo front beside them.
package suite

import (
	"sync"

	"github.com/iscsispec/iscsispec/scenarios"
)

// Registry returns the registry of all suites over their embedded peers. It is made once, on first use.
var Registry = sync.OnceValues(func() (*scenarios.Registry, error) {
	return scenarios.NewRegistry(scenarios.LoadCatalogue(), Embedded()...)
})

// Embedded returns the suites over their embedded peers, in the order in which the command line runs them.
func Embedded() []scenarios.Suite { return nil }
