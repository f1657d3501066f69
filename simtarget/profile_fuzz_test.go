package simtarget

import "testing"

// FuzzParseProfile: whatever a file holds, reading it ends with an error or a profile that an array can be made of.
func FuzzParseProfile(f *testing.F) {
	for _, name := range Builtins() {
		text, err := BuiltinText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProfile("fuzz", text)
		if err != nil {
			_ = err.Error()
			return
		}
		a, err := New(p, Options{})
		if err != nil {
			t.Fatalf("a valid profile is refused: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}
