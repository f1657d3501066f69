package peers

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Limits of one run of a tool. drainTime is how long its output may take to come behind its end: one that it has started may hold it open.
const (
	runTime    = 5 * time.Minute
	drainTime  = 30 * time.Second
	outputSize = 1 << 20
)

// RunError says that a tool failed, with all that it wrote.
type RunError struct {
	Command []string
	Err     error
	Output  string
}

// Error gives the command line, what went wrong, and the output. A secret in a URL shows: these are for tests.
func (e *RunError) Error() string {
	return fmt.Sprintf("%s: %v\n%s", strings.Join(e.Command, " "), e.Err, e.Output)
}

// Unwrap returns Err.
func (e *RunError) Unwrap() error { return e.Err }

// Run runs a program and returns what it wrote to its standard output and error, together and in order, the first MiB of it. It is killed
// with its process group after five minutes, or when the context ends. Errors are a *MissingError or a *RunError.
func Run(ctx context.Context, program string, args ...string) (string, error) {
	return run(ctx, nil, program, args...)
}

func run(ctx context.Context, environment []string, program string, args ...string) (string, error) {
	path, err := Find(program)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = environment
	cmd.WaitDelay = drainTime
	groupOfItsOwn(cmd)
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w after at most %v", context.Cause(ctx), runTime)
	}
	if err != nil {
		return out.String(), &RunError{Command: append([]string{program}, args...), Err: err, Output: out.String()}
	}
	return out.String(), nil
}

// output keeps the first outputSize bytes that are written to it.
type output struct {
	mu    sync.Mutex
	bytes []byte
}

var _ io.Writer = (*output)(nil)

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes = append(o.bytes, p[:min(len(p), outputSize-len(o.bytes))]...)
	return len(p), nil
}

// String returns what is kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.bytes)
}
