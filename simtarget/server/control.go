package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/iscsispec/iscsispec/internal/profiles"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/simtarget"
)

// controlActionsMax bounds the actions of one request.
const controlActionsMax = 256

// Control is the body of POST /control, as application/json or application/yaml: the actions are carried out in order, and the first that
// is not lawful ends it. Numbers, durations ("5s") and sizes ("64MiB") are written as in profiles.
type Control struct {
	// Array names the array; it may be left out where there is only one.
	Array string `yaml:"array,omitempty"`
	// Actions are what is to happen.
	Actions []simtarget.Action `yaml:"actions"`
}

// ParseControl reads a Control. Unknown and double fields are errors.
func ParseControl(text []byte) (*Control, error) {
	c := &Control{}
	err := profiles.Decode(text, c)
	switch {
	case errors.Is(err, io.EOF):
		return nil, &ConfigError{Reason: "the body is empty"}
	case err != nil:
		located := source{file: "body"}.located(err)
		return nil, located
	case len(c.Actions) == 0 || len(c.Actions) > controlActionsMax:
		return nil, &ConfigError{Reason: fmt.Sprintf("%d actions, want 1 to %d", len(c.Actions), controlActionsMax)}
	}
	return c, nil
}

// Control carries out actions and returns how many. Errors are *UnknownArrayError and those of simtarget's Array.Apply, whose Index counts
// from the first action.
func (s *Server) Control(c *Control) (done int, err error) {
	one, err := s.array(c.Array)
	if err != nil {
		return 0, err
	}
	for i := range c.Actions {
		if err := one.array.Apply(c.Actions[i]); err != nil {
			var action *simtarget.ActionError
			if errors.As(err, &action) {
				action.Index = i
			}
			return i, err
		}
	}
	return len(c.Actions), nil
}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	text, ok := serving.Body(w, r)
	if !ok {
		return
	}
	control, err := ParseControl(text)
	if err != nil {
		serving.AnswerError(w, http.StatusBadRequest, err)
		return
	}
	done, err := s.Control(control)
	var unknown *UnknownArrayError
	switch {
	case err == nil:
		serving.Answer(w, http.StatusOK, serving.Outcome{Done: done})
	case errors.As(err, &unknown):
		serving.AnswerError(w, http.StatusNotFound, err)
	case errors.Is(err, simtarget.ErrClosed):
		serving.AnswerError(w, http.StatusServiceUnavailable, err)
	default:
		serving.Answer(w, http.StatusUnprocessableEntity, serving.Outcome{Done: done, Error: err.Error()})
	}
}
