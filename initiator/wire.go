package initiator

import (
	"encoding/binary"
	"math/bits"
	"net"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

const (
	// wireFlatBytes is how much of headers and of data that is copied comes together before it is written; the buffer for it begins with
	// wireFlatStart, since many sessions never need more.
	wireFlatBytes = 64 << 10
	wireFlatStart = 4 << 10
	// wireCopyBytes is the largest data segment that is copied beside its header rather than written from where it lies.
	wireCopyBytes = 2 << 10
	// wireFlushBytes and wireFlushParts bound one vectored write.
	wireFlushBytes = 1 << 20
	wireFlushParts = 512
)

// wireWriter puts PDUs on a connection with as few writes as it can. On TCP, large data goes out by a vectored write from the
// requester's memory; on any other connection all is copied into one buffer, since each piece would be a write of its own.
type wireWriter struct {
	nc      net.Conn
	vector  bool
	digests pdu.Digests
	dev     *DataOutDeviations // nil unless something deviates.
	bare    bool               // A deviating initiator does without padding.
	digest  DigestDeviations

	flat  []byte // Headers, copied data, pads and digests.
	mark  int    // Start of what is not in parts yet.
	parts [][]byte
	out   net.Buffers // What is being written; WriteTo consumes it.
	size  int
}

func newWireWriter(nc net.Conn, d pdu.Digests) *wireWriter {
	_, vector := nc.(*net.TCPConn)
	return &wireWriter{nc: nc, vector: vector, digests: d, flat: make([]byte, 0, wireFlatStart)}
}

// add puts one entry, stamped with expStatSN, among what flush will write. It writes itself when too much has come together.
func (w *wireWriter) add(e *sendEntry, expStatSN uint32) error {
	if !e.stamped {
		binary.BigEndian.PutUint32(e.header[28:], expStatSN)
	}
	if e.chunk > 0 {
		return w.sequence(e)
	}
	if e.header.TotalAHSLength() > 0 {
		return w.pdu(&e.header, e.owner.req.task.ahs, e.data)
	}
	return w.pdu(&e.header, nil, e.data)
}

// copies reports whether add copies the data, so that its owner may have it back before flush.
func (w *wireWriter) copies() bool { return !w.vector }

// sequence cuts a Data-Out sequence into PDUs (RFC 7143, Section 11.7). It stops when the task no longer wants its data sent.
func (w *wireWriter) sequence(e *sendEntry) error {
	h := &e.header
	offset := binary.BigEndian.Uint32(h[40:])
	for sn, data := binary.BigEndian.Uint32(h[36:]), e.data; len(data) > 0; sn++ {
		if e.owner.stopped.Load() {
			return nil
		}
		n := min(e.chunk, len(data))
		last := n == len(data)
		if last && e.answersR2T {
			e.owner.openR2Ts.Add(-1)
		}
		h.SetFinal(last && !e.part)
		if w.dev != nil && !w.dev.departs(h, e, n, last) {
			return nil
		}
		h.SetDataSegmentLength(n)
		binary.BigEndian.PutUint32(h[36:], sn)
		binary.BigEndian.PutUint32(h[40:], offset)
		if err := w.pdu(h, nil, data[:n]); err != nil {
			return err
		}
		data, offset = data[n:], offset+uint32(n)
	}
	return nil
}

// zeroPad is what pads a data segment to whole words.
var zeroPad [3]byte

// pdu adds one PDU to what is to be written. The data must stay unchanged until flush.
func (w *wireWriter) pdu(h *pdu.BHS, ahs, data []byte) error {
	if len(w.flat)+len(h)+len(ahs)+wireCopyBytes+16 > max(cap(w.flat), wireFlatBytes) || w.size > wireFlushBytes || len(w.parts) > wireFlushParts {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.flat = append(w.flat, h[:]...)
	w.flat = append(w.flat, ahs...)
	if w.digests.Header {
		if w.digest.AHSExcluded {
			ahs = nil
		}
		w.checksum(pdu.Checksum(h[:], ahs))
	}
	if len(data) == 0 {
		return nil
	}
	if w.vector && len(data) > wireCopyBytes {
		w.parts = append(w.parts, w.flat[w.mark:], data)
		w.mark = len(w.flat)
	} else {
		w.flat = append(w.flat, data...)
	}
	w.size += len(data)
	pad := zeroPad[:-len(data)&3]
	if w.bare {
		pad = nil
	}
	w.flat = append(w.flat, pad...)
	if w.digests.Data {
		if w.digest.PadExcluded {
			pad = nil
		}
		w.checksum(pdu.Checksum(data, pad))
	}
	return nil
}

// flushDirectly writes what was added, which is all in the buffer, as far as the socket takes it at once. It reports whether that was all.
func (w *wireWriter) flushDirectly(d *directWriter) bool {
	n := d.write(w.flat)
	w.flat = w.flat[:copy(w.flat, w.flat[n:])]
	w.size = 0
	return len(w.flat) == 0
}

// checksum adds a digest, least significant byte first (RFC 7143, Section 13.1).
func (w *wireWriter) checksum(sum uint32) {
	if w.digest.BigEndian {
		sum = bits.ReverseBytes32(sum)
	}
	w.flat = binary.LittleEndian.AppendUint32(w.flat, sum)
}

// flush writes all that was added.
func (w *wireWriter) flush() error {
	var err error
	switch {
	case len(w.parts) > 0:
		w.parts = append(w.parts, w.flat[w.mark:])
		w.out = w.parts
		_, err = w.out.WriteTo(w.nc)
		clear(w.parts)
	case len(w.flat) > 0:
		_, err = w.nc.Write(w.flat)
	}
	w.flat, w.parts, w.mark, w.size = w.flat[:0], w.parts[:0], 0, 0
	return err
}
