package proxy

import (
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/faults"
)

const (
	// queueMax bounds what waits for one direction of a connection, in bytes: beyond it nothing more is read, so that TCP holds the sender back.
	queueMax = 1 << 20
	// gatherMax bounds what is written at once, in bytes.
	gatherMax = 256 << 10
	// throttleParts is into how many segments a throttle cuts what may pass in a second, where there is that much.
	throttleParts = 50
	// coalesceMax is how much a coalesce puts together that names no size, in bytes.
	coalesceMax = 64 << 10
)

// load is how some bytes are to travel.
type load struct {
	delay time.Duration // later than they would
	apart bool          // in a segment of their own
	pause time.Duration // behind the segment before
	with  *rule         // the coalesce by which they wait for more to travel with; nil for none
}

// parcelled is what waits in a carrier: bytes, or something that is to happen behind the bytes before it.
type parcelled struct {
	data []byte
	came time.Time
	due  time.Time
	load
	act func() // what happens here, of a parcel without bytes
}

// shape is how the faults in force let a direction travel.
type shape struct {
	held          bool
	delay, jitter time.Duration
	rate          int           // bytes a second; 0 means no bound
	split         int           // bytes of a segment; 0 means as it comes
	pause         time.Duration // between segments
	coalesce      time.Duration // how long bytes wait for more; 0 means not
	enough        int           // bytes that are enough not to wait longer
}

func (s shape) plain() bool { return s == shape{} }

// carrier takes bytes to one end of a connection: at once where nothing is in their way, else by a queue and a goroutine of its own. Order is
// always kept.
type carrier struct {
	to   net.Conn
	rand *rand.Rand // guarded by mu

	mu      sync.Mutex
	room    sync.Cond
	wake    chan struct{} // holds one
	queue   []parcelled
	waiting int       // bytes in the queue
	written time.Time // when the last segment went out
	free    time.Time // when a throttle lets the next one go
	busy    bool      // somebody writes
	closed  bool      // nothing travels any more
	lost    bool      // nothing more is taken; what waits still travels
	shape   shape
	rules   []*rule // of which the shape is made, and stalls
	stalls  []*stalled
	felt    []*rule     // those that something has felt and nobody was told of yet
	shaped  atomic.Bool // something is in the way of what is sent
	last    time.Time   // due of what came last

	failed   func(error)   // is told, without mu, of a write that fails
	together func(r *rule) // is told, without mu, of a placed coalesce that has put something together
	feel     func(r *rule) // is told, without mu, of a fault in force that something has felt
}

// stalled is a stall in force on one direction.
type stalled struct {
	rule *rule
	left int  // bytes that still pass
	over bool // something has had to stay
}

func newCarrier(seed rand.Source) *carrier {
	c := &carrier{rand: rand.New(seed), wake: make(chan struct{}, 1)}
	c.room.L = &c.mu
	return c
}

// over reports that nothing more is taken.
func (c *carrier) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost || c.closed
}

// send takes bytes, which are the caller's again when it returns. It waits while the queue is full.
func (c *carrier) send(b []byte) { c.sendLoad(b, load{}) }

func (c *carrier) sendLoad(b []byte, l load) {
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	for c.waiting >= queueMax && !c.closed && !c.lost {
		c.room.Wait()
	}
	if c.closed || c.lost {
		c.mu.Unlock()
		return
	}
	if l == (load{}) && c.shape.plain() && len(c.stalls) == 0 && len(c.queue) == 0 && !c.busy && c.to != nil {
		c.busy = true
		c.mu.Unlock()
		_, err := c.to.Write(b)
		c.wrote(err)
		return
	}
	c.queue = append(c.queue, parcelled{data: append([]byte(nil), b...), came: time.Now(), due: c.dueOf(l), load: l})
	c.waiting += len(b)
	c.feels(len(b))
	c.mu.Unlock()
	c.tell()
	c.ring()
}

