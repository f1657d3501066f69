package scenarios_test

import (
	"context"
	"fmt"
	"log"

	"github.com/iscsispec/iscsispec/scenarios"
)

// A check is bound to a row of the catalogue, and the Runner says what its outcome means.
func Example() {
	suite := scenarios.Suite{Name: "mine", Peer: "the array in the cellar", Checks: []scenarios.Check{{
		ID:      "login.tsih.nonzero-on-final",
		Accepts: []string{"a TSIH other than 0"},
		Run: func(context.Context, *scenarios.Env) scenarios.Outcome {
			tsih := 0 // In earnest: log in, and look.
			if tsih == 0 {
				return scenarios.Failed("TSIH 0")
			}
			return scenarios.Passed(fmt.Sprint("TSIH ", tsih))
		},
	}}}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	if err != nil {
		log.Fatal(err)
	}
	entries, err := scenarios.Selection{Only: []string{"login"}}.Pick(registry.Entries())
	if err != nil {
		log.Fatal(err)
	}
	runner := scenarios.Runner{Seed: 1}
	results, err := runner.Run(context.Background(), entries)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Printf("%s: %v, expected %s, got %s\n", r.ID, r.Verdict, r.Accepted[0], r.Actual)
	}
	// Output:
	// login.tsih.nonzero-on-final: fail, expected a TSIH other than 0, got TSIH 0
}
