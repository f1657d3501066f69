package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// connsMax is how many connections one check may open.
const connsMax = 4096

// Prober owns all that one run of a check opens. Make it with New and end it with Close.
type Prober struct {
	ctx  context.Context
	opts Options
	rng  *rand.Rand

	conns    []*Conn
	sessions []*Session
	last     []string
	unit     Capacity // of the logical unit under test; zero until known
}

// New returns a Prober whose waits all end with ctx.
func New(ctx context.Context, opts Options) *Prober {
	name := fnv.New64a()
	_, _ = name.Write([]byte(opts.Name))
	return &Prober{ctx: ctx, opts: opts.withDefaults(), rng: rand.New(rand.NewPCG(opts.Seed, name.Sum64())), unit: opts.Unit}
}

// Options returns the options with their defaults filled in.
func (p *Prober) Options() Options { return p.opts }

// Context returns the context that bounds all waits.
func (p *Prober) Context() context.Context { return p.ctx }

// Note writes a remark into the trace.
func (p *Prober) Note(format string, args ...any) {
	if p.opts.Log.Enabled() {
		p.opts.Log.Note(trace.NodeProbe, fmt.Sprintf(format, args...))
	}
}

// NewISID draws a fresh ISID in the random format.
func (p *Prober) NewISID() iscsi.ISID {
	n := p.rng.Uint64()
	return iscsi.RandomISID(uint32(n)&0xffffff, uint16(n>>24))
}

// Random returns n bytes from the check's own stream of randomness.
func (p *Prober) Random(n int) []byte {
	b := make([]byte, n+7)
	for i := 0; i < n; i += 8 {
		binary.BigEndian.PutUint64(b[i:][:8:8], p.rng.Uint64())
	}
	return b[:n]
}

// Uint32 draws a number, for tags and the like.
func (p *Prober) Uint32() uint32 { return p.rng.Uint32() }

// Dial opens a connection to the portal under test.
func (p *Prober) Dial() (*Conn, error) { return p.DialTo(p.opts.Portal) }

// DialTo opens a connection to another portal. An error is a *DialError.
func (p *Prober) DialTo(portal iscsi.Address) (*Conn, error) {
	if len(p.conns) == connsMax {
		return nil, &DialError{Portal: portal, Err: fmt.Errorf("a check may open at most %d connections", connsMax)}
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.opts.ConnectTimeout)
	defer cancel()
	raw, err := p.opts.Dialer.DialContext(ctx, "tcp", portal.HostPort())
	if err != nil {
		p.remember(fmt.Sprintf("dial %s: %v", portal.HostPort(), err))
		return nil, &DialError{Portal: portal, Err: err, Interrupted: p.ctx.Err() != nil}
	}
	number := len(p.conns) + 1
	if !p.opts.Tapped {
		raw = p.opts.Log.Tap(raw, trace.NodeProbe, p.opts.Log.NameDialled(portal.HostPort()))
	}
	c := &Conn{prober: p, Stream: NewStream(raw, "", nil), number: number, portal: portal, AnswerPings: true,
		Session: &Session{ISID: p.NewISID(), CmdSN: 1, Params: text.DefaultParams()}, Params: text.DefaultParams(), CID: 1, nextTag: 1}
	p.conns = append(p.conns, c)
	return c, nil
}

// DialError says that no connection came about.
type DialError struct {
	Portal iscsi.Address
	Err    error
	// Interrupted tells that the check's own time was over.
	Interrupted bool
}

// Error names the portal and the cause.
func (e *DialError) Error() string {
	return fmt.Sprintf("connecting to %s: %v", e.Portal.HostPort(), e.Err)
}

// Unwrap returns the dialer's error.
func (e *DialError) Unwrap() error { return e.Err }

// InSession tells whether a connection is open that has logged in to a Normal session, and that neither end has closed as far as is known.
func (p *Prober) InSession() bool {
	for _, c := range p.conns {
		if c.loggedIn && !c.ended && !c.Session.loggedOut && c.Session.Params.SessionType == text.Normal {
			return true
		}
	}
	return false
}

// politeTime and politeEvents bound the wait for each logout of Close: a target that does not stop talking is left alone.
const (
	politeTime   = 2 * time.Second
	politeEvents = 64
)

// Close logs out of the sessions that are still open and sound, closes every connection and waits until their goroutines
// have ended. It may be called twice.
func (p *Prober) Close() error {
	for _, s := range p.sessions {
		s.leave()
	}
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.Close())
	}
	for _, c := range p.conns {
		<-c.inbox.done
	}
	p.conns, p.sessions = nil, nil
	return errors.Join(errs...)
}
