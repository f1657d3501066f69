package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// witness is an array on loopback that keeps what initiators send it, in order, and hands each PDU to heard as it comes.
type witness struct {
	log   *trace.Log
	heard chan pdu.PDU

	mu   sync.Mutex
	told int // events that were looked at
}

// witnessed starts an array that never answers reads, writes and text requests, and returns the URL of its first unit.
func witnessed(t *testing.T) (*witness, string) {
	t.Helper()
	w := &witness{log: trace.NewLog(), heard: make(chan pdu.PDU, 1<<16)}
	profile, err := simtarget.Builtin("plain")
	if err != nil {
		t.Fatal(err)
	}
	array, err := simtarget.New(profile, simtarget.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	err = array.Start(func(virtual string) (net.Listener, error) {
		l, err := simtarget.ListenLoopback(virtual)
		return &witnessListener{l, w}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := array.Close(); err != nil {
			t.Error(err)
		}
	})
	always := simtarget.Times{Next: simtarget.Always}
	err = array.Apply(
		simtarget.Action{Command: &simtarget.CommandRule{Times: always, Opcodes: []byte{byte(scsi.OpRead10), byte(scsi.OpWrite10)}, Hold: true}},
		simtarget.Action{Text: &simtarget.TextRule{Times: always, Silence: true}})
	if err != nil {
		t.Fatal(err)
	}
	return w, array.URLs()[0].String()
}

// tell hands on what came since the last call.
func (w *witness) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.log.Events()
	for _, e := range events[w.told:] {
		if e.Kind != trace.KindPDUReceived {
			continue
		}
		if p, err := e.PDU.Frame().Decode(); err == nil {
			w.heard <- p
		}
	}
	w.told = len(events)
}

type witnessListener struct {
	net.Listener
	w *witness
}

func (l *witnessListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &witnessConn{l.w.log.Tap(c, trace.NodeTarget, c.RemoteAddr().String()), l.w}, nil
}

type witnessConn struct {
	net.Conn
	w *witness
}

func (c *witnessConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.w.tell()
	return n, err
}

// TestAnInterruptLogsOut interrupts each verb in the middle of what it does, and looks at the wire: the last PDU is a Logout Request, and
// the process leaves with status 130.
func TestAnInterruptLogsOut(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opcode := func(code scsi.Opcode) func(pdu.PDU) bool {
		return func(p pdu.PDU) bool {
			c, is := p.(*pdu.SCSICommand)
			return is && scsi.Opcode(c.CDB[0]) == code
		}
	}
	input := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(input, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		args  []string
		cause func(pdu.PDU) bool
	}{
		{"read", []string{"--length", "1M", "--to", filepath.Join(t.TempDir(), "output")}, opcode(scsi.OpRead10)},
		{"write", []string{"--in", input, "--allow", "writes"}, opcode(scsi.OpWrite10)},
		{"ping", []string{"--count", "1000000", "--interval", "1ms"}, func(p pdu.PDU) bool { _, is := p.(*pdu.NOPOut); return is }},
		{"sessions", []string{"--watch"}, opcode(scsi.OpReadCapacity10)},
		{"discover", nil, func(p pdu.PDU) bool { _, is := p.(*pdu.TextRequest); return is }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, url := witnessed(t)
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Args = append([]string{"iscsispec", c.name, url}, c.args...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			over := make(chan struct{})
			go func() {
				_ = cmd.Wait() // Its status is looked at below.
				close(over)
			}()
			w.await(t, c.cause, over)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			<-over
			w.await(t, func(p pdu.PDU) bool { _, is := p.(*pdu.LogoutRequest); return is }, over)
			if got := cmd.ProcessState.ExitCode(); got != int(exitInterrupted) {
				t.Errorf("exit status %d, want %d\n%s", got, exitInterrupted, out.String())
			}
			select {
			case p := <-w.heard:
				t.Errorf("%T after the Logout Request", p)
			default:
			}
		})
	}
}

// await waits for a PDU; a program that has ended without it is a failure.
func (w *witness) await(t *testing.T, match func(pdu.PDU) bool, over <-chan struct{}) {
	t.Helper()
	for {
		select {
		case p := <-w.heard:
			if match(p) {
				return
			}
			continue
		default:
		}
		select {
		case p := <-w.heard:
			if match(p) {
				return
			}
		case <-over:
			if len(w.heard) == 0 {
				t.Fatal("the program has ended without it")
			}
		}
	}
}
