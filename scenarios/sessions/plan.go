package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/faults"
)

// Limits of a plan, so that a generated one cannot run away.
const (
	stepsMax  = 10_000  // steps in one list
	repeatMax = 100_000 // rounds of a Repeat, requests of a Submit
	depthMax  = 4       // Repeats in Repeats
	// workersMax is the largest number of workers of a Load.
	workersMax = 256
)

// Plan is one run as plain data: what the arrays are, what the initiator is asked, what happens to the links, and when. A plan prints as YAML and
// reads back to an equal plan. The zero value of every field means the default that a user would get.
//
// Instants count from the start of the run. Steps happen one after the other, in the order in which they stand; faults happen on
// their own.
type Plan struct {
	// Name tells the runs of one check apart: "run 2: TCP accepted, login unanswered".
	Name string `yaml:"name,omitempty"`
	// Arrays are the simulated arrays; none means one plain array.
	Arrays []Array `yaml:"arrays,omitempty"`
	// Initiator is how the initiator is configured. A check of a default leaves it empty.
	Initiator Initiator `yaml:"initiator,omitempty"`
	// Names are DNS names that resolve.
	Names []HostName `yaml:"names,omitempty"`
	// Steps are what the driver does.
	Steps []Step `yaml:"steps"`
	// Faults are put into force at the start of the run. Each has to fire, else a pass is inconclusive.
	Faults []faults.Fault `yaml:"faults,omitempty"`
	// Until is when the run ends; it never ends before its steps have.
	Until time.Duration `yaml:"until,omitempty"`
}

// HostName is a DNS name and the IP address that it resolves to.
type HostName struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
}

// Initiator is how the initiator under test is configured. What is left zero is left to the initiator.
type Initiator struct {
	// Name is the iSCSI name; empty means InitiatorName.
	Name string `yaml:"name,omitempty"`
	// Ports is the number of initiator ports; 0 means 1. Port i has the address 10.0.1.i and the name "port-i", counted from 1.
	Ports int `yaml:"ports,omitempty"`
	// Defects are what is wrong with it, by their places in initiator.Deviations, such as "Queue.ReplayFinished"; they are added to those of
	// Options. A sound initiator has none.
	Defects []string `yaml:"defects,flow,omitempty"`
	// Seed feeds the initiator's own randomness; 0 means one of the run's own.
	Seed uint64 `yaml:"seed,omitempty"`
	// Settings are the ones that can change at run time too, see [Set].
	Settings `yaml:",inline"`
	// Login is what sessions offer unless their login says otherwise.
	Login LoginSettings `yaml:"login,omitempty"`
}

// Settings are what the session manager goes by. They hold for existing sessions too.
type Settings struct {
	// Interval is the time from the start of one login attempt to the start of the next.
	Interval time.Duration `yaml:"interval,omitempty"`
	// Jitter is the largest share by which a gap between attempts may differ from the interval, 0 to 0.2.
	Jitter float64 `yaml:"jitter,omitempty"`
	// PortalFailover lets attempts go to the other portals of the session's portal group too.
	PortalFailover bool `yaml:"portal-failover,omitempty"`
	// PathPolicy is first-path or round-robin.
	PathPolicy string `yaml:"path-policy,omitempty"`
	// Removal is how long devices stay after a loss: "" for the default, "never", or a duration such as "0s".
	Removal string `yaml:"removal,omitempty"`
	// BootRemoval is the same for the boot device of boot sessions.
	BootRemoval string `yaml:"boot-removal,omitempty"`
	// QueueEntries and QueueBytes bound the queue of each session that is down.
	QueueEntries int   `yaml:"queue-entries,omitempty"`
	QueueBytes   int64 `yaml:"queue-bytes,omitempty"`
}

