package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

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
	if len(c.queue) == 1 {
		c.wake.Signal()
	}
}

// write is the writer's goroutine: it takes the whole queue at a time and writes it at once.
func (c *connection) write() {
	defer close(c.written)
	var batch []sendEntry
	var over completions
	for {
		c.s.mu.Lock()
		c.release(batch, &over)
		if over.first != nil {
			c.s.mu.Unlock()
			batch = batch[:0]
			over.run()
			continue
		}
		for len(c.queue) == 0 && c.broken == nil {
			c.wake.Wait()
		}
		if c.broken != nil {
			c.s.mu.Unlock()
			return
		}
		batch, c.queue = c.queue, batch[:0]
		expStatSN := c.expStatSN
		if c.s.forcedDigests != nil {
			c.writer.digests = *c.s.forcedDigests
		}
		c.s.mu.Unlock()
		if err := c.writer.write(batch, expStatSN); err != nil {
			c.fail(err)
		}
	}
}

// release lets go of the memory that the entries referred to. A task whose outcome is there is completed now. The mutex is held.
func (c *connection) release(batch []sendEntry, over *completions) {
	for i := range batch {
		if t := batch[i].owner; t != nil {
			t.outRefs--
			c.s.settle(t, over)
		}
		batch[i] = sendEntry{}
	}
}
