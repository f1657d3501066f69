package simtarget

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
	"github.com/iscsispec/iscsispec/trace"
)

// Options are what an Array needs beside its profile.
type Options struct {
	// Log takes the array's events (trace.KindTarget); nil records nothing.
	Log *trace.Log
	// Node is the name in the events; empty means "array". Arrays of one run need different names, and none that a tap uses.
	Node string
	// Seed is what challenges are drawn from.
	Seed uint64
	// Deviations are the faults that the array has; nil means none.
	Deviations *Deviations
}

// ListenFunc opens a listener for the portal at a virtual address, "ip:port". It may listen elsewhere: what the listener's Addr says is
// what initiators are told. When a portal comes back into service the function is called with that address.
type ListenFunc func(address string) (net.Listener, error)

// ListenLoopback is a ListenFunc for real sockets: every virtual address gets a free port of 127.0.0.1.
func ListenLoopback(address string) (net.Listener, error) {
	if host, _, err := net.SplitHostPort(address); err == nil && host == "127.0.0.1" {
		return net.Listen("tcp", address)
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// acceptRetry is waited after an accept that failed for want of resources.
const acceptRetry = 100 * time.Millisecond

// ErrClosed is returned by the methods of an array that was closed.
var ErrClosed = errors.New("simtarget: the array is closed")

// Array is a running simulated array. Its methods may be called from any goroutine.
//
// Locks are taken in this order: the array's, a session's, an outbox's or the rules'. None is held while anything waits.
type Array struct {
	name string
	log  *trace.Log
	node string
	seed uint64
	dev  Deviations

	rules        rules
	failover     atomic.Pointer[FailoverPolicy]
	staleTimeout atomic.Int64 // SessionPolicy.StaleTimeout at present
	writes       account      // what came or will come for commands that wait
	reads        account      // data of commands on their way out
	answers      account      // other data on its way out
	repeats      account      // data that may be asked for again
	faultLocks   faultLocks
	leakedTasks  atomic.Int64 // of a deviation
	counts       counts
	wg           sync.WaitGroup
	done         chan struct{} // closed by Close

	mu                          sync.Mutex
	profile                     Profile
	portals                     []*portal
	targets                     []*target
	listen                      ListenFunc
	closed                      bool
	ordinal                     uint64
	connections                 map[uint64]*connection // by ordinal; never iterated where order can show
	table                       sessionTable
	connectionsMax, sessionsMax int            // the constants, except in tests
	challenges                  map[string]int // CHAP challenges of logins that go on
	picks                       int            // redirects so far
	greeted                     map[disk.Nexus]bool
	lost                        map[disk.Nexus]bool // nexuses that I_T NEXUS RESET has ended and that have not come back
	restarted                   bool
	faults                      faultState
	script                      scriptRun
	moving                      failoverState
	hostLock                    string // the host that has the array for itself
}

// target is a target node at run time.
type target struct {
	Target
	units *disk.Inventory
	disks map[uint32]*disk.Disk // by number; guarded by the array's lock
	aca   autoContingent
	owner string // Target.Owner at present; guarded by the array's lock

	groups *disk.PortGroups // nil without asymmetric access
}

// New makes an array. Errors in the profile are *ProfileError.
func New(p *Profile, o Options) (*Array, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := &Array{
		name: p.Name, log: o.Log, node: o.Node, seed: o.Seed, profile: *p.clone(),
		connections: map[uint64]*connection{}, challenges: map[string]int{}, greeted: map[disk.Nexus]bool{}, lost: map[disk.Nexus]bool{}, done: make(chan struct{}),
		faultLocks: faultLocks{gate: make(chan struct{}, 1)},
		writes:     account{most: writeBytesMax}, reads: account{most: readBytesMax}, answers: account{most: answerBytesMax},
		repeats:        account{most: retainedBytesMax},
		connectionsMax: connectionsMax, sessionsMax: SessionsMax,
	}
	a.failover.Store(&a.profile.Failover)
	a.staleTimeout.Store(int64(a.profile.Session.StaleTimeout))
	if a.node == "" {
		a.node = "array"
	}
	if o.Deviations != nil {
		a.dev = *o.Deviations
	}
	if err := a.dev.merge(p.Defects); err != nil {
		return nil, &ProfileError{Name: p.Name, Field: "defects", Reason: err.Error()}
	}
	a.table.next = a.profile.Session.FirstTSIH
	for i, spec := range a.profile.Portals {
		a.portals = append(a.portals, &portal{Portal: spec, index: i + 1, up: !spec.Down && !spec.Silent, silent: spec.Silent,
			turn: make(chan struct{}, 1)})
	}
	var err error
	if a.moving.groups, err = a.newPortGroups(); err != nil {
		return nil, &ProfileError{Name: p.Name, Field: "failover.alua", Reason: err.Error()}
	}
	for _, spec := range a.profile.Targets {
		t, err := newTarget(spec, a.moving.groups)
		if err != nil {
			return nil, &ProfileError{Name: p.Name, Reason: errors.Join(err, a.closeDisks()).Error()}
		}
		a.targets = append(a.targets, t)
	}
	return a, nil
}

// Start opens all portals that are in service and serves them in the background until Close.
func (a *Array) Start(listen ListenFunc) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	if a.listen != nil {
		return errors.New("simtarget: the array is started already")
	}
	a.listen = listen
	for _, p := range a.portals {
		if p.Down {
			continue
		}
		if err := a.open(p); err != nil {
			for _, opened := range a.portals {
				a.shut(opened)
			}
			a.listen = nil
			return fmt.Errorf("simtarget: portal %s: %w", p.Name, err)
		}
	}
	a.startScript()
	return nil
}

// Serve starts the array and waits until ctx ends or Close is called; it closes the array before it returns.
func (a *Array) Serve(ctx context.Context, listen ListenFunc) error {
	if err := a.Start(listen); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-a.done:
	}
	return a.Close()
}

