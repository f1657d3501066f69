package initiator

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// entry makes a request of that number with size bytes to write.
func entry(seq uint64, size int) *pending {
	return newPending(seq, &Request{LUN: seq % 3, Write: make([]byte, size)}, time.Time{})
}

// numbers lists the queue's numbers in order.
func numbers(q *waitQueue) (list []uint64) {
	for _, p := range q.entries[q.head:] {
		list = append(list, p.seq)
	}
	return list
}

// TestQueueBounds checks both bounds at their edges.
func TestQueueBounds(t *testing.T) {
	bound := QueueBound{Entries: 3, Bytes: 100}
	var q waitQueue
	for _, c := range []struct {
		seq  uint64
		size int
		want bool
	}{{1, 60, true}, {2, 41, false}, {3, 40, true}, {4, 1, false}, {5, 0, true}, {6, 0, false}} {
		if got := q.push(entry(c.seq, c.size), bound); got != c.want {
			t.Errorf("push of %d bytes as number %d: %v, want %v", c.size, c.seq, got, c.want)
		}
	}
	q.pop()
	if !q.push(entry(7, 60), bound) {
		t.Error("no room after one was taken")
	}
	if got := (QueueBound{}).orDefault(); got.Entries != DefaultQueueEntries || got.Bytes != DefaultQueueBytes {
		t.Errorf("default bound %+v", got)
	}
}

// TestQueueRestore checks that requests from a broken connection come before what was submitted after them, whatever the bound.
func TestQueueRestore(t *testing.T) {
	var q waitQueue
	bound := QueueBound{Entries: 2, Bytes: 1000}
	q.push(entry(7, 1), bound)
	q.push(entry(8, 1), bound)
	for _, seq := range []uint64{3, 4, 6, 5} {
		q.restore(entry(seq, 1))
	}
	if want := []uint64{3, 4, 5, 6, 7, 8}; !slices.Equal(numbers(&q), want) {
		t.Errorf("order %v, want %v", numbers(&q), want)
	}
	if q.push(entry(9, 1), bound) {
		t.Error("a newcomer was taken beyond the bound")
	}
}

// TestQueueTake checks that aborts and resets take their own and leave the rest in order.
func TestQueueTake(t *testing.T) {
	var q waitQueue
	bound := QueueBound{}.orDefault()
	for seq := range uint64(9) {
		q.push(entry(seq+1, 10), bound)
	}
	q.pop()
	taken := q.take(func(p *pending) bool { return p.req.LUN == 0 })
	if len(taken) != 3 || taken[0].seq != 3 || taken[2].seq != 9 {
		t.Errorf("took %d", len(taken))
	}
	if want := []uint64{2, 4, 5, 7, 8}; !slices.Equal(numbers(&q), want) {
		t.Errorf("left %v, want %v", numbers(&q), want)
	}
	if q.bytes != 50 {
		t.Errorf("%d bytes counted, want 50", q.bytes)
	}
	if q.remove(taken[0]) {
		t.Error("removed what is not there")
	}
}

// TestQueueModel holds the queue against a sorted list under random operations.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := QueueBound{Entries: rapid.IntRange(1, 12).Draw(t, "entries"), Bytes: rapid.Int64Range(1, 60).Draw(t, "bytes")}
		var q waitQueue
		var model, flying []*pending
		var next uint64
		size := func() (sum int64) {
			for _, p := range model {
				sum += p.size
			}
			return sum
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				next++
				p := entry(next, rapid.IntRange(0, 9).Draw(t, "size"))
				want := len(model) < bound.Entries && size()+p.size <= bound.Bytes
				if q.push(p, bound) != want {
					t.Fatalf("push: got %v, want %v", !want, want)
				}
				if want {
					model = append(model, p)
				}
			},
			"send": func(t *rapid.T) {
				p := q.pop()
				if (p == nil) != (len(model) == 0) || p != nil && p != model[0] {
					t.Fatal("pop is not the oldest")
				}
				if p != nil {
					model, flying = model[1:], append(flying, p)
				}
			},
			"lose": func(t *rapid.T) {
				for _, p := range flying {
					q.restore(p)
				}
				model, flying = append(slices.Clone(flying), model...), nil
			},
			"answer": func(t *rapid.T) {
				if len(flying) > 0 {
					flying = slices.Delete(flying, 0, 1)
				}
			},
			"": func(t *rapid.T) {
				var want []uint64
				for _, p := range model {
					want = append(want, p.seq)
				}
				if !slices.Equal(numbers(&q), want) || q.length() != len(model) || q.bytes != size() {
					t.Fatalf("queue %v (%d bytes), want %v (%d bytes)", numbers(&q), q.bytes, want, size())
				}
			},
		})
	})
}

// TestDeadlines checks that requests expire by deadline, then by submission, and not after they are over.
func TestDeadlines(t *testing.T) {
	var h deadlineHeap
	var all []*pending
	for seq, s := range []float64{5, 3, 5, 1, 9} {
		p := newPending(uint64(seq), &Request{}, at(s))
		h.watch(p)
		all = append(all, p)
	}
	h.watch(newPending(9, &Request{}, time.Time{}))
	h.unwatch(all[1])
	h.unwatch(all[1])
	if next, ok := h.next(); !ok || !next.Equal(at(1)) {
		t.Fatalf("next %v %v, want 1s", next.Sub(start0), ok)
	}
	var order []uint64
	for p := h.expired(at(5)); p != nil; p = h.expired(at(5)) {
		order = append(order, p.seq)
	}
	if want := []uint64{3, 0, 2}; !slices.Equal(order, want) {
		t.Errorf("expired %v, want %v", order, want)
	}
	if len(h) != 1 {
		t.Errorf("%d left, want 1", len(h))
	}
}
