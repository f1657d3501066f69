package simtarget

import (
	"encoding/binary"
	"hash/crc32"
	"net"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeLoop writes what the outbox holds until the connection ends. A batch goes out in one vectored write over TCP, and in one plain
// write over anything else.
func (c *connection) writeLoop() {
	var w wire
	for {
		batch := c.out.take()
		if batch == nil {
			return
		}
		w.reset()
		end := Ending("")
		for i := range batch {
			if batch[i].bhs != (pdu.BHS{}) || batch[i].end == "" {
				w.add(&batch[i])
			}
			end = batch[i].end
		}
		err := w.writeTo(c.conn)
		c.out.written(batch)
		if err != nil {
			c.abort()
			return
		}
		if end != "" {
			c.finishWriting(end)
			return
		}
	}
}

// wire lays PDUs out for writing: headers, padding and digests in one arena, data where it is.
type wire struct {
	arena  []byte
	pieces []piece
	bufs   net.Buffers
	rest   net.Buffers
	joined []byte
}

// piece is a run of the arena, or data of its own.
type piece struct {
	from, to int
	data     []byte
}

func (w *wire) reset() {
	w.arena = w.arena[:0]
	clear(w.pieces)
	w.pieces = w.pieces[:0]
}

func (w *wire) add(p *outgoing) {
	start := len(w.arena)
	w.arena = append(w.arena, p.bhs[:]...)
	if p.digests.Header {
		w.arena = binary.LittleEndian.AppendUint32(w.arena, p.headerDigest())
	}
	w.run(start)
	if len(p.data) == 0 {
		return
	}
	w.pieces = append(w.pieces, piece{data: p.data})
	start = len(w.arena)
	for range -len(p.data) & 3 {
		w.arena = append(w.arena, 0)
	}
	if p.digests.Data {
		w.arena = binary.LittleEndian.AppendUint32(w.arena, p.dataDigest())
	}
	w.run(start)
}

// run notes the arena from start on as one piece; joined to the piece before it where that ends there.
func (w *wire) run(start int) {
	if start == len(w.arena) {
		return
	}
	if n := len(w.pieces); n > 0 && w.pieces[n-1].data == nil && w.pieces[n-1].to == start {
		w.pieces[n-1].to = len(w.arena)
		return
	}
	w.pieces = append(w.pieces, piece{from: start, to: len(w.arena)})
}

func (w *wire) bytes(p piece) []byte {
	if p.data != nil {
		return p.data
	}
	return w.arena[p.from:p.to]
}

func (w *wire) writeTo(conn net.Conn) error {
	if tcp, isTCP := conn.(*net.TCPConn); isTCP && len(w.pieces) > 1 {
		w.bufs = w.bufs[:0]
		for _, p := range w.pieces {
			w.bufs = append(w.bufs, w.bytes(p))
		}
		w.rest = w.bufs // WriteTo consumes what it is called on
		_, err := w.rest.WriteTo(tcp)
		clear(w.bufs[:cap(w.bufs)])
		return err
	}
	w.joined = w.joined[:0]
	for _, p := range w.pieces {
		w.joined = append(w.joined, w.bytes(p)...)
	}
	if len(w.joined) == 0 {
		return nil
	}
	_, err := conn.Write(w.joined)
	if cap(w.joined) > 4<<20 {
		w.joined = nil
	}
	return err
}

var noPad [3]byte

func (p *outgoing) headerDigest() uint32 {
	sum := crc32.Update(0, castagnoli, p.bhs[:])
	if p.faults.wrongHeaderDigest || p.faults.rawHeaderDigest {
		sum = ^sum
	}
	return sum
}

func (p *outgoing) dataDigest() uint32 {
	sum := crc32.Update(0, castagnoli, p.data)
	if !p.faults.padNotCovered {
		sum = crc32.Update(sum, castagnoli, noPad[:-len(p.data)&3])
	}
	if p.faults.wrongDataDigest {
		sum = ^sum
	}
	return sum
}
