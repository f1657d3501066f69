package peers

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/faults/proxy"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/trace"
)

// proxied puts a proxy in front of a tgt until the test ends.
func proxied(t *testing.T, tgt *TGT, listen string, log *trace.Log, plan string) *proxy.Proxy {
	t.Helper()
	array, err := iscsi.ParseAddress(tgt.Address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proxy.New(proxy.Options{Listen: listen, To: []proxy.To{{Array: array}}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	faulty, err := faults.ParsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(faulty); err != nil {
		t.Fatal(err)
	}
	return p
}

// libiscsi's tools find a tgt behind the proxy and nothing of the tgt itself, read what is there, and leave a capture that tshark takes.
func TestLibiscsiStaysBehindTheProxy(t *testing.T) {
	Need(t, "tgtd", "tgtadm", "iscsi-ls", "iscsi-inq", "iscsi-readcapacity16", "tshark")
	tgt := TGTFor(t, TGTConfig{Targets: []TGTTarget{{Disks: []int64{8 << 20}}, {User: "alice", Password: "correct horse"}}})
	dir := t.TempDir()
	recording, err := reports.OpenRecording(reports.RecordingOptions{Dir: dir, Application: "iscsispec proxy"})
	if err != nil {
		t.Fatal(err)
	}
	p := proxied(t, tgt, "127.0.0.1:0", recording.Log(), "delay:pdu=login-response,each=1,by=2ms\nsplit:pdu=data-in,each=1,size=11\nreset:pdu=any,nth=1000000")
	front := p.Portals()[0].Address
	through := func(url string) string { return strings.Replace(url, tgt.Address, front, 1) }
	list, err := List(t.Context(), strings.Replace(through(tgt.Portal()), "iscsi://", "iscsi://alice%correct horse@", 1))
	if err != nil || !strings.Contains(list, tgt.Target(0)) || !strings.Contains(list, tgt.Target(1)) || !strings.Contains(list, front) || strings.Contains(list, tgt.Address) {
		t.Errorf("iscsi-ls: %v\n%s", err, list)
	}
	for _, url := range []string{tgt.URL(0, 0), tgt.URL(1, 0)} {
		if inquiry, err := Inquiry(t.Context(), through(url)); err != nil || !strings.Contains(inquiry, "Vendor:IET") {
			t.Errorf("iscsi-inq: %v\n%s", err, inquiry)
		}
	}
	if capacity, err := ReadCapacity16(t.Context(), through(tgt.URL(0, 0))); err != nil || !strings.Contains(capacity, "Total size:8388608") {
		t.Errorf("iscsi-readcapacity16: %v\n%s", err, capacity)
	}
	if n := len(p.Portals()); n != 1 {
		t.Errorf("%d portals, though tgt has one: %v", n, p.Portals())
	}
	if counts := p.Counts(); counts[0].Fired < 4 || counts[1].Fired < 4 || counts[2].Fired != 0 {
		t.Errorf("%+v", counts)
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := recording.Close(); err != nil {
		t.Error(err)
	}
	capture := filepath.Join(dir, "capture-0001.pcapng")
	if bad, err := Run(t.Context(), "tshark", "-r", capture, "-Y", "(_ws.malformed || tcp.analysis.flags) && !(scsi_sbc.opcode == 0x12)"); err != nil || strings.Contains(bad, "iSCSI") {
		t.Errorf("tshark: %v\n%s", err, bad)
	}
	// Both ends are in it: every login twice, once for the initiator's connection and once for the array's.
	logins, err := Run(t.Context(), "tshark", "-r", capture, "-Y", "iscsi.opcode == 0x03", "-T", "fields", "-e", "tcp.stream")
	streams := map[string]bool{}
	for line := range strings.Lines(logins) {
		if line = strings.TrimSpace(line); strings.Trim(line, "0123456789") == "" {
			streams[line] = true
		}
	}
	if err != nil || len(streams) < 8 || len(streams)%2 != 0 {
		t.Errorf("tshark: %v\n%s", err, logins)
	}
}

// A tgt that redirects leads libiscsi to another listener of the proxy.
func TestARedirectOfTGTStaysBehindTheProxy(t *testing.T) {
	Need(t, "tgtd", "tgtadm", "iscsi-inq")
	here := TGTFor(t, TGTConfig{})
	// tgtd redirects nobody who has come to the very address, whatever the port: a proxy has another address for the second one.
	redirected := proxied(t, TGTFor(t, TGTConfig{}), "127.0.0.2:0", nil, "").Portals()[0].Address
	host, port, _ := strings.Cut(redirected, ":")
	for name, value := range map[string]string{"RedirectAddress": host, "RedirectPort": port, "RedirectReason": "Temporary"} {
		if out, err := here.Admin(t.Context(), "--lld", "iscsi", "--op", "update", "--mode", "target", "--tid", "1", "--name", name, "--value", value); err != nil {
			t.Fatalf("tgtadm: %v\n%s", err, out)
		}
	}
	log := trace.NewLog()
	p := proxied(t, here, "127.0.0.1:0", log, "")
	out, err := Inquiry(t.Context(), strings.Replace(here.URL(0, 0), here.Address, p.Portals()[0].Address, 1))
	if err != nil || !strings.Contains(out, "Vendor:IET") {
		t.Errorf("iscsi-inq: %v\n%s", err, out)
	}
	if portals := p.Portals(); len(portals) != 2 || portals[1].Array != redirected {
		t.Errorf("portals %v", portals)
	}
	dials := 0
	for _, e := range log.Events() {
		if e.Kind == trace.KindDial && e.Node == trace.NodeInitiator && e.To == redirected {
			dials++
		}
	}
	if dials != 1 {
		t.Errorf("%d connections to where it was redirected", dials)
	}
}
