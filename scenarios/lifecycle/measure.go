package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	"github.com/iscsispec/iscsispec/trace"
)

// The defaults and bounds of Options, and how long is watched when the initiator is back.
const (
	DefaultReach = 10 * time.Second
	DefaultWatch = 20 * time.Second
	learnTime    = 10 * time.Second
	settle       = 1500 * time.Millisecond
	// heldMax is which command of a session is held at the latest.
	heldMax = 8
)

// Options say what is measured.
type Options struct {
	// Command is the initiator's command line, as initiator.Foreign.Command has it.
	Command []string
	// Reach is how long it has until its session is in use; 0 means DefaultReach. Watch is how long is watched after the cut; 0 means DefaultWatch.
	Reach, Watch time.Duration
	// Kinds are the names of those to be tried; none means all.
	Kinds []string
}

// UnmeasuredError says why an initiator cannot be measured.
type UnmeasuredError struct{ Want, Got string }

// Error tells what was wanted and what came.
func (e *UnmeasuredError) Error() string { return fmt.Sprintf("want %s, got %s", e.Want, e.Got) }

// Measure runs the command once before a sound array, and then once for each kind, and hands out each measurement as it is made. Errors are about the
// command, an *UnmeasuredError where it does not come to use a session, or those of hand.
func Measure(ctx context.Context, o Options, hand func(*Measurement) error) error {
	if o.Reach == 0 {
		o.Reach = DefaultReach
	}
	if o.Watch == 0 {
		o.Watch = DefaultWatch
	}
	held, err := learn(ctx, o)
	if err != nil {
		return err
	}
	for _, k := range Kinds() {
		if len(o.Kinds) > 0 && !slices.Contains(o.Kinds, k.Name) {
			continue
		}
		m, err := measure(ctx, o, k, held)
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := hand(m); err != nil {
			return err
		}
	}
	return nil
}

// Longest bounds the time that Measure takes with these options.
func (o Options) Longest() time.Duration {
	reach, watch := o.Reach, o.Watch
	if reach == 0 {
		reach = DefaultReach
	}
	if watch == 0 {
		watch = DefaultWatch
	}
	const ending = 5 * time.Second // programs are killed, connections reset
	return learnTime + ending + time.Duration(cmp.Or(len(o.Kinds), len(Kinds())))*(reach+watch+ending)
}

// learn runs the command before a sound array, and tells which command of its session is to be held: one in the middle of its work.
func learn(ctx context.Context, o Options) (held int, err error) {
	s, err := newStage()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	u, err := s.url()
	if err != nil {
		return 0, err
	}
	program, err := initiator.StartProgram(o.Command, u, s.log)
	if err != nil {
		return 0, err
	}
	defer program.Kill()
	logins, discovery := 0, false
	s.await(ctx, program, learnTime, func(e trace.Event) bool {
		switch {
		case e.Kind != trace.KindTarget:
		case e.State == "session-opened":
			kind, _ := e.Attr("kind")
			discovery = kind == "Discovery"
			logins++
		case e.State == "command":
			held++
		}
		return held == heldMax
	})
	switch {
	case logins == 0:
		return 0, &UnmeasuredError{Want: "a command that logs in", Got: "no login: " + program.Output()}
	case held == 0 && discovery:
		return 0, &UnmeasuredError{Want: "a command that uses logical units", Got: "a Discovery session alone, which is never re-established"}
	case held == 0:
		return 0, &UnmeasuredError{Want: "a command that uses logical units", Got: "a session without a SCSI command"}
	}
	return held, nil
}

// measure runs the command once, and disturbs its session once.
func measure(ctx context.Context, o Options, k Kind, held int) (m *Measurement, err error) {
	s, err := newStage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	u, err := s.url()
	if err == nil {
		err = s.prepare(k, held)
	}
	if err != nil {
		return nil, err
	}
	program, err := initiator.StartProgram(o.Command, u, s.log)
	if err != nil {
		return nil, err
	}
	defer program.Kill()
	m = &Measurement{Kind: k.Name, About: k.About, Plan: k.text()}
	if !s.await(ctx, program, o.Reach, func(e trace.Event) bool { return e.Kind == trace.KindTarget && e.State == "command-held" }) {
		m.Unclear = fmt.Sprintf("no session came to its command %d, where the cut was to be", held)
		m.Program, m.Events = ending(program), s.recorder.whole()
		return m, nil
	}
	struck := s.log.Now()
	if err := s.strike(k); err != nil {
		return nil, err
	}
	back := func(e trace.Event) bool { return e.At > struck && returned(e) }
	if s.await(ctx, program, o.Watch, back) {
		s.await(ctx, program, settle, func(trace.Event) bool { return false })
	}
	over := s.log.Now()
	m.Program = ending(program)
	program.Kill()
	m.Events = s.recorder.whole()
	m.read(m.Events.Between(0, over), struck, over)
	return m, nil
}

// returned tells whether a session was opened, at the array, that is a Normal one.
func returned(e trace.Event) bool {
	kind, _ := e.Attr("kind")
	return e.Kind == trace.KindTarget && e.State == "session-opened" && kind == "Normal"
}

// ending tells how a program has ended.
func ending(p *initiator.Program) string {
	select {
	case <-p.Done():
		if err := p.Err(); err != nil {
			return err.Error()
		}
		return "exit status 0"
	default:
		return "still running"
	}
}

// text prints what a kind does, for whoever wants to do it again.
func (k Kind) text() string {
	words := k.faults
	if k.action != nil {
		words = k.action.String()
	}
	if k.next != nil {
		words += "\nnext login: redirected"
	}
	return words
}

// asksForLogout tells whether a PDU asks for a logout.
func asksForLogout(p pdu.PDU) (within time.Duration, is bool) {
	if a, ok := p.(*pdu.AsyncMessage); ok && a.Event == pdu.AsyncLogoutRequest {
		return time.Duration(a.Parameter3) * time.Second, true
	}
	return 0, false
}
