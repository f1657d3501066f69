package simtarget

import "slices"

// sessionTable is the array's sessions, oldest first. The array's lock guards it.
type sessionTable struct {
	sessions []*session
	serial   uint64
	next     uint16         // the TSIH to try next
	used     map[uint16]int // how many sessions have a TSIH
}

// add gives the session its serial number and puts it into the table. Its TSIH is set and stays.
func (t *sessionTable) add(s *session) {
	if t.used == nil {
		t.used = map[uint16]int{}
	}
	t.used[s.tsih]++
	t.serial++
	s.serial = t.serial
	t.sessions = append(t.sessions, s)
}

func (t *sessionTable) remove(s *session) {
	at, found := slices.BinarySearchFunc(t.sessions, s.serial, func(s *session, serial uint64) int {
		switch {
		case s.serial < serial:
			return -1
		case s.serial > serial:
			return 1
		}
		return 0
	})
	if found {
		if t.used[s.tsih]--; t.used[s.tsih] == 0 {
			delete(t.used, s.tsih)
		}
		t.sessions = slices.Delete(t.sessions, at, at+1)
	}
}

func (t *sessionTable) all() []*session { return slices.Clone(t.sessions) }

// newTSIH draws a session handle that no session has: counting up, never 0.
func (t *sessionTable) newTSIH() uint16 {
	for t.next == 0 || t.used[t.next] > 0 {
		t.next++
	}
	tsih := t.next
	t.next++
	return tsih
}

// count counts the Normal sessions that a predicate takes.
func (t *sessionTable) count(takes func(*session) bool) int {
	n := 0
	for _, s := range t.sessions {
		if !s.discovery && takes(s) {
			n++
		}
	}
	return n
}

// oldest finds the oldest Normal session that a predicate takes, or nil.
func (t *sessionTable) oldest(takes func(*session) bool) *session {
	for _, s := range t.sessions {
		if !s.discovery && takes(s) {
			return s
		}
	}
	return nil
}
