package integrity

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// ReplayLine is the command that runs a plan again, in a new process and with the same trace.
func ReplayLine(p sessions.Plan, seed uint64) string {
	return fmt.Sprintf("iscsispec check sessions --seed %d --plan '%s'", seed, strings.ReplaceAll(p.Line(), "'", `'\''`))
}
