package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// Options are what a Server needs beside its Config.
type Options struct {
	// Log takes what happens at the arrays, PDUs included; nil records nothing and costs nothing.
	Log *trace.Log
	// Recording tells how a recording stands, for the status; nil when there is none.
	Recording func() Recording
}

// Server is several arrays on TCP. Its methods may be called from any goroutine.
type Server struct {
	options Options
	arrays  []*served
	started time.Time

	mu     sync.Mutex
	status *serving.Page
	ended  bool
}

// served is an array at work.
type served struct {
	Spec
	array *simtarget.Array
	doors *doors
}

// New makes the arrays; none listens yet. Errors in the Config are *ConfigError.
func New(c *Config, o Options) (*Server, error) {
	specs, err := c.Specs()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, started: time.Now()}
	for i := range specs {
		one, err := s.newServed(specs[i])
		if err != nil {
			return nil, errors.Join(c.source.wrong(i, err), s.closeArrays())
		}
		s.arrays = append(s.arrays, one)
	}
	return s, nil
}

func (s *Server) newServed(spec Spec) (*served, error) {
	doors, err := newDoors(&spec, s.options.Log)
	if err != nil {
		return nil, err
	}
	// Challenges must not be foreseen here, as they may be in a simulation.
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // never fails
	array, err := simtarget.New(spec.Profile, simtarget.Options{
		Log: s.options.Log, Node: "array " + spec.Name, Seed: binary.LittleEndian.Uint64(seed[:]),
	})
	if err != nil {
		return nil, err
	}
	return &served{Spec: spec, array: array, doors: doors}, nil
}

// Start opens all portals that are in service. When one cannot be opened, none is, and the server is at its end; errors are *serving.ListenError.
func (s *Server) Start() error {
	for _, one := range s.arrays {
		if err := one.array.Start(one.doors.open); err != nil {
			var listen *serving.ListenError
			if errors.As(err, &listen) {
				err = listen
			}
			return errors.Join(fmt.Errorf("array %s: %w", one.Name, err), s.closeArrays())
		}
	}
	return nil
}

// Listener is a portal that is in service.
type Listener struct {
	Array   string
	Portal  string
	Tag     uint16
	Address string // what initiators are told
}

// Listeners lists the portals that are in service.
func (s *Server) Listeners() []Listener {
	var list []Listener
	for _, one := range s.arrays {
		for _, p := range one.array.Portals() {
			if p.Up {
				list = append(list, Listener{Array: one.Name, Portal: p.Name, Tag: p.Tag, Address: p.Address})
			}
		}
	}
	return list
}

// Profiles lists the profiles of the arrays, in the Config's order.
func (s *Server) Profiles() []*simtarget.Profile {
	list := make([]*simtarget.Profile, len(s.arrays))
	for i, one := range s.arrays {
		list[i] = one.Profile
	}
	return list
}

// Unit is the address of a logical unit.
type Unit struct {
	Array string
	URL   iscsi.URL
}

// Units lists the addresses of all logical units at the portals that are advertised and in service.
func (s *Server) Units() []Unit {
	var units []Unit
	for _, one := range s.arrays {
		for _, u := range one.array.URLs() {
			units = append(units, Unit{Array: one.Name, URL: u})
		}
	}
	return units
}

// array finds an array by its name; an empty name finds the only one.
func (s *Server) array(name string) (*served, error) {
	if name == "" && len(s.arrays) == 1 {
		return s.arrays[0], nil
	}
	var names []string
	for _, one := range s.arrays {
		if one.Name == name {
			return one, nil
		}
		names = append(names, one.Name)
	}
	return nil, &UnknownArrayError{Name: name, Known: names}
}

// UnknownArrayError is a name that no array has.
type UnknownArrayError struct {
	Name  string
	Known []string
}

// Error names the arrays there are.
func (e *UnknownArrayError) Error() string {
	return fmt.Sprintf("no array %q, want one of %q", e.Name, e.Known)
}

// Shutdown ends the server in order: all arrays at once stop listening, ask their initiators to log out within the time, and close; see
// simtarget's Array.Shutdown. It returns how many sessions had to be cut. The status page stays until the arrays are closed.
func (s *Server) Shutdown(ctx context.Context, within time.Duration) (cut int, err error) {
	lefts, errs := make([]int, len(s.arrays)), make([]error, len(s.arrays))
	var wg sync.WaitGroup
	for i, one := range s.arrays {
		wg.Go(func() {
			lefts[i], errs[i] = one.array.Shutdown(ctx, within)
			one.doors.close()
		})
	}
	wg.Wait()
	for _, n := range lefts {
		cut += n
	}
	return cut, errors.Join(append(errs, s.closeStatus())...)
}

// Close ends the server at once.
func (s *Server) Close() error { return errors.Join(s.closeArrays(), s.closeStatus()) }

func (s *Server) closeArrays() error {
	var errs []error
	for _, one := range s.arrays {
		errs = append(errs, one.array.Close())
		one.doors.close()
	}
	return errors.Join(errs...)
}

func (s *Server) closeStatus() error {
	s.mu.Lock()
	page := s.status
	s.status, s.ended = nil, true
	s.mu.Unlock()
	if page == nil {
		return nil
	}
	return page.Close()
}
