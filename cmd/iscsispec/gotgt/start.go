package gotgt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// startTime bounds Start where its context does not; stopTime is what a child gets to end by itself before it is killed, and drainTime
// what its last words may take behind its end.
const (
	startTime = 2 * time.Minute
	stopTime  = 2 * time.Second
	drainTime = 30 * time.Second
)

// Child is a running gotgt. Stop ends it.
type Child struct {
	URL          string // iscsi://127.0.0.1:PORT/TargetName/0
	Address      string // 127.0.0.1:PORT
	LoopbackOnly bool   // no other machine can reach the target

	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	log   *tail
	ended chan struct{} // closed when the process has been waited for
	once  sync.Once
}

// StartError says why no child came up.
type StartError struct {
	Doing string // what was being done
	Err   error
	Log   string // the end of what the child wrote to its standard error
}

// Error tells all three.
func (e *StartError) Error() string {
	text := fmt.Sprintf("gotgt child: %s: %v", e.Doing, e.Err)
	if e.Log != "" {
		text += "\n" + e.Log
	}
	return text
}

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// Start runs executable, this program's own file, with Verb, and returns when the target accepts connections. The disk has size bytes, a
// positive multiple of 512, all zeros, in a sparse file in a new temporary directory. The context bounds the start only, as do two minutes. The
// caller calls Stop. Errors are a *StartError.
func Start(ctx context.Context, executable string, size int64) (*Child, error) {
	dir, err := os.MkdirTemp("", "iscsispec-gotgt-")
	if err != nil {
		return nil, &StartError{Doing: "make a temporary directory", Err: err}
	}
	c := &Child{dir: dir, log: &tail{}, ended: make(chan struct{})}
	c.cmd = exec.Command(executable, Verb, "--dir", dir, "--size", strconv.FormatInt(size, 10))
	c.cmd.Stderr = c.log
	c.cmd.WaitDelay = drainTime
	groupOfItsOwn(c.cmd)
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, c.failed("make a pipe", err)
	}
	c.stdin = stdin
	reader, writer, err := os.Pipe() // not StdoutPipe, which Wait would close under the reader
	if err != nil {
		return nil, c.failed("make a pipe", err)
	}
	defer reader.Close()
	c.cmd.Stdout = writer
	err = c.cmd.Start()
	writer.Close()
	if err != nil {
		return nil, c.failed("start "+executable, err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended shows in what it wrote
		close(c.ended)
	}()
	if err := c.awaitAddress(ctx, reader); err != nil {
		c.Stop()
		return nil, &StartError{Doing: "wait until it accepts connections", Err: err, Log: c.log.String()}
	}
	return c, nil
}

// failed cleans up before there was a process.
func (c *Child) failed(doing string, err error) error {
	_ = os.RemoveAll(c.dir)
	if c.stdin != nil {
		c.stdin.Close()
	}
	return &StartError{Doing: doing, Err: err}
}

// awaitAddress reads the first line of the child's standard output.
func (c *Child) awaitAddress(ctx context.Context, stdout *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = stdout.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(stdout, 256)).ReadString('\n')
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the child ended before it listened")
	}
	if err != nil {
		return err
	}
	address, reach, _ := strings.Cut(strings.TrimSpace(line), " ")
	if _, err := netip.ParseAddrPort(address); err != nil || reach != reachLoopback && reach != reachEverywhere {
		return fmt.Errorf("the child's first line is %q, want an address and its reach", line)
	}
	c.Address, c.LoopbackOnly = address, reach == reachLoopback
	c.URL = "iscsi://" + address + "/" + TargetName + "/0"
	return nil
}

// Stop ends the child, kills it with its process group when it does not end by itself, and removes its files. It may be called several
// times and from several goroutines; all return when the child is gone.
func (c *Child) Stop() {
	c.once.Do(func() {
		c.stdin.Close()
		timer := time.NewTimer(stopTime)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
			killGroup(c.cmd)
			<-c.ended
		}
		_ = os.RemoveAll(c.dir)
	})
	<-c.ended
}

// Ended is closed when the child is gone, be it by Stop or by itself.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Log returns the end of what the child wrote to its standard error, at most 16 KiB.
func (c *Child) Log() string { return c.log.String() }

// tail keeps the last part of what is written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

const tailSize = 16 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if over := len(t.last) - tailSize; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last)
}
