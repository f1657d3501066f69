package simtarget

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"sync"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// startWriter is how the outbox gets its writer: it begins with a batch that was laid out already, and partly written, where there is one.
func (c *connection) startWriter(b *batch) {
	c.array.wg.Add(1)
	go func() {
		defer c.array.wg.Done()
		c.writeAll(b)
	}()
}

// writeAll writes what the outbox holds until nothing waits, or the connection ends.
func (c *connection) writeAll(b *batch) {
	for {
		if b == nil {
			if b = c.out.take(); b == nil {
				return
			}
			if c.socket == nil {
				if !c.writeApart(b) {
					return
				}
				b = nil
				continue
			}
			b.layOut()
		}
		if !c.wrote(b, b.writeTo(c.conn)) {
			return
		}
		b = nil
	}
}

// writeApart writes a batch PDU by PDU and reports whether the connection goes on. Over anything but a socket it is done so: how much waits for a
// peer that does not read must not depend on what happened to come together in a batch, since in a bubble that would show.
func (c *connection) writeApart(b *batch) bool {
	defer b.release()
	for i := range b.items {
		p := &b.items[i]
		err := b.writeOne(c.conn, p)
		end := p.end
		if err == nil && end != "" {
			c.finishWriting(end) // before anybody who waits for the last PDU goes on
		}
		n, own := p.weight(), p.ownData()
		p.buffer.release()
		p.buffer = nil
		c.out.passed(n, own)
		if err != nil {
			c.abort()
		}
		if err != nil || end != "" {
			return false
		}
	}
	return true
}

// flush ends the reading goroutine's hold on the outbox, and writes what waits as far as the socket takes it at once; for the rest a writer
// is started.
func (c *connection) flush() {
	if c.socket == nil {
		return // whatever was put has its writer
	}
	for b := c.out.unhold(); b != nil; b = c.out.take() {
		b.layOut()
		left, err := c.socket.tryWrite(b)
		if left && err == nil {
			c.startWriter(b)
			return
		}
		if !c.wrote(b, err) {
			return
		}
	}
}

// wrote gives a batch back that was written or failed, and reports whether the connection goes on.
func (c *connection) wrote(b *batch, err error) bool {
	end := b.end()
	if err == nil && end != "" {
		c.finishWriting(end) // before anybody who waits for the last PDU goes on
	}
	c.out.written(b)
	if err != nil {
		c.abort()
	}
	return err == nil && end == ""
}

// batch is PDUs that are written together, and their layout on the wire: headers, padding and digests in one arena, data where it is.
type batch struct {
	items []outgoing

	arena  []byte
	pieces []piece
	vector vector // of the socket that tries to write
	done   int    // bytes that are on the wire
	bufs   net.Buffers
	rest   net.Buffers
	joined []byte
}

// piece is a run of the arena, or data of its own.
type piece struct {
	from, to int
	data     []byte
}

// batchBytesKept bounds the memory of a batch that goes back to the pool, in bytes of one of its parts.
const batchBytesKept = 1 << 20

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch {
	b, _ := batches.Get().(*batch)
	return b
}

// release gives the batch and the buffers of its PDUs back.
func (b *batch) release() {
	for i := range b.items {
		b.items[i].buffer.release()
	}
	clear(b.items)
	clear(b.pieces)
	b.items, b.arena, b.pieces, b.done = b.items[:0], b.arena[:0], b.pieces[:0], 0
	if cap(b.joined) > batchBytesKept || cap(b.arena) > batchBytesKept {
		return
	}
	batches.Put(b)
}

// end is how the connection ends behind the batch.
func (b *batch) end() Ending {
	if len(b.items) == 0 {
		return ""
	}
	return b.items[len(b.items)-1].end
}

func (b *batch) layOut() {
	for i := range b.items {
		if p := &b.items[i]; p.bhs != (pdu.BHS{}) || p.end == "" {
			b.add(p)
		}
	}
}

func (b *batch) add(p *outgoing) {
	start := len(b.arena)
	b.arena = append(b.arena, p.bhs[:]...)
	if p.digests.Header {
		b.arena = binary.LittleEndian.AppendUint32(b.arena, p.headerDigest())
	}
	b.run(start)
	if len(p.data) == 0 {
		return
	}
	b.pieces = append(b.pieces, piece{data: p.data})
	start = len(b.arena)
	for range -len(p.data) & 3 {
		b.arena = append(b.arena, p.pad())
	}
	if p.digests.Data {
		b.arena = binary.LittleEndian.AppendUint32(b.arena, p.dataDigest())
	}
	b.run(start)
}

// run notes the arena from start on as one piece; joined to the piece before it where that ends there.
func (b *batch) run(start int) {
	if start == len(b.arena) {
		return
	}
	if n := len(b.pieces); n > 0 && b.pieces[n-1].data == nil && b.pieces[n-1].to == start {
		b.pieces[n-1].to = len(b.arena)
		return
	}
	b.pieces = append(b.pieces, piece{from: start, to: len(b.arena)})
}

func (b *batch) bytes(p piece) []byte {
	if p.data != nil {
		return p.data
	}
	return b.arena[p.from:p.to]
}

// writeTo writes what of a batch that was laid out is not on the wire yet: in one vectored write over TCP, and in one plain write over anything
// else. It waits for the peer.
func (b *batch) writeTo(conn net.Conn) error {
	if tcp, isTCP := conn.(*net.TCPConn); isTCP && (len(b.pieces) > 1 || b.done > 0) {
		return b.writeVector(tcp)
	}
	return b.writeJoined(conn)
}

// writeOne writes one PDU of the batch, of which nothing else is laid out.
func (b *batch) writeOne(conn net.Conn, p *outgoing) error {
	if p.bhs == (pdu.BHS{}) && p.end != "" {
		return nil
	}
	clear(b.pieces)
	b.arena, b.pieces = b.arena[:0], b.pieces[:0]
	b.add(p)
	return b.writeJoined(conn)
}

func (b *batch) writeJoined(conn net.Conn) error {
	b.joined = b.joined[:0]
	for _, p := range b.pieces {
		b.joined = append(b.joined, b.bytes(p)...)
	}
	if len(b.joined) == 0 {
		return nil
	}
	_, err := conn.Write(b.joined)
	return err
}

func (b *batch) writeVector(tcp *net.TCPConn) error {
	b.bufs = b.bufs[:0]
	done := b.done
	for _, p := range b.pieces {
		whole := b.bytes(p)
		skip := min(done, len(whole))
		done -= skip
		if skip < len(whole) {
			b.bufs = append(b.bufs, whole[skip:])
		}
	}
	b.rest = b.bufs // WriteTo consumes what it is called on
	_, err := b.rest.WriteTo(tcp)
	clear(b.bufs[:cap(b.bufs)])
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

// pad is what fills data up to whole words.
func (p *outgoing) pad() byte {
	if p.faults.stalePad {
		return 0xa5
	}
	return 0
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
