package fuzz

import "testing"

func TestPlainFlows(t *testing.T) {
	for _, set := range Setups() {
		f := Flow{Role: TargetRole, Setup: set.Name, Steps: []Step{{Conn: 1, Verb: VerbWalk}, {Conn: 1, Verb: VerbWalk}, {Conn: 1, Verb: VerbCommand}, {Conn: 1, Verb: VerbPing}, {Conn: 1, Verb: VerbLogout},
			{Conn: 2, Verb: VerbWalk, Header: Header{CSG: 1}}, {Conn: 2, Verb: VerbCommand}}}
		finding, err := RunTarget(f, Options{T: t})
		if err != nil || finding != nil {
			t.Errorf("%s: %v %v", f, finding, err)
		}
	}
}
