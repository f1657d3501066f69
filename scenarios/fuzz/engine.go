package fuzz

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// FlowError is what a fuzz target fails with: a flow that found something.
type FlowError struct {
	Flow    Flow
	Finding Finding
}

// Error is the finding and the line that replays it.
func (e *FlowError) Error() string { return e.Finding.Error() + "\n" + ReplayLine(e.Flow, "") }

// Unwrap returns the finding.
func (e *FlowError) Unwrap() error { return &e.Finding }

// TargetBytes runs the flow that the input of a fuzzing engine stands for against our own array. T is the fuzz target's (see Lent). The error
// is a *FlowError, or what RunTarget gives.
func TargetBytes(t any, data []byte) error {
	c := &Bytes{Left: data}
	set := setups[c.Choose("setup", len(setups))]
	f := DrawTarget(c, set)
	finding, err := RunTarget(f, Options{T: Lent(t)})
	var wrong *ParseError
	switch {
	case finding != nil:
		return &FlowError{f, *finding}
	case errors.As(err, &wrong):
		return nil
	}
	return err
}

// Lent is the T that bubbles run under: t itself where it is a *testing.T. Fuzzing services build fuzz targets with a type of their own in its
// place, and without the rest of the testing package; there the process starts one test that never ends, and its T is lent.
func Lent(t any) *testing.T {
	if own, is := t.(*testing.T); is {
		return own
	}
	return lent()
}

var lent = sync.OnceValue(func() *testing.T {
	begun := make(chan *testing.T)
	go func() {
		_ = flag.CommandLine.Parse(nil) // The command line is the fuzzing engine's.
		all := func(string, string) (bool, error) { return true, nil }
		testing.Main(all, []testing.InternalTest{{Name: "flows", F: func(t *testing.T) {
			begun <- t
			select {}
		}}}, nil, nil)
	}()
	return <-begun
})

// Seeds reads the inputs that a fuzz target begins with, from the folder testdata/seeds of its package; none where that is not at hand.
func Seeds() [][]byte {
	var seeds [][]byte
	paths, _ := filepath.Glob("testdata/seeds/*") // The pattern is right.
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil {
			seeds = append(seeds, b)
		}
	}
	return seeds
}
