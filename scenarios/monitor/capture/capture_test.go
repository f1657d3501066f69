package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/monitor/capture"
	"github.com/iscsispec/iscsispec/trace"
)

// file is a capture of libiscsi (iscsi-ls, qemu-io) at tgt, which iscsispec proxy --record has made: both its sides, so that each PDU is there twice.
const file = "testdata/libiscsi-tgt.pcapng"

// packet is one of a capture.
type packet struct {
	bytes []byte
	info  gopacket.CaptureInfo
}

func packets(t *testing.T) []packet {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var all []packet
	for {
		b, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, packet{slices.Clone(b), info})
	}
}

// pcap writes packets in the older format.
func pcap(t *testing.T, all []packet) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		p.info.CaptureLength, p.info.Length = len(p.bytes), len(p.bytes)
		if err := w.WritePacket(p.info, p.bytes); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// gathered is a sink that keeps what it is given.
type gathered struct {
	events []trace.Event
	lost   int
}

func (g *gathered) Take(e *trace.Event) { g.events = append(g.events, *e) }
func (g *gathered) Lost(string)         { g.lost++ }

func read(t *testing.T, b []byte, o capture.Options) (capture.Summary, []scenarios.Finding) {
	t.Helper()
	w := monitor.NewWatcher(monitor.Options{})
	s, err := capture.Read(bytes.NewReader(b), o, w)
	if err != nil {
		t.Fatal(err)
	}
	return s, w.Findings()
}

func want(t *testing.T, findings []scenarios.Finding, rows ...string) {
	t.Helper()
	var got []string
	for _, f := range findings {
		got = append(got, f.Row)
	}
	if !slices.Equal(got, rows) {
		t.Errorf("found %q, want %q", got, rows)
	}
}

// libiscsiCounts is what is wrong in the capture: libiscsi takes the StatSN that an R2T shows for one that was used.
const libiscsiCounts = "statsn.not-advanced-by-unnumbered"

func TestACaptureOfOthers(t *testing.T) {
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, findings := read(t, whole, capture.Options{})
	if s.Frames != 110 || s.PDUs != 82 || len(s.Connections) != 4 || s.CutShort {
		t.Errorf("%+v", s)
	}
	for _, c := range s.Connections {
		if c.Midway || c.Lost > 0 || c.Skipped > 0 || c.PDUs == 0 {
			t.Errorf("%+v", c)
		}
	}
	want(t, findings, libiscsiCounts)
	last := findings[0].Evidence[len(findings[0].Evidence)-1]
	if frame, _ := last.Attr(capture.AttrFrame); frame != "85" || findings[0].At != last.At || last.At < time.Millisecond {
		t.Errorf("frame %s at %v, of %v", frame, last.At, findings[0].At)
	}
	_, older := read(t, pcap(t, packets(t)), capture.Options{})
	want(t, older, libiscsiCounts)
}

// What goes over another port is found by its login.
func TestALoginIsFoundOnAnyPort(t *testing.T) {
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, findings := read(t, whole, capture.Options{Ports: []uint16{1}})
	if s.PDUs != 82 || len(s.Connections) != 4 {
		t.Errorf("%+v", s)
	}
	want(t, findings, libiscsiCounts)
}

// Wherever a capture begins, what is in it is judged as far as that goes, and nothing is made up.
func TestACaptureThatBeginsInTheMiddle(t *testing.T) {
	all := packets(t)
	midway := 0
	for first := 1; first < len(all); first++ {
		s, findings := read(t, pcap(t, all[first:]), capture.Options{})
		for _, f := range findings {
			if f.Row != libiscsiCounts {
				t.Errorf("from packet %d: %s: %s", first+1, f.Row, f.Reason)
			}
		}
		for _, c := range s.Connections {
			if c.Midway {
				midway++
			}
		}
	}
	if midway == 0 {
		t.Error("no connection was under way at the beginning of any capture")
	}
}

// Packets that the capture missed take the ground from what rests on them.
func TestACaptureWithGaps(t *testing.T) {
	all := packets(t)
	lost := 0
	for missing := range all {
		s, findings := read(t, pcap(t, slices.Delete(slices.Clone(all), missing, missing+1)), capture.Options{})
		for _, f := range findings {
			if f.Row != libiscsiCounts {
				t.Errorf("without packet %d: %s: %s", missing+1, f.Row, f.Reason)
			}
		}
		for _, c := range s.Connections {
			lost += c.Lost
		}
	}
	if lost == 0 {
		t.Error("no capture lacks bytes")
	}
}

// Packets that come again, or out of order, as TCP allows, change nothing.
func TestRetransmissionsAndOrder(t *testing.T) {
	all := packets(t)
	var twice []packet
	for _, p := range all {
		twice = append(twice, p, p)
	}
	s, findings := read(t, pcap(t, twice), capture.Options{})
	if s.PDUs != 82 {
		t.Errorf("%+v", s)
	}
	want(t, findings, libiscsiCounts)
}

func TestAFileThatEndsInAPacket(t *testing.T) {
	b := pcap(t, packets(t))
	s, _ := read(t, b[:len(b)-7], capture.Options{})
	if !s.CutShort || s.PDUs == 0 {
		t.Errorf("%+v", s)
	}
	if _, err := capture.Read(bytes.NewReader([]byte("a text, and no capture")), capture.Options{}, &gathered{}); !errors.Is(err, capture.ErrFormat) {
		t.Errorf("%v", err)
	}
}

// Whatever is in a file, reading it ends, with an error or without.
func TestDamagedCaptures(t *testing.T) {
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	older := pcap(t, packets(t))
	for range 150 {
		for _, sound := range [][]byte{whole, older} {
			b := slices.Clone(sound)
			for range 1 + random.IntN(8) {
				b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
			}
			s, _ := capture.Read(bytes.NewReader(b), capture.Options{}, monitor.NewWatcher(monitor.Options{}))
			if s.Frames > 4*len(packets(t)) {
				t.Errorf("%d frames", s.Frames)
			}
		}
	}
}
