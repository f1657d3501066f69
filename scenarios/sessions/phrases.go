package sessions

import (
	"time"

	"github.com/iscsispec/iscsispec/simtarget"
)

// Phrases are steps that many plans share. The instants are of the run.

// established is how most plans begin: a data session labelled "s" at portal A, old enough at 10 s that no earlier attempt holds the next one back.
func established() []Step {
	return []Step{{Label: "s", Do: Login{}}}
}

// outage severs everything at an instant and refuses whatever comes after; "cut" is the label of the loss.
func outage(at time.Duration) []Step {
	return []Step{{At: at, Do: Refuse{}}, {Label: "cut", Do: Sever{}}}
}

// healed ends an outage, at an instant counted from the cut.
func healed(after time.Duration) Step {
	return Step{Label: "heal", After: "cut", At: after, Do: Heal{}}
}

// nextLogin changes how the array answers logins from now on.
func nextLogin(rule simtarget.LoginRule) Step {
	return Step{Do: ArrayOp{Action: simtarget.Action{Login: &rule}}}
}

// seconds is a duration or an instant.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
