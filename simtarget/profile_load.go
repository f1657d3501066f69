package simtarget

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/iscsispec/iscsispec/internal/profiles"
)

//go:embed profiles/*.yaml
var embedded embed.FS

var shipped = profiles.Shipped{Files: embedded}

// ProfileError says what is wrong with a profile.
type ProfileError struct {
	// Name is the profile's or the file's name.
	Name string
	// Line is where the fault is, counted from 1; 0 when it is in no line.
	Line int
	// Field is the place of the fault in the file, such as "login.redirect.from[0]"; empty when it is not in one field.
	Field string
	// Reason says what was expected and what came.
	Reason string
}

// Error names the profile, the line, the field and the reason.
func (e *ProfileError) Error() string {
	text := "profile " + e.Name
	if e.Line > 0 {
		text += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Field != "" {
		text += ", " + e.Field
	}
	return text + ": " + e.Reason
}

// ErrUnknownProfile is wrapped by Builtin's error for a name that no profile has.
var ErrUnknownProfile = profiles.ErrUnknown

// Builtins lists the names of the profiles that are shipped, sorted.
func Builtins() []string { return shipped.Names() }

// Builtin loads a profile that is shipped. The error names the profiles there are and wraps ErrUnknownProfile.
func Builtin(name string) (*Profile, error) {
	data, err := shipped.Text(name)
	if err != nil {
		return nil, err
	}
	return ParseProfile(name+".yaml", data)
}

// BuiltinText gives the file of a shipped profile, comments and all.
func BuiltinText(name string) ([]byte, error) { return shipped.Text(name) }

// ParseProfile reads a YAML file: what it leaves out has the default of NewProfile. Unknown and double fields are errors. Errors are
// *ProfileError; name is the file's name for them.
func ParseProfile(name string, data []byte) (*Profile, error) {
	p := NewProfile()
	if err := profiles.Decode(data, p); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &ProfileError{Name: name, Reason: "the file is empty"}
		}
		return nil, yamlError(name, data, err)
	}
	if err := p.Validate(); err != nil {
		var own *ProfileError
		if errors.As(err, &own) {
			own.Name, own.Line = name, lineOfField(data, own.Field)
		}
		return nil, err
	}
	return p, nil
}

// yamlError takes line and message out of the YAML library's error, and adds the known key that is nearest to an unknown one.
func yamlError(name string, data []byte, err error) error {
	e := &ProfileError{Name: name}
	e.Reason, e.Line = profiles.Explain(err)
	if _, rest, unknown := strings.Cut(e.Reason, `unknown field "`); unknown {
		key, _, _ := strings.Cut(rest, `"`)
		if near := nearest(key, profileKeys()); near != "" {
			e.Reason += " (nearest: " + near + ")"
		}
	}
	if e.Line == 0 {
		e.Line = lineOf(data, e.Reason)
	}
	return e
}

// lineOf finds the line of the value that a reason quotes first, 0 when there is none.
func lineOf(data []byte, reason string) int {
	_, rest, quoted := strings.Cut(reason, `"`)
	value, _, closed := strings.Cut(strings.ReplaceAll(rest, `\"`, `"`), `"`)
	if !quoted || !closed || value == "" {
		return 0
	}
	for i, line := range strings.Split(string(data), "\n") {
		if strings.Contains(line, value) {
			return i + 1
		}
	}
	return 0
}

// lineOfField finds the line of a field, or of the nearest field above it that the file has; 0 when it has none of them.
func lineOfField(data []byte, field string) (line int) {
	defer func() {
		if recover() != nil {
			line = 0 // the file was read before, but the library walks it in another way here
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return 0
	}
	for field != "" {
		if path, err := yaml.PathString("$." + field); err == nil {
			if node, err := path.FilterFile(file); err == nil && node != nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return 0
}

// YAML prints the profile with every field, defaults included. ParseProfile reads the same profile from it.
func (p *Profile) YAML() ([]byte, error) {
	return yaml.MarshalWithOptions(p, yaml.IndentSequence(true))
}

// clone copies the profile deeply enough that no caller can change an array.
func (p *Profile) clone() *Profile {
	c := *p
	c.Portals, c.Targets = slices.Clone(p.Portals), slices.Clone(p.Targets)
	for i := range c.Targets {
		c.Targets[i].Portals = slices.Clone(c.Targets[i].Portals)
		c.Targets[i].LUNs = slices.Clone(c.Targets[i].LUNs)
	}
	c.Login.Allow = slices.Clone(p.Login.Allow)
	c.Login.CHAP.Users = slices.Clone(p.Login.CHAP.Users)
	c.Login.Refuse, c.Defects = slices.Clone(p.Login.Refuse), slices.Clone(p.Defects)
	c.Login.CHAP.Algorithms, c.Login.CHAP.OpenPortals = slices.Clone(p.Login.CHAP.Algorithms), slices.Clone(p.Login.CHAP.OpenPortals)
	c.Failover.ALUA.Groups, c.Failover.Script = slices.Clone(p.Failover.ALUA.Groups), slices.Clone(p.Failover.Script)
	c.Login.Redirect.From, c.Login.Redirect.To = slices.Clone(p.Login.Redirect.From), slices.Clone(p.Login.Redirect.To)
	return &c
}
