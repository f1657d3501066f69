package scripted

import (
	"testing"

	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// FuzzLoginInitiator lets a fuzzing engine choose the flows that our own initiator is judged by. Fuzzing services build it from this file alone (.clusterfuzzlite/build.sh).
func FuzzLoginInitiator(f *testing.F) {
	for _, seed := range fuzz.Seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := Bytes(t, data); err != nil {
			t.Fatal(err)
		}
	})
}
