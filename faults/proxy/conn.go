package proxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

const (
	// drainTime is how long what was sent before a reset has to leave this machine, and how long both ends have to end their side when the
	// proxy has ended its own.
	drainTime = 2 * time.Second
	// orderlyMax is how long an orderly end may take, with all that was on its way.
	orderlyMax = time.Minute
	// drainLook is how often it is looked whether it has.
	drainLook = time.Millisecond
)

// conn is one connection of an initiator, and the one to the array that belongs to it.
type conn struct {
	proxy     *Proxy
	front     *front
	name      string // "PORTAL#n"
	initiator netip.AddrPort
	serial    uint64 // counts the connections of the proxy
	opened    time.Time
	near      net.Conn // toward the initiator
	out       *flow    // what the initiator sends
	in        *flow    // what the array sends
	over      context.Context
	end       context.CancelFunc
	running   sync.WaitGroup

	mu       sync.Mutex // never held across a wait
	far      net.Conn   // toward the array; nil while it is not reached
	to       string     // the array's portal, as it was dialled
	array    string     // its address, as it was reached
	dialogue *pdu.Dialogue
	rewriter rewriter
	ended    bool // by a fault, by both ends, or with the proxy
	agreed   atomic.Pointer[pdu.Digests]
	stage    atomic.Int32
}

// The stages of a connection, as they are told.
const (
	stageHeld int32 = iota // the array was not dialled yet
	stageDialling
	stageLogin
	stageFullFeature
)

func newConn(p *Proxy, f *front, near net.Conn, initiator netip.AddrPort, name string) *conn {
	c := &conn{proxy: p, front: f, name: name, initiator: initiator, near: near, opened: time.Now(), dialogue: pdu.NewDialogue(pdu.Limits{})}
	c.over, c.end = context.WithCancel(context.Background())
	c.agreed.Store(&pdu.Digests{})
	newFlow := func(dir faults.Direction, way pdu.Direction) *flow {
		return &flow{conn: c, dir: dir, way: way, carrier: newCarrier(rand.NewPCG(p.options.Seed, seedOf(name, string(dir))))}
	}
	c.out, c.in = newFlow(faults.ToTarget, pdu.ToTarget), newFlow(faults.ToInitiator, pdu.ToInitiator)
	for _, f := range []*flow{c.out, c.in} {
		f.carrier.failed = func(error) { c.reset() }
		f.carrier.together = func(r *rule) { p.struck(r, c) }
		f.carrier.feel = func(r *rule) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.feel(r, c)
		}
	}
	c.rewriter.front = func(named iscsi.Address) (iscsi.Address, bool) { return p.standIn(c, named) }
	c.rewriter.kept = func(named string) {
		p.note("%s: no room for another address than %s: the initiator may leave the proxy", c.name, named)
	}
	return c
}

// serve relays the connection until it is over.
func (c *conn) serve() {
	defer c.end()
	c.running.Go(c.out.carrier.run)
	c.running.Go(c.in.carrier.run)
	c.running.Go(func() { c.read(c.near, c.out) })
	c.running.Go(func() {
		if far := c.reach(); far != nil {
			c.read(far, c.in)
		}
	})
	<-c.over.Done()
	c.close()
	c.running.Wait()
}

// reach dials the array, when the faults in force let it, and gives nil when the connection has ended meanwhile or the array cannot be
// reached.
func (c *conn) reach() net.Conn {
	for {
		silent, changed := c.proxy.silenced(c)
		if !silent {
			break
		}
		select {
		case <-changed:
		case <-c.over.Done():
			return nil
		}
	}
	c.stage.Store(stageDialling)
	address := c.proxy.destination(c)
	c.mu.Lock()
	c.to = address
	c.mu.Unlock()
	name := c.name + "/array"
	ctx, cancel := context.WithTimeout(c.over, c.proxy.options.DialTimeout)
	defer cancel()
	dialer := net.Dialer{}
	far, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		if c.over.Err() == nil {
			c.proxy.record(trace.Event{Kind: trace.KindDialFailed, Node: Node, Conn: name, To: address, Err: trace.ErrorText(err)})
			c.proxy.note("%s: the array does not answer at %s: %v", c.name, address, err)
			c.proxy.unreached.Add(1)
		}
		c.reset()
		return nil
	}
	c.proxy.record(trace.Event{Kind: trace.KindDial, Node: Node, Conn: name, From: far.LocalAddr().String(), To: far.RemoteAddr().String()})
	far = c.proxy.options.Log.Tap(far, Node, name)
	if address == c.front.key {
		c.front.reached(far.RemoteAddr())
	}
	c.mu.Lock()
	over := c.ended
	c.far, c.array = far, far.RemoteAddr().String()
	c.mu.Unlock()
	c.stage.CompareAndSwap(stageDialling, stageLogin)
	if !over {
		c.out.carrier.connect(far)
	}
	return far
}

// dialled is the array's portal as it was dialled, "" before.
func (c *conn) dialled() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.to
}

