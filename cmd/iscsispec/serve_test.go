package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/peers"
	"github.com/iscsispec/iscsispec/simtarget/server"
	"github.com/iscsispec/iscsispec/trace"
)

// served is the program in a process of its own, at its verb serve.
type served struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	errors bytes.Buffer
	start  []serveEvent // up to the one that says ready
	over   bool
}

// serving starts the verb and waits until it says that it is ready.
func serving(t *testing.T, args ...string) *served {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, cmd: exec.Command(self)}
	s.cmd.Args = append([]string{"iscsispec", "serve", "--json"}, args...)
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.over {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	s.lines = bufio.NewScanner(out)
	for {
		e, more := s.next()
		if !more {
			t.Fatalf("the server has ended before it was ready: %v\n%s", s.cmd.Wait(), s.errors.String())
		}
		if s.start = append(s.start, e); e.Event == "ready" {
			return s
		}
	}
}

func (s *served) next() (e serveEvent, more bool) {
	s.t.Helper()
	if !s.lines.Scan() {
		return e, false
	}
	if err := json.Unmarshal(s.lines.Bytes(), &e); err != nil {
		s.t.Fatalf("%v: %s", err, s.lines.Text())
	}
	return e, true
}

// first finds the first event of the start that a predicate takes.
func (s *served) first(takes func(serveEvent) bool) serveEvent {
	s.t.Helper()
	for _, e := range s.start {
		if takes(e) {
			return e
		}
	}
	s.t.Fatalf("no such event in %+v", s.start)
	return serveEvent{}
}

func (s *served) unit(array, ending string) string {
	s.t.Helper()
	return s.first(func(e serveEvent) bool {
		return e.Event == "unit" && e.Array == array && strings.HasSuffix(e.URL, ending)
	}).URL
}

func (s *served) status() server.Status {
	s.t.Helper()
	response, err := http.Get(s.first(func(e serveEvent) bool { return e.Event == "status" }).URL + "status.json")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var status server.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		s.t.Fatal(err)
	}
	return status
}

// wait reads the rest of the lines and gives the exit status and the last line.
func (s *served) wait() (int, serveEvent) {
	s.t.Helper()
	var last serveEvent
	for {
		e, more := s.next()
		if !more {
			break
		}
		last = e
	}
	s.over = true
	_ = s.cmd.Wait() // its status is looked at
	return s.cmd.ProcessState.ExitCode(), last
}

func (s *served) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// realTool finds a program of others, or skips the test; see peers.Need.
func realTool(t *testing.T, name string) string {
	t.Helper()
	peers.Need(t, name)
	path, err := peers.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func runTool(t *testing.T, path string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(path), args, err, out, errOut.String())
	}
	return string(out)
}

const lab = `
arrays:
  - name: lab
    profile: multi-portal
    set:
      targets:
        - {name: "iqn.2026-01.com.example:first", luns: [{number: 0, size: 8MiB, blank: true}, {number: 1, size: 1TiB, store: "null"}]}
        - {name: "iqn.2026-01.com.example:second", portals: [C], luns: [{number: 0, size: 8MiB, store: file, path: disk.img}]}
  - name: guarded
    profile: chap
    listen: "[::1]:0"
status: 127.0.0.1:0
record: {dir: rec}
`

// inLab writes the configuration into a folder of its own.
func inLab(t *testing.T) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	config = filepath.Join(dir, "serve.yaml")
	if err := os.WriteFile(config, []byte(lab), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, config
}

