package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// annotate adds GitHub's workflow commands and a table for the job's page where the run is a GitHub action. Nothing
// else changes there.
func annotate(w io.Writer, results []*scenarios.Result) {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	for _, r := range results {
		switch {
		case r.Standing == scenarios.Known:
			fmt.Fprintf(w, "::notice title=%s::known: %s\n", r.ID, escapeCommand(r.Because))
		case !r.Expected() && r.Verdict != scenarios.Inconclusive:
			fmt.Fprintf(w, "::error title=%s::%s: %s\n", r.ID, r.Verdict, escapeCommand(firstSentence(r)))
		case r.Verdict == scenarios.Warn || r.Verdict == scenarios.Inconclusive:
			fmt.Fprintf(w, "::warning title=%s::%s: %s\n", r.ID, r.Verdict, escapeCommand(firstSentence(r)))
		}
	}
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return
	}
	// A page that cannot be written is no reason to change the verdict of the run.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprint(f, markdown(results))
}

// markdown is the summary as a table, with the rows that need reading.
func markdown(results []*scenarios.Result) string {
	var b strings.Builder
	s := scenarios.Summarize(results)
	fmt.Fprintf(&b, "### iscsispec: %d checks, %d pass, %d fail\n\n| verdict | check | reason |\n|---|---|---|\n", s.Total, s.Pass, s.Fail)
	for _, r := range results {
		if r.Verdict != scenarios.Pass || r.Standing != "" {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", r.Verdict, r.ID, strings.ReplaceAll(firstSentence(r), "|", "\\|"))
		}
	}
	return b.String() + "\n"
}

// escapeCommand keeps a message within one workflow command.
func escapeCommand(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}
