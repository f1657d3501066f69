package target

import (
	"errors"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// What is described of a target says the same when it is read back.
func TestAbilitiesThatAreDescribedAreTold(t *testing.T) {
	profile, err := simtarget.Builtin("plain")
	if err != nil {
		t.Fatal(err)
	}
	suite, abilities, err := OnProfile(t, profile, 1)
	if err != nil {
		t.Fatal(err)
	}
	told, err := ParseTold([]byte(DescribeAbilities(abilities, suite.Abilities)))
	if err != nil {
		t.Fatal(err)
	}
	if told.Sessions != probe.SessionsMax || told.BlockSize != 512 || told.Blocks != abilities.Unit.Blocks || *told.WriteProtected {
		t.Errorf("%+v of %v", told, abilities)
	}
	for c, seen := range suite.Abilities {
		if told.Capabilities[c] != seen.Present {
			t.Errorf("%s is %t, and was seen as %t", c, told.Capabilities[c], seen.Present)
		}
	}
	other := Told{Sessions: 3, Capabilities: map[scenarios.Capability]bool{"chap": true}}.Over(told)
	known := other.apply(abilities)
	if abilities.Sessions != 3 || !known["chap"].Present || known["discovery"].Present != suite.Abilities["discovery"].Present {
		t.Errorf("%d sessions, %v", abilities.Sessions, known)
	}
}

func TestWhatCannotBeToldIsRefused(t *testing.T) {
	for _, text := range []string{"capabilities: {jumbo: true}", "sessions: -1", "speed: 3", "capabilities: {chap: 7}"} {
		if _, err := ParseTold([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	var wrong *ToldError
	if _, err := ParseTold([]byte("capabilities: {jumbo: true}")); !errors.As(err, &wrong) {
		t.Errorf("%v is no ToldError", err)
	}
}
