package peers

import (
	"net"
	"os"
	"strings"
	"testing"
)

func TestTGTServesAndLeavesNothing(t *testing.T) {
	Need(t, "tgtd", "tgtadm", "iscsi-ls", "iscsi-inq", "iscsi-readcapacity16")
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	tgt := TGTFor(t, TGTConfig{Targets: []TGTTarget{{Disks: []int64{8 << 20, 16 << 20}}, {Name: "iqn.2026-11.io.github.iscsispec:other"}}})
	list, err := List(t.Context(), tgt.Portal())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{tgt.Target(0), tgt.Target(1), tgt.Address, "Size:15M"} {
		if !strings.Contains(list, want) {
			t.Errorf("iscsi-ls does not tell %q:\n%s", want, list)
		}
	}
	if inquiry, err := Inquiry(t.Context(), tgt.URL(0, 1)); err != nil || !strings.Contains(inquiry, "Vendor:IET") {
		t.Errorf("iscsi-inq: %v\n%s", err, inquiry)
	}
	if capacity, err := ReadCapacity16(t.Context(), tgt.URL(0, 1)); err != nil || !strings.Contains(capacity, "Total size:16777216") {
		t.Errorf("iscsi-readcapacity16: %v\n%s", err, capacity)
	}
	tgt.Stop()
	tgt.Stop()
	if conn, err := net.Dial("tcp", tgt.Address); err == nil {
		conn.Close()
		t.Error("the portal still accepts connections after Stop")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTGTAsksForCHAP(t *testing.T) {
	Need(t, "tgtd", "tgtadm", "iscsi-inq")
	tgt := TGTFor(t, TGTConfig{Targets: []TGTTarget{{User: "alice", Password: "correct horse"}}})
	with := tgt.URL(0, 0)
	if out, err := Inquiry(t.Context(), with); err != nil {
		t.Errorf("with credentials: %v\n%s", err, out)
	}
	without := strings.Replace(with, "alice%correct horse@", "", 1)
	if out, err := Inquiry(t.Context(), without); err == nil {
		t.Errorf("without credentials:\n%s", out)
	}
}

func TestFindNamesWhatIsMissing(t *testing.T) {
	_, err := Run(t.Context(), "no-such-program")
	if err == nil || !strings.Contains(err.Error(), "no-such-program is not installed") {
		t.Errorf("got %v", err)
	}
}