// feels notes the faults in force that bytes feel which come now.
func (c *carrier) feels(n int) {
	for _, r := range c.rules {
		switch f := r.fault; f.Verb {
		case faults.Split:
			if n > f.Size {
				c.felt = append(c.felt, r)
			}
		case faults.Delay, faults.Jitter, faults.Throttle, faults.Silence, faults.Blackhole:
			c.felt = append(c.felt, r)
		}
	}
}

// tell tells of the faults that were felt.
func (c *carrier) tell() {
	c.mu.Lock()
	felt := c.felt
	c.felt = nil
	c.mu.Unlock()
	for _, r := range felt {
		c.feel(r)
	}
}

// dueOf gives the instant before which bytes do not leave. Order is kept, so it never goes back.
func (c *carrier) dueOf(l load) time.Time {
	late := c.shape.delay + l.delay
	if c.shape.jitter > 0 {
		late += time.Duration(c.rand.Int64N(int64(c.shape.jitter)))
	}
	if late > 0 || !c.last.IsZero() {
		if due := time.Now().Add(late); due.After(c.last) {
			c.last = due
		}
	}
	return c.last
}

// behind lets something happen, without mu, when the bytes before it have been written.
func (c *carrier) behind(act func()) {
	c.mu.Lock()
	if !c.closed {
		c.queue = append(c.queue, parcelled{act: act, due: c.last})
	}
	c.mu.Unlock()
	c.ring()
}

func (c *carrier) wrote(err error) {
	c.mu.Lock()
	c.busy = false
	more := len(c.queue) > 0
	c.mu.Unlock()
	if err != nil {
		c.failed(err)
		return
	}
	if more {
		c.ring()
	}
}

// ring wakes the goroutine that works the queue off.
func (c *carrier) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run works the queue off until the carrier is closed.
func (c *carrier) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, wait, open := c.next()
		c.tell()
		switch {
		case !open:
			return
		case next != nil:
			c.deliver(next)
			continue
		case wait > 0:
			timer.Reset(wait)
		}
		select {
		case <-c.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next gives what may travel now, how long to wait for it (0 until something changes), and whether the carrier is open.
func (c *carrier) next() (next *parcelled, wait time.Duration, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, 0, false
	}
	most := c.allowed()
	if len(c.queue) == 0 || c.busy || c.shape.held || most == 0 || c.to == nil {
		return nil, 0, true
	}
	head := &c.queue[0]
	if head.data == nil {
		p := *head
		c.pop(1)
		return &p, 0, true
	}
	if wait := c.patience(head); wait > 0 {
		return nil, wait, true
	}
	c.busy = true
	with := head.with
	data, joined := c.gather(most)
	if !joined {
		with = nil
	} else if with == nil {
		c.felt = append(c.felt, c.coalesces()...)
	}
	return &parcelled{data: data, load: load{with: with}}, 0, true
}

// patience is how long the head of the queue still has to wait.
func (c *carrier) patience(head *parcelled) time.Duration {
	due := head.due
	for _, t := range []time.Time{c.free, c.written.Add(head.pause)} {
		if t.After(due) {
			due = t
		}
	}
	if wait := time.Until(due); wait > 0 {
		return wait
	}
	patience, enough := c.shape.coalesce, c.shape.enough
	if head.with != nil {
		patience, enough = max(patience, head.with.fault.By), max(enough, head.with.fault.Size)
	}
	if enough == 0 {
		enough = coalesceMax
	}
	if patience == 0 || c.waiting >= min(enough, queueMax) || c.lost {
		return 0
	}
	return max(0, time.Until(head.came.Add(patience)))
}

// coalesces are the rules in force by which bytes have travelled together.
func (c *carrier) coalesces() []*rule {
	var list []*rule
	for _, r := range c.rules {
		if r.fault.Verb == faults.Coalesce {
			list = append(list, r)
		}
	}
	return list
}

// allowed is how many bytes may be written now, as far as stalls tell.
func (c *carrier) allowed() int {
	most := gatherMax
	for _, s := range c.stalls {
		most = min(most, s.left)
		if s.left == 0 && !s.over && c.waiting > 0 {
			s.over = true
			c.felt = append(c.felt, s.rule)
		}
	}
	return most
}

