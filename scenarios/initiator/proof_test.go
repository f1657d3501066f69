package initiator

import (
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// Every check passes the sound initiator and catches each of its deviations.
func TestChecksProveThemselves(t *testing.T) {
	prooftest.Prove(t, Suite(), scenarios.Safe, trace.NodeTarget)
}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	prooftest.OneTrace(t, Suite(), scenarios.Safe, func(string) int { return 4 })
}
