package initiator

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// TestDirectWriteNeverWaits fills a socket that nobody reads: what it does not take is kept, and goes out first when it does.
func TestDirectWriteNeverWaits(t *testing.T) {
	if !canTryWrite {
		t.Skip("there is no way here to write without waiting")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()

	w, d := newWireWriter(near, pdu.Digests{}), newDirectWriter(near)
	var want []byte
	add := func(n int) {
		e := sendEntry{data: bytes.Repeat([]byte{byte(n)}, wireCopyBytes)}
		p := pdu.NOPOut{ITT: uint32(n), Data: e.data}
		p.EncodeBHS(&e.header)
		if err := w.add(&e, 7); err != nil {
			t.Fatal(err)
		}
		want = append(append(want, e.header[:]...), e.data...)
	}
	n := 0
	for add(n); w.flushDirectly(d); add(n) {
		if n++; n > 1<<20 {
			t.Fatal("the socket takes everything")
		}
	}
	if left := len(w.flat); left == 0 || left > pdu.BHSLength+wireCopyBytes {
		t.Errorf("%d bytes are left of one PDU", left)
	}
	add(n + 1)
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far) // What went wrong shows in b.
		got <- b
	}()
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes arrived, want the %d that were written, in order", len(b), len(want))
	}
}

// TestDirectWritesAreTaken logs in over TCP and has requests written by their submitter, by the reader as the one before ends, and by the
// writer, when several come at once: each of them is answered.
func TestDirectWritesAreTaken(t *testing.T) {
	s := benchLogin(t, benchTarget(t), "CRC32C")
	for _, depth := range []int{1, 2, 16} {
		const rounds = 2000
		done := make(chan error, depth)
		for range depth {
			r, left := readRequest(0, 4096), rounds
			r.Done = func(r *Request) {
				if left--; left == 0 || r.Err != nil {
					done <- r.Err
					return
				}
				s.Submit(r)
			}
			s.Submit(r)
		}
		for range depth {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}
