package target

import (
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// monitoredByHand are the rows of monitors that no deviation of the array breaks in a way which they see: scenarios/monitor proves those.
var monitoredByHand = []string{"async.format.fields", "logout.close-session.response-and-close", "negotiation.reserved-words.only-as-answers",
	"nop.ping.multiple-outstanding", "nop.unsolicited.format", "tmf.response.format"}

// Every check passes the sound array and catches each of its deviations.
func TestChecksProveThemselves(t *testing.T) {
	suite := Suite()
	suite.Monitor = monitor.OfTargets()
	noticed := prooftest.Prove(t, suite, scenarios.Safe, trace.NodeProbe)
	prooftest.Notices(t, noticed, monitor.Rows(scenarios.RoleTarget), monitoredByHand)
}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	prooftest.OneTrace(t, Suite(), scenarios.Safe, func(string) int { return 4 })
}
