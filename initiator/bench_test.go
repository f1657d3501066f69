package initiator

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// benchTarget serves logins over loopback TCP and answers commands as fast as it can: reads with zeros, writes with R2Ts for what is not
// immediate data.
func benchTarget(b testing.TB) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				e := &fakeEnd{t: b, Conn: nc, reader: pdu.NewReader(nc, pdu.Limits{}), statSN: 1, tsih: 1, window: 256}
				if e.login("MaxRecvDataSegmentLength=262144", "HeaderDigest=CRC32C,None", "DataDigest=CRC32C,None", "FirstBurstLength=262144") {
					(&benchLoop{e: e, w: bufio.NewWriterSize(nc, 1<<20)}).run()
				}
			}()
		}
	}()
	return l.Addr().String()
}

// benchLoop answers without allocating, so that what is measured is the initiator's.
type benchLoop struct {
	e      *fakeEnd
	w      *bufio.Writer
	h, out pdu.BHS
	in     pdu.DataIn
	status pdu.SCSIResponse
	r2t    pdu.R2T
	digest [4]byte
	zeros  [1 << 20]byte
	drop   [1 << 20]byte
}

func (l *benchLoop) run() {
	h := &l.h
	for {
		if l.e.reader.Buffered() == 0 {
			_ = l.w.Flush()
		}
		if _, err := l.e.reader.ReadHeader(h); err != nil {
			return
		}
		_ = l.e.reader.ReadData(l.drop[:h.DataSegmentLength()])
		switch h.Opcode() {
		case pdu.OpSCSICommand:
			l.e.expCmdSN = binary.BigEndian.Uint32(h[24:]) + 1
			n := int(binary.BigEndian.Uint32(h[20:]))
			switch {
			case h[1]&0x40 != 0:
				l.in = pdu.DataIn{Final: true, StatusPresent: true, ITT: h.ITT(), TTT: pdu.ReservedTag, Data: l.zeros[:n]}
				l.send(&l.in, l.in.Data)
			case n > h.DataSegmentLength():
				at := h.DataSegmentLength()
				l.r2t = pdu.R2T{ITT: h.ITT(), TTT: 1, BufferOffset: uint32(at), DesiredDataTransferLength: uint32(n - at)}
				l.send(&l.r2t, nil)
			default:
				l.good(h.ITT())
			}
		case pdu.OpDataOut:
			if h.Final() {
				l.good(h.ITT())
			}
		case pdu.OpLogoutRequest:
			l.send(&pdu.LogoutResponse{ITT: h.ITT()}, nil)
			_ = l.w.Flush()
		default:
			return
		}
	}
}

func (l *benchLoop) good(itt uint32) {
	l.status = pdu.SCSIResponse{ITT: itt}
	l.send(&l.status, nil)
}

// send writes a PDU whose data needs no padding.
func (l *benchLoop) send(p pdu.PDU, data []byte) {
	l.e.stamp(p)
	p.EncodeBHS(&l.out)
	_, _ = l.w.Write(l.out[:])
	l.sum(l.e.digests.Header, l.out[:])
	_, _ = l.w.Write(data)
	l.sum(l.e.digests.Data && len(data) > 0, data)
}

func (l *benchLoop) sum(on bool, b []byte) {
	if on {
		binary.LittleEndian.PutUint32(l.digest[:], pdu.Checksum(b))
		_, _ = l.w.Write(l.digest[:])
	}
}

func benchLogin(b testing.TB, address, digest string) *Session {
	cfg := config()
	host, port, _ := net.SplitHostPort(address)
	cfg.Portal.Host = host
	_, _ = fmt.Sscan(port, &cfg.Portal.Port)
	cfg.HeaderDigest, cfg.DataDigest = []string{digest}, []string{digest}
	s, err := Login(b.Context(), &net.Dialer{}, cfg)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// TestDataPathDoesNotAllocate holds whole reads and writes, from Submit to Done, to no allocation.
func TestDataPathDoesNotAllocate(t *testing.T) {
	s := benchLogin(t, benchTarget(t), "CRC32C")
	done := make(chan struct{})
	for name, r := range map[string]*Request{
		"read": readRequest(0, 256<<10), "small read": readRequest(0, 4<<10), "write": writeRequest(0, make([]byte, 512<<10)),
		"small write": writeRequest(0, make([]byte, 512)),
	} {
		r.Done = func(*Request) { done <- struct{}{} }
		allocations := testing.AllocsPerRun(200, func() {
			s.Submit(r)
			<-done
		})
		if r.Err != nil || allocations >= 1 {
			t.Errorf("%s: %v, %.1f allocations", name, r.Err, allocations)
		}
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

// benchmarkIO keeps depth requests of size bytes under way.
func benchmarkIO(b *testing.B, write bool, size, depth int, digest string) {
	s := benchLogin(b, benchTarget(b), digest)
	done := make(chan *Request, depth)
	for range depth {
		r := readRequest(0, size)
		if write {
			r = writeRequest(0, make([]byte, size))
		}
		r.Done = func(r *Request) { done <- r }
		done <- r
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r := <-done
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		s.Submit(r)
	}
	for range depth {
		<-done
	}
	b.StopTimer()
	if err := s.Logout(b.Context()); err != nil {
		b.Error(err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct{ size, depth int }{{4 << 10, 1}, {4 << 10, 32}, {64 << 10, 8}} {
		for _, digest := range []string{"None", "CRC32C"} {
			b.Run(fmt.Sprintf("%dKiB/depth=%d/%s", c.size>>10, c.depth, digest), func(b *testing.B) { benchmarkIO(b, false, c.size, c.depth, digest) })
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ size, depth int }{{4 << 10, 1}, {4 << 10, 32}, {64 << 10, 8}, {512 << 10, 4}} {
		b.Run(fmt.Sprintf("%dKiB/depth=%d", c.size>>10, c.depth), func(b *testing.B) { benchmarkIO(b, true, c.size, c.depth, "None") })
	}
}

func BenchmarkLoginLogout(b *testing.B) {
	address := benchTarget(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := benchLogin(b, address, "None").Logout(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWire measures the writer alone: 32 read commands in one go.
func BenchmarkWire(b *testing.B) {
	w := newWireWriter(discard{}, pdu.Digests{Header: true, Data: true})
	batch := make([]sendEntry, 32)
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch {
			if err := w.add(&batch[i], 1); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.flush(); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
