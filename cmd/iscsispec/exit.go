package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
)

// exitStatus is what the process leaves with. It is never a count.
type exitStatus int

// The statuses, as the manual lists them.
const (
	exitExpected     exitStatus = 0   // everything selected behaved as expected
	exitFindings     exitStatus = 1   // a failure, or a baseline entry that no longer holds
	exitUsage        exitStatus = 2   // usage or configuration
	exitUnreachable  exitStatus = 3   // the peer could not be reached or judged
	exitInconclusive exitStatus = 4   // nothing failed, but something stayed inconclusive
	exitEmpty        exitStatus = 5   // the selection matched nothing
	exitDefect       exitStatus = 70  // a defect of the tool
	exitInterrupted  exitStatus = 130 // interrupted; the records so far are whole
)

// statusError is an error that knows the status to leave with. Quiet ones were told already.
type statusError struct {
	status exitStatus
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// usageError is a complaint about what the user gave.
func usageError(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

// unreachable is a peer that could not be reached or judged.
func unreachable(format string, args ...any) error {
	return &statusError{exitUnreachable, fmt.Errorf(format, args...)}
}

// leave ends a verb with a status and nothing more to say.
func leave(status exitStatus) error {
	if status == exitExpected {
		return nil
	}
	return &statusError{status: status}
}

// statusOf finds the status of an error. Errors that no verb classed are cobra's complaints about the command line.
func statusOf(err error) exitStatus {
	var own *statusError
	var empty *scenarios.EmptyError
	var badURL *iscsi.URLError
	switch {
	case err == nil:
		return exitExpected
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &empty):
		return exitEmpty
	case errors.Is(err, scenarios.ErrSelection), errors.Is(err, scenarios.ErrBaseline), errors.As(err, &badURL):
		return exitUsage
	case errors.Is(err, scenarios.ErrRegistry):
		return exitDefect
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitUsage
}

// allSkipped tells that a run with checks has judged nothing.
func allSkipped(results []*scenarios.Result) bool {
	s := scenarios.Summarize(results)
	return s.Total > 0 && s.Skip == s.Total && s.Monitored == 0
}

// statusOfRun weighs the results: a defect of the tool first, then findings, then doubts.
func statusOfRun(results []*scenarios.Result) exitStatus {
	status := exitExpected
	for _, r := range results {
		if r.Expected() {
			continue
		}
		switch {
		case r.Verdict == scenarios.Broken:
			return exitDefect
		case r.Verdict == scenarios.Inconclusive && r.Standing == "":
			if status == exitExpected {
				status = exitInconclusive
			}
		default:
			status = exitFindings
		}
	}
	return status
}
