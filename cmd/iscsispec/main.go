// Command iscsispec checks iSCSI targets and initiators against RFC 7143 and against what session managers promise, in
// virtual time with simulated arrays or over TCP with real ones.
//
// This package turns flags into calls, results into lines, and errors into exit statuses; one file a verb.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/iscsispec/iscsispec/cmd/iscsispec/gotgt"
)

func main() {
	// The program starts itself again with this word to be a gotgt target: see that package.
	if len(os.Args) > 1 && os.Args[1] == gotgt.Verb {
		os.Exit(gotgt.Main(os.Args[2:]))
	}
	inTest(func(t *testing.T) exitStatus {
		// The first signal ends the run in order; a second one, no longer caught, ends the process.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		return execute(ctx, t, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	})
}

// inTest runs the program inside a test of its own, since bubbles ask for a *testing.T, and leaves with its status.
// Parsing no arguments first keeps the testing package away from the command line.
func inTest(program func(t *testing.T) exitStatus) {
	_ = flag.CommandLine.Parse(nil)
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "iscsispec", F: func(t *testing.T) {
		os.Exit(int(program(t)))
	}}}, nil, nil)
}
