package initiator

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Foreign says which initiator outside is judged.
type Foreign struct {
	// Command is a program and its arguments, run anew for each session that a check asks for. In the words {url}, {portal} and
	// {target} stand for the scripted array's; without {url} and {portal} the URL is the last word.
	Command []string
	// Has are capabilities that it is known to have, of those that nobody can find out by looking: see Askable.
	Has []scenarios.Capability
	// Seed keys what is drawn at random.
	Seed uint64

	discovery bool // learned
}

// Askable are the capabilities that an initiator outside is taken to lack unless the tester says that it has them.
func Askable() []scenarios.Capability {
	return []scenarios.Capability{"session-manager", "device-stack", "mutual-chap", "chap", "digests", "redirect", "erl1", "erl2", "multi-connection"}
}

// Seen is what was learned about an initiator before it is judged.
type Seen struct {
	// Name is the InitiatorName, Discovery tells that its first session was one.
	Name      string
	Discovery bool
	// Commands are the SCSI commands that it issued.
	Commands []scsi.Opcode
}

// ForeignError says why an initiator cannot be judged.
type ForeignError struct {
	Command []string
	Want    string
	Got     string
}

// Error names the command, what was wanted and what came.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s: want %s, got %s", strings.Join(e.Command, " "), e.Want, e.Got)
}

// learnTime bounds the run that finds out what an initiator does.
const learnTime = 30 * time.Second

// Against runs the command once against a sound array, and returns the suite that judges it. An error, a *ForeignError where the
// initiator is at fault, means that nothing can be judged.
func Against(ctx context.Context, f Foreign) (scenarios.Suite, *Seen, error) {
	if len(f.Command) == 0 {
		return scenarios.Suite{}, nil, &ForeignError{Want: "a command", Got: "none"}
	}
	for _, c := range f.Has {
		if !slices.Contains(Askable(), c) {
			return scenarios.Suite{}, nil, &ForeignError{Command: f.Command, Want: fmt.Sprintf("capabilities of %v", Askable()), Got: string(c)}
		}
	}
	path, err := found(f.Command[0])
	if err != nil {
		return scenarios.Suite{}, nil, err
	}
	f.Command = append([]string{path}, f.Command[1:]...)
	seen, err := f.learn(ctx)
	if err != nil {
		return scenarios.Suite{}, nil, err
	}
	f.discovery = seen.Discovery
	suite := Suite()
	suite.Virtual, suite.Own, suite.Embedded = false, false, false
	suite.Peer, suite.Abilities, suite.Stage = strings.Join(f.Command, " "), scenarios.Abilities{}, f.stage
	for _, c := range Askable() {
		if !slices.Contains(f.Has, c) {
			suite.Abilities[c] = scenarios.Ability{Reason: fmt.Sprintf("--has %s was not said", c)}
		}
	}
	return suite, seen, nil
}

// stage puts a log and a network of the machine's own before each check.
func (f Foreign) stage(ctx context.Context, env *scenarios.Env, run func(context.Context, *scenarios.Env) scenarios.Outcome) scenarios.Outcome {
	env.Log = trace.NewLog()
	env.Peer = &scenarios.Peer{Control: &outside{words: f.Command, log: env.Log, has: f.Has, discovery: f.discovery}}
	o := run(ctx, env)
	o.Trace, o.Duration = env.Log.Events(), env.Log.Now()
	return o
}

// learn runs the command before a sound array.
func (f Foreign) learn(ctx context.Context) (*Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	seen := new(Seen)
	look := Check{Run: func(t *T) {
		op := t.Start(Login{})
		t.Soundly(func() {
			t.until(learnTime/2, func() bool {
				t.welcome()
				return op.Ended()
			})
		})
		for _, c := range t.conns {
			if seen.Name == "" {
				seen.Name, seen.Discovery = c.Session.InitiatorName, c.Session.Discovery
			}
		}
		if r, ended := op.Result(); ended && !r.Good() {
			t.Fail(fmt.Sprintf("%v: %s", r.Err, &t.driver.(*command).present().out), "a command that succeeds before a sound array")
		}
		if seen.Name == "" {
			t.Fail("no login", "a command that logs in")
		}
	}}
	env := &scenarios.Env{Check: &scenarios.Check{}, Seed: f.Seed}
	o := f.stage(ctx, env, look.run)
	if o.Verdict != scenarios.Pass {
		return nil, &ForeignError{Command: f.Command, Want: strings.Join(o.Accepted, " or "), Got: cmp.Or(o.Actual, o.Reason)}
	}
	for _, p := range trace.Events(o.Trace).OfNode(trace.NodeTarget).OfKind(trace.KindPDUReceived).PDUs() {
		if code, is := commandOf(p); is && !slices.Contains(seen.Commands, code) {
			seen.Commands = append(seen.Commands, code)
		}
	}
	return seen, nil
}

// outside is the rig of an initiator on this machine, over TCP on the loopback interface.
type outside struct {
	words []string
	log   *trace.Log
	has   []scenarios.Capability
	// discovery tells that the initiator's first session is a Discovery session.
	discovery bool
}

func (o *outside) links() *faults.Network { return nil }

func (o *outside) listen(letter string) (*portal, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return newPortal(letter, l)
}

// tap records what passes on a connection.
func (o *outside) tap(raw net.Conn, number int) net.Conn {
	return o.log.Tap(raw, trace.NodeTarget, fmt.Sprintf("%s#%d", raw.LocalAddr(), number))
}

func (o *outside) driver(t *T, s *Settings) (Driver, error) {
	u := iscsi.URL{Portal: t.Portal("A"), Target: t.Base.Target, HasLUN: true}
	switch c := s.Defaults.CHAP; {
	case c != nil:
		u.User, u.Password, u.TargetUser, u.TargetPassword = c.Name, c.Secret, c.TargetName, c.TargetSecret
	case t.Base.CHAP != nil:
		u.User, u.Password = t.Base.CHAP.User.Name, t.Base.CHAP.User.Secret
	}
	return &command{t: t, words: spelled(o.words, u), discovery: o.discovery}, nil
}

// declared tells whether the tester said that an external initiator has a capability; the own one has all.
func (t *T) declared(c scenarios.Capability) bool {
	o, is := t.rig.(*outside)
	return !is || slices.Contains(o.has, c)
}
