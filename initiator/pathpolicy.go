package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PathPolicy says which path of a device a request takes. Paths that are blocked are passed over as long as another one is not.
type PathPolicy uint8

// The path policies.
const (
	// FirstPath takes the first path, in the order of sessions, so that one session carries all requests of a device.
	FirstPath PathPolicy = iota
	// RoundRobin takes the paths in turn, request by request.
	RoundRobin
)

// String returns the policy's name, which ParsePathPolicy reads back.
func (p PathPolicy) String() string {
	switch p {
	case FirstPath:
		return "first-path"
	case RoundRobin:
		return "round-robin"
	default:
		return fmt.Sprintf("path policy %d", uint8(p))
	}
}

// ParsePathPolicy reads a policy by its name.
func ParsePathPolicy(name string) (PathPolicy, error) {
	for _, p := range []PathPolicy{FirstPath, RoundRobin} {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, &SettingError{"PathPolicy", fmt.Sprintf("%q", name), "first-path or round-robin"}
}

// SubmitDevice hands a request to a device, over the path that Settings.PathPolicy chooses among those that are not blocked, or, if all
// are, over the first, where it waits. Its LUN is filled in, and it stays with the path that it was given: were it sent over
// another one when its own breaks, the target could still execute it there, behind a later write. The error, with which Done is not called, is
// ErrDeviceRemoved if no device of that name is in the stack, or that of Submit.
func (m *Manager) SubmitDevice(name string, r *Request, deadline time.Time) error {
	s, err := m.pathFor(name, r)
	if err != nil {
		return err
	}
	return s.accept(r, deadline)
}

// DoDevice is SubmitDevice that waits for the request's end as Do does.
func (m *Manager) DoDevice(ctx context.Context, name string, r *Request) error {
	s, err := m.pathFor(name, r)
	if err != nil {
		return err
	}
	return s.do(ctx, r)
}

// pathFor picks the path for a request, and fills in its LUN.
func (m *Manager) pathFor(name string, r *Request) (*managedSession, error) {
	s, lun, ok := m.stack.path(name)
	if !ok {
		return nil, fmt.Errorf("device %s: %w", name, errors.Join(ErrNoDevice, ErrDeviceRemoved))
	}
	r.LUN = lun
	return s, nil
}

// switchPath is the defect SwitchReplays: a request that came back from a broken connection goes out over another path of its device, and
// a copy stays in the queue.
func (s *managedSession) switchPath(p *pending) bool {
	if !s.m.dev.Manager.SwitchReplays {
		return false
	}
	other, lun, ok := s.m.stack.otherPath(s, p.req.LUN)
	if !ok {
		return false
	}
	s.haunt(p)
	delete(s.active, p.req)
	s.deadlines.unwatch(p)
	s.settled(p)
	p.req.LUN, p.req.intercept = lun, nil
	return other.accept(p.req, p.deadline) == nil
}
