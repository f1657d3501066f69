package initiator

import (
	"container/heap"
	"time"
)

// pending is one request on its way through a managed session. It belongs to the session's owner, from the submission to
// the call of the request's Done.
type pending struct {
	// seq numbers the requests of one session in the order of their submission.
	seq uint64
	req *Request
	// size is what the request counts against the byte bound of the queue.
	size int64
	// deadline is when the requester stops waiting; zero means never.
	deadline time.Time
	// heapIndex is the place in the deadlineHeap, or -1.
	heapIndex int
	// flying is true while the request is with the Session.
	flying bool
	// via is the Session that the request was handed to last.
	via *Session
	// doubted is true while the request is a write, listed in the Manager's doubtBook, that the target may have executed.
	doubted bool
	// quit, when not nil, is why its requester waits no longer: should the request come back unanswered, it ends with this.
	quit error
}

// newPending wraps a request.
func newPending(seq uint64, r *Request, deadline time.Time) *pending {
	return &pending{seq: seq, req: r, size: int64(len(r.Read) + len(r.Write)), deadline: deadline, heapIndex: -1}
}

// hasDeadline reports whether the requester's patience has an end.
func (p *pending) hasDeadline() bool { return !p.deadline.IsZero() }

// deadlineHeap orders the unfinished requests that have a deadline by it, and equal ones by submission. A plain value.
type deadlineHeap []*pending

// Len, Less, Swap, Push and Pop are container/heap's.
func (h deadlineHeap) Len() int { return len(h) }

// Less puts the earlier deadline first.
func (h deadlineHeap) Less(i, j int) bool {
	if h[i].deadline.Equal(h[j].deadline) {
		return h[i].seq < h[j].seq
	}
	return h[i].deadline.Before(h[j].deadline)
}

// Swap exchanges two requests.
func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push appends a request.
func (h *deadlineHeap) Push(x any) {
	p := x.(*pending)
	p.heapIndex = len(*h)
	*h = append(*h, p)
}

// Pop takes the last request.
func (h *deadlineHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	p.heapIndex = -1
	return p
}

// watch enters a request that has a deadline.
func (h *deadlineHeap) watch(p *pending) {
	if p.hasDeadline() {
		heap.Push(h, p)
	}
}

// unwatch takes a request out.
func (h *deadlineHeap) unwatch(p *pending) {
	if p.heapIndex >= 0 {
		heap.Remove(h, p.heapIndex)
	}
}

// next returns the earliest deadline.
func (h deadlineHeap) next() (time.Time, bool) {
	if len(h) == 0 {
		return time.Time{}, false
	}
	return h[0].deadline, true
}

// expired takes out one request whose deadline has come, the earliest first, or returns nil.
func (h *deadlineHeap) expired(now time.Time) *pending {
	if at, ok := h.next(); !ok || at.After(now) {
		return nil
	}
	return heap.Pop(h).(*pending)
}
