package initiator

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget/disk"
	"github.com/iscsispec/iscsispec/trace"
)

// Waits of the suite, on virtual time. On the wall clock each is three times as long, as R-CLOSE and R-LOGINFAIL have it.
const (
	// ReactionTime is how long the initiator may take to close a connection.
	ReactionTime = 5 * time.Second
	// AnswerTime is how long the suite waits for a PDU that the initiator is to send.
	AnswerTime = 30 * time.Second
	// commandTime is AnswerTime for a command on this machine.
	commandTime = 5 * time.Second
	// Slack is the tolerance of instants.
	Slack = 50 * time.Millisecond
)

// T is what one run of a check works with: the array's side of all connections, the driver of the initiator, and the judge. It belongs to
// the goroutine of the check.
type T struct {
	// Base is what the array is. Changes hold for logins from then on.
	Base *Base
	// Mangle, where not nil, changes every PDU that the array sends, but for those of SendAll, before its digests are made.
	Mangle func(f *pdu.Frame)

	ctx    context.Context
	env    *scenarios.Env
	rig    rig
	driver Driver
	units  *disk.Inventory

	bell     chan struct{} // capacity 1: something came, was accepted, or has ended
	conns    []*Conn
	sessions []*Session
	portals  map[string]*portal
	letters  []string // of the portals, in the order in which they were opened
	ops      int
	pending  []*Pending
	beside   sync.WaitGroup // operations under way
	sound    bool           // everything that comes is served soundly

	check    Check
	number   int // of connections taken so far
	given    int // TSIHs given so far
	drawn    int // of Random
	part     string
	findings []scenarios.Finding
	passed   int

	mu sync.Mutex // portals, and what operations tell; never held while waiting
}

// stop is what ends a part of a check from the depth of its calls. It never leaves the package.
type stop struct{}

// run is the check as the registry calls it.
func (c Check) run(ctx context.Context, env *scenarios.Env) (outcome scenarios.Outcome) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &T{ctx: ctx, env: env, rig: env.Peer.Control.(rig), bell: make(chan struct{}, 1), portals: map[string]*portal{}}
	defer t.close(cancel)
	if err := t.stand(c, nil); err != nil {
		return scenarios.Outcome{Verdict: scenarios.Broken, Reason: err.Error()}
	}
	t.guarded(func() { c.Run(t) })
	t.tell()
	return t.outcome()
}

// stand puts up the array and the initiator, for the check or for a part of it.
func (t *T) stand(c Check, change func(b *Base, s *Settings)) error {
	base, settings := NewBase(), new(Settings)
	if c.Base != nil {
		c.Base(base)
	}
	if c.Driver != nil {
		c.Driver(settings)
	}
	if change != nil {
		change(base, settings)
	}
	units, err := base.units()
	if err != nil {
		return err
	}
	t.Base, t.units = base, units
	t.check = c
	if _, err := t.listen("A"); err != nil {
		return err
	}
	t.driver, err = t.rig.driver(t, settings)
	return err
}

// retire ends the initiator and all connections.
func (t *T) retire() {
	t.lastWord()
	if t.driver != nil {
		t.crashed()
		if e, is := t.rig.(*embedded); is {
			e.torn = append(e.torn, t.env.Log.Now())
		}
		t.driver.Close()
		t.driver = nil
	}
	for _, c := range t.conns {
		_ = c.Close() // how connections end here is no part of the verdict
	}
	for _, c := range t.conns {
		<-c.Done()
	}
	// What still waits there belongs to the initiator that is gone.
	for _, letter := range t.letters {
		t.portals[letter].close()
	}
	t.portals, t.letters = map[string]*portal{}, nil
	t.conns, t.sessions, t.pending = nil, nil, nil
	t.breathe()
}

// lastWord puts into the trace what ended up to now, this very instant included. What ends from here on ends because of the teardown.
func (t *T) lastWord() {
	t.tell()
	for _, p := range t.pending {
		p.told = true
	}
}

func (t *T) close(cancel context.CancelFunc) {
	t.lastWord()
	cancel()
	t.retire()
	t.beside.Wait()
}

// guarded calls f and takes a stop as its end.
func (t *T) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			if _, stopped := v.(stop); !stopped {
				panic(v)
			}
		}
	}()
	f()
}

// Part runs a variant of the check, whose findings carry the name, with an array and an initiator of its own. What ends it early ends only
// the part.
func (t *T) Part(name string, f func()) { t.PartWith(name, nil, f) }

// PartWith is Part with changes to the array and to what the own initiator is told to be, on top of the check's.
func (t *T) PartWith(name string, change func(b *Base, s *Settings), f func()) {
	part, check := t.part, t.check
	t.part = name
	defer func() { t.part = part }()
	t.retire()
	if err := t.stand(check, change); err != nil {
		t.findings = append(t.findings, scenarios.Finding{Verdict: scenarios.Broken, Part: name, Reason: err.Error()})
		return
	}
	t.guarded(func() {
		if t.Base.CHAP != nil && !t.declared("chap") {
			t.Skip("The initiator is not said to have chap.")
		}
		f()
		t.passed++
	})
}

