package initiator

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

// doubtBook lists the writes of all sessions of a Manager whose outcome is unknown: they were on their way when their connection was lost, and
// the target may have executed them or not. They are sent again. What overlaps one of them, over whichever path of its device, is held back until
// it has ended: executed in between, it would be overwritten by the repetition of an older write after its requester, or a reader, was told of
// it.
//
// Without such a write it costs one load of an atomic. It is as large as what was in flight on the connections that were lost.
type doubtBook struct {
	// open is the length of list.
	open atomic.Int32

	mu   sync.Mutex
	list []doubt
	// holding are the sessions that hold requests back for a write of another one.
	holding []*managedSession
}

// doubt is a write whose outcome is unknown.
type doubt struct {
	session *managedSession
	p       *pending
	device  string
	blocks  extent
}

// extent is a run of blocks of a unit, from one to before another.
type extent struct{ from, to uint64 }

func (e extent) overlaps(o extent) bool { return e.from < o.to && o.from < e.to }

// extentOf returns the blocks that a command reads or writes, and whether it changes them; ok is false for commands that do neither. What a
// command writes whose blocks are not in the CDB is taken for the whole unit.
func extentOf(cdb []byte) (blocks extent, writes, ok bool) {
	c, err := scsi.ParseCommand(cdb)
	if err != nil {
		return extent{}, false, false
	}
	whole := extent{0, math.MaxUint64}
	switch c.Opcode {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16:
	case scsi.OpUnmap, scsi.OpSanitize, scsi.OpExtendedCopy:
		return whole, true, true
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		if c.Blocks == 0 { // To the end of the unit.
			return extent{c.LBA, math.MaxUint64}, true, true
		}
		writes = true
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16, scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16,
		scsi.OpXDWriteRead10, scsi.OpCompareAndWrite, scsi.OpORWrite16, scsi.OpWriteAtomic16:
		writes = true
	default:
		return extent{}, false, false
	}
	return extent{c.LBA, c.LBA + uint64(c.Blocks)}, writes, true
}

// unitName names a unit across sessions: by its device, or, where the session surfaces none, as the session's own.
func (s *managedSession) unitName(lun uint64) string {
	if name := s.deviceName(lun); name != "" {
		return name
	}
	return fmt.Sprintf("session %s unit %x", s.id, lun)
}

// doubts enters a request that came back from a broken connection, if it is a write that the target may have executed.
func (s *managedSession) doubts(p *pending) {
	blocks, writes, ok := extentOf(p.req.CDB)
	if !ok || !writes || !p.req.Sent || p.doubted {
		return
	}
	p.doubted = true
	b := &s.m.doubts
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, doubt{session: s, p: p, device: s.unitName(p.req.LUN), blocks: blocks})
	b.open.Store(int32(len(b.list)))
}

// settled takes out a request that has ended, and lets go what waits for that.
func (s *managedSession) settled(p *pending) {
	if !p.doubted {
		return
	}
	p.doubted = false
	b := &s.m.doubts
	b.mu.Lock()
	b.list = slices.DeleteFunc(b.list, func(d doubt) bool { return d.p == p })
	b.open.Store(int32(len(b.list)))
	holding := b.holding
	b.holding = nil
	b.mu.Unlock()
	s.inbox.post(s.flow)
	if len(holding) == 0 {
		return
	}
	slices.SortFunc(holding, func(a, b *managedSession) int { return cmp.Compare(a.place.id, b.place.id) })
	s.m.owners.Add(1) // This session's owner is one, so nobody has waited to the end yet.
	go func() {
		defer s.m.owners.Done()
		for _, other := range holding {
			time.Sleep(stagger)
			other.inbox.post(other.flow)
		}
	}()
}

// held reports whether a request has to wait until a write has ended whose outcome is unknown. For one of its own session it keeps its place, and what
// is behind it for the same unit waits too; for one of another session it lets others pass, since that session may be away for long.
func (s *managedSession) held(p *pending) bool {
	b := &s.m.doubts
	switch {
	case b.open.Load() == 0 || s.m.dev.Queue.OvertakeDoubt:
		return false
	case slices.Contains(s.stalled, p.req.LUN):
		return true
	case p.doubted:
		return false // It was under way with the others already.
	}
	blocks, _, ok := extentOf(p.req.CDB)
	if !ok {
		return false
	}
	inOrder, passed := b.overlap(s, p, blocks)
	if inOrder {
		s.stalled = append(s.stalled, p.req.LUN)
	}
	return inOrder || passed
}

// overlap looks for writes of unknown outcome that overlap a request of a session. inOrder tells of earlier ones of the same session. passed tells
// of those of other sessions, which are to tell this one of their end, and of later ones of its own: those went out while the request was held
// back already.
func (b *doubtBook) overlap(s *managedSession, p *pending, blocks extent) (inOrder, passed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	device, cameBack := s.unitName(p.req.LUN), p.via != nil
	for _, d := range b.list {
		switch {
		case d.device != device || !d.blocks.overlaps(blocks):
		case d.session != s:
			passed = true
			if !slices.Contains(b.holding, s) {
				b.holding = append(b.holding, s)
			}
		case d.p.seq < p.seq:
			inOrder = true
		case !cameBack:
			passed = true
		}
	}
	return inOrder, passed
}
