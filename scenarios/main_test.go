package scenarios

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/iscsispec/iscsispec/internal/leaks"
)

// A deadlocked bubble leaves its goroutines behind by nature; the one that a test makes on purpose is named.
func TestMain(m *testing.M) {
	leaks.Main(m,
		goleak.IgnoreAnyFunction("github.com/iscsispec/iscsispec/scenarios.waitForEver"),
		goleak.IgnoreTopFunction("testing/synctest.testingSynctestTest"))
}
