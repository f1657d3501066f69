package scripted

import (
	"context"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// A flow without steps is a sound login in every setup.
func TestEverySetupLogsIn(t *testing.T) {
	for _, setup := range Setups() {
		p, err := perform(t, fuzz.Flow{Role: fuzz.InitiatorRole, Setup: setup}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.judge(nil) {
			t.Errorf("%s: %v", setup, f)
		}
		if last := p.records[len(p.records)-1]; last.what != status {
			t.Errorf("%s: the last event is %v, want a session that is up", setup, last)
		}
	}
}

// flowsInTest is how many drawn flows `go test` runs; `make logins` runs more.
const flowsInTest = 3000

func TestSearchFindsNothingInOurInitiator(t *testing.T) {
	s := Search{T: t, Seed: 1, Workers: 2, Flows: flowsInTest, Found: func(f fuzz.Found) bool {
		t.Errorf("%v\n%s", &f.Finding, fuzz.ReplayLine(f.Flow, ""))
		return false
	}}
	if err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if s.Done() != flowsInTest {
		t.Errorf("%d flows were run, want %d", s.Done(), flowsInTest)
	}
}
