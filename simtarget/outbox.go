package simtarget

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// outboxBytesHeld is how many bytes the reading goroutine lets come together before it writes them, though more PDUs lie ready.
const outboxBytesHeld = 128 << 10

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
	stalePad          bool // other bytes than zero; data digests do not know
}

// outbox is the queue between whoever makes PDUs and who writes them. Putting never waits.
//
// One at a time writes. While the connection's reading goroutine holds the outbox, in the middle of executing what it has read, what is put
// waits for it to write all of it at once. Otherwise the first PDU starts a goroutine, which ends when nothing waits any more. A connection
// that is quiet has no such goroutine, and no memory for its queue.
type outbox struct {
	start   func(*batch) // starts a goroutine that writes; called with the lock held
	reads   *account     // counts the buffers of the whole array
	answers *account     // counts the other data
	crowded atomic.Bool  // more than outboxBytesHeld wait

	mu      sync.Mutex
	room    sync.Cond
	queue   *batch // what waits; nil for nothing
	bytes   int    // the weight of what waits or is being written
	own     int    // of it, what answers counts
	pdus    uint64 // put so far, without those that were dropped
	moved   uint64 // bytes of them
	held    bool
	writing bool
	ending  bool // an item with an end is queued: nothing may follow
	closed  bool
	mute    bool // what is put is dropped
}

func (o *outbox) init(reads, answers *account, start func(*batch)) {
	o.reads, o.answers, o.start = reads, answers, start
	o.room.L = &o.mu
}

// put queues a PDU. After one that ends the connection, and after close, PDUs are dropped.
func (o *outbox) put(p outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending || o.closed || o.mute {
		p.buffer.release()
		return
	}
	if n := p.ownData(); n > 0 {
		o.own += n
		o.answers.taken.Add(int64(n))
	}
	o.pdus++
	o.moved += uint64(pdu.BHSLength + len(p.data))
	o.add(&p)
}

// add queues a PDU and sees to it that it is written. The lock is held.
func (o *outbox) add(p *outgoing) {
	if o.queue == nil {
		o.queue = newBatch()
	}
	o.queue.items = append(o.queue.items, *p)
	o.bytes += p.weight()
	o.ending = p.end != ""
	if o.bytes > outboxBytesHeld {
		o.crowded.Store(true)
	}
	if !o.held && !o.writing {
		o.writing = true
		o.start(nil)
	}
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
	o.add(&outgoing{end: how})
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
}

// drop forgets what waits. The lock is held.
func (o *outbox) drop() {
	if o.queue != nil {
		o.queue.release()
		o.queue = nil
	}
	o.answers.give(o.own)
	o.bytes, o.own = 0, 0
	o.crowded.Store(false)
	o.room.Broadcast()
}

// hold keeps what is put from being written until unhold. The reading goroutine does so; it must not wait for anything meanwhile.
func (o *outbox) hold() {
	o.mu.Lock()
	o.held = true
	o.mu.Unlock()
}

// unhold ends hold, which need not have been called, and gives the reading goroutine what it has to write, nil for nothing. What the
// outbox gives is the only batch under way: take or written follow.
func (o *outbox) unhold() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = false
	if o.writing || o.queue == nil || o.closed {
		return nil
	}
	o.writing = true
	b := o.queue
	o.queue = nil
	return b
}

// take gives the writer all that waits, or nil: then it is no writer any more.
func (o *outbox) take() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.queue == nil {
		o.writing = false
		return nil
	}
	b := o.queue
	o.queue = nil
	return b
}

// written gives a batch back when it is on the wire.
func (o *outbox) written(b *batch) {
	n, own := 0, 0
	for i := range b.items {
		n += b.items[i].weight()
		own += b.items[i].ownData()
	}
	b.release()
	o.passed(n, own)
}

// passed takes so many bytes, and so many of what answers counts, out of what waits: they are on the wire.
func (o *outbox) passed(n, own int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes -= n; o.bytes < 0 { // dropped meanwhile
		o.bytes = 0
	}
	own = min(own, o.own)
	o.own -= own
	o.answers.give(own)
	if o.bytes <= outboxBytesHeld {
		o.crowded.Store(false)
	}
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

// awaitWritten waits as waitUntilWritten does, but no longer than a while.
func (o *outbox) awaitWritten(atMost time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := false
	timer := time.AfterFunc(atMost, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		over = true
		o.room.Broadcast()
	})
	defer timer.Stop()
	for o.bytes > 0 && !o.closed && !over {
		o.room.Wait()
	}
}
