package simtarget

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// buffer is memory for the data of one command, taken from a pool and given back when the last PDU that shares it is written.
type buffer struct {
	bytes   []byte
	class   int      // index of the pool; -1 for sizes that are not pooled
	account *account // counts it until it is released; nil where none does
}

const (
	bufferClassMin = 9  // 512 bytes
	bufferClassMax = 20 // 1 MiB
)

var bufferPools [bufferClassMax + 1]sync.Pool

// account counts memory of the whole array that peers have it hold for one purpose.
type account struct {
	taken atomic.Int64 // bytes
	most  int64        // a limit that is never passed
}

// take counts n bytes, unless the limit would be passed.
func (a *account) take(n int) bool {
	if a.taken.Add(int64(n)) <= a.most {
		return true
	}
	a.taken.Add(-int64(n))
	return false
}

// give is the reverse of take.
func (a *account) give(n int) { a.taken.Add(-int64(n)) }

// full reports whether half of the limit is reached: time for whoever can to wait.
func (a *account) full() bool { return a.taken.Load() > a.most/2 }

// buffer returns a buffer of n bytes, whose content is arbitrary, or nil when the account's limit would be passed. What is counted is the
// memory that it takes: at least 512 bytes, and less than twice n.
func (a *account) buffer(n int) *buffer {
	class, size := bufferClass(n)
	if !a.take(size) {
		return nil
	}
	b := newBuffer(n, class, size)
	b.account = a
	return b
}

// hold counts data that is there already, which is nobody else's, or returns nil when the account's limit would be passed. Nobody must
// release the buffer: it is forgotten.
func (a *account) hold(data []byte) *buffer {
	if !a.take(cap(data)) {
		return nil
	}
	return &buffer{bytes: data, class: -1, account: a}
}

// scratchBuffer returns a buffer that no account counts: a connection has at most one, while it reads.
func scratchBuffer(n int) *buffer {
	class, size := bufferClass(n)
	return newBuffer(n, class, size)
}

func bufferClass(n int) (class, size int) {
	class = max(bufferClassMin, bits.Len(uint(max(n, 1)-1)))
	if class > bufferClassMax {
		return -1, n
	}
	return class, 1 << class
}

func newBuffer(n, class, size int) *buffer {
	if class >= 0 {
		if b, pooled := bufferPools[class].Get().(*buffer); pooled {
			b.bytes = b.bytes[:n]
			return b
		}
	}
	return &buffer{bytes: make([]byte, n, size), class: class}
}

// move has another account count the buffer, and reports false when that one's limit would be passed.
func (b *buffer) move(to *account) bool {
	if !to.take(cap(b.bytes)) {
		return false
	}
	b.account.give(cap(b.bytes))
	b.account = to
	return true
}

// forget ends the accounting of a buffer that PDUs on their way may still use: its memory is the garbage collector's. A nil buffer is lawful.
func (b *buffer) forget() {
	if b != nil {
		b.account.give(cap(b.bytes))
		b.account = nil
	}
}

// release gives the buffer back; its owner must not touch it again. A nil buffer is lawful.
func (b *buffer) release() {
	if b == nil {
		return
	}
	if b.account != nil {
		b.account.give(cap(b.bytes))
		b.account = nil
	}
	if b.class < 0 {
		return
	}
	b.bytes = b.bytes[:cap(b.bytes)]
	bufferPools[b.class].Put(b)
}
