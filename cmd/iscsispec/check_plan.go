package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/integrity"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// planLimit bounds the time that the histories of one block may take to be judged.
const planLimit = 30 * time.Second

// planMax bounds the text of a plan, in bytes.
const planMax = 1 << 20

// What --plan leaves in the folder of --out.
const (
	filePlan    = "plan.yaml"
	fileTrace   = "trace.jsonl"
	fileHistory = "history.html"
)

// checkPlan runs one plan of the session manager and judges what became of its data.
func (p *program) checkPlan(cmd *cobra.Command, o *checkOptions, text string) error {
	for _, other := range []string{"only", "skip", "shard", "baseline", "dry-run"} {
		if cmd.Flags().Changed(other) {
			return usageError("--plan and --%s exclude each other", other)
		}
	}
	text, err := planText(cmd, text)
	if err != nil {
		return err
	}
	plan, err := sessions.ParsePlan([]byte(text))
	if err != nil {
		return usageError("--plan: %w", err)
	}
	run, err := sessions.Execute(plan, sessions.Options{T: p.t, Seed: o.seed})
	if err != nil {
		_, panicked := errors.AsType[*scenarios.PanicError](err)
		_, stuck := errors.AsType[*scenarios.DeadlockError](err)
		if panicked || stuck {
			return &statusError{exitDefect, fmt.Errorf("--plan: %w", err)}
		}
		return usageError("--plan: %w", err)
	}
	report := integrity.Judge(run, planLimit)
	if err := savePlan(o.out, plan, run, report); err != nil {
		return &statusError{exitUsage, fmt.Errorf("--out: %w", err)}
	}
	return tellPlan(cmd.OutOrStdout(), o, run, report)
}

// planText is what --plan stands for: the plan itself, or the file that holds it; "-" is standard input.
func planText(cmd *cobra.Command, text string) (string, error) {
	var b []byte
	var err error
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		return text, nil
	case text == "-":
		b, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), planMax))
	default:
		b, err = os.ReadFile(text)
	}
	if err != nil {
		return "", usageError("--plan: want a plan in one line, which begins with {, or the file of one: %w", err)
	}
	return string(b), nil
}

// savePlan leaves the plan, its trace and the picture of the history in the folder.
func savePlan(folder string, plan sessions.Plan, run *sessions.Run, report *integrity.Report) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	save := func(name string, write func(w io.Writer) error) error {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	return errors.Join(
		save(filePlan, func(w io.Writer) error { _, err := io.WriteString(w, plan.String()); return err }),
		save(fileTrace, func(w io.Writer) error { return trace.WriteJSONL(w, run.Events) }),
		save(fileHistory, report.Picture),
	)
}

// tellPlan tells how the plan went, and leaves with the status that it comes to.
func tellPlan(w io.Writer, o *checkOptions, run *sessions.Run, report *integrity.Report) error {
	fmt.Fprintf(w, "%v of virtual time, %d events\n%v", run.Ended, len(run.Events), report)
	unfired := slices.Clone(run.Faults)
	unfired = slices.DeleteFunc(unfired, func(f scenarios.Fault) bool { return f.Fired > 0 })
	if !o.quiet {
		for _, f := range run.Faults {
			fmt.Fprintf(w, "fault %s: fired %d times\n", f.Plan, f.Fired)
		}
	}
	for _, trouble := range run.Trouble {
		fmt.Fprintf(w, "not as planned: %s\n", trouble)
	}
	fmt.Fprintf(w, "%s has the plan, %s the trace, %s the history as a picture\n", filepath.Join(o.out, filePlan), fileTrace, fileHistory)
	switch {
	case report.Violated():
		fmt.Fprintln(w, "FAIL")
		return leave(exitFindings)
	case len(unfired)+len(run.Trouble)+len(report.Unclear) > 0:
		fmt.Fprintln(w, "INCONCLUSIVE: not all that was planned took place and could be judged")
		return leave(exitInconclusive)
	}
	fmt.Fprintln(w, "PASS")
	return nil
}
