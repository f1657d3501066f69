package initiator

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed profiles/*.yaml
var profileFiles embed.FS

// ErrUnknownProfile is wrapped by BuiltinProfile's error for a name that no profile has.
var ErrUnknownProfile = errors.New("unknown profile")

// Profiles lists the names of the profiles that are shipped, sorted.
func Profiles() []string {
	files, _ := profileFiles.ReadDir("profiles") // The folder is part of the binary.
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// BuiltinProfile loads a profile that is shipped. The error names the profiles there are, and wraps ErrUnknownProfile.
func BuiltinProfile(name string) (*Profile, error) {
	data, err := profileFiles.ReadFile(path.Join("profiles", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("%w %q, want one of %s", ErrUnknownProfile, name, strings.Join(Profiles(), ", "))
	}
	return ParseProfile(data)
}

// ParseProfile reads a profile from YAML. Fields that there are none of, fields that stand twice and values out of range are errors.
func ParseProfile(data []byte) (*Profile, error) {
	p := new(Profile)
	if err := decodeYAML(data, p); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("profile: the file is empty")
		}
		return nil, fmt.Errorf("profile: %w", err)
	}
	if p.Name == "" || strings.ContainsAny(p.Name, " \t\r\n/") {
		return nil, fmt.Errorf("profile: %w", &SettingError{"name", fmt.Sprintf("%q", p.Name), "one word"})
	}
	if _, err := p.settle(); err != nil {
		return nil, fmt.Errorf("profile %s: %w", p.Name, err)
	}
	return p, nil
}

// decodeYAML keeps a panic of the YAML library, which some malformed files cause, from ending the program.
func decodeYAML(data []byte, p *Profile) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("no YAML that can be read: %v", r)
		}
	}()
	return yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(p)
}

// String is the profile as YAML, which ParseProfile reads back to an equal one.
func (p *Profile) String() string {
	text, err := yaml.MarshalWithOptions(p, yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		panic("initiator: a profile that cannot be printed: " + err.Error()) // Its fields are all plain.
	}
	return string(text)
}
