package initiator

import (
	"context"
	"slices"
	"time"
)

// Stop ends the Manager in order: all sessions are logged out, and then it is closed. When ctx ends first, what is left is closed
// without a logout; the error is the context's cause.
func (m *Manager) Stop(ctx context.Context) error {
	defer m.Close()
	if m.dev.Logout.StopsAbruptly {
		return nil
	}
	m.mu.Lock()
	sessions := slices.Clone(m.sessions)
	m.mu.Unlock()
	over := make(chan struct{}, len(sessions))
	for i, s := range sessions {
		if i > 0 {
			time.Sleep(stagger)
		}
		if !s.inbox.post(func() { s.logOff(func(error) { over <- struct{}{} }) }) {
			over <- struct{}{}
		}
	}
	for range sessions {
		select {
		case <-over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
