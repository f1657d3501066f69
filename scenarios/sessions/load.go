package sessions

import (
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/trace"
)

// Blocks of a Load's workers: none of them are a probe's.
const (
	workerBlocks = 1024 // between the first blocks of two workers
	workerRounds = 512  // after which a worker begins again at its first block
)

// The least times between two submissions of one worker: always, and after a request that did not end with GOOD.
const (
	loadEvery    = time.Millisecond
	afterFailure = 100 * time.Millisecond
)

// worker is one requester of a Load.
type worker struct {
	first  uint64        // block
	rounds int           // writes or reads submitted
	due    time.Duration // not to be submitted sooner
	busy   bool
	verify string // digest that the next read has to bring; "" when the next request is a new one
}

// load is a Load under way. One goroutine submits for all workers, so that what several of them do at one instant has an order.
type load struct {
	op      Load
	c       *call
	workers []*worker
	parts   []*call

	mu    sync.Mutex
	wake  chan struct{} // holds one token when a request has ended
	ended []func()      // what their ends mean for the workers, in order
}

func (o Load) takesTime() bool { return true }

// compose keeps the workers busy until the time is over, and returns what is still under way then.
func (o Load) compose(c *call) []*call {
	l := &load{op: o, c: c, wake: make(chan struct{}, 1)}
	for i := range max(o.Workers, 1) {
		l.workers = append(l.workers, &worker{first: uint64(i+1) * workerBlocks})
	}
	d := c.driver
	end := d.x.log.Now() + o.For
	for d.x.ctx.Err() == nil {
		l.collect()
		now := d.x.log.Now()
		next, busy := l.submitDue(now, end)
		if !busy && next < 0 {
			break
		}
		l.await(next)
		d.breathe()
	}
	return l.parts
}

// submitDue submits for every worker that is due; it returns when the next one is, -1 for none, and whether requests are under way.
func (l *load) submitDue(now, end time.Duration) (next time.Duration, busy bool) {
	next = -1
	for _, w := range l.workers {
		switch {
		case w.busy:
			busy = true
		case w.verify == "" && max(w.due, now) >= end:
		case w.verify == "" && w.due > now:
			if next < 0 || w.due < next {
				next = w.due
			}
		default:
			l.submit(w)
			busy = true
			l.c.driver.breathe()
		}
	}
	return next, busy
}

// await waits until a request has ended or the instant has come; a negative instant never comes.
func (l *load) await(next time.Duration) {
	wait := patience
	if next >= 0 {
		wait = max(0, next-l.c.driver.x.log.Now())
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.wake:
	case <-timer.C:
	case <-l.c.driver.x.ctx.Done():
	}
}

// collect works off the ends of requests.
func (l *load) collect() {
	l.mu.Lock()
	ended := l.ended
	l.ended = nil
	l.mu.Unlock()
	for _, f := range ended {
		f()
	}
}

// submit submits a worker's next request.
func (l *load) submit(w *worker) {
	d, o := l.c.driver, l.op
	lba := w.first + uint64(w.rounds%workerRounds)
	var op command
	want := w.verify
	switch {
	case want != "":
		op = Read{Session: o.Session, LUN: o.LUN, LBA: lba, Device: o.Device}
	case o.Write:
		op = Write{Session: o.Session, LUN: o.LUN, LBA: lba, Device: o.Device}
	default:
		op = Read{Session: o.Session, LUN: o.LUN, LBA: lba, Device: o.Device}
		w.rounds++
	}
	part := d.part(Step{Label: l.c.step.Label, Do: op}, op)
	l.parts = append(l.parts, part)
	if w.busy = true; want == "" {
		w.due = d.x.log.Now() + max(o.Every, loadEvery)
	}
	d.x.submitWith(part, op, func(r *initiator.Request, out outcome) outcome {
		digest := attrOf(out.attrs, attrDigest)
		if want != "" && out.name == Good && digest != want {
			out.name = Miscompare
		}
		l.mu.Lock()
		l.ended = append(l.ended, func() {
			w.over(o, want != "", out.name == Good, digest)
			if out.name != Good {
				w.due = max(w.due, d.x.log.Now()+afterFailure)
			}
		})
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default:
		}
		return out
	})
}

// over takes note of the end of a worker's request.
func (w *worker) over(o Load, verified, good bool, digest string) {
	w.busy, w.verify = false, ""
	switch {
	case !o.Write:
	case !verified && good && o.Verify:
		w.verify = digest
	default:
		w.rounds++
	}
}

func attrOf(attrs []trace.Attr, key string) string {
	e := trace.Event{Attrs: attrs}
	return attr(e, key)
}
