package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/peers"
)

// target is a process to measure. start returns it with a disk of 64 MiB.
type target struct {
	name  string
	start func(ctx context.Context, program string) (*running, error)
}

// running is a target that was started. stop ends it.
type running struct {
	url  string // Of its disk; "tcp://ADDRESS" for the raw exchange.
	pid  int
	stop func()
}

// raw reports whether it is the raw exchange.
func (r *running) raw() bool { return strings.HasPrefix(r.url, rawScheme) }

const rawScheme = "tcp://"

var (
	arrayTarget = target{"array", startArray}
	tgtTarget   = target{"tgt", startTGT}
	gotgtTarget = target{"gotgt", startGotgt}
	rawTarget   = target{"raw", startRaw}
)

// diskSize is that of every disk, in bytes.
const diskSize = 64 << 20

func startTGT(ctx context.Context, _ string) (*running, error) {
	t, err := peers.StartTGT(ctx, peers.TGTConfig{})
	if err != nil {
		return nil, err
	}
	return &running{url: t.URL(0, 0), pid: t.PID(), stop: t.Stop}, nil
}

func startArray(_ context.Context, program string) (*running, error) {
	r, line, err := child(os.Interrupt, program, "serve", "plain", "--grace", "0")
	if err == nil {
		r.url = line
	}
	return r, err
}

// startGotgt uses the hidden verb with which iscsispec becomes a gotgt target.
func startGotgt(_ context.Context, program string) (*running, error) {
	dir, err := os.MkdirTemp("", "iscsispec-gotgt-")
	if err != nil {
		return nil, err
	}
	r, line, err := child(nil, program, "gotgt-child", "--dir", dir, "--size", fmt.Sprint(diskSize))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	end := r.stop
	r.stop = func() { end(); _ = os.RemoveAll(dir) }
	address, _, _ := strings.Cut(line, " ")
	r.url = "iscsi://" + address + "/iqn.2026-11.io.github.iscsispec:gotgt/0"
	return r, nil
}

// startRaw runs this program again: see serveRaw.
func startRaw(context.Context, string) (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, line, err := child(nil, self, rawVerb)
	if err == nil {
		r.url = rawScheme + line
	}
	return r, err
}

// stopTime is what a child gets to end by itself.
const stopTime = 10 * time.Second

// child starts a program that ends on a signal, or at the end of its standard input where the signal is nil, and reads its first line.
func child(end os.Signal, program string, args ...string) (*running, string, error) {
	cmd := exec.Command(program, args...)
	cmd.WaitDelay = stopTime
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	r := &running{pid: cmd.Process.Pid, stop: func() {
		if end != nil {
			_ = cmd.Process.Signal(end) // It may be gone.
		}
		_ = input.Close()
		kill := time.AfterFunc(stopTime, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait() // It has nothing to say at its end.
	}}
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err != nil {
		r.stop()
		return nil, "", fmt.Errorf("%s %s: its first line: %w", program, args[0], err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // Until it ends.
	return r, strings.TrimSpace(line), nil
}
