package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/simtarget"
)

func TestConfigErrorsNameTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		text, reason string
		line         int
	}{
		"empty":           {"", "empty", 0},
		"no arrays":       {"grace: 1s\n", "arrays are missing", 0},
		"unknown field":   {"arrays:\n  - profile: plain\n    colour: red\n", "colour", 3},
		"twice":           {"arrays:\n  - profile: plain\n    profile: plain\n", "profile", 3},
		"no profile":      {"arrays:\n  - profile: plain\n  - listen: 127.0.0.1:0\n", "profile is missing", 3},
		"unknown profile": {"arrays:\n  - profile: plain\n  - listen: 127.0.0.1:0\n    profile: plian\n", `unknown profile "plian"`, 4},
		"address":         {"arrays:\n  - profile: plain\n    listen: \"::1\"\n", "[::1]:3260", 3},
		"port":            {"arrays:\n  - profile: plain\n    listen: 127.0.0.1:77777\n", "0 to 65535", 3},
		"unknown portal":  {"arrays:\n  - profile: plain\n    portals: {Z: \"127.0.0.1:0\"}\n", `no portal "Z"`, 3},
		"set":             {"arrays:\n  - profile: plain\n    set:\n      session: {max_totl: 4}\n", "max_totl", 4},
		"set to nonsense": {"arrays:\n  - profile: plain\n    set:\n      session: {identity: face}\n", "face", 4},
		"names":           {"arrays:\n  - {name: a, profile: plain}\n  - {name: a, profile: plain}\n", `name "a" twice`, 3},
		"no secret":       {"arrays:\n  - profile: plain\n    chap: {users: [{name: u, secret_env: NO_SUCH_VARIABLE_HERE}]}\n", "NO_SUCH_VARIABLE_HERE", 3},
		"two places":      {"arrays:\n  - profile: plain\n    chap: {users: [{name: u, secret_env: A, secret_file: b}]}\n", "want one of", 3},
		"no users":        {"arrays:\n  - profile: plain\n    chap: {users: []}\n", "users are missing", 2},
		"no such file":    {"arrays:\n  - profile: ./missing.yaml\n", "missing.yaml", 2},
		"no YAML":         {"arrays: [\n", "", 1},
	} {
		_, err := ParseConfig("/nowhere/serve.yaml", []byte(c.text))
		var own *ConfigError
		if !errors.As(err, &own) {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		if !strings.Contains(own.Error(), c.reason) || own.Line != c.line || own.File != "/nowhere/serve.yaml" {
			t.Errorf("%s: %v, line %d; want line %d and %q", name, own, own.Line, c.line, c.reason)
		}
	}
	if _, err := ParseConfig("x", []byte("arrays: [{profile: plian}]")); !errors.Is(err, simtarget.ErrUnknownProfile) {
		t.Errorf("an unknown profile: %v", err)
	}
}

// Files count from the folder of the file that names them, whatever the working directory.
func TestPathsCountFromTheirFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "profiles"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := simtarget.BuiltinText("plain")
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(text), "{number: 0, size: 64MiB}", "{number: 0, size: 64MiB, store: file, path: inner.img}", 1)
	if err := os.WriteFile(filepath.Join(dir, "profiles", "own.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := ParseConfig(filepath.Join(dir, "serve.yaml"), []byte(`
arrays:
  - profile: profiles/own.yaml
  - profile: plain
    luns: [{number: 1, size: 1MiB, store: file, path: outer.img}]
record: {dir: rec}
`))
	if err != nil {
		t.Fatal(err)
	}
	specs, err := config.Specs()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{filepath.Join(dir, "profiles", "inner.img"), filepath.Join(dir, "outer.img")} {
		if got := specs[i].Profile.Targets[0].LUNs[0].Path; got != want {
			t.Errorf("path %s, want %s", got, want)
		}
	}
	if config.Record.Dir != filepath.Join(dir, "rec") {
		t.Errorf("record to %s", config.Record.Dir)
	}
}

// What a piece of a profile does not name stays as the profile has it.
func TestSetChangesOnlyWhatItNames(t *testing.T) {
	config, err := ParseConfig("serve.yaml", []byte("arrays: [{profile: second-session-refused-0206, set: {session: {command_window: 7}, data: {initial_r2t: false}}}]"))
	if err != nil {
		t.Fatal(err)
	}
	specs, err := config.Specs()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := simtarget.Builtin("second-session-refused-0206")
	if err != nil {
		t.Fatal(err)
	}
	got := specs[0].Profile
	whole.Session.CommandWindow, whole.Data.InitialR2T = 7, false
	if got.Session != whole.Session || got.Data != whole.Data {
		t.Errorf("got %+v\nwant %+v", got.Session, whole.Session)
	}
}

// The examples of docs/serve.md can be used as they stand.
func TestTheManualsExamplesParse(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOST1_SECRET", "a secret of a test")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "array.secret"), []byte("another secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	configs, controls := 0, 0
	for i, block := range strings.Split(string(text), "```")[1:] {
		kind, body, _ := strings.Cut(block, "\n")
		switch {
		case i%2 == 1:
		case kind == "yaml":
			configs++
			config, err := ParseConfig(filepath.Join(dir, "serve.yaml"), []byte(body))
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			s, err := New(config, Options{})
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		case kind == "json":
			controls++
			for _, line := range strings.Split(strings.TrimSpace(body), "\n") {
				if _, err := ParseControl([]byte(line)); err != nil {
					t.Errorf("%v\n%s", err, line)
				}
			}
		}
	}
	if configs == 0 || controls == 0 {
		t.Errorf("%d configurations and %d control requests in the manual", configs, controls)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(two))
	f.Add([]byte("arrays: [{profile: plain, set: {targets: []}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "/") {
			return // no files
		}
		var own *ConfigError
		if _, err := ParseConfig("serve.yaml", text); err != nil && !errors.As(err, &own) {
			t.Errorf("%T %v", err, err)
		}
	})
}
