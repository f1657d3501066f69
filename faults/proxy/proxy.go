package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Node is the name under which a proxy records what passes.
const Node = "proxy"

// The defaults of Options.
const (
	DefaultListen         = "127.0.0.1:0"
	DefaultDialTimeout    = 30 * time.Second
	DefaultMaxConnections = 1024
)

// noticesMax bounds the notices that wait for somebody to take them.
const noticesMax = 64

// Errors of a Proxy.
var (
	ErrClosed         = errors.New("proxy: closed")
	ErrTooManyPortals = fmt.Errorf("proxy: more than %d portals", FrontsMax)
)

// Options say what a proxy stands in front of.
type Options struct {
	// Listen is the address of the first portal without one of its own; "" means DefaultListen. The others follow at the ports behind it
	// or, with port 0, at free ones.
	Listen string
	// To are the portals of arrays, at least one.
	To []To
	// Seed decides what faults draw: which PDUs a chance strikes, how long jitter is.
	Seed uint64
	// Log takes what passes and what happens; nil records nothing, and costs nothing.
	Log *trace.Log
	// Notify, when set, is told what somebody who watches should know, one thing after the other. When it is slow, some of it is left out.
	Notify func(text string)
	// DialTimeout bounds how long an array has to answer a connection; 0 means DefaultDialTimeout.
	DialTimeout time.Duration
	// MaxConnections bounds the connections of initiators at one time; further ones are reset. 0 means DefaultMaxConnections.
	MaxConnections int
	// RefuseByReset makes a refuse accept connections and reset them at once, so that they are seen and counted. Without it the listener
	// is closed where the fault's scope is a whole portal: initiators then see what they see where nobody listens, and nobody sees them.
	RefuseByReset bool
}

// To is a portal of an array.
type To struct {
	Array iscsi.Address
	// Listen is where the proxy stands for it; "" means at the next port of Options.Listen.
	Listen string
}

// Proxy stands between initiators and arrays. Its methods may be called from any goroutine.
type Proxy struct {
	options Options
	buffers sync.Pool
	started time.Time
	over    context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	notices chan string
	left    chan struct{} // holds one when a connection has gone
	watched atomic.Bool   // a placed fault is armed

	unreached, refused, crowded atomic.Uint64 // connections that came to nothing

	mu        sync.Mutex // never held across a wait
	host      string     // that fronts listen at
	firstPort int
	nextPort  int // of the next front; 0 means any
	fronts    []*front
	conns     map[*conn]struct{}
	serial    uint64
	told      []*rule // every fault so far
	armed     []*rule
	inForce   []*rule       // what lasts, in the order in which it began
	changed   chan struct{} // closed when something begins or ends
	ended     bool
	page      *serving.Page
}

// New opens the listeners. Errors are a *serving.ListenError or tell what is wrong with the options.
func New(o Options) (*Proxy, error) {
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	o.DialTimeout = cmp.Or(o.DialTimeout, DefaultDialTimeout)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	host, port, err := serving.SplitAddress(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("proxy: listen %w", err)
	}
	if len(o.To) == 0 {
		return nil, errors.New("proxy: no array to stand in front of")
	}
	p := &Proxy{options: o, started: time.Now(), host: host, firstPort: port, nextPort: port, conns: map[*conn]struct{}{}, changed: make(chan struct{}),
		notices: make(chan string, noticesMax), left: make(chan struct{}, 1)}
	p.buffers.New = func() any { return new(make([]byte, chunkBytes)) }
	p.over, p.end = context.WithCancel(context.Background())
	p.running.Go(p.notify)
	if err := p.openFronts(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// openFronts opens the portals of the options. A port that was asked for is the one that is taken, or the error tells why not.
func (p *Proxy) openFronts() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, to := range p.options.To {
		array := normal(to.Array)
		if p.frontFor(array) != nil {
			return fmt.Errorf("proxy: %s is named twice", array.HostPort())
		}
		listen := to.Listen
		if listen == "" {
			listen = net.JoinHostPort(p.host, fmt.Sprint(p.nextPort))
			if p.nextPort > 0 {
				p.nextPort++
			}
		}
		if _, err := p.addFront(array, listen); err != nil {
			return err
		}
	}
	return nil
}

// Portal is a portal of an array, and where the proxy stands for it.
type Portal struct {
	Array   string // "host:port", as it is dialled
	Address string // "ip:port", where initiators reach the proxy
}

// Portals lists the portals, those of Options first, then those that arrays have named, in the order in which they did.
func (p *Proxy) Portals() []Portal {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Portal, len(p.fronts))
	for i, f := range p.fronts {
		list[i] = Portal{Array: f.key, Address: f.listens.String()}
	}
	return list
}

