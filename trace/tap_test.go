package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// connected gives both ends of a loopback TCP connection.
func connected(t *testing.T) (dialed, accepted *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed, accepted
}

// lines gives what a log holds without instants and addresses.
func lines(l *Log) []string {
	var out []string
	for _, e := range l.Events() {
		s := fmt.Sprintf("%s %s %s", e.Node, e.Kind, e.State)
		if e.PDU != nil {
			s += e.PDU.Opcode().String()
		}
		if e.Raw != nil {
			s += fmt.Sprintf(" %d bytes", len(e.Raw))
		}
		out = append(out, s)
	}
	return out
}

func TestTapRecordsBothWays(t *testing.T) {
	dialed, accepted := connected(t)
	l := NewLog()
	c := l.Tap(dialed, "initiator", "c")
	login := pdu.Encode(nil, &pdu.LoginRequest{Transit: true, NSG: pdu.StageFullFeature, Data: []byte("HeaderDigest=CRC32C\x00")}, pdu.Digests{})
	for _, part := range [][]byte{login[:20], login[20:]} {
		if _, err := c.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	answer := pdu.Encode(nil, &pdu.LoginResponse{Transit: true, NSG: pdu.StageFullFeature, Data: []byte("HeaderDigest=CRC32C\x00")}, pdu.Digests{})
	answer = pdu.Encode(answer, &pdu.NOPIn{TTT: 1}, pdu.Digests{Header: true})
	answer = append(answer, "half a PDU"...)
	if _, err := accepted.Write(answer); err != nil {
		t.Fatal(err)
	}
	if err := accepted.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("%d bytes came through, %v", len(got), err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = c.Close()
	want := []string{
		"initiator conn-up ", "initiator pdu-sent Login Request", "initiator pdu-received Login Response", "initiator pdu-received NOP-In",
		"initiator bytes received 10 bytes", "initiator conn-closed fin-received", "initiator conn-closed half-closed",
		"initiator conn-closed fin-sent",
	}
	if diff := cmp.Diff(want, lines(l)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, e := range l.Events() {
		if e.Kind == KindConnUp && (e.From != dialed.LocalAddr().String() || e.To != dialed.RemoteAddr().String()) {
			t.Errorf("the connection is from %s to %s", e.From, e.To)
		}
		if e.PDU != nil && (e.PDU.Opcode() == pdu.OpNOPIn) != e.PDU.Digests().Header {
			t.Errorf("%s has digests %v", e.PDU, e.PDU.Digests())
		}
	}
}

func TestTapSeesReset(t *testing.T) {
	dialed, accepted := connected(t)
	l := NewLog()
	here := l.Tap(dialed, "initiator", "c")
	there := l.Tap(accepted, "target", "c")
	if err := there.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = there.Close()
	if _, err := here.Read(make([]byte, 1)); err == nil {
		t.Fatal("reading from a connection that was reset succeeds")
	}
	_ = here.Close()
	states := map[string][]string{}
	for _, e := range l.Events().OfKind(KindConnClosed) {
		states[e.Node] = append(states[e.Node], e.State)
	}
	want := map[string][]string{"initiator": {CloseRSTReceived, CloseFINSent}, "target": {CloseRSTSent}}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTapLetsDeadlinesPass(t *testing.T) {
	dialed, _ := connected(t)
	l := NewLog()
	c := l.Tap(dialed, "initiator", "c")
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v, want a timeout", err)
	}
	if n := len(l.Events().OfKind(KindConnClosed)); n != 0 {
		t.Errorf("a deadline closed the connection %d times", n)
	}
	if got := ErrorText(err); got != "read: i/o timeout" {
		t.Errorf("the error reads %q", got)
	}
}

// bare has none of the methods that only TCP connections have.
type bare struct{ net.Conn }

func TestTapOverABareConnection(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	l := NewLog()
	c := l.Tap(bare{near}, "target", "c")
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
	if err := c.(interface{ SetLinger(int) error }).SetLinger(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SetLinger: %v", err)
	}
	_ = near.Close()
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("writing into a closed pipe succeeds")
	}
	_ = c.Close()
	want := []string{"target conn-up ", "target note ", "target bytes sent 1 bytes", "target conn-closed fin-sent"}
	if diff := cmp.Diff(want, lines(l)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var none *Log
	if none.Tap(near, "a", "b") != near {
		t.Error("a nil log wraps")
	}
}
