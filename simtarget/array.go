package simtarget

import (
	"context"
	"net"

	"github.com/iscsispec/iscsispec/iscsi"
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

// Array is a running simulated array. Its methods may be called from any goroutine.
type Array struct{}

// New makes an array. Errors in the profile are *ProfileError.
func New(p *Profile, o Options) (*Array, error) { return nil, nil }

// Start opens all portals that are in service and serves them in the background until Close.
func (a *Array) Start(listen ListenFunc) error { return nil }

// Serve starts the array and waits until ctx ends or Close is called; it closes the array before it returns.
func (a *Array) Serve(ctx context.Context, listen ListenFunc) error { return nil }

// Close ends all connections and listeners and waits for the array's goroutines.
func (a *Array) Close() error { return nil }

// Apply carries out actions in order and stops at the first that is not lawful. Errors are *ActionError.
func (a *Array) Apply(actions ...Action) error { return nil }

// Sessions tells about all sessions, oldest first.
func (a *Array) Sessions() []SessionInfo { return nil }

// URLs are the addresses of all logical units at the portals that are advertised and in service: the order is that of targets, portals
// and logical units in the profile.
func (a *Array) URLs() []iscsi.URL { return nil }

// Address gives the address at which a portal is told to initiators, "" when there is no such portal.
func (a *Array) Address(portal string) string { return "" }