// LoginSettings are what a login offers and how long it waits.
type LoginSettings struct {
	// HeaderDigest and DataDigest are preference lists of CRC32C and None.
	HeaderDigest []string `yaml:"header-digest,flow,omitempty"`
	DataDigest   []string `yaml:"data-digest,flow,omitempty"`
	// CHAP makes authentication required.
	CHAP *CHAP `yaml:"chap,omitempty"`
	// LoginTimeout bounds one login attempt at one portal.
	LoginTimeout time.Duration `yaml:"login-timeout,omitempty"`
	// PingInterval and PingTimeout say how a silent link is noticed; Never as PingInterval switches pings off.
	PingInterval time.Duration `yaml:"ping-interval,omitempty"`
	PingTimeout  time.Duration `yaml:"ping-timeout,omitempty"`
	// LogoutTimeout bounds the wait for a Logout Response.
	LogoutTimeout time.Duration `yaml:"logout-timeout,omitempty"`
	// CommandTimeout bounds the wait for the answer to a SCSI command that was sent.
	CommandTimeout time.Duration `yaml:"command-timeout,omitempty"`
	// FreshISID draws another ISID for every login.
	FreshISID bool `yaml:"fresh-isid,omitempty"`
	// Offers replace the operational keys that are offered, "Key=Value" each, in their order.
	Offers []string `yaml:"offers,omitempty"`
}

// Never switches an interval off.
const Never time.Duration = -1

// CHAP are the credentials of a login. With a TargetSecret the authentication is mutual. The secrets of a plan are no secrets.
type CHAP struct {
	Name         string `yaml:"name"`
	Secret       string `yaml:"secret"`
	TargetName   string `yaml:"target-name,omitempty"`
	TargetSecret string `yaml:"target-secret,omitempty"`
}

// Step is one thing that the driver does, or starts to do.
type Step struct {
	// Label names the step for later steps and for judges. Steps may share a label: a later one takes it over.
	Label string `yaml:"label,omitempty"`
	// After and At say when: At alone is an instant of the run, After alone is when the labelled step has ended, and both together are At after
	// the end of the labelled step. Without either the step happens when the one before it is done. A step whose instant has passed
	// happens at once, and makes the run inconclusive.
	After string        `yaml:"after,omitempty"`
	At    time.Duration `yaml:"at,omitempty"`
	// Async starts the step and goes on; the driver waits for its end no longer than until the end of the run.
	Async bool `yaml:"async,omitempty"`
	// Deadline is how long whoever asks is ready to wait: the op gets a context with that timeout. 0 means for ever.
	Deadline time.Duration `yaml:"deadline,omitempty"`
	// Do is what is done.
	Do Op `yaml:"-"`
}

// Op is something that the driver can do. The ops are the exported types of this package that implement it; each is plain data. An op is an
// action, a command or made of others.
type Op interface {
	// OpName is the op's name in YAML and in the trace.
	OpName() string
}

// MarshalYAML gives the step's fields in order, then "do" and, unless all its fields are zero, "with".
func (s Step) MarshalYAML() (any, error) {
	if s.Do == nil {
		return nil, errors.New("a step does nothing")
	}
	m := yaml.MapSlice{}
	add := func(key string, value any, present bool) {
		if present {
			m = append(m, yaml.MapItem{Key: key, Value: value})
		}
	}
	add("label", s.Label, s.Label != "")
	add("after", s.After, s.After != "")
	add("at", s.At, s.At != 0)
	add("async", true, s.Async)
	add("deadline", s.Deadline, s.Deadline != 0)
	add("do", s.Do.OpName(), true)
	add("with", s.Do, !isZero(s.Do))
	return m, nil
}

// UnmarshalYAML is the inverse of MarshalYAML. Unknown fields and ops are errors.
func (s *Step) UnmarshalYAML(b []byte) error {
	var raw struct {
		Label    string          `yaml:"label"`
		After    string          `yaml:"after"`
		At       time.Duration   `yaml:"at"`
		Async    bool            `yaml:"async"`
		Deadline time.Duration   `yaml:"deadline"`
		Do       string          `yaml:"do"`
		With     yaml.RawMessage `yaml:"with"`
	}
	if err := yaml.UnmarshalWithOptions(b, &raw, yaml.Strict()); err != nil {
		return err
	}
	op, err := parseOp(raw.Do, raw.With)
	if err != nil {
		return err
	}
	*s = Step{Label: raw.Label, After: raw.After, At: raw.At, Async: raw.Async, Deadline: raw.Deadline, Do: op}
	return nil
}

