package reports

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/peers"
	"github.com/iscsispec/iscsispec/trace"
)

// dissect lets tshark say its mind about a capture.
func dissect(t *testing.T, capture []byte, args ...string) []string {
	t.Helper()
	peers.Need(t, "tshark")
	tshark, err := peers.Find("tshark")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(path, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tshark, append([]string{"-r", path}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("tshark: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	text := strings.TrimRight(string(out), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func capture(t *testing.T, r *scenarios.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := WriteCapture(&b, r)
	if err != nil || n == 0 {
		t.Fatalf("%d packets, %v", n, err)
	}
	return b.Bytes()
}

const rowReconnect = "reconnect.cadence.five-seconds"

func stories() map[string]*story {
	large := newStory()
	large.login(pdu.Digests{})
	large.read(256 << 10) // more than one packet can carry
	large.closed("host", trace.CloseRSTSent)

	six := newStory()
	six.client, six.server = "[fd00::2]:%d", "[fd00::1]:3260"
	six.login(pdu.Digests{Header: true})
	six.read(512)

	mapped := newStory()
	mapped.client, mapped.server = "127.0.0.1:%d", "127.0.0.1:40123"
	mapped.login(pdu.Digests{Data: true})
	mapped.read(1024)

	half := newStory()
	half.login(pdu.Digests{})
	half.add(trace.Event{Kind: trace.KindBytes, Node: "host", Conn: half.conn, State: trace.Received, Raw: make([]byte, 20)})
	half.closed("host", trace.CloseFINReceived)

	return map[string]*story{
		"plain":             reconnecting(pdu.Digests{}, 40*time.Second),
		"digests":           reconnecting(pdu.Digests{Header: true, Data: true}, 95*time.Second),
		"large":             large,
		"IPv6":              six,
		"another port":      mapped,
		"an unfinished PDU": half,
	}
}

func TestTsharkDissectsEveryPDU(t *testing.T) {
	for name, s := range stories() {
		t.Run(name, func(t *testing.T) {
			b := capture(t, &scenarios.Result{ID: "a.b.c", Trace: s.events})
			for _, line := range dissect(t, b, "-Y", "_ws.malformed or _ws.expert.severity >= 8388608") {
				t.Errorf("malformed: %s", line)
			}
			var want []string
			for i := range s.events {
				e := &s.events[i]
				if e.PDU != nil && e.Node == "host" {
					want = append(want, strings.TrimLeft(strings.ToLower(opcodeField(e.PDU.Opcode())), " "))
				}
			}
			var got []string
			for _, line := range dissect(t, b, "-Y", "iscsi", "-T", "fields", "-e", "iscsi.opcode") {
				got = append(got, strings.Split(line, ",")...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("opcodes (-want +got):\n%s", diff)
			}
			for _, line := range dissect(t, b, "-Y", "tcp.analysis.flags and not tcp.analysis.reused_ports and not tcp.analysis.window_full") {
				t.Errorf("TCP looks wrong: %s", line)
			}
		})
	}
}

// opcodeField is how tshark prints the opcode field.
func opcodeField(o pdu.Opcode) string {
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[o>>4], digits[o&15]})
}

func TestCaptureHoldsTheTrueBytes(t *testing.T) {
	s := reconnecting(pdu.Digests{Header: true, Data: true}, 40*time.Second)
	r := result(rowReconnect, scenarios.Pass, s.events)
	b := capture(t, r)
	reader, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	type connection struct{ toTarget, toInitiator []byte }
	streams := map[uint16]*connection{}
	var last time.Time
	refusals, resets := 0, 0
	for {
		data, info, err := reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.Timestamp.Before(last) {
			t.Errorf("%v comes after %v", info.Timestamp, last)
		}
		last = info.Timestamp
		tcp := gopacket.NewPacket(data, layers.LinkTypeEthernet, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
		client, out := uint16(tcp.SrcPort), true
		if client == 3260 {
			client, out = uint16(tcp.DstPort), false
		}
		c := streams[client]
		if c == nil {
			c = &connection{}
			streams[client] = c
		}
		if out {
			c.toTarget = append(c.toTarget, tcp.Payload...)
		} else {
			c.toInitiator = append(c.toInitiator, tcp.Payload...)
		}
		if tcp.RST {
			resets++
			if len(c.toTarget) == 0 {
				refusals++
			}
		}
	}
	if refusals != 6 || resets != 7 {
		t.Errorf("%d refused connection requests and %d resets in all, want 6 and 7", refusals, resets)
	}
	want := map[string]*connection{}
	for i := range s.events {
		if e := &s.events[i]; e.PDU != nil && e.Node == "host" {
			if want[e.Conn] == nil {
				want[e.Conn] = &connection{}
			}
			wire := e.PDU.Frame().Append(nil, e.PDU.Digests())
			if e.Kind == trace.KindPDUSent {
				want[e.Conn].toTarget = append(want[e.Conn].toTarget, wire...)
			} else {
				want[e.Conn].toInitiator = append(want[e.Conn].toInitiator, wire...)
			}
		}
	}
	for conn, port := range map[string]uint16{"10.0.0.1:3260#1": 49153, "10.0.0.1:3260#8": 49160} {
		if !bytes.Equal(want[conn].toTarget, streams[port].toTarget) || !bytes.Equal(want[conn].toInitiator, streams[port].toInitiator) {
			t.Errorf("%s: the bytes of the capture are not those of the trace", conn)
		}
	}
}

func TestCaptureTellsWhatHappened(t *testing.T) {
	s := reconnecting(pdu.Digests{}, 40*time.Second)
	b := capture(t, result(rowReconnect, scenarios.Fail, s.events))
	comments := strings.Join(dissect(t, b, "-T", "fields", "-e", "frame.comment"), "\n")
	for _, want := range []string{
		"connection 10.0.0.1:3260#1", "fault fired: reset:portal=*,at=12s", "network: refuse", "session 1: connected → reconnecting",
		"device disk0: blocked", "served-from-cache", "login begin", "then: ", "device disk1: removed",
	} {
		if !strings.Contains(comments, want) {
			t.Errorf("no comment says %q in\n%s", want, comments)
		}
	}
	mapped := stories()["another port"]
	comments = strings.Join(dissect(t, capture(t, &scenarios.Result{Trace: mapped.events}), "-T", "fields", "-e", "frame.comment"), "\n")
	if !strings.Contains(comments, "127.0.0.1:40123") {
		t.Errorf("no comment tells the true portal in\n%s", comments)
	}
}

func TestSaveCapture(t *testing.T) {
	folder := t.TempDir()
	s := reconnecting(pdu.Digests{}, 40*time.Second)
	r := result(rowReconnect, scenarios.Pass, s.events)
	if err := SaveCapture(folder, r); err != nil {
		t.Fatal(err)
	}
	if r.Capture != "captures/"+rowReconnect+".pcapng" {
		t.Errorf("the capture is %q", r.Capture)
	}
	first, err := os.ReadFile(filepath.Join(folder, r.Capture))
	if err != nil {
		t.Fatal(err)
	}
	if err := SaveCapture(folder, r); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(filepath.Join(folder, r.Capture)); !bytes.Equal(first, second) {
		t.Error("the same events give another capture")
	}
	quiet := &scenarios.Result{ID: "quiet", Capture: "stale", Trace: []trace.Event{{Kind: trace.KindNote}}}
	if err := SaveCapture(folder, quiet); err != nil || quiet.Capture != "" {
		t.Errorf("a check without connections has the capture %q, %v", quiet.Capture, err)
	}
	if err := SaveCapture(filepath.Join(folder, "report.json\x00"), r); err == nil {
		t.Error("a folder that cannot be is no error")
	}
}
