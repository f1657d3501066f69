package initiator

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/iscsispec/iscsispec/iscsi"
)

// freshISID gives the session another ISID for its next login, where LoginSettings.FreshISID asks for one: 24 random bits, and qualifier 0. With a
// Seed they are a function of it and of what the session is, so that a run can be replayed.
func (s *managedSession) freshISID() {
	s.tries++
	if wanted := s.settings.FreshISID || s.m.dev.Loss.RandomISID && s.tries > 1; !wanted {
		return
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for again := 0; ; again++ {
		isid := iscsi.RandomISID(s.randomBits(again), 0)
		if isid != s.place.isid && s.m.places.isidFree(s.place, isid) {
			s.place.isid = isid
			return
		}
	}
}

// randomBits draws 24 bits.
func (s *managedSession) randomBits(again int) uint32 {
	var b [4]byte
	if s.m.seed == 0 {
		if _, err := rand.Read(b[:]); err != nil {
			panic("initiator: " + err.Error()) // crypto/rand never fails.
		}
		return binary.BigEndian.Uint32(b[:]) >> 8
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%d/%d", s.schedule.key, s.tries, again)
	return uint32(h.Sum64()>>16) & 0xffffff
}