// String is the plan's YAML.
func (p Plan) String() string {
	b, err := yaml.Marshal(p)
	if err != nil {
		return fmt.Sprintf("# %v\n", err)
	}
	return string(b)
}

// Line is the plan in one line, which ParsePlan reads as it does the plan's String: YAML in its flow style.
func (p Plan) Line() string {
	b, err := yaml.MarshalWithOptions(p, yaml.Flow(true))
	if err != nil {
		return fmt.Sprintf("# %v", err)
	}
	return strings.TrimSpace(string(b))
}

// ParsePlan reads a plan's YAML. Errors name the line.
func ParsePlan(text []byte) (Plan, error) {
	var p Plan
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return Plan{}, fmt.Errorf("sessions: plan: %w", err)
	}
	return p, p.Validate()
}

// Validate tells what makes a plan impossible to run: an unknown label, an impossible number, a step without an op.
func (p Plan) Validate() error {
	var complaints []error
	for _, f := range p.Faults {
		complaints = append(complaints, f.Validate())
	}
	if len(p.Steps) == 0 {
		complaints = append(complaints, errors.New("no steps"))
	}
	if p.Initiator.Ports < 0 || p.Initiator.Ports > portsMax {
		complaints = append(complaints, fmt.Errorf("%d initiator ports: want 0 to %d", p.Initiator.Ports, portsMax))
	}
	known := map[string]bool{}
	complaints = append(complaints, validateSteps(p.Steps, known, 0)...)
	if err := errors.Join(complaints...); err != nil {
		return fmt.Errorf("sessions: plan %q: %w", p.Name, err)
	}
	return nil
}

func validateSteps(steps []Step, known map[string]bool, depth int) []error {
	if len(steps) > stepsMax || depth > depthMax {
		return []error{fmt.Errorf("%d steps at depth %d: want at most %d, and %d deep", len(steps), depth, stepsMax, depthMax)}
	}
	var complaints []error
	for i, s := range steps {
		bad := func(format string, args ...any) {
			complaints = append(complaints, fmt.Errorf("step %d (%s): %s", i+1, s.Label, fmt.Sprintf(format, args...)))
		}
		if s.Do == nil {
			bad("it does nothing")
			continue
		}
		if s.After != "" && !known[s.After] {
			bad("no step before it has the label %q", s.After)
		}
		if s.At < 0 || s.Deadline < 0 {
			bad("an instant or a deadline is negative")
		}
		if r, ok := s.Do.(refersTo); ok {
			for _, label := range r.labels() {
				if parent, _ := numbered(label); label != "" && !known[label] && !known[parent] {
					bad("no step before it has the label %q", label)
				}
			}
		}
		switch op := s.Do.(type) {
		case Repeat:
			if op.Times < 1 || op.Times > repeatMax {
				bad("%d rounds: want 1 to %d", op.Times, repeatMax)
			}
			complaints = append(complaints, validateSteps(op.Steps, known, depth+1)...)
		case Poll:
			if op.Every <= 0 || op.For <= 0 || op.For/op.Every > repeatMax {
				bad("poll every %v for %v: want two durations above 0, and at most %d rounds", op.Every, op.For, repeatMax)
			}
			complaints = append(complaints, validateSteps([]Step{op.Do}, known, depth+1)...)
		case Submit:
			if op.Count < 1 || op.Count > repeatMax {
				bad("%d requests: want 1 to %d", op.Count, repeatMax)
			}
			if op.template() == nil {
				bad("it needs exactly one template: read, write or test-unit-ready")
			}
		case Load:
			if op.For <= 0 || op.Workers < 0 || op.Workers > workersMax {
				bad("load of %d workers for %v: want at most %d, and a duration above 0", op.Workers, op.For, workersMax)
			}
		}
		if s.Label != "" {
			known[s.Label] = true
		}
	}
	return complaints
}

// refersTo is for ops that name other steps by their labels.
type refersTo interface{ labels() []string }

// clone copies a plan so that changing the copy's lists leaves the original alone.
func (p Plan) clone() Plan {
	p.Arrays = slices.Clone(p.Arrays)
	p.Names = slices.Clone(p.Names)
	p.Steps = slices.Clone(p.Steps)
	p.Faults = slices.Clone(p.Faults)
	return p
}
