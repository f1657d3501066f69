package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/monitor/capture"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	side     string
	ports    []uint
	strict   bool
	json     bool
	baseline string
}

func (p *program) auditCommand() *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use:   "audit CAPTURE...",
		Short: "Hold captures of any iSCSI traffic against the rules of RFC 7143",
		Long: `audit reads captures (pcapng and pcap of tcpdump, Wireshark and this tool, records.jsonl of a check, traces as JSON lines)
and looks for what no lawful initiator and no lawful target does: numbers out of order, data beyond what was agreed, answers to
nothing, wrong digests, fields that are not what they must be. Each finding names the side, the row of the catalogue, the clause, and
the frame and time of the PDU that shows it.

iSCSI is found by the ports 3260 and 860, or others after --port, and by a login on any port. What one side breaks silences the rules
that the other side can no longer keep. Of a session that was under way when the capture began, what was agreed on is unknown: there only the
form of PDUs, digests and the run of StatSN, ExpCmdSN and MaxCmdSN are judged, and the output says so.

Exit status: 0 nothing is wrong, 1 findings, 2 a file that is no capture, 3 a file without iSCSI.`,
		Example: `  tcpdump -i eth0 -w session.pcap port 3260
  iscsispec audit session.pcap
  iscsispec audit out/captures/*.pcapng --side target --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.audit(cmd, o, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.side, "side", "both", "whom to judge: target, initiator or both")
	flags.UintSliceVar(&o.ports, "port", nil, "ports that targets listen on, beside 3260 and 860")
	flags.BoolVar(&o.strict, "strict", false, "count every warning as a failure")
	flags.BoolVar(&o.json, "json", false, "print one JSON object")
	flags.StringVar(&o.baseline, "baseline", "", "YAML file of known findings with reasons")
	return cmd
}

// auditFinding is one row that a capture shows broken.
type auditFinding struct {
	Side    scenarios.Role    `json:"side"`
	Row     string            `json:"row"`
	Level   scenarios.Level   `json:"level"`
	Verdict scenarios.Verdict `json:"verdict"`
	Rule    string            `json:"rule"`
	Clause  string            `json:"clause"`
	Reason  string            `json:"reason"`
	// Frame is that of the first sighting, 0 where the capture has no frames; At counts from the beginning, Time is the wall clock's.
	Frame    string             `json:"frame,omitempty"`
	At       time.Duration      `json:"at_ns"`
	Time     *time.Time         `json:"time,omitempty"`
	Times    int                `json:"times"`
	Check    string             `json:"check,omitempty"`
	Standing scenarios.Standing `json:"standing,omitempty"`
	Because  string             `json:"because,omitempty"`
}

// auditReport is what audit says about one file.
type auditReport struct {
	File     string         `json:"file"`
	Frames   int            `json:"frames,omitempty"`
	PDUs     int            `json:"pdus"`
	Notes    []string       `json:"notes,omitempty"`
	Findings []auditFinding `json:"findings"`
}

// audit reads one file after the other.
func (p *program) audit(cmd *cobra.Command, o *auditOptions, files []string) error {
	judged := scenarios.Role("")
	switch o.side {
	case "both":
	case "target":
		judged = scenarios.RoleTarget
	case "initiator":
		judged = scenarios.RoleInitiator
	default:
		return usageError("--side %q: want target, initiator or both", o.side)
	}
	ports := capture.Ports
	for _, port := range o.ports {
		if port == 0 || port > 65535 {
			return usageError("--port %d: want 1 to 65535", port)
		}
		ports = append(ports[:len(ports):len(ports)], uint16(port))
	}
	var baseline *scenarios.Baseline
	if o.baseline != "" {
		registry, err := p.registry()
		if err != nil {
			return err
		}
		if baseline, err = scenarios.LoadBaseline(o.baseline, registry, time.Now()); err != nil {
			return err
		}
	}
	var reports []*auditReport
	var results []*scenarios.Result
	empty := ""
	for _, file := range files {
		if cmd.Context().Err() != nil {
			return leave(exitInterrupted)
		}
		a := &auditing{report: &auditReport{File: file, Findings: []auditFinding{}}, judged: judged, strict: o.strict, baseline: baseline}
		if err := a.read(file, ports); err != nil {
			return err
		}
		if a.report.PDUs == 0 && empty == "" {
			empty = file
		}
		reports, results = append(reports, a.report), append(results, a.results...)
		if !o.json {
			tellAudit(newConsole(cmd.OutOrStdout(), p.color), a.report)
		}
	}
	if o.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"captures": reports}); err != nil {
			return &statusError{exitDefect, err}
		}
	}
	status := statusOfRun(results)
	if status == exitExpected && empty != "" {
		return unreachable("%s holds no iSCSI", empty)
	}
	return leave(status)
}

// auditing is the reading of one file.
type auditing struct {
	report   *auditReport
	judged   scenarios.Role
	strict   bool
	baseline *scenarios.Baseline
	results  []*scenarios.Result
}

// read finds out what a file is, and judges it.
func (a *auditing) read(name string, ports []uint16) error {
	file, err := os.Open(name)
	if err != nil {
		return usageError("%w", err)
	}
	defer file.Close()
	buffered := bufio.NewReaderSize(file, 1<<16)
	magic, err := buffered.Peek(4)
	if err != nil || !capture.Is(magic) {
		return a.lines(buffered)
	}
	w := monitor.NewWatcher(monitor.Options{Judge: a.judged})
	summary, err := capture.Read(buffered, capture.Options{Ports: ports}, w)
	a.report.Frames, a.report.PDUs = summary.Frames, summary.PDUs
	a.notes(summary)
	a.add(w.Findings(), "", summary.Start)
	switch {
	case errors.Is(err, capture.ErrFormat):
		return usageError("%s: %w", name, err)
	case err != nil: // what was read so far counts
		a.report.Notes = append(a.report.Notes, fmt.Sprintf("the rest cannot be read: %v", err))
	}
	return nil
}

// notes say what of a capture cannot be judged.
func (a *auditing) notes(s capture.Summary) {
	note := func(format string, args ...any) {
		a.report.Notes = append(a.report.Notes, fmt.Sprintf(format, args...))
	}
	const most = 8
	midway, gaps, told := 0, 0, 0
	for _, c := range s.Connections {
		if c.Midway {
			midway++
		}
		if c.Lost > 0 {
			gaps++
		}
		if told == most || !c.Midway && c.Lost == 0 && c.Skipped == 0 {
			continue
		}
		told++
		switch {
		case c.Midway && c.PDUs == 0:
			note("%s: no beginning of a PDU could be told, so nothing of it is judged", c.Name)
		case c.Midway:
			note("%s was under way when the capture began: what its login agreed on is unknown and not judged", c.Name)
		case c.Lost > 0:
			note("%s: bytes are missing in %d places; behind the first only the form of PDUs is judged", c.Name, c.Lost)
		default:
			note("%s: %d bytes are no PDUs", c.Name, c.Skipped)
		}
	}
	if midway+gaps > most {
		note("%d connections in all began unseen, and %d lack bytes", midway, gaps)
	}
	if s.More > 0 {
		note("%d further connections are judged, but not listed here", s.More)
	}
	if s.CutShort {
		note("the capture ends in the middle of a packet")
	}
}

// add settles findings by the levels of their rows.
func (a *auditing) add(findings []scenarios.Finding, check string, start time.Time) {
	for _, f := range findings {
		row := scenarios.LoadCatalogue().Row(f.Row)
		r := &scenarios.Result{ID: f.Row, Role: row.Role, Monitored: &scenarios.Monitored{Check: check, Checks: 1, Times: f.Times},
			Verdict: scenarios.Settlement{Level: row.Level, Strict: a.strict}.Verdict(f.Verdict, f.Firm)}
		a.baseline.Judge(r)
		a.results = append(a.results, r)
		shown := auditFinding{Side: row.Role, Row: f.Row, Level: row.Level, Verdict: r.Verdict, Rule: f.Rule, Clause: f.Clause, Reason: f.Reason,
			At: f.At, Times: f.Times, Check: check, Standing: r.Standing, Because: r.Because}
		if n := len(f.Evidence); n > 0 {
			shown.Frame, _ = f.Evidence[n-1].Attr(capture.AttrFrame)
		}
		if !start.IsZero() {
			shown.Time = new(start.Add(f.At))
		}
		a.report.Findings = append(a.report.Findings, shown)
	}
}
