package simtarget

import (
	"io"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// BenchmarkRead4KiB reads blocks one command at a time over loopback TCP; the peer costs next to nothing.
func BenchmarkRead4KiB(b *testing.B) {
	benchmark(b, func(q *pdu.SCSICommand) {
		q.Read, q.ExpectedDataTransferLength = true, 4096
		copy(q.CDB[:], scsi.Read10(0, 8))
	}, 4096)
}

// BenchmarkWrite4KiB is the same with immediate data.
func BenchmarkWrite4KiB(b *testing.B) {
	data := make([]byte, 4096)
	benchmark(b, func(q *pdu.SCSICommand) {
		q.Write, q.ExpectedDataTransferLength, q.Data = true, 4096, data
		copy(q.CDB[:], scsi.Write10(0, 8))
	}, 0)
}

func benchmark(b *testing.B, fill func(*pdu.SCSICommand), answer int) {
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
	defer a.Close()
	conn, err := net.Dial("tcp", a.Address("A"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(script(true)); err != nil {
		b.Fatal(err)
	}
	r := pdu.NewReader(conn, pdu.Limits{})
	if _, err := r.Read(); err != nil {
		b.Fatal(err)
	}
	q := &pdu.SCSICommand{Final: true, ITT: 1, CmdSN: 100}
	fill(q)
	wire := pdu.Encode(nil, q, pdu.Digests{})
	in := make([]byte, pdu.BHSLength+answer)
	h := (*pdu.BHS)(wire)
	b.ReportAllocs()
	for b.Loop() {
		putWord(h, 24, q.CmdSN)
		q.CmdSN++
		if _, err := conn.Write(wire); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			b.Fatal(err)
		}
	}
}
