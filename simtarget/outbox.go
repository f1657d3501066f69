package simtarget

import (
	"sync"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// outgoing is one PDU on its way out.
type outgoing struct {
	bhs     pdu.BHS
	data    []byte
	digests pdu.Digests
	faults  wireFaults
	buffer  *buffer // goes back to its pool when the PDU is written; nil when the data is nobody's
	end     Ending  // how the connection ends behind this PDU; "" when it goes on
}

// wireFaults are departures from the wire format, for Deviations and AlterRule.
type wireFaults struct {
	wrongHeaderDigest bool // inverted
	wrongDataDigest   bool // inverted
	rawHeaderDigest   bool // without the final inversion of the CRC
	padNotCovered     bool // the data digest leaves the padding out
}

// outbox is the queue between whoever makes PDUs and the goroutine that writes them. Putting never waits.
type outbox struct {
	mu      sync.Mutex
	filled  sync.Cond
	room    sync.Cond
	queue   []outgoing
	spare   []outgoing // the slice that the writer gave back
	bytes   int        // the weight of what is queued or being written
	own     int        // of it, what answers counts
	reads   *account   // counts the buffers of the whole array
	answers *account   // counts the other data
	pdus    uint64     // put so far, without those that were dropped
	moved   uint64     // bytes of them
	ending  bool       // an item with an end is queued: nothing may follow
	closed  bool
	mute    bool // what is put is dropped
}

func (o *outbox) init(reads, answers *account) {
	o.filled.L, o.room.L = &o.mu, &o.mu
	o.reads, o.answers = reads, answers
}

// put queues a PDU. After one that ends the connection, and after close, PDUs are dropped.
func (o *outbox) put(p outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending || o.closed || o.mute {
		p.buffer.release()
		return
	}
	o.queue = append(o.queue, p)
	o.bytes += p.weight()
	if n := p.ownData(); n > 0 {
		o.own += n
		o.answers.taken.Add(int64(n))
	}
	o.pdus++
	o.moved += uint64(pdu.BHSLength + len(p.data))
	o.ending = p.end != ""
	o.filled.Signal()
}

// sent counts what was put so far.
func (o *outbox) sent() Traffic {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Traffic{PDUsOut: o.pdus, BytesOut: o.moved}
}

// finish queues the connection's end behind all that waits.
func (o *outbox) finish(how Ending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending || o.closed {
		return
	}
	o.queue = append(o.queue, outgoing{end: how})
	o.ending = true
	o.filled.Signal()
}

// silence drops what waits and all that comes.
func (o *outbox) silence() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mute = true
	o.drop()
}

// close wakes everybody who waits.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.drop()
	o.filled.Broadcast()
}

func (o *outbox) drop() {
	for i := range o.queue {
		o.queue[i].buffer.release()
	}
	clear(o.queue)
	o.answers.give(o.own)
	o.queue, o.bytes, o.own = o.queue[:0], 0, 0
	o.room.Broadcast()
}

// take waits for PDUs and hands out all that wait. It returns nil when the outbox is closed.
func (o *outbox) take() []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.closed {
		o.filled.Wait()
	}
	if o.closed {
		return nil
	}
	batch := o.queue
	o.queue, o.spare = o.spare[:0], nil
	return batch
}

// written gives a batch back when it is on the wire.
func (o *outbox) written(batch []outgoing) {
	n, own := 0, 0
	for i := range batch {
		n += batch[i].weight()
		own += batch[i].ownData()
		batch[i].buffer.release()
	}
	clear(batch)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes -= n; o.bytes < 0 { // dropped meanwhile
		o.bytes = 0
	}
	own = min(own, o.own)
	o.own -= own
	o.answers.give(own)
	o.spare = batch[:0]
	o.room.Broadcast()
}

// waitForRoom waits until the peer has taken enough of what was sent, or the outbox is closed: all of it where the array is short of memory.
func (o *outbox) waitForRoom() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for (o.bytes > outboxBytesMax || o.bytes > 0 && (o.reads.full() || o.answers.full())) && !o.closed {
		o.room.Wait()
	}
}

// waitUntilWritten waits until all that was put is on the wire, or the outbox is closed.
func (o *outbox) waitUntilWritten() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.bytes > 0 && !o.closed {
		o.room.Wait()
	}
}
