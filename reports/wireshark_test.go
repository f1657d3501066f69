package reports

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/peers"
)

func TestEveryRowHasAView(t *testing.T) {
	for _, row := range scenarios.LoadCatalogue().Rows() {
		v := ViewOf(row)
		if v.Filter == "" || len(v.Fields) < 2 || v.Fields[0] != "iscsi.opcode" || strings.ContainsAny(v.Filter, "'\n") {
			t.Errorf("%s: %+v", row.ID, v)
		}
	}
	for _, group := range scenarios.LoadCatalogue().Groups() {
		if _, known := groupViews[group]; !known {
			t.Errorf("the group %s has no view", group)
		}
	}
}

func TestViewsAreOfTheRow(t *testing.T) {
	for id, want := range map[string][]string{
		"keys.max-connections.default-and-limit": {`iscsi.opcode == 0x23 || iscsi.keyvalue contains "MaxConnections"`, "iscsi.keyvalue"},
		"logout.cid.unknown-refused":             {"iscsi.opcode == 0x26", "iscsi.logout.response"},
		"login.tsih.nonzero-on-final":            {"iscsi.opcode == 0x03 || iscsi.opcode == 0x23", "iscsi.tsih"},
		"reconnect.silent-loss-detected":         {"tcp.flags.reset == 1", "iscsi.isid"},
		"data-in.residual.underflow":             {"iscsi.opcode == 0x21", "iscsi.scsiresponse.residualcount"},
	} {
		v := ViewOf(scenarios.LoadCatalogue().Row(id))
		if !strings.Contains(v.Filter, want[0]) || !slices.Contains(v.Fields, want[1]) {
			t.Errorf("%s: %+v, want %v", id, v, want)
		}
	}
}

// TestTsharkTakesEveryView holds all filters and fields to the program that they are for.
func TestTsharkTakesEveryView(t *testing.T) {
	peers.Need(t, "tshark")
	capture := filepath.Join(t.TempDir(), "x.pcapng")
	r := result("login.basic.direct-operational", scenarios.Pass, reconnecting(pdu.Digests{}, 40*time.Second).events)
	r.Whole = r.Trace
	if err := SaveCapture(filepath.Dir(capture), r); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(filepath.Dir(capture), r.Capture), capture); err != nil {
		t.Fatal(err)
	}
	var filters, fields []string
	for _, row := range scenarios.LoadCatalogue().Rows() {
		v := ViewOf(row)
		filters = append(filters, v.Filter)
		fields = append(fields, v.Fields...)
	}
	filters, fields = unique(filters), unique(fields)
	t.Logf("%d filters, %d fields", len(filters), len(fields))
	known := tshark(t, "-G", "fields")
	for _, f := range fields {
		if !strings.Contains(known, "\t"+f+"\t") {
			t.Errorf("tshark knows no field %s", f)
		}
	}
	if all := tshark(t, "-r", capture, "-Y", "("+strings.Join(filters, ") || (")+")"); !strings.Contains(all, "iSCSI") {
		t.Errorf("all filters together show nothing:\n%s", all)
	}
	view := ViewOf(scenarios.LoadCatalogue().Row("login.basic.direct-operational"))
	args := []string{"-r", capture, "-Y", view.Filter, "-T", "fields"}
	for _, f := range view.Fields {
		args = append(args, "-e", f)
	}
	if shown := tshark(t, args...); !strings.Contains(shown, "0x03") || !strings.Contains(shown, "0x23") {
		t.Errorf("the login is not shown:\n%s", shown)
	}
}

// tshark runs the program and returns all that it prints.
func tshark(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "tshark", args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("tshark: %v\n%s", err, errOut.String())
	}
	return out.String()
}
