package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Placeholders in the words of a command. Where a command has neither of the first two, the URL is its last word.
const (
	placeURL    = "{url}"    // iscsi://host:port/target/0, with credentials where the array asks for them
	placePortal = "{portal}" // host:port
	placeTarget = "{target}" // the target's name
)

// lastWords is how much of a command's output is kept, in bytes: its end.
const lastWords = 4 << 10

// command drives an initiator outside by running a command line anew whenever an operation asks for a session. Whatever the operation, the
// command does what it does.
type command struct {
	t     *T
	words []string
	// discovery tells that its first session is a Discovery session.
	discovery bool

	mu     sync.Mutex // never held while waiting
	latest *process
	closed bool
}

// process is one run of the command.
type process struct {
	cmd  *exec.Cmd
	out  tail
	done chan struct{}
	err  error // valid when done is closed
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// crash names the signal that ended the process by its own fault; "" where none did.
func (p *process) crash() string {
	var exit *exec.ExitError
	if !p.ended() || !errors.As(p.err, &exit) {
		return ""
	}
	return crashSignal(exit)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	b.text = b.text[max(0, len(b.text)-lastWords):]
	return len(p), nil
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(bytes.TrimSpace(b.text))
}

// Has tells whether the command may do an operation: those of a session and its commands, one and all.
func (d *command) Has(op Op) bool {
	switch op := op.(type) {
	case Login:
		return op.Kind != ini.Discovery || d.discovery
	case Discover:
		return d.discovery
	case Logout, Read, Write, Inquiry, ReportLUNs, ReadCapacity, TestUnitReady:
		return true
	}
	return false
}

// Do joins the run of the command that is under way, or begins one, and waits for its end. An exit status other than 0 is the result's
// error.
func (d *command) Do(ctx context.Context, op Op, _ *Pending) Result {
	if !d.Has(op) {
		return Result{Err: ErrNoOp}
	}
	p, err := d.running()
	if err != nil {
		return Result{Err: err}
	}
	select {
	case <-p.done:
		return Result{Err: p.err}
	case <-ctx.Done():
		return Result{Err: context.Cause(ctx)}
	}
}

func (d *command) running() (*process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, context.Canceled
	}
	if d.latest != nil && !d.latest.ended() {
		return d.latest, nil
	}
	p, err := begin(d.words, d.t.env.Log, d.t.ring)
	if err != nil {
		return nil, err
	}
	d.latest = p
	return p, nil
}

// begin runs a command, and calls ended when it is over.
func begin(words []string, log *trace.Log, ended func()) (*process, error) {
	p := &process{cmd: exec.Command(words[0], words[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = &p.out, &p.out, 10*time.Second
	groupOfItsOwn(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	log.Note(trace.NodeDriver, "the command begins")
	go func() {
		p.err = p.cmd.Wait()
		reason := "the command ended with exit status 0"
		if p.err != nil {
			reason = fmt.Sprintf("the command ended: %v: %s", p.err, &p.out)
		}
		log.Note(trace.NodeDriver, reason)
		close(p.done)
		ended()
	}()
	return p, nil
}

// Close kills what still runs, and waits for it.
func (d *command) Close() {
	d.mu.Lock()
	p := d.latest
	d.closed = true
	d.mu.Unlock()
	if p == nil {
		return
	}
	if !p.ended() {
		killGroup(p.cmd)
	}
	<-p.done
}

// present is the run under way or over; nil before the first.
func (d *command) present() *process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.latest
}

// through tells whether an external initiator has ended by itself, so that nothing more can come of it. It is never so with the own one.
func (t *T) through() bool {
	d, is := t.driver.(*command)
	if !is {
		return false
	}
	p := d.present()
	return p != nil && p.ended()
}

// satisfied tells whether an external initiator has ended with all that it wanted, or logged out to do so.
func (t *T) satisfied() bool {
	d, is := t.driver.(*command)
	if !is {
		return false
	}
	for _, c := range t.conns {
		if c.left {
			return true
		}
	}
	p := d.present()
	return p != nil && p.ended() && p.err == nil
}

// crashed notes it when an external initiator was ended by a fault of its own.
func (t *T) crashed() {
	d, is := t.driver.(*command)
	if !is {
		return
	}
	if p := d.present(); p != nil {
		if signal := p.crash(); signal != "" {
			t.Fault(fmt.Sprintf("the command ended by %s: %s", signal, &p.out), "an initiator that does not crash")
		}
	}
}

// spelled puts the array's address into the words of a command.
func spelled(words []string, u iscsi.URL) []string {
	place := strings.NewReplacer(placeURL, u.Reveal(), placePortal, u.Portal.HostPort(), placeTarget, u.Target)
	named := false
	var out []string
	for _, w := range words {
		named = named || strings.Contains(w, placeURL) || strings.Contains(w, placePortal)
		out = append(out, place.Replace(w))
	}
	if !named {
		out = append(out, u.Reveal())
	}
	return out
}

// found is the path of a program, looked for as a shell would.
func found(program string) (string, error) {
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s: %w", program, os.ErrNotExist)
	}
	return path, err
}
