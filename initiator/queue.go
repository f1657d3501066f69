package initiator

import "sort"

// Bounds of the queue that a lost session keeps its requests in, unless configured.
const (
	// DefaultQueueEntries is the largest number of requests held.
	DefaultQueueEntries = 1024
	// DefaultQueueBytes is the largest sum of their data buffers.
	DefaultQueueBytes = 64 << 20
)

// QueueBound limits the requests that wait for a session. The bound refuses
// newcomers only: what was accepted, a command in flight when the link broke
// included, is never thrown away for it.
type QueueBound struct {
	// Entries is the number of requests; 0 means DefaultQueueEntries.
	Entries int
	// Bytes is the sum of the requests' data buffers; 0 means DefaultQueueBytes.
	Bytes int64
}

// orDefault fills in what was left unset.
func (b QueueBound) orDefault() QueueBound {
	if b.Entries <= 0 {
		b.Entries = DefaultQueueEntries
	}
	if b.Bytes <= 0 {
		b.Bytes = DefaultQueueBytes
	}
	return b
}

// waitQueue holds the requests of one session in the order of their submission. It
// is a plain state type: no goroutine, no clock. Requests that come back from a
// broken connection find their old place by their number, hence ahead of whatever
// was submitted after them.
type waitQueue struct {
	entries []*pending
	// head is the index of the first entry; those before it were popped.
	head int
	// bytes is the sum of the entries' sizes.
	bytes int64
}

// length returns the number of waiting requests.
func (q *waitQueue) length() int { return len(q.entries) - q.head }

// fits reports whether a newcomer of size bytes is within bound.
func (q *waitQueue) fits(size int64, bound QueueBound) bool {
	return q.length() < bound.Entries && q.bytes+size <= bound.Bytes
}

// push appends a newcomer, whose number is above all others, if the bound allows.
func (q *waitQueue) push(p *pending, bound QueueBound) bool {
	if !q.fits(p.size, bound) {
		return false
	}
	q.entries = append(q.entries, p)
	q.bytes += p.size
	return true
}

// restore puts back a request that was accepted before, at the place its number
// gives it, whatever the bound.
func (q *waitQueue) restore(p *pending) {
	live := q.entries[q.head:]
	at := sort.Search(len(live), func(i int) bool { return live[i].seq > p.seq })
	q.entries = append(q.entries, nil)
	live = q.entries[q.head:]
	copy(live[at+1:], live[at:])
	live[at] = p
	q.bytes += p.size
}

// pop takes the oldest request, or nil.
func (q *waitQueue) pop() *pending {
	if q.length() == 0 {
		return nil
	}
	p := q.entries[q.head]
	q.entries[q.head] = nil
	q.head++
	q.bytes -= p.size
	if q.head == len(q.entries) {
		q.entries, q.head = q.entries[:0], 0
	}
	return p
}

// take removes the requests that match and returns them in order.
func (q *waitQueue) take(match func(*pending) bool) []*pending {
	var taken []*pending
	kept := q.entries[:0]
	for _, p := range q.entries[q.head:] {
		if match(p) {
			taken = append(taken, p)
			q.bytes -= p.size
		} else {
			kept = append(kept, p)
		}
	}
	clear(q.entries[len(kept):])
	q.entries, q.head = kept, 0
	return taken
}

// remove takes one request out, and reports whether it was waiting.
func (q *waitQueue) remove(p *pending) bool {
	return len(q.take(func(o *pending) bool { return o == p })) == 1
}
