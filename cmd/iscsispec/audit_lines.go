package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/trace"
)

// auditLineMax bounds one line of JSON, in bytes.
const auditLineMax = 64 << 20

// lines judges JSON lines: the records of a run, check by check and each about the side that it judged, or the events of one trace.
func (a *auditing) lines(r io.Reader) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 1<<16), auditLineMax)
	w := monitor.NewWatcher(monitor.Options{Judge: a.judged})
	number := 0
	for scan.Scan() {
		number++
		line := bytes.TrimSpace(scan.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := a.line(w, line); err != nil {
			return usageError("%s, line %d: neither a capture nor a trace: %w", a.report.File, number, err)
		}
	}
	if err := scan.Err(); err != nil {
		return usageError("%s: %w", a.report.File, err)
	}
	a.add(w.Findings(), "", time.Time{})
	return nil
}

// line takes one line.
func (a *auditing) line(w *monitor.Watcher, line []byte) error {
	var head struct{ Kind string }
	if err := json.Unmarshal(line, &head); err != nil {
		return errors.New("no JSON")
	}
	switch head.Kind {
	case "":
		return errors.New("an object without a kind")
	case "run":
		return nil
	case "result":
		return a.record(line)
	}
	e := new(trace.Event)
	if err := json.Unmarshal(line, e); err != nil {
		return err
	}
	if e.PDU != nil {
		a.report.PDUs++
	}
	w.Take(e)
	return nil
}

// record judges the trace of one check.
func (a *auditing) record(line []byte) error {
	var r scenarios.Result
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if a.judged != "" && r.Role != a.judged {
		return nil
	}
	folded := false
	for i := range r.Trace {
		if r.Trace[i].PDU != nil {
			a.report.PDUs++
		}
		folded = folded || r.Trace[i].Kind == trace.KindFolded
	}
	if folded && !strings.Contains(strings.Join(a.report.Notes, ""), "thinned") {
		a.report.Notes = append(a.report.Notes, "long traces are thinned in records: behind such places only the form of PDUs is judged; the captures hold everything")
	}
	node := trace.NodeProbe
	if r.Role == scenarios.RoleInitiator {
		node = trace.NodeInitiator
	}
	a.add(monitor.Judge(r.Trace, monitor.Options{Judge: r.Role, At: []string{node}}), r.ID, time.Time{})
	return nil
}

// tellAudit prints what was found in one file.
func tellAudit(con *console, r *auditReport) {
	size := fmt.Sprintf("%d PDUs", r.PDUs)
	if r.Frames > 0 {
		size = fmt.Sprintf("%d frames, %s", r.Frames, size)
	}
	con.line("%s: %s, %s", r.File, size, countOf(len(r.Findings), "finding"))
	for _, n := range r.Notes {
		con.line("%s", wrap("note: "+n, "  ", con.width-1))
	}
	for _, f := range r.Findings {
		shown := con.verdict(&scenarios.Result{Verdict: f.Verdict, Standing: f.Standing})
		con.line("%s %s %s (%s)", shown, f.Side, f.Row, f.where())
		con.line("%s", wrap(f.Reason, "    ", con.width-1))
		con.line("    %s: %s", f.Clause, f.Rule)
		if f.Because != "" {
			con.line("%s", wrap("known: "+f.Because, "    ", con.width-1))
		}
	}
}

// where names the frame and the time of a finding's first sighting, and how often it was seen.
func (f *auditFinding) where() string {
	var parts []string
	if f.Check != "" {
		parts = append(parts, "in "+f.Check)
	}
	if f.Frame != "" {
		parts = append(parts, "frame "+f.Frame)
	}
	parts = append(parts, fmt.Sprintf("%.6fs", f.At.Seconds()))
	if f.Times > 1 {
		parts = append(parts, fmt.Sprintf("%d times", f.Times))
	}
	return strings.Join(parts, ", ")
}

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
