package simtarget

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// Moment says in words when a step happens.
func (s Step) Moment() string {
	when := ""
	switch {
	case s.OnCall && s.After > 0:
		when = fmt.Sprintf("%s after a call", s.After)
	case s.OnCall:
		when = "when called"
	case s.Logins > 0 && s.After > 0:
		when = fmt.Sprintf("%s after Normal session %d", s.After, s.Logins)
	case s.Logins > 0:
		when = fmt.Sprintf("with Normal session %d", s.Logins)
	default:
		when = fmt.Sprintf("%s after the start", s.After)
	}
	if s.Every > 0 {
		when += fmt.Sprintf(", then every %s", s.Every)
	}
	if s.Times > 0 {
		when += fmt.Sprintf(", %d times in all", s.Times)
	}
	return when
}

// String writes the action on one line, in the words of the YAML form.
func (act Action) String() string {
	text, err := yaml.MarshalWithOptions(act, yaml.Flow(true))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(text)), "{"), "}")
}
