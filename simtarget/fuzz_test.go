package simtarget

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// pipeListener hands out one end of a pipe.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.done)
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 3260} }

// script is what a sound initiator sends: a login, and the given PDUs.
func script(login bool, pdus ...pdu.PDU) []byte {
	p := &peer{isid: [6]byte{0x80, 0, 0, 1}, cid: 1, cmdSN: 100, itt: 1, name: initiatorName, target: "iqn.2026-01.io.iscsispec:plain"}
	var b []byte
	if login {
		b = pdu.Encode(b, p.request(pdu.StageOperational, pdu.StageFullFeature, true, p.names()), pdu.Digests{})
	}
	for _, q := range pdus {
		b = pdu.Encode(b, q, pdu.Digests{})
	}
	return b
}

// FuzzConnection sends arbitrary bytes at a connection, before and in full feature phase. The array must end in good order: no panic, no
// goroutine or session left, and a sound login right afterwards.
func FuzzConnection(f *testing.F) {
	write := &pdu.SCSICommand{Final: true, Write: true, ITT: 2, ExpectedDataTransferLength: 4096, CmdSN: 100, CDB: [16]byte(append(scsi.Write10(0, 8), make([]byte, 6)...))}
	read := &pdu.SCSICommand{Final: true, Read: true, ITT: 3, ExpectedDataTransferLength: 4096, CmdSN: 101, CDB: [16]byte(append(scsi.Read10(0, 8), make([]byte, 6)...))}
	f.Add(false, []byte("GET / HTTP/1.0\r\n\r\n"))
	f.Add(false, script(true))
	f.Add(true, script(false, write, &pdu.DataOut{Final: true, ITT: 2, TTT: 1, Data: make([]byte, 4096)}, read))
	f.Add(true, script(false, write, &pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTaskSet, ITT: 9, CmdSN: 101}, read))
	f.Add(true, script(false, &pdu.TextRequest{Immediate: true, Final: true, ITT: 4, TTT: pdu.ReservedTag, Data: []byte("SendTargets=\x00")}))
	f.Add(true, script(false, &pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag, Data: []byte("ping")}, &pdu.SNACKRequest{ITT: 6},
		&pdu.LogoutRequest{Immediate: true, ITT: 7}))
	f.Fuzz(func(t *testing.T, login bool, data []byte) {
		p, err := Builtin("plain")
		if err != nil {
			t.Fatal(err)
		}
		p.Targets[0].LUNs[0].Size = 1 << 20
		a, err := New(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		if err := a.Start(func(string) (net.Listener, error) { return l, nil }); err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		feed(t, l, append(script(login), data...), false)
		answer := feed(t, l, script(true), true)
		if answer == nil || pdu.Opcode(answer[0]) != pdu.OpLoginResponse || answer[36] != 0 {
			t.Fatalf("a sound login afterwards is answered with % x", answer)
		}
	})
}

// feed sends bytes over a connection of their own. It returns the first answer where one is wanted, and otherwise ends the stream behind the
// bytes.
func feed(t *testing.T, l *pipeListener, data []byte, wanted bool) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	l.conns <- theirs
	answer := make(chan []byte, 1)
	go func() {
		defer close(answer)
		first := make([]byte, pdu.BHSLength)
		if _, err := io.ReadFull(ours, first); err != nil {
			return
		}
		answer <- first
		_, _ = io.Copy(io.Discard, ours)
	}()
	_, _ = ours.Write(data) // the array may close in the middle of it
	var first []byte
	if wanted {
		select {
		case first = <-answer:
		case <-time.After(30 * time.Second):
		}
	}
	ours.Close()
	for range answer {
	}
	return first
}
