package reports

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// recorded serves an array on loopback at an address, into a recording.
func recorded(t *testing.T, address string, o RecordingOptions) (*Recording, iscsi.URL) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { leaks.None(t, before) })
	r, err := OpenRecording(o)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := simtarget.Builtin("plain")
	if err != nil {
		t.Fatal(err)
	}
	array, err := simtarget.New(profile, simtarget.Options{Log: r.Log()})
	if err != nil {
		t.Fatal(err)
	}
	if err := array.Start(func(string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return r.Log().Listener(l, trace.NodeTarget, "plain/A"), nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { array.Close() })
	return r, array.URLs()[0]
}

func loggedIn(t *testing.T, url iscsi.URL, digest bool) *initiator.Session {
	t.Helper()
	config := initiator.LoginConfig{InitiatorName: "iqn.2026-01.com.example:host", TargetName: url.Target, Portal: url.Portal,
		ISID: iscsi.RandomISID(0x123456, 0)}
	if digest {
		config.HeaderDigest, config.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
	}
	s, err := initiator.Login(t.Context(), &net.Dialer{}, config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, s *initiator.Session, blocks int) {
	t.Helper()
	request := &initiator.Request{LUN: uint64(scsi.LUNOf(0)), CDB: scsi.Read10(0, uint16(blocks)), Read: make([]byte, blocks*512)}
	if err := s.Do(t.Context(), request); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func events(t *testing.T, path string) trace.Events {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := trace.ReadJSONL(f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A recording holds true addresses and bytes, at any port and over IPv6, with digests and without, and a dissector understands all of it.
func TestRecordingIsDissected(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, digest := range []bool{false, true} {
			dir, real := t.TempDir(), digest
			r, url := recorded(t, address, RecordingOptions{Dir: dir, RealPorts: real})
			s := loggedIn(t, url, digest)
			read(t, s, 8)
			read(t, s, 300)
			if err := s.Logout(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			capture, lines := partNames(dir, 1)
			b := content(t, capture)
			_, port, err := net.SplitHostPort(url.Portal.String())
			if err != nil {
				t.Fatal(err)
			}
			as := []string{"-Y", "iscsi"}
			if real {
				as = append(as, "-d", "tcp.port=="+port+",iscsi")
			} else if comments := dissect(t, b, "-T", "fields", "-e", "frame.comment"); !strings.Contains(comments[0], ":"+port) {
				t.Errorf("no comment tells of port %s: %s", port, comments[0])
			}
			if malformed := dissect(t, b, append([]string{"-Y", "_ws.malformed || tcp.analysis.flags"}, as[2:]...)...); len(malformed) > 0 {
				t.Errorf("%s, digests %v: malformed:\n%s", address, digest, strings.Join(malformed, "\n"))
			}
			got := dissect(t, b, append(as, "-T", "fields", "-E", "occurrence=a", "-e", "iscsi.opcode", "-e", "tcp.port")...)
			all := strings.Join(got, "\n")
			for _, op := range []string{"0x03", "0x23", "0x01", "0x25", "0x06", "0x26"} {
				if !strings.Contains(all, op) {
					t.Errorf("%s, digests %v: no PDU %s in\n%s", address, digest, op, all)
				}
			}
			if real != strings.Contains(all, port) {
				t.Errorf("real ports %v, port %s, but\n%s", real, port, all)
			}
			list := events(t, lines)
			if list[0].Kind != trace.KindNote || !slices.ContainsFunc(list, func(e trace.Event) bool { return e.State == "session-opened" }) {
				t.Errorf("the trace lacks its first note or the session:\n%v", list)
			}
			if status := r.Status(); status.Events != uint64(len(list)-1) || status.Part != 1 || status.Bytes == 0 {
				t.Errorf("%d events read, status %+v", len(list), status)
			}
		}
	}
}

// Beyond the limit the oldest part goes, and each part that stays can be read without the others, digests and all.
func TestRecordingDropsItsOldestParts(t *testing.T) {
	dir := t.TempDir()
	var told []string
	r, url := recorded(t, "127.0.0.1:0", RecordingOptions{Dir: dir, Limit: RecordingLimitMin, Notify: func(s string) { told = append(told, s) }})
	s := loggedIn(t, url, true)
	for range 60 {
		read(t, s, 256)
	}
	if err := s.Logout(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	status := r.Status()
	if status.Dropped == 0 || status.Part != status.Dropped+recordingParts || len(told) != 1 {
		t.Errorf("status %+v, told %q", status, told)
	}
	total, parts := int64(0), 0
	for number := 1; number <= status.Part; number++ {
		capture, lines := partNames(dir, number)
		info, err := os.Stat(capture)
		if number <= status.Dropped {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("part %d is still there", number)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		parts++
		total += info.Size() + int64(len(content(t, lines)))
		b := content(t, capture)
		if malformed := dissect(t, b, "-Y", "_ws.malformed || tcp.analysis.flags"); len(malformed) > 0 {
			t.Errorf("part %d: malformed:\n%s", number, strings.Join(malformed, "\n"))
		}
		if first := dissect(t, b, "-Y", "iscsi.opcode == 0x03"); len(first) == 0 {
			t.Errorf("part %d shows no login", number)
		}
		events(t, lines)
	}
	// A part may be passed by one packet and its line.
	if total > RecordingLimitMin+recordingParts*(1<<20) || total != status.Bytes || parts != recordingParts {
		t.Errorf("%d bytes in %d parts, status says %d", total, parts, status.Bytes)
	}
}

// A second recording in one folder goes on behind the first, and a disk that fails ends the recording but not the array.
func TestRecordingNeverOverwritesAndOutlivesItsDisk(t *testing.T) {
	dir := t.TempDir()
	first, _ := recorded(t, "127.0.0.1:0", RecordingOptions{Dir: dir})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	second, url := recorded(t, "127.0.0.1:0", RecordingOptions{Dir: dir, Notify: func(s string) { told <- s }})
	if status := second.Status(); status.Part != 2 {
		t.Errorf("the second recording writes part %d", status.Part)
	}
	s := loggedIn(t, url, false)
	second.part.events.Close()
	read(t, s, 8)
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Fatal("the failure is told to nobody")
	}
	read(t, s, 8)
	if err := second.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if err := s.Logout(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := OpenRecording(RecordingOptions{Dir: filepath.Join(dir, "capture-0001.pcapng")}); err == nil {
		t.Error("a file is taken for a folder")
	}
	if _, err := OpenRecording(RecordingOptions{Dir: dir, Limit: 1000}); err == nil {
		t.Error("a limit of 1000 bytes is taken")
	}
}

// When the files cannot keep up, taps wait, and what waits is bounded.
func TestRecordingMakesConnectionsWait(t *testing.T) {
	r := &Recording{streams: newLive(false)}
	r.filled.L, r.room.L = &r.mu, &r.mu
	for range recordingQueueBytes/(1<<20) + 1 {
		sink{r}.Take(trace.Event{Kind: trace.KindBytes, Raw: make([]byte, 1<<20)})
	}
	free := make(chan struct{})
	go func() {
		sink{r}.AwaitRoom()
		close(free)
	}()
	select {
	case <-free:
		t.Error("nobody waits")
	case <-time.After(50 * time.Millisecond):
	}
	if batch, more := r.take(); len(batch) != recordingQueueBytes/(1<<20)+1 || !more {
		t.Errorf("%d events, more %v", len(batch), more)
	}
	<-free
}

// An initiator may use one port towards two portals; shown at one port, the two connections stay two.
func TestRecordingTellsConnectionsApart(t *testing.T) {
	l := newLive(false)
	seen := map[ends]bool{}
	up := func(name, server string) {
		l.take(&trace.Event{Kind: trace.KindConnUp, Node: trace.NodeTarget, Conn: name, From: server, To: "127.0.0.1:65535"})
		seen[l.streams[name].ends()] = true
	}
	up("a#1", "127.0.0.1:4001")
	up("b#2", "127.0.0.1:4002")
	if len(seen) != 2 || !seen[ends{netip.MustParseAddrPort("127.0.0.1:1024"), netip.MustParseAddrPort("127.0.0.1:3260")}] {
		t.Errorf("shown as %v", seen)
	}
	l.take(&trace.Event{Kind: trace.KindConnClosed, Node: trace.NodeTarget, Conn: "a#1", State: trace.CloseFINSent})
	up("a#3", "127.0.0.1:4001")
	if len(seen) != 2 || len(l.shown) != 2 || len(l.views) != 2 || len(l.logins) != 2 {
		t.Errorf("shown as %v; %d, %d and %d remembered", seen, len(l.shown), len(l.views), len(l.logins))
	}
}