// dissectedWhole holds a capture against tshark: it shows iSCSI, and nothing of it is malformed. It returns how many PDUs of an opcode
// there are.
func dissectedWhole(t *testing.T, capture string) map[string]int {
	t.Helper()
	tshark := realTool(t, "tshark")
	if bad := runTool(t, tshark, "-r", capture, "-Y", "(_ws.malformed || tcp.analysis.flags) && !(scsi_sbc.opcode == 0x12)"); bad != "" {
		t.Errorf("malformed:\n%s", bad)
	}
	// Of INQUIRY, a vital product page that is longer than the allocation length, as libiscsi first asks for it, is too much for the SCSI
	// dissector of tshark 4.0: it is only the iSCSI around it that has to be right.
	if bad := runTool(t, tshark, "-r", capture, "-Y", "_ws.malformed", "-V"); strings.Contains(bad, "[Malformed Packet: iSCSI") || strings.Contains(bad, "[Malformed Packet: TCP") {
		t.Errorf("malformed:\n%s", bad)
	}
	opcodes := map[string]int{}
	for _, op := range strings.FieldsFunc(runTool(t, tshark, "-r", capture, "-Y", "iscsi", "-T", "fields", "-e", "iscsi.opcode"),
		func(r rune) bool { return r == '\n' || r == ',' }) {
		opcodes[op]++
	}
	return opcodes
}

func traceOf(t *testing.T, path string) trace.Events {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := trace.ReadJSONL(f)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// What others wrote logs in, reads and writes at several targets of one process, is seen in the status meanwhile, and all of it is in the
// recording.
func TestRealInitiatorsAreServedAndRecorded(t *testing.T) {
	ls, inq, qemu := realTool(t, "iscsi-ls"), realTool(t, "iscsi-inq"), realTool(t, "qemu-img")
	dir, config := inLab(t)
	s := serving(t, "--config", config)
	portal := s.first(func(e serveEvent) bool { return e.Event == "listening" && e.Portal == "C" }).Address
	if out := runTool(t, ls, "-s", "iscsi://"+portal); !strings.Contains(out, "example:first") || !strings.Contains(out, "example:second") || !strings.Contains(out, "Lun:1") {
		t.Errorf("iscsi-ls:\n%s", out)
	}
	guarded := strings.Replace(s.unit("guarded", "/0"), "iscsi://", "iscsi://iscsispec%iscsispec-secret@", 1)
	if out := runTool(t, inq, guarded); !strings.Contains(out, "Vendor:ISCSPEC") {
		t.Errorf("iscsi-inq:\n%s", out)
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.unit("lab", "first/0"), s.unit("lab", "second/0")} {
		runTool(t, qemu, "convert", "-n", "-f", "raw", "-O", "raw", image, url)
		if out := runTool(t, qemu, "compare", "-f", "raw", "-F", "raw", image, url); !strings.Contains(out, "identical") {
			t.Errorf("qemu-img compare:\n%s", out)
		}
	}
	status := s.status()
	counters := status.Arrays[0].Counters
	if counters.Commands < 40 || counters.BytesIn < 16<<20 || counters.BytesOut < 16<<20 || counters.LoginsGranted < 5 || counters.Rejects != 0 {
		t.Errorf("counters %+v", counters)
	}
	if status.Recording == nil || status.Recording.Error != "" || status.Arrays[1].Counters.LoginsGranted == 0 {
		t.Errorf("recording %+v, array %+v", status.Recording, status.Arrays[1])
	}
	s.signal(syscall.SIGTERM)
	if code, last := s.wait(); code != 0 || last.Event != "stopped" || *last.SessionsCut != 0 {
		t.Errorf("exit status %d, last %+v\n%s", code, last, s.errors.String())
	}
	if content, err := os.ReadFile(filepath.Join(dir, "disk.img")); err != nil || !bytes.Equal(content, bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)) {
		t.Errorf("the file of the disk has %d other bytes, %v", len(content), err)
	}
	opcodes := dissectedWhole(t, filepath.Join(dir, "rec", "capture-0001.pcapng"))
	for _, op := range []string{"0x03", "0x23", "0x04", "0x24", "0x01", "0x21", "0x25", "0x05", "0x31", "0x06", "0x26"} {
		if opcodes[op] == 0 {
			t.Errorf("no PDU %s in the capture: %v", op, opcodes)
		}
	}
	events := traceOf(t, filepath.Join(dir, "rec", "trace-0001.jsonl"))
	logins, commands, pdus := 0, uint64(0), uint64(0)
	for i := range events {
		switch e := &events[i]; {
		case e.State == "session-opened":
			logins++
		case e.State == "command" && e.Node == "array lab":
			commands++
		case e.Kind == trace.KindPDUReceived && strings.HasPrefix(e.Conn, "lab/"):
			pdus++
		}
	}
	if logins < 6 || commands != counters.Commands || pdus < counters.PDUsIn {
		t.Errorf("%d sessions, %d commands and %d PDUs in the trace; the status counted %+v", logins, commands, pdus, counters)
	}
}

