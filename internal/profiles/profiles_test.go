package profiles

import (
	"embed"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

//go:embed profiles/*.yaml
var files embed.FS

func TestShipped(t *testing.T) {
	s := Shipped{files}
	if names := s.Names(); !slices.Equal(names, []string{"a-one", "b-two"}) {
		t.Errorf("names %q", names)
	}
	if text, err := s.Text("a-one"); err != nil || !strings.HasPrefix(string(text), "# The first") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, name := range []string{"three", "", "../a-one", "a-one.yaml"} {
		_, err := s.Text(name)
		var unknown *UnknownError
		if !errors.Is(err, ErrUnknown) || !errors.As(err, &unknown) || unknown.Name != name || !strings.Contains(err.Error(), "a-one, b-two") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	type thing struct {
		Colour string `yaml:"colour"`
	}
	for text, want := range map[string]struct {
		message string
		line    int
	}{
		"colour: red\n\nsize: 3\n":    {"size", 3},
		"colour: red\ncolour: blue\n": {"colour", 2},
		"colour: [red\n":              {"", 1},
	} {
		var into thing
		err := Decode([]byte(text), &into)
		if err == nil {
			t.Errorf("%q is taken", text)
			continue
		}
		if message, line := Explain(err); !strings.Contains(message, want.message) || line != want.line {
			t.Errorf("%q: %q in line %d, want %q in line %d", text, message, line, want.message, want.line)
		}
	}
	var into thing
	if err := Decode(nil, &into); !errors.Is(err, io.EOF) {
		t.Errorf("nothing at all: %v", err)
	}
	if message, line := Explain(io.EOF); message != "EOF" || line != 0 {
		t.Errorf("%q in line %d", message, line)
	}
	if err := Guard(func() error { panic("a nil pointer") }); err == nil || !strings.Contains(err.Error(), "a nil pointer") {
		t.Errorf("a panic: %v", err)
	}
}
