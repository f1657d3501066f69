package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/lifecycle"
)

// lifecycleFile is the report's name under --out.
const lifecycleFile = "lifecycle.json"

// measureLifecycle runs an initiator's command once for each way of cutting it off, and reports.
func measureLifecycle(cmd *cobra.Command, o *initiatorOptions, command []string) error {
	if o.watch < time.Second {
		return usageError("--watch %v: want 1s or more", o.watch)
	}
	var kinds []string
	for _, k := range lifecycle.Kinds() {
		kinds = append(kinds, k.Name)
	}
	var only []string
	for _, names := range o.only {
		only = append(only, strings.Split(names, ",")...)
	}
	for _, name := range only {
		if !slices.Contains(kinds, name) {
			return usageError("--only %s: want, with --lifecycle, %s", name, strings.Join(kinds, ", "))
		}
	}
	options := lifecycle.Options{Command: command, Watch: o.watch, Kinds: only}
	if !o.quiet {
		fmt.Fprintf(cmd.OutOrStdout(), "measuring %q, %v at the longest\n", command, options.Longest())
	}
	report := &lifecycle.Report{Schema: lifecycle.Schema, Command: command, Started: time.Now()}
	err := lifecycle.Measure(cmd.Context(), options, func(m *lifecycle.Measurement) error {
		report.Measurements = append(report.Measurements, m)
		return saveLifecycle(o.out, m)
	})
	var unmeasured *lifecycle.UnmeasuredError
	switch {
	case cmd.Context().Err() != nil:
		return errors.Join(writeLifecycle(o.out, report), leave(exitInterrupted))
	case errors.As(err, &unmeasured), errors.Is(err, os.ErrNotExist):
		return unreachable("the initiator cannot be measured: %w", err)
	case err != nil:
		return err
	}
	if err := writeLifecycle(o.out, report); err != nil {
		return err
	}
	if err := lifecycle.WriteTable(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	return lifecycleStatus(report, o.strict)
}

// saveLifecycle writes the capture of a measurement.
func saveLifecycle(folder string, m *lifecycle.Measurement) error {
	r := scenarios.Result{ID: "lifecycle." + m.Kind, Title: m.About, Verdict: scenarios.Pass, Whole: m.Events}
	if err := reports.SaveCapture(folder, &r); err != nil {
		return err
	}
	m.Capture = r.Capture
	return nil
}

// writeLifecycle writes the report.
func writeLifecycle(folder string, r *lifecycle.Report) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, lifecycleFile), append(text, '\n'), 0o644)
}

// lifecycleStatus is the exit status: 1 where law was broken, with strict also where a SHOULD was, and 4 where a measurement came to nothing.
func lifecycleStatus(r *lifecycle.Report, strict bool) error {
	unclear := false
	for _, m := range r.Measurements {
		unclear = unclear || m.Unclear != ""
		for _, f := range m.Findings {
			switch {
			case f.Verdict == scenarios.Fail, strict && f.Verdict == scenarios.Warn:
				return leave(exitFindings)
			case f.Verdict == scenarios.Inconclusive:
				unclear = true
			}
		}
	}
	if unclear {
		return leave(exitInconclusive)
	}
	return nil
}
