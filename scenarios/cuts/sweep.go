package cuts

import (
	"sync"
	"sync/atomic"
)

// Sweep does something for each of n items on several goroutines, and returns when all are done. Bubbles share nothing, so the order does not show.
func Sweep(workers, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
