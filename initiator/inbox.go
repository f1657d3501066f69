package initiator

import "sync"

// inbox is how others reach the goroutine that owns a session: what is posted is worked off in the order of arrival.
// Posting never blocks, so that it is allowed from a request's completion.
type inbox struct {
	mu     sync.Mutex
	items  []func()
	closed bool
	// wake holds one token while items wait.
	wake chan struct{}
}

// newInbox returns an open inbox.
func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// post hands f to the owner; it reports false, and drops f, if the owner is gone.
func (b *inbox) post(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.items = append(b.items, f)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns what was posted since the last take; into is memory for the next.
func (b *inbox) take(into []func()) []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = into[:0]
	return items
}

// close refuses further posts and returns what was left.
func (b *inbox) close() []func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	items := b.items
	b.items = nil
	return items
}
