package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios/peers"
	"github.com/iscsispec/iscsispec/simtarget"
)

// target is something to measure against. start returns the URL of a disk of 64 MiB, and what ends it.
type target struct {
	name  string
	start func(context.Context) (url string, stop func(), err error)
}

var targets = []target{{"our own array", startArray}, {"tgt", startTGT}}

func startTGT(ctx context.Context) (string, func(), error) {
	t, err := peers.StartTGT(ctx, peers.TGTConfig{})
	if err != nil {
		return "", nil, err
	}
	return t.URL(0, 0), t.Stop, nil
}

// arrayVerb makes this program the array: it serves until its standard input ends, and first prints the URL of its disk.
const arrayVerb = "serve-array"

// startArray runs this program again, as the array: in one process the two would share a scheduler and a heap.
func startArray(context.Context) (string, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, arrayVerb)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop := func() {
		_ = input.Close()
		_ = cmd.Wait() // It has nothing to say at its end.
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the array's URL: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serveArray is the array's process.
func serveArray() int {
	err := func() error {
		profile, err := simtarget.Builtin("plain")
		if err != nil {
			return err
		}
		array, err := simtarget.New(profile, simtarget.Options{})
		if err != nil {
			return err
		}
		if err := array.Start(simtarget.ListenLoopback); err != nil {
			return err
		}
		fmt.Println(array.URLs()[0].String())
		_, err = io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, array.Close())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: array:", err)
		return 1
	}
	return 0
}
