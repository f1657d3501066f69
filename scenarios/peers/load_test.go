package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
)

const blockSize = 512

// load writes a disk full and reads it back, and knows for every block what it has to hold. Nothing of it depends on the clock: sizes,
// places, depths and contents are functions of the seed.
type load struct {
	seed     uint64
	blocks   uint64
	maxDepth int // Requests at once, at most.
	do       func(context.Context, *initiator.Request) error

	times []uint32 // How often each block was written; a block belongs to one worker at a time.
}

// maxPiece is the largest request, in blocks.
const maxPiece = 1024

// piece is a run of blocks that one request moves.
type piece struct{ from, count uint64 }

// run writes everything, some of it twice at once, and then reads everything in other pieces.
func (l *load) run(ctx context.Context) error {
	l.times = make([]uint32, l.blocks)
	if err := l.each(ctx, 1, l.write); err != nil {
		return err
	}
	return l.each(ctx, 2, l.read)
}

// each cuts the disk into pieces of random size in random order, and has stretches of them worked off at random depths.
func (l *load) each(ctx context.Context, pass uint64, work func(context.Context, *worker, piece) error) error {
	random := rand.New(rand.NewPCG(l.seed, pass))
	var pieces []piece
	for at := uint64(0); at < l.blocks; {
		p := piece{at, min(1+random.Uint64N(maxPiece), l.blocks-at)}
		pieces = append(pieces, p)
		at += p.count
	}
	random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for len(pieces) > 0 {
		depth := 1 + random.IntN(l.maxDepth)
		stretch := pieces[:min(len(pieces), depth*(1+random.IntN(8)))]
		pieces = pieces[len(stretch):]
		if err := l.stretch(ctx, depth, stretch, work); err != nil {
			return err
		}
	}
	return nil
}

// worker is one of those that work beside each other; its memory is its own.
type worker struct {
	random      *rand.Rand
	data, wants []byte
	request     initiator.Request
}

// stretch has pieces worked off by depth workers.
func (l *load) stretch(ctx context.Context, depth int, pieces []piece, work func(context.Context, *worker, piece) error) error {
	var all sync.WaitGroup
	failed := make([]error, depth)
	for i := range depth {
		all.Go(func() {
			w := &worker{data: make([]byte, maxPiece*blockSize), wants: make([]byte, maxPiece*blockSize)}
			for n := i; n < len(pieces) && failed[i] == nil; n += depth {
				w.random = rand.New(rand.NewPCG(l.seed, pieces[n].from))
				failed[i] = work(ctx, w, pieces[n])
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// write writes a piece; a third of them get a part overwritten as soon as that is done, and a quarter are read at once.
func (l *load) write(ctx context.Context, w *worker, p piece) error {
	if err := l.put(ctx, w, p); err != nil {
		return err
	}
	if w.random.IntN(3) == 0 {
		skip := w.random.Uint64N(p.count)
		if err := l.put(ctx, w, piece{p.from + skip, 1 + w.random.Uint64N(p.count-skip)}); err != nil {
			return err
		}
	}
	if w.random.IntN(4) == 0 {
		return l.read(ctx, w, p)
	}
	return nil
}

func (l *load) put(ctx context.Context, w *worker, p piece) error {
	for b := p.from; b < p.from+p.count; b++ {
		l.times[b]++
	}
	data := w.data[:p.count*blockSize]
	l.fill(data, p)
	w.request = initiator.Request{CDB: scsi.Write(p.from, uint32(p.count)), Write: data}
	return l.good(ctx, &w.request, p)
}

// read reads a piece and looks at every block.
func (l *load) read(ctx context.Context, w *worker, p piece) error {
	data, wants := w.data[:p.count*blockSize], w.wants[:p.count*blockSize]
	clear(data)
	l.fill(wants, p)
	w.request = initiator.Request{CDB: scsi.Read(p.from, uint32(p.count)), Read: data}
	if err := l.good(ctx, &w.request, p); err != nil {
		return err
	}
	for n := range p.count {
		got, want := data[n*blockSize:][:blockSize], wants[n*blockSize:][:blockSize]
		if !bytes.Equal(got, want) {
			return fmt.Errorf("block %d, written %d times, holds what begins %x, want %x", p.from+n, l.times[p.from+n], got[:24], want[:24])
		}
	}
	return nil
}

// good carries a request out. A unit attention, which targets raise after a login, is not an answer to it.
func (l *load) good(ctx context.Context, r *initiator.Request, p piece) error {
	for range 8 {
		if err := l.do(ctx, r); err != nil {
			return fmt.Errorf("%d blocks at %d: %w", p.count, p.from, err)
		}
		sense, err := scsi.ParseSense(r.Sense)
		if scsi.Status(r.Status) != scsi.StatusCheckCondition || err != nil || sense.Key != scsi.UnitAttention {
			break
		}
	}
	if scsi.Status(r.Status) != scsi.StatusGood || r.Transferred != len(r.Read)+len(r.Write) {
		return fmt.Errorf("%d blocks at %d: %s, sense %x, %d bytes moved", p.count, p.from, r.Outcome(), r.Sense, r.Transferred)
	}
	return nil
}

// fill makes the contents of blocks: where they lie, how often they were written, and words that follow from both and the seed.
func (l *load) fill(data []byte, p piece) {
	for n := range p.count {
		block, lba := data[n*blockSize:][:blockSize], p.from+n
		times := uint64(l.times[lba])
		binary.LittleEndian.PutUint64(block, lba)
		binary.LittleEndian.PutUint64(block[8:], times)
		word := l.seed ^ lba<<20 ^ times
		for at := 16; at < blockSize; at += 8 {
			word = word*6364136223846793005 + 1442695040888963407
			binary.LittleEndian.PutUint64(block[at:], word)
		}
	}
}
