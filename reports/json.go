package reports

import (
	"encoding/json"
	"io"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// jsonReport is the form of report.json. Fields are only ever added.
type jsonReport struct {
	Tool        scenarios.Build   `json:"tool"`
	Catalogue   string            `json:"catalogue"`
	Suites      []string          `json:"suites"`
	Peer        string            `json:"peer"`
	Seed        uint64            `json:"seed"`
	Started     time.Time         `json:"started"`
	DurationMS  int64             `json:"duration_ms"`
	Interrupted bool              `json:"interrupted,omitempty"`
	Summary     scenarios.Summary `json:"summary"`
	// Coverage counts the normative statements of the RFCs that the tool checks, whether this run did or not.
	Coverage *scenarios.CoverCount `json:"coverage,omitempty"`
	Results  []jsonResult          `json:"results"`
}

// jsonResult is one check in report.json.
type jsonResult struct {
	ID         string             `json:"id"`
	Suite      string             `json:"suite"`
	Role       scenarios.Role     `json:"role"`
	Group      string             `json:"group"`
	Level      scenarios.Level    `json:"level"`
	Tier       int                `json:"tier"`
	Clause     string             `json:"clause"`
	Verdict    scenarios.Verdict  `json:"verdict"`
	Reason     string             `json:"reason"`
	Accepted   []string           `json:"accepted,omitempty"`
	Actual     string             `json:"actual,omitempty"`
	Standing   scenarios.Standing `json:"standing,omitempty"`
	Because    string             `json:"because,omitempty"`
	Seed       uint64             `json:"seed"`
	Virtual    bool               `json:"virtual"`
	DurationMS float64            `json:"duration_ms"` // on the clock that the check saw
	Capture    string             `json:"capture"`
	// Monitored stands with rows that monitors saw broken in the traces of checks; Noticed names such rows of one check.
	Monitored *scenarios.Monitored `json:"monitored,omitempty"`
	Noticed   []string             `json:"noticed,omitempty"`
	Replay    string               `json:"replay"`
}

// WriteJSON writes report.json: what ran, the counts by verdict, and each result without its trace.
func WriteJSON(w io.Writer, run Run) error {
	h := run.Header
	report := jsonReport{
		Tool: h.Tool, Catalogue: h.Catalogue, Suites: h.Suites, Peer: h.Peer, Seed: h.Seed, Started: h.Started, DurationMS: h.DurationMS,
		Interrupted: h.Interrupted, Summary: scenarios.Summarize(run.Results), Results: []jsonResult{},
	}
	if run.Coverage.Total > 0 {
		report.Coverage = &run.Coverage.CoverCount
	}
	for _, r := range run.Results {
		result := jsonResult{
			ID: r.ID, Suite: r.Suite, Role: r.Role, Group: r.Group, Level: r.Level, Tier: r.Tier, Clause: r.Clause, Verdict: r.Verdict,
			Reason: r.Reason, Accepted: r.Accepted, Actual: r.Actual, Standing: r.Standing, Because: r.Because, Seed: r.Seed,
			Virtual: r.Virtual, DurationMS: float64(r.Duration.Microseconds()) / 1000, Capture: r.Capture, Replay: r.Replay, Monitored: r.Monitored,
		}
		for _, f := range r.Noticed {
			result.Noticed = append(result.Noticed, f.Row)
		}
		report.Results = append(report.Results, result)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