// gather takes what is written at once from the front of the queue: bytes that are due, of one parcel or of several joined.
func (c *carrier) gather(most int) (b []byte, joined bool) {
	if c.shape.split > 0 {
		most = min(most, c.shape.split)
	}
	if c.shape.rate > 0 {
		most = min(most, max(1, c.shape.rate/throttleParts))
	}
	now := time.Now()
	head := &c.queue[0]
	switch n := len(head.data); {
	case n > most:
		b, head.data = head.data[:most:most], head.data[most:]
		head.pause = c.shape.pause
	case head.apart || c.shape.split > 0:
		b = head.data
		c.pop(1)
		if len(c.queue) > 0 && c.shape.split > 0 {
			c.queue[0].pause = max(c.queue[0].pause, c.shape.pause)
		}
	default:
		taken := 0
		for taken < len(c.queue) {
			p := &c.queue[taken]
			if p.data == nil || p.due.After(now) || taken > 0 && (p.apart || p.pause > 0 || len(b)+len(p.data) > most) {
				break
			}
			if taken++; taken == 1 {
				b = p.data
			} else {
				b, joined = append(b, p.data...), true
			}
		}
		c.pop(taken)
	}
	c.spend(len(b), now)
	return b, joined
}

// pop takes parcels from the front of the queue.
func (c *carrier) pop(n int) {
	clear(c.queue[:n])
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
}

// spend accounts for bytes that leave the queue.
func (c *carrier) spend(n int, now time.Time) {
	c.waiting -= n
	c.written = now
	for _, s := range c.stalls {
		s.left -= n
	}
	if rate := c.shape.rate; rate > 0 {
		c.free = now.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	} else {
		c.free = time.Time{}
	}
	c.room.Broadcast()
}

// deliver does what the front of the queue asks for.
func (c *carrier) deliver(p *parcelled) {
	if p.data == nil {
		p.act()
		return
	}
	if p.with != nil {
		c.together(p.with)
	}
	_, err := c.to.Write(p.data)
	c.wrote(err)
}

// connect gives the carrier the end that it takes bytes to.
func (c *carrier) connect(to net.Conn) {
	c.mu.Lock()
	c.to = to
	c.mu.Unlock()
	c.ring()
}

// end is where the carrier takes bytes to, nil while that is not reached.
func (c *carrier) end() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.to
}

// hurry bounds how long a write may take from now on, since nobody waits for its outcome any more.
func (c *carrier) hurry(d time.Duration) {
	if to := c.end(); to != nil {
		_ = to.SetWriteDeadline(time.Now().Add(d)) // a connection that is closed needs none
	}
}

// reshape lets other faults be in force.
func (c *carrier) reshape(rules []*rule) {
	var s shape
	for _, r := range rules {
		s.add(r.fault)
	}
	c.mu.Lock()
	c.shape, c.rules = s, rules
	var kept []*stalled
	for _, r := range rules {
		if r.fault.Verb != faults.Stall {
			continue
		}
		i := slices.IndexFunc(c.stalls, func(s *stalled) bool { return s.rule == r })
		if i < 0 {
			kept = append(kept, &stalled{rule: r, left: r.fault.After})
		} else {
			kept = append(kept, c.stalls[i])
		}
	}
	c.stalls = kept
	c.shaped.Store(len(rules) > 0)
	if s.rate == 0 {
		c.free = time.Time{}
	}
	if s.delay == 0 && s.jitter == 0 && len(c.queue) == 0 {
		c.last = time.Time{}
	}
	c.mu.Unlock()
	c.ring()
}

// cutOff takes nothing more; what waits still travels, unless it is dropped.
func (c *carrier) cutOff(drop bool) {
	c.mu.Lock()
	c.lost = true
	if drop {
		c.queue, c.waiting = nil, 0
	}
	c.room.Broadcast()
	c.mu.Unlock()
	c.ring()
}

// close ends the carrier and its goroutine.
func (c *carrier) close() {
	c.mu.Lock()
	c.closed = true
	c.queue, c.waiting = nil, 0
	c.room.Broadcast()
	c.mu.Unlock()
	c.ring()
}
