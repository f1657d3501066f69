package initiator

import (
	"context"
	"time"
)

// Restart ends all sessions as a crash of the host would, without logging out, stays away for down, and begins again: the
// sessions that Login and LoginAll opened for data and boot come back under new IDs, with their old ISIDs and with the
// login settings of today, as sessions that are being re-established. Added, informational and discovery sessions do not.
// Restart returns the new IDs without waiting for the logins. Its error is the context's, if that ends before.
func (m *Manager) Restart(ctx context.Context, down time.Duration) ([]SessionID, error) {
	var again []LoginSpec
	for _, s := range m.all() {
		lost := m.dev.Paths.RestoreFirstPortOnly && s.place.port > 0
		if s.kind.HasDevices() && (!s.place.added || m.dev.Paths.AddedArePersistent) && !lost {
			again = append(again, s.spec)
		}
	}
	m.shutDown(m.all(), "restart")
	if down > 0 {
		timer := time.NewTimer(down)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	m.mu.Lock()
	m.places.restarts++
	m.mu.Unlock()
	var ids []SessionID
	for i, spec := range again {
		if i > 0 {
			time.Sleep(stagger)
		}
		id, err := m.open(ctx, spec, opening{down: true, added: m.dev.Paths.AddedArePersistent && i > 0})
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
