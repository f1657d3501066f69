package sessions

import (
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// Every check passes the sound initiator and catches each of its deviations.
func TestChecksProveThemselves(t *testing.T) {
	suite := Suite()
	suite.Monitor = monitor.OfSessions()
	prooftest.Prove(t, suite, scenarios.Disruptive, trace.NodeInitiator)
}

// often are the checks that are run a hundred times: concurrent submitters, a replay, a redirect, many losses.
var often = []string{"queue.replayed-in-order", "redirect.temporary.followed", "removal.at-sixty-seconds"}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	prooftest.OneTrace(t, Suite(), scenarios.Disruptive, func(id string) int {
		if slices.Contains(often, id) {
			return 100
		}
		return 3
	})
}