// The status shows a session while it is at work, and an orderly end lets it finish.
func TestServeEndsInOrderWhileInitiatorsWork(t *testing.T) {
	perf, qemu := realTool(t, "iscsi-perf"), realTool(t, "qemu-img")
	dir, config := inLab(t)
	s := serving(t, "--config", config, "--grace", "10m")
	// Small requests, and the one that is quick to start last: whatever time that takes, the recording stays small.
	write := exec.CommandContext(t.Context(), qemu, "bench", "-w", "-c", "100000000", "-d", "2", "-s", "512", "-f", "raw", s.unit("lab", "first/0"))
	if err := write.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = write.Process.Kill()
		_ = write.Wait()
	}()
	s.busy(1)
	work := exec.CommandContext(t.Context(), perf, "-i", "iqn.2026-01.com.example:perf", "-m", "8", "-b", "1", "-t", "6000", "-r", s.unit("lab", "first/1"))
	if err := work.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = work.Process.Kill()
		_ = work.Wait()
	}()
	session := s.busy(2)
	if len(session.Connections) != 1 || session.Connections[0].PDUsIn == 0 || session.Negotiated.AuthMethod != "None" || session.ISID == "" {
		t.Errorf("session %+v", session)
	}
	began := time.Now()
	s.signal(os.Interrupt)
	code, last := s.wait()
	if code != 0 || last.Event != "stopped" {
		t.Errorf("exit status %d, last %+v\n%s", code, last, s.errors.String())
	}
	t.Logf("it took %v, %d sessions were cut off", time.Since(began), *last.SessionsCut)
	if *last.SessionsCut > 0 {
		t.Error("libiscsi logs out when it is asked to, but sessions were cut off")
	}
	opcodes := dissectedWhole(t, filepath.Join(dir, "rec", "capture-0001.pcapng"))
	if opcodes["0x32"] < 2 || opcodes["0x06"] < 2 {
		t.Errorf("Asynchronous Messages and Logout Requests are missing: %v", opcodes)
	}
}

// busy waits until so many sessions have executed commands, and gives the first one.
func (s *served) busy(sessions int) server.Session {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if told := s.status().Arrays[0].Sessions; len(told) >= sessions && told[0].Commands > 20 && told[sessions-1].Commands > 20 {
			return told[0]
		}
	}
	s.t.Fatalf("nobody is at work: %+v", s.status().Arrays[0])
	return server.Session{}
}

// A session that stays is cut off when its time is over, or at once when a second signal comes; the exit status tells which.
func TestServeDoesNotWaitForEver(t *testing.T) {
	for name, c := range map[string]struct {
		grace   string
		signals int
		want    int
	}{"deadline": {"300ms", 1, 0}, "at once": {"0s", 1, 0}, "second signal": {"10m", 2, int(exitInterrupted)}} {
		t.Run(name, func(t *testing.T) {
			s := serving(t, "plain", "--grace", c.grace)
			conn := stubborn(t, s.unit("plain", "/0"))
			defer conn.Close()
			for range c.signals {
				s.signal(syscall.SIGTERM)
				if e, more := s.next(); c.signals == 2 && (!more || e.Event != "stopping") {
					t.Fatalf("event %+v", e)
				}
				if c.signals == 2 {
					s.signal(os.Interrupt)
					break
				}
			}
			if code, last := s.wait(); code != c.want || last.Event != "stopped" || *last.SessionsCut != 1 {
				t.Errorf("exit status %d, want %d; last %+v\n%s", code, c.want, last, s.errors.String())
			}
		})
	}
}

