package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
)

// audited runs audit over the capture of libiscsi at tgt, in which libiscsi counts the StatSN of an R2T.
func audited(t *testing.T, args ...string) (exitStatus, string) {
	t.Helper()
	file, err := filepath.Abs("../../scenarios/monitor/capture/testdata/libiscsi-tgt.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	pass := is(scenarios.Passed(""))
	status, out, errOut := invoke(t, t.Context(), outcomes{rowFirst: pass}, append([]string{"audit", file}, args...)...)
	return status, out + errOut
}

func TestAuditNamesSideFrameAndClause(t *testing.T) {
	status, out := audited(t)
	if status != exitFindings {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"110 frames, 82 PDUs, 1 finding", "x FAIL", "initiator statsn.not-advanced-by-unnumbered (frame 85, 0.195201s, 4 times)",
		"RFC 7143, Section 11.8.3"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing from\n%s", want, out)
		}
	}
	if status, out := audited(t, "--side", "target"); status != exitExpected || !strings.Contains(out, "0 findings") {
		t.Errorf("of the target: %d\n%s", status, out)
	}
}

func TestAuditTakesABaseline(t *testing.T) {
	known := filepath.Join(t.TempDir(), "known.yaml")
	text := "known:\n- id: statsn.not-advanced-by-unnumbered\n  monitored: true\n  verdict: fail\n  reason: libiscsi counts the StatSN that an R2T shows.\n"
	if err := os.WriteFile(known, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out := audited(t, "--baseline", known)
	if status != exitExpected || !strings.Contains(out, "known: libiscsi counts") {
		t.Errorf("status %d\n%s", status, out)
	}
}

func TestAuditPrintsJSON(t *testing.T) {
	status, out := audited(t, "--json")
	var report struct {
		Captures []auditReport `json:"captures"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != exitFindings {
		t.Fatalf("status %d: %v\n%s", status, err, out)
	}
	c := report.Captures[0]
	if len(c.Findings) != 1 || c.Findings[0].Frame != "85" || c.Findings[0].Side != scenarios.RoleInitiator || c.Findings[0].Time == nil || c.Findings[0].Times != 4 {
		t.Errorf("%+v", c)
	}
}
