package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// blocksMax is how many findings are told at length on the console; the page has all.
const blocksMax = 12

// lastPDUs is how many PDUs a block ends with.
const lastPDUs = 8

// pduLineMax is how much of a PDU's line the console shows, in characters; the page shows all.
const pduLineMax = 240

// tell prints a block for each finding and then the summary.
func tell(con *console, out string, results []*scenarios.Result, wall time.Duration) {
	told, untold := 0, 0
	for _, r := range results {
		if r.Expected() {
			continue
		}
		if told == blocksMax {
			untold++
			continue
		}
		told++
		con.line("\n%s", block(con, out, r))
	}
	if untold > 0 {
		con.line("\n%d more findings are in %s", untold, filepath.Join(out, "index.html"))
	}
	con.line("\n%s", summaryLine(con, scenarios.Summarize(results), wall))
	con.line("report: %s", filepath.Join(out, "index.html"))
}

// summaryLine counts by verdict, and tells how long it took.
func summaryLine(con *console, s scenarios.Summary, wall time.Duration) string {
	return fmt.Sprintf("%s in %v", tally(con, s), wall.Round(time.Millisecond))
}

// tally counts by verdict; verdicts that did not occur are left out, known findings never.
func tally(con *console, s scenarios.Summary) string {
	noun := "checks"
	if s.Total == 1 {
		noun = "check"
	}
	parts := []string{con.paint(sgrBold, fmt.Sprintf("%d %s", s.Total, noun))}
	for _, v := range scenarios.Verdicts() {
		if n := s.Count(v); n > 0 || v == scenarios.Pass || v == scenarios.Fail {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if s.Known > 0 {
		parts = append(parts, fmt.Sprintf("known: %d", s.Known))
	}
	if s.Monitored > 0 {
		rows := fmt.Sprintf("rows that monitors saw broken: %d", s.Monitored)
		if s.MonitoredKnown > 0 {
			rows += fmt.Sprintf(" (known: %d)", s.MonitoredKnown)
		}
		parts = append(parts, rows)
	}
	return strings.Join(parts, ", ")
}

// block is what somebody quotes in a bug report.
func block(con *console, out string, r *scenarios.Result) string {
	var b strings.Builder
	title := r.ID
	if r.Monitored != nil {
		title += " (seen by a monitor)"
	}
	fmt.Fprintf(&b, "%s %s\n", con.verdict(r), con.paint(sgrBold, title))
	b.WriteString(wrap(r.Title, "  ", 100) + "\n")
	// Lines that are to be copied stay whole; prose is wrapped.
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", name+":", text)
		}
	}
	field := func(name, text string) { line(name, strings.TrimSpace(wrap(text, strings.Repeat(" ", 12), 100))) }
	switch r.Standing {
	case scenarios.Fixed:
		field("Baseline", "The entry no longer holds: the check passes. Delete it.")
	case scenarios.Differs:
		field("Baseline", "The entry expects another verdict. Its reason: "+r.Because)
	}
	field("Reason", r.Reason)
	field("Expected", strings.Join(r.Accepted, " or "))
	if r.Verdict == scenarios.Broken {
		// What a defect of the harness left is a stack; its lines matter.
		fmt.Fprintf(&b, "  Actual:\n%s\n", indented(r.Actual, 40))
	} else {
		field("Actual", r.Actual)
	}
	for _, f := range r.Findings {
		if f.Reason != r.Reason && f.Verdict != scenarios.Pass {
			field("Finding", f.Verdict.String()+": "+f.Reason)
		}
	}
	field("Clause", r.Clause)
	if lines := pduLines(r); len(lines) > 0 {
		b.WriteString("  Last PDUs:\n")
		for _, line := range lines {
			b.WriteString("    " + line + "\n")
		}
	}
	if r.Capture != "" {
		line("Capture", filepath.Join(out, filepath.FromSlash(r.Capture)))
	}
	line("Replay", r.Replay)
	return strings.TrimRight(b.String(), "\n")
}

// indented keeps the first lines of a text.
func indented(text string, most int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > most {
		lines = append(lines[:most], "...")
	}
	return "    " + strings.Join(lines, "\n    ")
}

// pduLines are the last PDUs before the end, as one node saw them: the evidence where the finding has some, else the
// trace's end. Of a PDU that both ends recorded only the sending is shown.
func pduLines(r *scenarios.Result) []string {
	events := r.Trace
	for _, f := range r.Findings {
		if f.Verdict == r.Verdict && len(f.Evidence) > 0 {
			events = f.Evidence
			break
		}
	}
	sends, bothEnds := "", false
	for i := range events {
		if events[i].Is(trace.KindPDUSent) || events[i].Is(trace.KindPDUReceived) {
			bothEnds = bothEnds || sends != "" && sends != events[i].Node
			sends = events[i].Node
		}
	}
	var lines []string
	for i := range events {
		e := &events[i]
		if !e.Is(trace.KindPDUSent, trace.KindPDUReceived) || e.PDU == nil || bothEnds && e.Is(trace.KindPDUReceived) {
			continue
		}
		arrow := "->"
		if e.Is(trace.KindPDUReceived) {
			arrow = "<-"
		}
		line := fmt.Sprintf("%12.6fs %s %s %s", e.At.Seconds(), e.Node, arrow, e.PDU)
		if runes := []rune(line); len(runes) > pduLineMax {
			line = string(runes[:pduLineMax]) + "..."
		}
		lines = append(lines, line)
	}
	return lines[max(0, len(lines)-lastPDUs):]
}