// What was recorded before the process was killed can be read.
func TestARecordingSurvivesTheProcess(t *testing.T) {
	inq := realTool(t, "iscsi-inq")
	dir := t.TempDir()
	s := serving(t, "plain", "--record", dir, "--status", "127.0.0.1:0")
	runTool(t, inq, s.unit("plain", "/0"))
	path, written := filepath.Join(dir, "trace-0001.jsonl"), uint64(0)
	for end := time.Now().Add(time.Minute); !answersWithin(t, path, written); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no answer to a command is among the %d events written", written)
		}
		written = s.status().Recording.Events
	}
	s.signal(syscall.SIGKILL)
	s.wait()
	if events := traceOf(t, path); uint64(len(events)) <= written {
		t.Errorf("%d events, the status told of %d", len(events), written)
	}
	if opcodes := dissectedWhole(t, filepath.Join(dir, "capture-0001.pcapng")); opcodes["0x03"] == 0 || opcodes["0x01"] == 0 {
		t.Errorf("PDUs in the capture: %v", opcodes)
	}
}

// answersWithin tells whether a trace that is being written holds a SCSI Response among its first events, the note of its beginning aside.
func answersWithin(t *testing.T, path string, events uint64) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := trace.ReadJSONL(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list[:min(uint64(len(list)), events+1)] {
		if e.PDU != nil && (e.PDU.Opcode() == pdu.OpSCSIResponse || e.PDU.Opcode() == pdu.OpDataIn) {
			return true
		}
	}
	return false
}

// A port that is taken is told with its number.
func TestServeTellsOfAPortInUse(t *testing.T) {
	s := serving(t, "plain")
	address := s.first(func(e serveEvent) bool { return e.Event == "listening" }).Address
	var out, errOut bytes.Buffer
	if code := execute(t.Context(), t, []string{"serve", "plain@" + address}, strings.NewReader(""), &out, &errOut); code != exitUsage {
		t.Errorf("exit status %d, want %d", code, exitUsage)
	}
	if !strings.Contains(errOut.String(), fmt.Sprintf("cannot listen on %s: the port is in use", address)) || out.Len() > 0 {
		t.Errorf("%s%s", out.String(), errOut.String())
	}
	s.signal(os.Interrupt)
	if code, _ := s.wait(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// stubborn logs in and never answers anything again.
func stubborn(t *testing.T, url string) net.Conn {
	t.Helper()
	u, err := iscsi.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Portal.String())
	if err != nil {
		t.Fatal(err)
	}
	keys := text.Pairs{{Key: text.KeyInitiatorName, Value: "iqn.2026-01.com.example:stubborn"}, {Key: text.KeyTargetName, Value: u.Target},
		{Key: text.KeySessionType, Value: "Normal"}}
	isid := iscsi.RandomISID(1, 1)
	request := &pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: isid, ITT: 1, CmdSN: 1, Data: keys.Append(nil)}
	if _, err := conn.Write(pdu.Encode(nil, request, pdu.Digests{})); err != nil {
		t.Fatal(err)
	}
	reader := pdu.NewReader(conn, pdu.Limits{})
	for range 4 {
		frame, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		p, err := frame.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if r, is := p.(*pdu.LoginResponse); is && r.Status() == 0 && r.Transit && r.NSG == pdu.StageFullFeature {
			return conn
		}
		request.Data = nil
		if _, err := conn.Write(pdu.Encode(nil, request, pdu.Digests{})); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the login comes to no end")
	return nil
}
