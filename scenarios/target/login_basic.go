package target

import (
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// loginChecks are those of the group login.
func loginChecks() []Check {
	return []Check{
		{ID: "login.basic.direct-operational", Run: func(t *T) {
			c := t.Granted(t.Login(probe.Login{}))
			t.Survives(c, "the session")
		}},
	}
}
