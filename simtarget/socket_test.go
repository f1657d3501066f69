package simtarget

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// tcpArray is an array on loopback TCP, where the reading goroutine writes.
func tcpArray(tb testing.TB) *Array {
	tb.Helper()
	p, err := Builtin("plain")
	if err != nil {
		tb.Fatal(err)
	}
	a, err := New(p, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := a.Start(ListenLoopback); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close() })
	return a
}

// tcpLogin opens a session of its own for each number.
func tcpLogin(tb testing.TB, a *Array, number byte) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", a.Address("A"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	wire := bytes.Clone(loginScript)
	wire[13] = number // of the ISID
	if _, err := conn.Write(wire); err != nil {
		tb.Fatal(err)
	}
	var h pdu.BHS
	if _, err := io.ReadFull(conn, h[:]); err != nil {
		tb.Fatal(err)
	}
	n := h.DataSegmentLength()
	if _, err := io.CopyN(io.Discard, conn, int64(n+-n&3)); err != nil || h.Opcode() != pdu.OpLoginResponse || h[36] != 0 {
		tb.Fatal(h, err)
	}
	return conn
}

// readAt is READ(10) of n bytes from a block on, as bytes.
func readAt(cmdSN, lba uint32, n int) []byte {
	q := readCommand(n)
	q.ITT, q.CmdSN = cmdSN, cmdSN
	copy(q.CDB[:], scsi.Read10(lba, uint16(n/512)))
	return encoded(pdu.Digests{}, q)
}

// takeRead reads the answers to a READ and returns its data.
func takeRead(tb testing.TB, conn net.Conn, itt uint32) []byte {
	tb.Helper()
	var data []byte
	for {
		var h pdu.BHS
		if _, err := io.ReadFull(conn, h[:]); err != nil {
			tb.Fatal(err)
		}
		if h.ITT() != itt || h.Opcode() != pdu.OpDataIn {
			tb.Fatalf("%v for task %d, want Data-In for %d", h.Opcode(), h.ITT(), itt)
		}
		part := make([]byte, h.DataSegmentLength())
		if _, err := io.ReadFull(conn, part); err != nil {
			tb.Fatal(err)
		}
		data = append(data, part...)
		if h[1]&1 != 0 {
			return data
		}
	}
}

// A peer that asks for far more than the socket takes, and reads nothing, costs the array a bounded amount of memory and nobody else anything;
// when it reads at last, all is there and in order.
func TestPeerThatDoesNotReadHoldsUpNobody(t *testing.T) {
	a := tcpArray(t)
	slow, other := tcpLogin(t, a, 1), tcpLogin(t, a, 2)
	const size, count = 1 << 20, 32
	if window := a.sessionPolicy().CommandWindow; window < count {
		t.Fatalf("a window of %d, want %d", window, count)
	}
	var wire []byte
	for i := range uint32(count) {
		wire = append(wire, readAt(100+i, i*2048, size)...)
	}
	if _, err := slow.Write(wire); err != nil {
		t.Fatal(err)
	}
	// On a busy machine the array may come to the slow one's requests late. Of the other's there may be as much as one at any time.
	const others = 4096
	taken := a.reads.taken.Load()
	for i, end := uint32(0), time.Now().Add(time.Minute); i < 100 || taken <= others && time.Now().Before(end); i++ {
		if _, err := other.Write(readAt(100+i, i%100_000, others)); err != nil {
			t.Fatal(err)
		}
		_ = other.SetDeadline(time.Now().Add(time.Minute))
		takeRead(t, other, 100+i)
		taken = a.reads.taken.Load()
	}
	if taken <= others || taken > outboxBytesMax+2*size+others {
		t.Errorf("%d bytes wait for the peer that does not read, want some, and at most %d", taken, outboxBytesMax+2*size+others)
	}
	for i := range uint32(count) {
		_ = slow.SetDeadline(time.Now().Add(time.Minute))
		data := takeRead(t, slow, 100+i)
		if len(data) != size {
			t.Fatalf("read %d: %d bytes, want %d", i, len(data), size)
		}
		for at := 0; at < size; at += 512 { // a block that was never written begins with its address
			if lba := binary.BigEndian.Uint64(data[at:]); lba != uint64(i)*2048+uint64(at)/512 {
				t.Fatalf("read %d: block %d at byte %d", i, lba, at)
			}
		}
	}
	for end := time.Now().Add(time.Minute); a.reads.taken.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are still counted", a.reads.taken.Load())
		}
	}
}

// Writes of all sizes, in place and not, sent in pieces of all sizes, read back as what was written.
func TestWritesOverTCPReadBack(t *testing.T) {
	a := tcpArray(t)
	conn := tcpLogin(t, a, 1)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	cmdSN := uint32(100)
	for round, size := range []int{512, 4096, 64 << 10, 16 << 10, 8192, 64 << 10, 64 << 10, 512, 32 << 10} {
		for _, piece := range []int{1 << 20, 1000, 4144, 63 << 10} {
			q := writeCommand(size)
			q.ITT, q.CmdSN = cmdSN, cmdSN
			for i := range q.Data {
				q.Data[i] = byte(i>>8) ^ byte(i) ^ byte(round) ^ byte(piece)
			}
			wire := encoded(pdu.Digests{}, q)
			for len(wire) > 0 {
				n := min(piece, len(wire))
				if _, err := conn.Write(wire[:n]); err != nil {
					t.Fatal(err)
				}
				wire = wire[n:]
				runtime.Gosched()
			}
			var h pdu.BHS
			if _, err := io.ReadFull(conn, h[:]); err != nil {
				t.Fatal(err)
			}
			if h.Opcode() != pdu.OpSCSIResponse || h[3] != 0 || h.ITT() != cmdSN {
				t.Fatalf("%d bytes in pieces of %d: %v, status 0x%02x", size, piece, h.Opcode(), h[3])
			}
			cmdSN++
			if _, err := conn.Write(readAt(cmdSN, 0, size)); err != nil {
				t.Fatal(err)
			}
			if got := takeRead(t, conn, cmdSN); !bytes.Equal(got, q.Data) {
				t.Fatalf("%d bytes in pieces of %d read back otherwise", size, piece)
			}
			cmdSN++
		}
	}
}

// An idle connection holds no memory to read into, none to write from, and a small stack.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	if !canTry {
		t.Skip("there is no way here to wait without memory")
	}
	const count, most = 250, 24 << 10 // bytes; both ends of the connection count
	a := tcpArray(t)
	before := memoryInUse()
	for i := range byte(count) {
		conn := tcpLogin(t, a, i)
		if _, err := conn.Write(append(readAt(100, 0, 64<<10), readAt(101, 0, 4096)...)); err != nil {
			t.Fatal(err)
		}
		takeRead(t, conn, 100)
		takeRead(t, conn, 101)
	}
	each := (memoryInUse() - before) / count
	for end := time.Now().Add(time.Minute); each > most && time.Now().Before(end); each = (memoryInUse() - before) / count {
		time.Sleep(10 * time.Millisecond) // not all of them may be idle yet
	}
	t.Logf("%d bytes each", each)
	if each > most {
		t.Errorf("%d bytes for each idle connection, want at most %d", each, most)
	}
}

func memoryInUse() int64 {
	for range 3 { // what pools hold goes with the second collection, and stacks shrink with each
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
