package fuzz

import "testing"

// FuzzLoginTarget lets a fuzzing engine choose the flows that our own array is judged by. Fuzzing services build it from this file alone (.clusterfuzzlite/build.sh).
func FuzzLoginTarget(f *testing.F) {
	for _, seed := range Seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := TargetBytes(t, data); err != nil {
			t.Fatal(err)
		}
	})
}
