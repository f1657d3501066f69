package initiator

import "testing"

// FuzzParseProfile: whatever a file holds, reading it ends with an error or with a profile that prints as one that reads the same.
func FuzzParseProfile(f *testing.F) {
	for _, name := range Profiles() {
		p, err := BuiltinProfile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(p.String()))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProfile(text)
		if err != nil {
			_ = err.Error()
			return
		}
		again, err := ParseProfile([]byte(p.String()))
		if err != nil || again.String() != p.String() {
			t.Fatalf("prints as\n%s\nwhich reads as %v, %v", p, again, err)
		}
		if _, err := p.Manager(ManagerConfig{}); err != nil {
			_ = err.Error()
		}
	})
}
