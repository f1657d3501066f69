package peers

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/iscsispec/iscsispec/initiator"
)

// memoryDisk keeps blocks, or what spoil makes of a write: the memory as it was, and the command.
type memoryDisk struct {
	mu    sync.Mutex
	data  []byte
	spoil func(writes int, kept, written []byte)
	count int
}

func (d *memoryDisk) do(_ context.Context, r *initiator.Request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.data[binary.BigEndian.Uint32(r.CDB[2:])*blockSize:]
	r.Transferred = copy(r.Read, at)
	if len(r.Write) > 0 {
		r.Transferred = len(r.Write)
		d.count++
		d.spoil(d.count, at[:len(r.Write)], r.Write)
	}
	return nil
}

// The load itself: it accepts a disk that keeps what it is given, and no other.
func TestLoadNoticesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		sound bool
		spoil func(writes int, kept, written []byte)
	}{
		"sound":        {true, func(_ int, kept, written []byte) { copy(kept, written) }},
		"a lost write": {false, func(n int, kept, written []byte) { copy(kept, written[:len(written)*min(1, n%30)]) }},
		"a lost block": {false, func(n int, kept, written []byte) { copy(kept, written[:len(written)-blockSize*(n%2)]) }},
		"a wrong bit": {false, func(n int, kept, written []byte) {
			copy(kept, written)
			if n == 20 {
				kept[100] ^= 4
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			const blocks = 32 << 10
			d := &memoryDisk{data: make([]byte, blocks*blockSize), spoil: c.spoil}
			l := &load{seed: 7, blocks: blocks, maxDepth: 4, do: d.do}
			if err := l.run(t.Context()); (err == nil) != c.sound {
				t.Errorf("got %v after %d writes", err, d.count)
			}
		})
	}
}
