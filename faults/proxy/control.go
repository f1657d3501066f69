package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/internal/serving"
)

// controlActionsMax bounds the actions of one request.
const controlActionsMax = 256

// Control is the body of POST /control, as application/json or application/yaml: the actions are carried out in order, and the first that is
// not lawful ends it.
type Control struct {
	Actions []Action `yaml:"actions"`
}

// Action is one thing to do; exactly one field is set.
type Action struct {
	// Inject is a fault in its text form. It begins at once: an instant (at) in it is not looked at.
	Inject string `yaml:"inject,omitempty"`
	// Heal is a scope in which everything that lasts ends: "*", "10.0.0.1:3260", "10.0.0.1:3260#2", a host.
	Heal string `yaml:"heal,omitempty"`
}

// fault gives what an action puts into force.
func (a Action) fault() (faults.Fault, error) {
	switch {
	case (a.Inject == "") == (a.Heal == ""):
		return faults.Fault{}, errors.New("want either inject or heal")
	case a.Inject != "":
		return faults.Parse(a.Inject)
	}
	scope, err := faults.ParseScope(a.Heal)
	return faults.Fault{Verb: faults.Heal, Scope: scope}, err
}

// ParseControl reads a Control. Unknown and double fields are errors.
func ParseControl(text []byte) (*Control, error) {
	c := &Control{}
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(c)
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the body is empty")
	case err != nil:
		return nil, fmt.Errorf("the body: %s", yaml.FormatError(err, false, false))
	case len(c.Actions) == 0 || len(c.Actions) > controlActionsMax:
		return nil, fmt.Errorf("%d actions, want 1 to %d", len(c.Actions), controlActionsMax)
	}
	return c, nil
}

// Control carries out actions and returns how many.
func (p *Proxy) Control(c *Control) (done int, err error) {
	for i, a := range c.Actions {
		f, err := a.fault()
		if err == nil {
			_, err = p.Inject(faults.Plan{f})
		}
		if err != nil {
			return i, fmt.Errorf("action %d: %w", i, err)
		}
	}
	return len(c.Actions), nil
}

// Handler offers
//
//	GET  /, /status.json  the Status
//	POST /control         carries out actions; see Control
//
// By itself it takes requests from anybody: ServeStatus puts it on a serving.Page.
func (p *Proxy) Handler() http.Handler {
	mux := http.NewServeMux()
	status := func(w http.ResponseWriter, _ *http.Request) { serving.Answer(w, http.StatusOK, p.Status()) }
	mux.HandleFunc("GET /{$}", status)
	mux.HandleFunc("GET /status.json", status)
	mux.HandleFunc("POST /control", p.serveControl)
	return mux
}

func (p *Proxy) serveControl(w http.ResponseWriter, r *http.Request) {
	text, ok := serving.Body(w, r)
	if !ok {
		return
	}
	control, err := ParseControl(text)
	if err != nil {
		serving.AnswerError(w, http.StatusBadRequest, err)
		return
	}
	done, err := p.Control(control)
	switch {
	case err == nil:
		serving.Answer(w, http.StatusOK, serving.Outcome{Done: done})
	case errors.Is(err, ErrClosed):
		serving.Answer(w, http.StatusServiceUnavailable, serving.Outcome{Done: done, Error: err.Error()})
	default:
		serving.Answer(w, http.StatusUnprocessableEntity, serving.Outcome{Done: done, Error: err.Error()})
	}
}

// ServeStatus opens the status and control page at an address of loopback, "127.0.0.1:0", and serves it until the proxy ends. Errors are those
// of serving.OpenPage.
func (p *Proxy) ServeStatus(address string) error {
	page, err := serving.OpenPage(address, p.Handler())
	if err != nil {
		return err
	}
	p.mu.Lock()
	served := p.ended || p.page != nil
	if !served {
		p.page = page
	}
	p.mu.Unlock()
	if served {
		return errors.Join(errors.New("proxy: the status page is served already, or the proxy has ended"), page.Close())
	}
	return nil
}

// StatusURL is where the status page is, "" when there is none.
func (p *Proxy) StatusURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.page == nil {
		return ""
	}
	return p.page.URL()
}
