package initiator

import (
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// monitoredByHand are the rows of monitors that no deviation of the initiator breaks in a way which they see: scenarios/monitor proves those.
var monitoredByHand = []string{"cmd.rw-bits-and-edtl", "dataout.buffer-offset", "login.tbit-usage", "logout.no-requests-after"}

// Every check passes the sound initiator and catches each of its deviations.
func TestChecksProveThemselves(t *testing.T) {
	suite := Suite()
	suite.Monitor = monitor.OfInitiators()
	noticed := prooftest.Prove(t, suite, scenarios.Safe, trace.NodeTarget)
	prooftest.Notices(t, noticed, monitor.Rows(scenarios.RoleInitiator), monitoredByHand)
}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	prooftest.OneTrace(t, Suite(), scenarios.Safe, func(string) int { return 4 })
}
