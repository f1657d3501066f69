package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Two rows that stand next to each other in the catalogue, and a third.
const (
	rowFirst  = "login.basic.direct-operational"
	rowSecond = "login.basic.security-then-operational"
	rowThird  = "login.basic.security-direct-to-ffp"
)

// outcomes are checks that come to what the test says.
type outcomes map[string]func() scenarios.Outcome

// invoke runs a command line over checks that come to the given outcomes.
func invoke(t *testing.T, ctx context.Context, checks outcomes, args ...string) (status exitStatus, stdout, stderr string) {
	t.Helper()
	suite := scenarios.Suite{Name: "target", Embedded: true, Virtual: true}
	for _, row := range scenarios.LoadCatalogue().Rows() {
		if f := checks[row.ID]; f != nil {
			suite.Checks = append(suite.Checks, scenarios.Check{ID: row.ID, Accepts: []string{"this", "that"},
				Run: func(context.Context, *scenarios.Env) scenarios.Outcome { return f() }})
		}
	}
	p := &program{t: t, args: args, registry: func() (*scenarios.Registry, error) {
		return scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	}}
	var out, errOut bytes.Buffer
	status = p.execute(ctx, strings.NewReader(""), &out, &errOut)
	return status, out.String(), errOut.String()
}

func is(o scenarios.Outcome) func() scenarios.Outcome { return func() scenarios.Outcome { return o } }

func TestTheExitStatusTellsTheGravest(t *testing.T) {
	t.Chdir(t.TempDir())
	pass, fail := is(scenarios.Passed("")), is(scenarios.Failed("neither"))
	unclear, broken := is(scenarios.Unclear("why")), is(scenarios.Outcome{Verdict: scenarios.Broken})
	for _, c := range []struct {
		name   string
		checks outcomes
		args   []string
		want   exitStatus
	}{
		{"all pass", outcomes{rowFirst: pass, rowSecond: is(scenarios.Skipped("no"))}, nil, exitExpected},
		{"a warning", outcomes{rowFirst: is(scenarios.Warned("a", "b"))}, nil, exitExpected},
		{"a warning, strictly", outcomes{rowFirst: is(scenarios.Warned("a", "b"))}, []string{"--strict"}, exitFindings},
		{"a failure", outcomes{rowFirst: pass, rowSecond: fail}, nil, exitFindings},
		{"a doubt", outcomes{rowFirst: pass, rowSecond: unclear}, nil, exitInconclusive},
		{"a doubt and a failure", outcomes{rowFirst: fail, rowSecond: unclear}, nil, exitFindings},
		{"a defect and a failure", outcomes{rowFirst: fail, rowSecond: broken}, nil, exitDefect},
		{"a panic", outcomes{rowFirst: func() scenarios.Outcome { panic("ouch") }}, nil, exitDefect},
	} {
		status, out, errOut := invoke(t, t.Context(), c.checks, append([]string{"check"}, c.args...)...)
		if status != c.want {
			t.Errorf("%s: status %d, want %d\n%s%s", c.name, status, c.want, out, errOut)
		}
	}
}

func TestAFailureIsToldInFull(t *testing.T) {
	t.Chdir(t.TempDir())
	noop := &pdu.NOPOut{ITT: 7, CmdSN: 3, Immediate: true}
	events := []trace.Event{{Kind: trace.KindPDUSent, Node: trace.NodeProbe, Conn: "a#1", PDU: trace.PDUOf(pdu.FrameOf(noop), 0)}}
	outcome := scenarios.Outcome{Reason: "It came to nothing.", Actual: "neither", Trace: events,
		Findings: []scenarios.Finding{{Reason: "A field is wrong.", Evidence: events}}}
	_, out, _ := invoke(t, t.Context(), outcomes{rowFirst: is(outcome)}, "check", "--seed", "5", "--color", "never")
	for _, want := range []string{
		"x FAIL    " + rowFirst, "Expected: this or that", "Actual:   neither", "Reason:   It came to nothing.",
		"Finding:  fail: A field is wrong.", "Clause:   RFC 7143 §6.3", "Last PDUs:", "probe -> NOP-Out",
		"Replay:   iscsispec check target --only " + rowFirst + " --seed 5", "1 check, 0 pass, 1 fail",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing from\n%s", want, out)
		}
	}
	if suggested, err := os.ReadFile(filepath.Join("out", fileSuggestion)); err != nil || !strings.Contains(string(suggested), rowFirst) {
		t.Errorf("%v: %s", err, suggested)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour where none is wanted")
	}
	if _, out, _ = invoke(t, t.Context(), outcomes{rowFirst: is(outcome)}, "check", "--color", "always"); !strings.Contains(out, "\x1b[31m") {
		t.Error("no colour where it is wanted")
	}
}

func TestAnInterruptedRunLeavesWholeRecords(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	status, _, errOut := invoke(t, ctx, outcomes{
		rowFirst: is(scenarios.Passed("")),
		rowSecond: func() scenarios.Outcome {
			interrupt()
			return scenarios.Passed("")
		},
		rowThird: is(scenarios.Passed("")),
	}, "check", "--workers", "1")
	if status != exitInterrupted || !strings.Contains(errOut, "interrupted: ") {
		t.Errorf("status %d: %s", status, errOut)
	}
	file, err := os.Open(filepath.Join("out", "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	header, results, err := scenarios.ReadRecords(file)
	if err != nil || !header.Interrupted || header.Selected != 3 || len(results) == 0 || len(results) == 3 {
		t.Errorf("%+v, %d results, %v", header, len(results), err)
	}
	if _, err := os.Stat(filepath.Join("out", "index.html")); err != nil {
		t.Error(err)
	}
}

func TestGitHubGetsAnnotationsAndATable(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", "summary.md")
	_, out, _ := invoke(t, t.Context(), outcomes{rowFirst: is(scenarios.Failed("")), rowSecond: is(scenarios.Warned("so | so", ""))}, "check")
	if !strings.Contains(out, "::error title="+rowFirst+"::fail: No accepted outcome") || !strings.Contains(out, "::warning title="+rowSecond) {
		t.Errorf("annotations are missing from\n%s", out)
	}
	table, err := os.ReadFile("summary.md")
	if err != nil || !strings.Contains(string(table), "| fail | `"+rowFirst+"` |") || !strings.Contains(string(table), `so \| so`) {
		t.Errorf("%v\n%s", err, table)
	}
}

func TestReplayLinesAndRecordsHoldNoSecret(t *testing.T) {
	p := &program{args: []string{"check", "target", "iscsi://user%canary@192.0.2.1/iqn.2000-01.com.example:x/0?target_password=canary", "--ability", "erl2=no",
		"--hook", "restore=curl https://canary@192.0.2.1/", "--hook=async-logout=canary"}}
	line := p.replay(&checkOptions{allow: "safe"})(scenarios.Entry{Check: &scenarios.Check{ID: rowFirst, Suite: "target"}})
	if !strings.Contains(line, " --ability erl2=no --hook restore=... --hook=async-logout=... ") {
		t.Error(line)
	}
	if strings.Contains(line, "canary") || !strings.Contains(line, "192.0.2.1") || strings.Contains(strings.Join(p.safeArgs(), " "), "canary") {
		t.Error(line)
	}
}
