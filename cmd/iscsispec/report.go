package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/scenarios"
)

// reportCommand is what becomes of runs when they are over.
func (p *program) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Merge runs, compare two, or draw the pages of a run again",
		Long: `report works on what check left under --out: the folder of a run, or its records.jsonl alone.

  iscsispec report merge shard-1 shard-2 shard-3 --out whole
  iscsispec report merge tgt=out-tgt gotgt=out-gotgt --out both
  iscsispec report diff out-yesterday out-today
  iscsispec report html downloaded/records.jsonl --out pages`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return leave(exitUsage)
		},
	}
	cmd.AddCommand(p.reportMergeCommand(), p.reportDiffCommand(), p.reportHTMLCommand())
	return cmd
}

func (p *program) reportMergeCommand() *cobra.Command {
	out, partial := "", false
	cmd := &cobra.Command{
		Use:   "merge [NAME=]RUN...",
		Short: "Put the shards of a run together, or several runs side by side",
		Long: `merge reads runs, each the folder of a run or its records.jsonl, and writes --out.

Shards of one run become that run: the same records, reports and captures that it would have left undivided. So do runs of several suites
that judged the same peer. They must have catalogue, seed, build, --strict and --allow in common, no check twice, and no shard may be missing,
unless --partial says that gaps are wanted; the report then says that it is not whole.

Runs of different peers stand side by side: each has a folder of its name below --out, and index.html is a table with a column for each, which
shows what differs. A name is the folder's, or stands before it: NAME=RUN. Runs of one name become one, those of different names never do. So
shards that ran before copies of one target at several addresses need a name in common: all=shard-1 all=shard-2.

  iscsispec report merge shard-1 shard-2 shard-3 --out whole
  iscsispec report merge tgt=out-tgt gotgt=out-gotgt --out both
  iscsispec report merge before=out-1 after=out-2 --out both

The exit status is that of a check with all these results: 1 where there are findings, 4 where something stayed inconclusive.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.mergeReports(cmd, args, out, partial) },
	}
	cmd.Flags().StringVar(&out, "out", "merged", "folder for records and reports")
	cmd.Flags().BoolVar(&partial, "partial", false, "merge although shards are missing")
	return cmd
}

func (p *program) mergeReports(cmd *cobra.Command, args []string, out string, partial bool) error {
	registry, err := p.registry()
	if err != nil {
		return err
	}
	var parts []reports.Part
	for _, arg := range args {
		name, path := namedRun(arg)
		run, folder, err := reports.Load(path, false)
		if err != nil {
			return usageError("%w", err)
		}
		if sameFolder(folder, out) {
			return usageError("--out %s is where %s was read from: want another folder", out, arg)
		}
		parts = append(parts, reports.Part{Name: name, Folder: folder, Run: run})
	}
	merged, err := reports.Merge(parts, partial)
	if err != nil {
		return usageError("%w", err)
	}
	for _, m := range merged {
		if sameFolder(filepath.Join(out, m.Name), parts[0].Folder) && len(merged) > 1 {
			return usageError("--out %s would overwrite %s: want another folder", out, parts[0].Folder)
		}
	}
	if err := reports.WriteMerged(out, merged, registry.Coverage()); err != nil {
		return &statusError{exitUsage, fmt.Errorf("--out: %w", err)}
	}
	con := newConsole(cmd.OutOrStdout(), p.color)
	var all []*scenarios.Result
	for _, m := range merged {
		name := m.Name
		if len(merged) == 1 {
			name = fmt.Sprintf("one run of %d", len(parts))
		}
		con.line("%s: %s", name, tally(con, scenarios.Summarize(m.Results)))
		all = append(all, m.Results...)
	}
	if len(merged) > 1 {
		for _, note := range reports.Unlike(merged) {
			con.line("note: %s", note)
		}
	}
	con.line("report: %s", filepath.Join(out, reports.FileHTML))
	return leave(statusOfRun(all))
}

// namedRun splits NAME=RUN; a path that exists as it stands has no name.
func namedRun(arg string) (name, path string) {
	before, after, found := strings.Cut(arg, "=")
	if _, err := os.Stat(arg); err == nil || !found || strings.ContainsAny(before, `/\`) {
		return "", arg
	}
	return before, after
}

// sameFolder tells whether two paths lead to one folder that exists.
func sameFolder(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

func (p *program) reportDiffCommand() *cobra.Command {
	asJSON, asMarkdown := false, false
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what became otherwise from one run to another: new fails, mended, changed",
		Long: `diff holds a new run against an old one, each the folder of a run or its records.jsonl: what fails now and did not before, what was mended,
what is newly inconclusive, every other change of a verdict, the same verdict for another reason, and checks that only one run has.

The exit status is 1 where something newly fails that the new run's baseline does not explain, 4 where nothing does but something is newly
inconclusive, else 0, however much was wrong before. So a pipeline fails on news only.

  iscsispec report diff out-yesterday out-today
  iscsispec report diff main/records.jsonl out --markdown >> "$GITHUB_STEP_SUMMARY"
  iscsispec report diff out-yesterday out-today --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var runs []reports.Run
			for _, arg := range args {
				run, _, err := reports.Load(arg, true)
				if err != nil {
					return usageError("%w", err)
				}
				runs = append(runs, run)
			}
			d := reports.DiffRuns(runs[0], runs[1])
			write := d.WriteText
			switch {
			case asJSON:
				if err := writeJSON(cmd.OutOrStdout(), d); err != nil {
					return err
				}
				return leave(statusOfDiff(d))
			case asMarkdown:
				write = d.WriteMarkdown
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			return leave(statusOfDiff(d))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asMarkdown, "markdown", false, "print tables in Markdown")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

// statusOfDiff fails on news only.
func statusOfDiff(d reports.Diff) exitStatus {
	switch {
	case len(d.NewFails) > 0:
		return exitFindings
	case len(d.Doubtful) > 0:
		return exitInconclusive
	}
	return exitExpected
}

func (p *program) reportHTMLCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "html RUN",
		Short: "Draw index.html, coverage.html, report.json and junit.xml of a run from its records again",
		Long: `html draws what check draws at the end of a run: after a run that was killed, with a newer build's pages, or from records.jsonl alone.
Captures cannot be drawn again; with --out they are copied along, where they are.

  iscsispec report html out
  iscsispec report html downloaded/records.jsonl --out pages`,
		Args: one("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			run, folder, err := reports.Load(args[0], false)
			if err != nil {
				return usageError("%w", err)
			}
			run.Coverage = registry.Coverage()
			if out == "" {
				out = folder
			}
			if err := drawAgain(out, folder, run); err != nil {
				return &statusError{exitUsage, fmt.Errorf("--out: %w", err)}
			}
			con := newConsole(cmd.OutOrStdout(), p.color)
			con.line("%s", tally(con, scenarios.Summarize(run.Results)))
			con.line("report: %s", filepath.Join(out, reports.FileHTML))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder for the pages; without it, that of the run")
	return cmd
}

// drawAgain draws a run's reports into a folder, and brings its captures along where that is another.
func drawAgain(out, folder string, run reports.Run) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if !sameFolder(out, folder) {
		copied := map[string]bool{}
		for _, r := range run.Results {
			if err := reports.CopyCapture(out, folder, r, copied); err != nil {
				return err
			}
		}
	}
	return reports.Write(out, run)
}