// Close ends all connections and listeners, waits for the array's goroutines, and brings the files of logical units up to date; the error is
// what went wrong with those. Connections that FailoverPolicy.ShutdownEvent is announced on get 2 s to take it in. Closing twice is lawful.
func (a *Array) Close() error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.done)
		for _, p := range a.portals {
			a.shut(p)
		}
		a.armScript()
	}
	open := slices.Sorted(maps.Keys(a.connections))
	live := make([]*connection, len(open))
	for i, ordinal := range open {
		live[i] = a.connections[ordinal]
	}
	sessions := a.table.all()
	a.mu.Unlock()
	var told []*connection
	for _, s := range sessions {
		told = append(told, s.announceEnd(a.failover.Load().ShutdownEvent)...)
		a.closeSession(s, EndFIN, reasonArrayClosed)
	}
	awaitGone(told, lingerTime)
	for _, c := range live {
		c.abort()
	}
	a.wg.Wait()
	return a.closeDisks()
}

// awaitGone waits until connections have gone, or for so long.
func awaitGone(conns []*connection, most time.Duration) {
	if len(conns) == 0 {
		return
	}
	t := time.NewTimer(most)
	defer t.Stop()
	for _, c := range conns {
		select {
		case <-c.gone:
		case <-t.C:
			return
		}
	}
}

// closeDisks lets go of the files behind logical units.
func (a *Array) closeDisks() error {
	var errs []error
	for _, t := range a.targets {
		errs = append(errs, t.closeAll())
	}
	return errors.Join(errs...)
}

// pause waits for d, unless the array is closed first.
func (a *Array) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.done:
		return false
	}
}

// Name is the profile's name.
func (a *Array) Name() string { return a.name }

// Address gives the address at which a portal is told to initiators, "" when there is no such portal.
func (a *Array) Address(portal string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.portal(portal); p != nil {
		return p.address("")
	}
	return ""
}

// portal finds a portal by its name. The caller holds the lock.
func (a *Array) portal(name string) *portal {
	for _, p := range a.portals {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// target finds a target by its iSCSI name. The list of targets never changes.
func (a *Array) target(name string) *target {
	for _, t := range a.targets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// exported reports whether a target can be logged in to at a portal.
func (a *Array) exported(t *target, p *portal) bool {
	return len(t.Portals) == 0 || slices.Contains(t.Portals, p.Name) || a.dev.Sessions.ExportEverywhere
}

// URLs are the addresses of all logical units at the portals that are advertised and in service: the order is that of targets, portals
// and logical units in the profile.
func (a *Array) URLs() []iscsi.URL {
	a.mu.Lock()
	defer a.mu.Unlock()
	var urls []iscsi.URL
	for _, t := range a.targets {
		for _, p := range a.portals {
			if p.Hidden || !p.up || !a.exported(t, p) {
				continue
			}
			address, err := iscsi.ParseAddress(p.address(""))
			if err != nil {
				continue
			}
			for _, lun := range t.units.LUNs() {
				if n, single := lun.Number(); single && n <= 0x3fff {
					urls = append(urls, iscsi.URL{Portal: address, Target: t.Name, LUN: uint16(n), HasLUN: true})
				}
			}
		}
	}
	return urls
}

func (a *Array) loginPolicy() LoginPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.profile.Login
}

func (a *Array) sessionPolicy() SessionPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.profile.Session
}

func (a *Array) dataPolicy() DataPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.profile.Data
}
