package simtarget

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every shipped profile loads, is named after its file, and prints to a text that reads as the same profile and prints to itself.
func TestBuiltinsPrintBack(t *testing.T) {
	for _, name := range Builtins() {
		p, err := Builtin(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Name != name {
			t.Errorf("profile in %s.yaml is named %q", name, p.Name)
		}
		printed, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseProfile(name, printed)
		if err != nil {
			t.Errorf("%s printed does not load: %v\n%s", name, err, printed)
			continue
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("%s printed and read again differs (-file +printed):\n%s", name, diff)
		}
		twice, err := again.YAML()
		if err != nil || string(twice) != string(printed) {
			t.Errorf("%s does not print to itself: %v", name, err)
		}
	}
}

func TestUnknownProfileNamesTheKnownOnes(t *testing.T) {
	_, err := Builtin("plane")
	if !errors.Is(err, ErrUnknownProfile) || !strings.Contains(err.Error(), "plain") {
		t.Errorf("Builtin(plane) gives %v", err)
	}
}

func TestFaultyProfilesTellTheLine(t *testing.T) {
	text, err := BuiltinText("plain")
	if err != nil {
		t.Fatal(err)
	}
	sound := string(text)
	lines := strings.Count(sound, "\n")
	for _, c := range []struct {
		name, text, want string
		line             int
	}{
		{"unknown field", sound + "sesion: {}\n", `unknown field "sesion" (nearest: session)`, lines + 1},
		{"field of another place", sound + "portal: A\n", `unknown field "portal" (nearest: portals)`, lines + 1},
		{"unknown knob", sound + "session: {comand_window: 8}\n", "(nearest: command_window)", lines + 1},
		{"word", sound + "session: {identity: name-isidd}\n", "(nearest: name-isid)", lines + 1},
		{"range", sound + "session:\n  command_window: 5000\n", "want 1 to 1024", lines + 2},
		{"double field", sound + "data: {}\ndata: {}\n", "already defined", lines + 2},
		{"unknown portal", sound + "login:\n  redirect: {mode: temporary, to: [B]}\n", `no portal "B"`, lines + 2},
		{"unknown defect", sound + "defects: [Discovery.OmitTg]\n", "(nearest: Discovery.OmitTag)", lines + 1},
		{"unknown step", sound + "failover:\n  script:\n    - {name: a, on_call: true, do: [{call: {step: b}}]}\n", `no step "b"`, lines + 3},
		{"wrong type", sound + "session: {command_window: many}\n", "", lines + 1},
		{"status", sound + "session: {on_excess: \"0x02zz\"}\n", "0x02zz", lines + 1},
		{"address", strings.Replace(sound, "10.0.0.1:3260", "10.0.0.1", 1), "10.0.0.1", 5},
		{"size", strings.Replace(sound, "64MiB", "64Mib", 1), "64Mib", 9},
		{"empty", "", "empty", 0},
	} {
		_, err := ParseProfile(c.name, []byte(c.text))
		var e *ProfileError
		if !errors.As(err, &e) {
			t.Errorf("%s: error is %v, want a *ProfileError", c.name, err)
			continue
		}
		if e.Line != c.line || !strings.Contains(e.Reason, c.want) {
			t.Errorf("%s: line %d, %q; want line %d and %q", c.name, e.Line, e.Reason, c.line, c.want)
		}
	}
}
