package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/suite"
)

// program is what all verbs share.
type program struct {
	t        *testing.T
	args     []string
	color    string
	registry func() (*scenarios.Registry, error)
}

// execute runs one command line and returns the status to leave with.
func execute(ctx context.Context, t *testing.T, args []string, in io.Reader, out, errOut io.Writer) exitStatus {
	p := &program{t: t, args: args, registry: suite.Registry}
	return p.execute(ctx, in, out, errOut)
}

func (p *program) execute(ctx context.Context, in io.Reader, out, errOut io.Writer) exitStatus {
	root := p.root()
	root.SetArgs(p.args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var own *statusError
	told := errors.As(err, &own) && own.err == nil
	if err != nil && !told {
		fmt.Fprintf(errOut, "iscsispec: %s\n", strings.TrimSpace(err.Error()))
	}
	return statusOf(err)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "iscsispec",
		Short: "Conformance and simulation harness for iSCSI",
		Long: `iscsispec checks iSCSI targets and initiators against RFC 7143, and session managers against what they promise
while links are cut: in virtual time with simulated arrays, or over TCP with real ones.

Start with "iscsispec check": it needs no arguments, no root and no array.

Exit status: 0 as expected, 1 findings, 2 usage or configuration, 3 the peer could not be reached or judged,
4 nothing failed but something stayed inconclusive, 5 the selection matched nothing, 70 a defect of the tool,
130 interrupted (the records so far are whole).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return leave(exitUsage)
		},
	}
	root.PersistentFlags().StringVar(&p.color, "color", "auto", "colour: auto, always or never; NO_COLOR and TERM=dumb are heeded")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		switch p.color {
		case "auto", "always", "never":
			return nil
		}
		return usageError("--color %q: want auto, always or never", p.color)
	}
	root.AddCommand(p.checkCommand(), p.serveCommand(), p.proxyCommand(), p.discoverCommand(), p.listCommand(), p.explainCommand(),
		p.versionCommand(), p.mutantsCommand(), p.inquiryCommand(), p.lunsCommand(), p.readCommand(), p.writeCommand(),
		p.sessionsCommand(), p.pingCommand(), p.fuzzCommand(), p.reportCommand(), p.auditCommand())
	return root
}
