package cuts

import "github.com/iscsispec/iscsispec/faults"

// Kinds are the ways in which a link is cut at a place. A silence heals by itself, so that what it kept from an array reaches it before the end of the run.
func Kinds() []faults.Fault {
	kinds := faults.CutKinds()
	for i := range kinds {
		if kinds[i].Verb == faults.Silence {
			kinds[i].For = healing
		}
	}
	return kinds
}