// listen returns the portal of a letter, and opens it the first time.
func (t *T) listen(letter string) (*portal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.portals[letter]; p != nil {
		return p, nil
	}
	p, err := t.rig.listen(letter)
	if err != nil {
		return nil, err
	}
	t.portals[letter] = p
	t.letters = append(t.letters, letter)
	go p.serve(t.ring)
	return p, nil
}

// Portal opens a portal of the array, A to Z, the first time that it is named, and returns its address. A is there from the start.
func (t *T) Portal(letter string) iscsi.Address {
	p, err := t.listen(letter)
	if err != nil {
		panic(err)
	}
	return p.address
}

// ring tells whoever waits that something happened.
func (t *T) ring() {
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

// scaled is a wait of the catalogue on the clock of the run.
func (t *T) scaled(d time.Duration) time.Duration {
	if t.env.Virtual {
		return d
	}
	return 3 * d
}

// patience is how long the suite waits for a PDU that the initiator is to send: a command on this machine is quick.
func (t *T) patience() time.Duration {
	if t.env.Virtual {
		return AnswerTime
	}
	return commandTime
}

// Virtual tells whether the initiator runs on the harness's clock.
func (t *T) Virtual() bool { return t.env.Virtual }

// Own tells whether the initiator is the project's own.
func (t *T) Own() bool {
	_, is := t.driver.(*own)
	return is
}

// Events are what was recorded so far, in canonical order.
func (t *T) Events() trace.Events {
	t.tell()
	return t.env.Log.Events()
}

// Now is the time since the start of the run, as events carry it.
func (t *T) Now() time.Duration { return t.env.Log.Now() }

// until waits for something that f looks for, with f called each time something has happened. Meanwhile housekeeping is served on all
// connections. It returns false when the time is over.
func (t *T) until(within time.Duration, f func() bool) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		t.pump()
		if f() {
			return true
		}
		select {
		case <-t.bell:
		case <-timer.C:
			t.pump()
			return f()
		case <-t.ctx.Done():
			t.Unclear("The check's own time was over.")
		}
	}
}

// pump takes in what has come on all connections.
func (t *T) pump() {
	for i := 0; i < len(t.conns); i++ {
		t.conns[i].pump()
	}
}

// Wait lets time pass, and serves housekeeping meanwhile. With an external initiator that has ended nothing is left to wait for.
func (t *T) Wait(d time.Duration) { t.until(d, t.through) }

// accepted returns the connection that has waited longest at one of the portals, or at any.
func (t *T) accepted(letter string) *Conn {
	t.mu.Lock()
	letters := slices.Clone(t.letters)
	t.mu.Unlock()
	for _, l := range letters {
		if letter != "" && l != letter {
			continue
		}
		if raw := t.portals[l].take(); raw != nil {
			return t.newConn(raw, l)
		}
	}
	return nil
}

// Accept takes the next connection of the initiator, at any portal, and fails when there is none within AnswerTime.
func (t *T) Accept() *Conn { return t.AcceptAt("", t.patience()) }

// AcceptWithin is Accept with another limit.
func (t *T) AcceptWithin(d time.Duration) *Conn { return t.AcceptAt("", d) }

// AcceptAt is AcceptWithin for one portal alone.
func (t *T) AcceptAt(letter string, d time.Duration) *Conn {
	c := t.TryAccept(letter, d)
	if c == nil && !t.Own() {
		t.Skip("NOT-TESTABLE: the command made no further connection.")
	}
	if c == nil {
		where := "the array"
		if letter != "" {
			where = "portal " + letter
		}
		t.Fail(fmt.Sprintf("no connection within %v", d), "a connection to "+where)
	}
	return c
}

// TryAccept is AcceptAt that returns nil when no connection came; an empty letter means any portal.
func (t *T) TryAccept(letter string, d time.Duration) (c *Conn) {
	t.until(d, func() bool {
		c = t.accepted(letter)
		return c != nil || t.through()
	})
	return c
}

// NoConnection fails when the initiator connects within a time.
func (t *T) NoConnection(d time.Duration) {
	if c := t.TryAccept("", d); c != nil {
		t.Fail(fmt.Sprintf("a connection to portal %s", c.Portal), fmt.Sprintf("no connection for %v", d))
	}
}

func (t *T) newConn(raw net.Conn, letter string) *Conn {
	t.number++
	c := accept(t, t.rig.tap(raw, t.number), letter, t.number)
	t.conns = append(t.conns, c)
	return c
}
