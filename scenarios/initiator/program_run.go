package initiator

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Program is one run of the command line of an initiator outside.
type Program struct{ p *process }

// StartProgram runs a command line as Foreign.Command has it, with the address of a target in place of {url}, {portal} and {target}. Its beginning and its
// end are notes in the log. The caller calls Kill.
func StartProgram(words []string, u iscsi.URL, log *trace.Log) (*Program, error) {
	if len(words) == 0 {
		return nil, &ForeignError{Want: "a command", Got: "none"}
	}
	path, err := found(words[0])
	if err != nil {
		return nil, err
	}
	p, err := begin(spelled(append([]string{path}, words[1:]...), u), log, func() {})
	if err != nil {
		return nil, err
	}
	return &Program{p}, nil
}

// Done is closed when it has ended.
func (r *Program) Done() <-chan struct{} { return r.p.done }

// Err tells how it has ended, nil for exit status 0; valid once Done is closed.
func (r *Program) Err() error { return r.p.err }

// Output is the end of what it has printed.
func (r *Program) Output() string { return r.p.out.String() }

// Kill ends it, and what it has started, where it still runs, and waits until nothing of it does.
func (r *Program) Kill() {
	if !r.p.ended() {
		killGroup(r.p.cmd)
	}
	<-r.p.done
}
