package initiator

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/internal/profiles"
)

//go:embed profiles/*.yaml
var profileFiles embed.FS

var shipped = profiles.Shipped{Files: profileFiles}

// ErrUnknownProfile is wrapped by BuiltinProfile's error for a name that no profile has.
var ErrUnknownProfile = profiles.ErrUnknown

// Profiles lists the names of the profiles that are shipped, sorted.
func Profiles() []string { return shipped.Names() }

// BuiltinProfile loads a profile that is shipped. The error names the profiles there are, and wraps ErrUnknownProfile.
func BuiltinProfile(name string) (*Profile, error) {
	data, err := shipped.Text(name)
	if err != nil {
		return nil, err
	}
	return ParseProfile(data)
}

// ParseProfile reads a profile from YAML. Fields that there are none of, fields that stand twice and values out of range are errors.
func ParseProfile(data []byte) (*Profile, error) {
	p := new(Profile)
	if err := profiles.Decode(data, p); err != nil {
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

// String is the profile as YAML, which ParseProfile reads back to an equal one.
func (p *Profile) String() string {
	text, err := yaml.MarshalWithOptions(p, yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		panic("initiator: a profile that cannot be printed: " + err.Error()) // Its fields are all plain.
	}
	return string(text)
}
