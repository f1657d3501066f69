package sessions

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/iscsispec/iscsispec/initiator"
)

// Where the initiator names a row's deviation, the check of that row has to prove itself with it: two tables that tell one
// thing must not drift apart.
func TestChecksUseTheInitiatorsTableOfDeviations(t *testing.T) {
	tabled := cmpopts.IgnoreUnexported(initiator.Deviations{}) // what is planted for the fuzzers has no row
	checks := map[string]Check{}
	for _, c := range Checks() {
		checks[c.ID] = c
	}
	met := 0
	for _, row := range initiator.RowDeviations() {
		c, ok := checks[row.Row]
		if !ok {
			continue // a row that a later suite checks
		}
		met++
		var want initiator.Deviations
		row.Set(&want)
		found := false
		for _, d := range c.Defects {
			var got initiator.Deviations
			d.Set(&got)
			found = found || cmp.Equal(got, want, tabled)
		}
		if !found {
			var got initiator.Deviations
			c.Defects[0].Set(&got)
			t.Errorf("%s: no defect of the check is the row's (-row +check):\n%s", row.Row, cmp.Diff(want, got, tabled))
		}
	}
	if met != len(checks) {
		t.Errorf("%d of %d checks have a deviation in the initiator's table", met, len(checks))
	}
}
