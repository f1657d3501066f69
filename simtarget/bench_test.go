package simtarget

import (
	"io"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// The benchmarks run over loopback TCP; the peer costs next to nothing. Beside `make bench` they show what the path allocates.

func BenchmarkRead4KiB(b *testing.B)    { benchmark(b, 1, readCommand(4096), 4096) }
func BenchmarkRead4KiBx32(b *testing.B) { benchmark(b, 32, readCommand(4096), 4096) }
func BenchmarkRead64KiB(b *testing.B)   { benchmark(b, 8, readCommand(64<<10), 64<<10) }

// The writes have immediate data.
func BenchmarkWrite4KiB(b *testing.B)    { benchmark(b, 1, writeCommand(4096), 0) }
func BenchmarkWrite4KiBx32(b *testing.B) { benchmark(b, 32, writeCommand(4096), 0) }

func readCommand(n int) *pdu.SCSICommand {
	q := &pdu.SCSICommand{Final: true, Read: true, ExpectedDataTransferLength: uint32(n)}
	copy(q.CDB[:], scsi.Read10(0, uint16(n/512)))
	return q
}

func writeCommand(n int) *pdu.SCSICommand {
	q := &pdu.SCSICommand{Final: true, Write: true, ExpectedDataTransferLength: uint32(n), Data: make([]byte, n)}
	copy(q.CDB[:], scsi.Write10(0, uint16(n/512)))
	return q
}

// benchmark has depth commands at a time under way, all alike, whose answers have a header and n bytes each.
func benchmark(b *testing.B, depth int, q *pdu.SCSICommand, n int) {
	conn := benchmarkLogin(b, benchmarkArray(b))
	var wire []byte
	var headers []*pdu.BHS
	size := len(pdu.Encode(nil, q, pdu.Digests{}))
	for range depth {
		wire = pdu.Encode(wire, q, pdu.Digests{})
	}
	for i := range depth {
		h := (*pdu.BHS)(wire[i*size:])
		h.SetITT(uint32(i))
		headers = append(headers, h)
	}
	in := make([]byte, depth*(pdu.BHSLength+n))
	cmdSN := uint32(100)
	b.ReportAllocs()
	b.SetBytes(int64(n + len(q.Data)))
	b.ResetTimer()
	for done := 0; done < b.N; done += depth {
		for _, h := range headers {
			putWord(h, 24, cmdSN)
			cmdSN++
		}
		if _, err := conn.Write(wire); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLogin logs in and out, one connection after the other.
func BenchmarkLogin(b *testing.B) {
	a := benchmarkArray(b)
	logout := encoded(pdu.Digests{}, &pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession, ITT: 2, CID: 1, CmdSN: 100})
	in := make([]byte, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		conn := benchmarkLogin(b, a)
		if _, err := conn.Write(logout); err != nil {
			b.Fatal(err)
		}
		if n, err := io.ReadFull(conn, in[:pdu.BHSLength]); err != nil {
			b.Fatal(n, err)
		}
		conn.Close()
	}
}

func benchmarkArray(b *testing.B) string {
	b.Helper()
	p, err := Builtin("plain")
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(p, Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := a.Start(ListenLoopback); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { a.Close() })
	return a.Address("A")
}

var loginScript = script(true)

func benchmarkLogin(b *testing.B, address string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(loginScript); err != nil {
		b.Fatal(err)
	}
	var h pdu.BHS
	if _, err := io.ReadFull(conn, h[:]); err != nil {
		b.Fatal(err)
	}
	n := h.DataSegmentLength()
	if _, err := io.CopyN(io.Discard, conn, int64(n+-n&3)); err != nil || h.Opcode() != pdu.OpLoginResponse || h[36] != 0 {
		b.Fatal(h, err)
	}
	return conn
}
