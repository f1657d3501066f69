// Package profiles reads YAML that describes a peer: files that are part of the program and found by name, and what somebody wrote.
package profiles

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
)

// ErrUnknown is what every *UnknownError is, for errors.Is.
var ErrUnknown = errors.New("unknown profile")

// UnknownError is a name that no shipped profile has.
type UnknownError struct {
	Name  string
	Known []string // the names there are, sorted
}

// Error names the profiles there are.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("%v %q, want one of %s", ErrUnknown, e.Name, strings.Join(e.Known, ", "))
}

// Is reports ErrUnknown.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Shipped are the files profiles/*.yaml that a package embeds; a profile's name is its file's, without the ending.
type Shipped struct{ Files embed.FS }

// Names lists the profiles, sorted.
func (s Shipped) Names() []string {
	files, _ := s.Files.ReadDir("profiles") // the folder is part of the binary
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// Text gives a profile's file, comments and all, or an *UnknownError.
func (s Shipped) Text(name string) ([]byte, error) {
	text, err := s.Files.ReadFile(path.Join("profiles", name+".yaml"))
	if err != nil {
		return nil, &UnknownError{Name: name, Known: s.Names()}
	}
	return text, nil
}

// Decode reads YAML. Fields that there are none of and fields that stand twice are errors; a text without a document is io.EOF.
func Decode(text []byte, into any) error {
	return Guard(func() error { return yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(into) })
}

// Guard keeps a panic of the YAML library, which some malformed texts cause, from ending the program.
func Guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("no YAML that can be read: %v", r)
		}
	}()
	return do()
}

// Explain takes the message and the line, counted from 1, out of the YAML library's error; the line is 0 where it tells none.
func Explain(err error) (message string, line int) {
	var y yaml.Error
	if !errors.As(err, &y) {
		return err.Error(), 0
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return y.GetMessage(), line
}