// admit takes a connection of an initiator in.
func (p *Proxy) admit(f *front, near net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		near.Close()
		return
	}
	f.accepted++
	name := fmt.Sprintf("%s#%d", f.key, f.accepted)
	from := addrPortOf(near.RemoteAddr())
	p.record(trace.Event{Kind: trace.KindDial, Node: trace.NodeInitiator, Conn: name, From: from.String(), To: f.key})
	p.serial++
	c := newConn(p, f, near, from, name)
	c.serial = p.serial
	state, by := p.service(c)
	switch {
	case state == trace.LinkRefuse:
		by.bites++
		p.refused.Add(1)
		p.turnAway(c, "refused: "+by.fault.String())
		return
	case len(p.conns) >= p.options.MaxConnections:
		if p.crowded.Add(1) == 1 {
			p.note("%d connections are open: further ones are reset", len(p.conns))
		}
		p.turnAway(c, fmt.Sprintf("refused: %d connections are open", len(p.conns)))
		return
	case state == trace.LinkSilent:
		by.bites++
	}
	p.record(trace.Event{Kind: trace.KindAccepted, Node: Node, Conn: name, From: from.String(), To: f.listens.String()})
	c.near = p.options.Log.Tap(near, Node, name)
	c.in.carrier.to = c.near
	p.conns[c] = struct{}{}
	c.reshape()
	p.running.Go(func() {
		c.serve()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
		select {
		case p.left <- struct{}{}:
		default:
		}
	})
}

// open tells whether there are connections.
func (p *Proxy) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) > 0
}

// turnAway resets a connection that is not taken in.
func (p *Proxy) turnAway(c *conn, reason string) {
	c.end()
	p.record(trace.Event{Kind: trace.KindDialFailed, Node: trace.NodeInitiator, Conn: c.name, From: c.initiator.String(), To: c.front.key, Err: reason})
	if tcp, ok := c.near.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // an initiator that is gone needs no reset
	}
	c.near.Close()
}

// sorted lists the connections in the order in which they came. The caller holds p.mu.
func (p *Proxy) sorted() []*conn {
	list := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *conn) int { return cmp.Compare(a.serial, b.serial) })
	return list
}

// Shutdown ends the proxy in order: nobody is let in any more, faults are over, what has come still reaches the other end, and then both ends
// of each connection see the end of the stream. What has not ended within two seconds, or when ctx does, is reset.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.stop()
	p.mu.Lock()
	for _, c := range p.sorted() {
		c.cut(faults.Fin)
		c.within(drainTime)
	}
	p.mu.Unlock()
	for p.open() {
		select {
		case <-p.left:
		case <-ctx.Done():
			return p.Close()
		}
	}
	return p.Close()
}

// Close ends the proxy at once: connections are reset.
func (p *Proxy) Close() error {
	p.stop()
	p.mu.Lock()
	for _, c := range p.sorted() {
		c.reset()
	}
	page := p.page
	p.page = nil
	p.mu.Unlock()
	p.end()
	p.running.Wait()
	if page != nil {
		return page.Close()
	}
	return nil
}

// stop lets nothing new begin.
func (p *Proxy) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	for _, f := range p.fronts {
		if f.listener != nil {
			f.listener.Close()
		}
		f.hold.Release()
		f.hold = nil
	}
	for _, r := range append(slices.Clone(p.told), p.inForce...) {
		r.stop()
	}
}

func (p *Proxy) record(e trace.Event) { p.options.Log.Record(e) }

// note tells somebody who watches, and leaves it in the trace.
func (p *Proxy) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.options.Log.Note(Node, text)
	select {
	case p.notices <- text:
	default:
	}
}

// notify passes notices on until the proxy ends.
func (p *Proxy) notify() {
	for {
		select {
		case text := <-p.notices:
			if p.options.Notify != nil {
				p.options.Notify(text)
			}
		case <-p.over.Done():
			return
		}
	}
}
