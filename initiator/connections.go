package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

// ConnectionInfo describes one connection of a session. It is a copy.
type ConnectionInfo struct {
	CID uint16
	// Configured is the portal that its login was started with, Current the one that it ended at.
	Configured, Current iscsi.Address
	// LocalAddress and RemoteAddress are the ends of the TCP connection.
	LocalAddress, RemoteAddress net.Addr
	// HeaderDigest and DataDigest tell whether CRC32C is in force.
	HeaderDigest, DataDigest bool
	// MaxRecvDataSegmentLength is what this side takes, PeerMaxRecvDataSegmentLength what the target takes, in bytes.
	MaxRecvDataSegmentLength, PeerMaxRecvDataSegmentLength int
	// Since is when it entered the full feature phase.
	Since time.Time
	// Commands are the SCSI commands on it that have no answer yet.
	Commands int
	// Recovering is true while the connection is lost and its tasks wait to be carried on elsewhere.
	Recovering bool
}

// errConnectionClosed ends a connection that was logged out while its session goes on.
var errConnectionClosed = errors.New("connection logged out")

// Connections lists the session's connections in the order of their logins; those that are being recovered come last.
func (s *Session) Connections() []ConnectionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []ConnectionInfo
	for _, c := range slices.Concat(s.conns, s.failed) {
		list = append(list, ConnectionInfo{
			CID: c.cid, Configured: c.at.configured, Current: c.at.current, LocalAddress: c.at.local, RemoteAddress: c.at.remote,
			HeaderDigest: c.at.params.HeaderDigest, DataDigest: c.at.params.DataDigest,
			MaxRecvDataSegmentLength: c.ownLimit, PeerMaxRecvDataSegmentLength: c.peerLimit,
			Since: c.since, Commands: c.commands, Recovering: c.broken != nil,
		})
	}
	return list
}

// RemoveConnection takes one connection out of the session: nothing new is sent on it, what is open may end for up to 2 s, then it is
// logged out (RFC 7143, Section 11.14, reason 1). Requests that the target had not acknowledged go on over another connection; those that it
// had, and did not answer, fail with ErrTransportLost. The session's only connection cannot be removed (ErrNotSupported).
//
// Errors are ErrNotSupported, *LogoutError, the context's, or that of a connection lost before, whose loss is handled as any other.
func (s *Session) RemoveConnection(ctx context.Context, cid uint16) error {
	s.mu.Lock()
	c := s.byCID(cid)
	switch {
	case c == nil:
		s.mu.Unlock()
		return fmt.Errorf("no connection has CID %d: %w", cid, ErrNotSupported)
	case !s.hasOther(c):
		s.mu.Unlock()
		return fmt.Errorf("removal of the only connection: %w", ErrNotSupported)
	}
	c.drainFor(drainLimit)
	s.mu.Unlock()
	select {
	case <-c.gone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(c.broken, errConnectionClosed) {
		return nil
	}
	return c.fate()
}

// byCID finds a connection that lives. The mutex is held.
func (s *Session) byCID(cid uint16) *connection {
	for _, c := range s.conns {
		if c.cid == cid && c.broken == nil {
			return c
		}
	}
	return nil
}

// hasOther reports whether another connection than c can go on with the session. The mutex is held.
func (s *Session) hasOther(c *connection) bool {
	return slices.ContainsFunc(s.conns, func(other *connection) bool {
		return other != c && other.broken == nil && other.phase == phaseOpen
	})
}