// read takes in one direction until its end.
func (c *conn) read(from net.Conn, f *flow) {
	buffer := c.proxy.buffers.Get().(*[]byte)
	defer c.proxy.buffers.Put(buffer)
	for {
		n, err := from.Read(*buffer)
		if n > 0 {
			f.accept((*buffer)[:n])
		}
		if err == nil {
			continue
		}
		if !f.carrier.over() {
			f.flush()
		}
		switch {
		case c.stage.Load() == stageHeld: // the initiator has given up
			c.end()
		case errors.Is(err, io.EOF):
			c.past(func() { f.heard = true })
			f.carrier.behind(func() { c.finish(f) })
		case errors.Is(err, net.ErrClosed):
		default: // The end that sent is gone, and what it has sent before still counts.
			f.carrier.hurry(drainTime)
			f.carrier.behind(c.reset)
		}
		return
	}
}

// finish ends one direction in order, behind all that has travelled in it.
func (c *conn) finish(f *flow) {
	if c.over.Err() != nil {
		return // A reset is on its way, which must not look like an orderly end.
	}
	if to, ok := f.carrier.end().(interface{ CloseWrite() error }); ok {
		_ = to.CloseWrite() // an end that is gone needs none
	}
	c.past(func() { f.spoken = true })
}

// past notes a step on a connection's way to its end, which has come when both ends have ended their side and heard of the other's.
func (c *conn) past(step func()) {
	c.mu.Lock()
	step()
	spoken := c.out.spoken && c.in.spoken
	over, cut := spoken && c.out.heard && c.in.heard, spoken && c.ended
	c.mu.Unlock()
	switch {
	case over:
		c.end()
	case cut:
		c.within(drainTime)
	}
}

// follow looks at a whole login or text PDU: what the two sides agree on, what the initiator takes, which portals the array names. It tells
// whether the PDU has changed.
func (c *conn) follow(way pdu.Direction, f *pdu.Frame, wire []byte) bool {
	full := c.stage.Load() == stageFullFeature
	if !full {
		c.mu.Lock()
		c.dialogue.Feed(way, wire)
		if c.dialogue.FullFeature() {
			agreed := c.dialogue.Digests()
			c.agreed.Store(&agreed)
			c.stage.Store(stageFullFeature)
		}
		c.mu.Unlock()
	}
	if way == pdu.ToTarget {
		c.rewriter.watch(f)
		return false
	}
	c.rewriter.full = full
	return c.rewriter.rewrite(f)
}

// digests are those that PDUs from now on carry.
func (c *conn) digests() pdu.Digests { return *c.agreed.Load() }

// cut ends both ends of the connection for a fault, and reports false when there is nothing left to cut. Of what was on its way a reset loses
// all, and an orderly end nothing.
func (c *conn) cut(v faults.Verb) bool {
	c.mu.Lock()
	over, reached := c.ended, c.far != nil
	c.ended = true
	c.mu.Unlock()
	if over || c.over.Err() != nil {
		return false
	}
	c.told(v)
	switch {
	case v == faults.Reset:
		c.reset()
		return true
	case !reached: // There is one end only.
		c.end()
		return true
	}
	c.release()
	for _, f := range []*flow{c.out, c.in} {
		f.carrier.cutOff(false)
		f.carrier.behind(func() { c.finish(f) })
	}
	c.within(orderlyMax)
	return true
}

// cutHere ends the connection behind what a flow has sent: the end that it goes to sees all of it, and then the end.
func (c *conn) cutHere(f *flow, v faults.Verb) {
	c.mu.Lock()
	over := c.ended
	c.ended = true
	c.mu.Unlock()
	if over {
		return
	}
	c.told(v)
	back := c.in
	if f == c.in {
		back = c.out
	}
	f.carrier.cutOff(false)
	back.carrier.cutOff(v == faults.Reset)
	if v == faults.Reset {
		f.carrier.behind(func() { c.drain(f); c.reset() })
		return
	}
	f.carrier.behind(func() { c.finish(f) })
	back.carrier.behind(func() { c.finish(back) })
	c.within(orderlyMax)
}

// told leaves a cut in the trace.
func (c *conn) told(v faults.Verb) {
	c.proxy.record(trace.Event{Kind: trace.KindLink, Node: trace.NodeNetwork, Conn: c.name, To: c.front.key, State: trace.LinkCut, Reason: string(v)})
}

// within ends the connection after some time, whatever the two ends do.
func (c *conn) within(d time.Duration) {
	timer := time.AfterFunc(d, c.end)
	context.AfterFunc(c.over, func() { timer.Stop() })
}

// drain waits until what a flow has sent has left this machine, since a reset takes what waits with it.
func (c *conn) drain(f *flow) {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for end := time.Now().Add(drainTime); unsent(f.carrier.end()) > 0 && time.Now().Before(end); {
		select {
		case <-look.C:
		case <-c.over.Done():
			return
		}
	}
}

// reset makes both ends see a TCP reset at once.
func (c *conn) reset() {
	c.mu.Lock()
	c.ended = true
	ends := []net.Conn{c.near, c.far}
	c.mu.Unlock()
	for _, e := range ends {
		if l, ok := e.(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // an end that is gone needs none
		}
	}
	c.end()
}

// close closes what is left.
func (c *conn) close() {
	c.mu.Lock()
	c.ended = true
	near, far := c.near, c.far
	c.mu.Unlock()
	c.out.carrier.close()
	c.in.carrier.close()
	near.Close()
	if far != nil {
		far.Close()
	}
}

// seedOf hashes names into a number that is the same in every run.
func seedOf(names ...string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, name := range names {
		for _, b := range []byte(name + "\x00") {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return h
}
