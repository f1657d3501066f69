package initiator

import "strconv"

// SessionID is the local handle of a managed session. It is given once, at
// login, and stays the same over every loss, redirect, asynchronous logout and
// target restart; it has nothing to do with ISID, TSIH or portal, all of which may
// change beneath it. Zero is never given.
type SessionID uint64

// String returns the decimal form, which is what traces carry.
func (id SessionID) String() string { return strconv.FormatUint(uint64(id), 10) }

// sessionIDs hands out handles. A handle is never given twice in the life of one
// Manager: a stale one must not reach a newer session. Counting per Manager
// and not per process keeps a run's trace a function of the run alone.
type sessionIDs struct{ last SessionID }

// next returns a handle that was never returned before.
func (s *sessionIDs) next() SessionID {
	s.last++
	return s.last
}
