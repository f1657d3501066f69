package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// sendEntry is one entry of the write queue: a PDU, or a sequence of Data-Out PDUs that the writer cuts as it goes.
type sendEntry struct {
	header pdu.BHS
	data   []byte
	// owner is the task whose requester owns data; nil when the entry does.
	owner *task
	// chunk, when above 0, makes this a Data-Out sequence of PDUs of at most chunk bytes.
	chunk int
	// answersR2T says that the sequence was asked for.
	answersR2T bool
	// stamped says that the header has its ExpStatSN already.
	stamped bool
	// part says that more of the sequence follows in another entry, as only a deviating initiator has it.
	part bool
}

// send queues one PDU. The mutex is held.
func (c *connection) send(e sendEntry) {
	if c.broken != nil {
		return
	}
	if e.owner != nil {
		e.owner.outRefs++
	}
	c.queue = append(c.queue, e)
	if len(c.queue) == 1 && !c.corked {
		c.wake.Signal()
	}
}

// write is the writer's goroutine: it takes the whole queue at a time and writes it at once.
func (c *connection) write() {
	defer close(c.written)
	var over completions
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for {
		for c.writing || len(c.queue) == 0 && !c.unsent && c.broken == nil {
			c.wake.Wait()
		}
		if c.broken != nil {
			return
		}
		batch, expStatSN := c.take()
		c.s.mu.Unlock()
		if err := c.writeBatch(batch, expStatSN, &over); err != nil {
			c.writeFailed(err)
		}
		c.release(batch, &over)
		c.s.mu.Lock()
		c.wrote(batch)
	}
}

// take takes the queue, in order to write it. The mutex is held.
func (c *connection) take() (batch []sendEntry, expStatSN uint32) {
	batch, c.queue, c.answers = c.queue, c.spare, 0
	c.spare, c.writing, c.unsent = nil, true, false
	c.ack.told = c.expStatSN
	if c.s.forcedDigests != nil {
		c.writer.digests = *c.s.forcedDigests
	}
	switch {
	case c.s.dev.Sequencing.any():
		return batch, c.deviatingExpStatSN()
	case c.s.dev.Recovery.SharedStatSN:
		return batch, c.s.conns[0].expStatSN
	case len(c.gaps)+len(c.held) > 0:
		return batch, c.acknowledges()
	}
	return batch, c.expStatSN - c.concealed
}

// wrote ends what take has begun. The mutex is held.
func (c *connection) wrote(batch []sendEntry) {
	clear(batch)
	c.spare, c.writing = batch[:0], false
}

// readerGrace is how long a failed write leaves it to the reader to say why.
const readerGrace = 10 * time.Millisecond

// writeFailed waits for the end of the connection after a write has failed. What breaks a connection breaks both directions at one
// instant, and the cause must not depend on which goroutine runs first: it is the reader's, if it has one.
func (c *connection) writeFailed(err error) {
	patience := time.AfterFunc(readerGrace, func() { c.fail(err) })
	defer patience.Stop()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for c.broken == nil {
		c.wake.Wait()
	}
}

// writeBatch writes all entries. Where the data is copied, its owner gets it back at once: waiting for the whole batch would bind the ends
// of several requests together, in an order that is nobody's.
func (c *connection) writeBatch(batch []sendEntry, expStatSN uint32, over *completions) error {
	for i := range batch {
		if err := c.writer.add(&batch[i], expStatSN); err != nil {
			return err
		}
		if c.writer.copies() {
			c.release(batch[i:i+1], over)
		}
	}
	return c.writer.flush()
}

// release lets go of the memory that the entries refer to. A task whose outcome is there already is completed now.
func (c *connection) release(batch []sendEntry, over *completions) {
	locked := false
	for i := range batch {
		t := batch[i].owner
		if t == nil {
			continue
		}
		if !locked {
			c.s.mu.Lock()
			locked = true
		}
		batch[i].owner = nil
		t.outRefs--
		c.s.settle(t, over)
	}
	if locked {
		c.s.mu.Unlock()
		over.run()
	}
}
