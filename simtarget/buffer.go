package simtarget

import (
	"math/bits"
	"sync"
)

// buffer is memory for the data of one command, taken from a pool and given back when the last PDU that shares it is written.
type buffer struct {
	bytes []byte
	class int // index of the pool; -1 for sizes that are not pooled
}

const (
	bufferClassMin = 9  // 512 bytes
	bufferClassMax = 20 // 1 MiB
)

var bufferPools [bufferClassMax + 1]sync.Pool

// newBuffer returns a buffer of n bytes, whose content is arbitrary.
func newBuffer(n int) *buffer {
	class := max(bufferClassMin, bits.Len(uint(max(n, 1)-1)))
	if class > bufferClassMax {
		return &buffer{bytes: make([]byte, n), class: -1}
	}
	if b, pooled := bufferPools[class].Get().(*buffer); pooled {
		b.bytes = b.bytes[:n]
		return b
	}
	return &buffer{bytes: make([]byte, n, 1<<class), class: class}
}

// release gives the buffer back; its owner must not touch it again. A nil buffer is lawful.
func (b *buffer) release() {
	if b == nil || b.class < 0 {
		return
	}
	b.bytes = b.bytes[:cap(b.bytes)]
	bufferPools[b.class].Put(b)
}
