package cuts

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/iscsispec/iscsispec/scenarios"
)

// Tally counts what came of one scenario before one array.
type Tally struct {
	Survey Survey
	// Plans is how many cuts were judged, Runs how many runs that took, Verdicts what came of the plans.
	Plans, Runs int
	Verdicts    map[scenarios.Verdict]int
}

// verdicts are those that a cut can come to.
var verdicts = []scenarios.Verdict{scenarios.Pass, scenarios.Fail, scenarios.Inconclusive}

// Table prints tallies, one a line, and their sums.
func Table(w io.Writer, tallies []Tally) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "profile\tscenario\tpositions\tplans\truns\tpass\tfail\tinconclusive\tnote")
	var positions, refused int
	sum := Tally{Verdicts: map[scenarios.Verdict]int{}}
	for _, t := range tallies {
		c := t.Survey.Clean.Case
		if t.Survey.Refused != "" {
			refused++
			fmt.Fprintf(tab, "%s\t%s\t-\t-\t-\t-\t-\t-\tno place for it: %s\n", c.Station.Profile, c.Scenario.Name, t.Survey.Refused)
			continue
		}
		t.line(tab, c.Station.Profile, c.Scenario.Name, t.Survey.Positions, t.Survey.Note)
		positions += t.Survey.Positions
		sum.Plans, sum.Runs = sum.Plans+t.Plans, sum.Runs+t.Runs
		for v, n := range t.Verdicts {
			sum.Verdicts[v] += n
		}
	}
	sum.line(tab, "all", fmt.Sprintf("%d stories", len(tallies)-refused), positions, fmt.Sprintf("%d stories have no place", refused))
	return tab.Flush()
}

func (t Tally) line(w io.Writer, profile, scenario string, positions int, note string) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d", profile, scenario, positions, t.Plans, t.Runs)
	for _, v := range verdicts {
		fmt.Fprintf(w, "\t%d", t.Verdicts[v])
	}
	fmt.Fprintf(w, "\t%s\n", note)
}
