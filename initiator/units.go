package initiator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

// scan is an enumeration in progress, beside the owner.
type scan struct {
	enumeration
	cancel context.CancelFunc
	// repeat is true for a scan that follows one whose answer changed beneath it; there is no third one by itself.
	repeat bool
}

// afterLogin checks the units before requests may flow: after every login the target is asked again what it has, so that
// nothing is replayed to another unit than it was meant for.
func (s *managedSession) afterLogin(relogin, removed bool) {
	dev := s.m.dev
	e := enumeration{target: s.spec.Target, again: s.cache.questions(), stopAtGap: dev.Devices.StopAtGap, attentionFails: dev.Devices.AttentionIsFailure,
		zeroFails: dev.Devices.ZeroBlocksKill}
	switch surfaces := s.kind.HasDevices() || s.kind == Informational && relogin && dev.Kinds.InformationalSurfaces; {
	case removed, relogin && dev.Devices.EnumerateOnce, s.kind == Discovery && !dev.Kinds.DiscoveryProbes:
		s.scanned()
		return
	case s.kind == Discovery:
		e.refreshOnly, e.again = true, []answerKey{{op: opInquiry}}
	case !surfaces:
		e.refreshOnly, e.relist = true, s.cache.listed()
		if len(e.again) == 0 && !e.relist {
			s.scanned()
			return
		}
	case relogin && dev.Devices.NoRescanOnRelogin:
		for _, u := range s.units {
			e.fixed = append(e.fixed, u.lun)
		}
	}
	s.startScan(e, false)
}

// startScan runs an enumeration beside the owner.
func (s *managedSession) startScan(e enumeration, repeat bool) {
	ctx, cancel := context.WithCancel(context.Background())
	sc := &scan{enumeration: e, cancel: cancel, repeat: repeat}
	session := s.session
	sc.ask = func(q question) reply { return askSession(ctx, session, q) }
	s.scan = sc
	go func() {
		err := sc.run()
		cancel()
		if errors.Is(err, errScanDied) {
			return
		}
		s.inbox.post(func() { s.scanEnded(sc, err) })
	}()
}

// askSession carries out one question of an enumeration.
func askSession(ctx context.Context, session *Session, q question) reply {
	ctx, cancel := context.WithTimeout(ctx, scanCommandTimeout)
	defer cancel()
	r := &Request{LUN: q.lun, CDB: q.cdb, Read: make([]byte, q.length)}
	if err := session.Do(ctx, r); err != nil {
		var short *IncompleteError
		if !errors.As(err, &short) {
			return reply{err: err}
		}
		// Parameter data tell their length themselves: a target that miscounts the rest does not make them useless.
		return reply{data: r.Read[:short.Got], status: scsi.StatusGood}
	}
	sense, _ := scsi.ParseSense(r.Sense)
	return reply{data: r.Read[:r.Transferred], status: scsi.Status(r.Status), sense: sense}
}

// dropScan gives up the scan in progress; its result will be ignored.
func (s *managedSession) dropScan() { s.endScan()() }

// endScan lets the result of the scan in progress be ignored, and returns what gives its commands up; that may be called more than once.
func (s *managedSession) endScan() (giveUp func()) {
	giveUp = func() {}
	if s.scan != nil {
		giveUp, s.scan = s.scan.cancel, nil
	}
	s.rescan = false
	return giveUp
}

// closeBehind closes a connection behind what is on its way to it, such as the ABORT TASK for the command of a scan that timed out: one instant
// for both would leave it to chance whether the target hears of it.
func closeBehind(session *Session) {
	time.Sleep(stagger)
	session.Close()
}

// scanEnded takes the result of an enumeration.
func (s *managedSession) scanEnded(sc *scan, err error) {
	if sc != s.scan {
		return
	}
	s.scan = nil
	switch {
	case s.session == nil || s.ending:
		return
	case err != nil && !s.kind.HasDevices() && !errors.Is(err, context.DeadlineExceeded):
		s.scanned() // What could not be refreshed is asked again when it is needed.
		return
	case err != nil:
		// A session whose units cannot be told is of no use: it is given up and logged in again.
		s.lastErr = err
		go closeBehind(s.session)
		return
	}
	s.remember(sc)
	if !sc.refreshOnly {
		s.applyUnits(sc.units)
	}
	changed := sc.changed && !sc.repeat
	again := changed || s.rescan
	s.scanned()
	if again {
		s.rescan = false
		s.startScan(enumeration{target: s.spec.Target, again: s.cache.questions()}, changed)
	}
}

// scanned lets requests flow.
func (s *managedSession) scanned() {
	s.ready = true
	s.blockDevices(false)
	s.flow()
	s.endFirstLogin(nil)
}

// remember puts what an enumeration heard into the cache, and forgets what the target did not confirm.
func (s *managedSession) remember(sc *scan) {
	s.cache.beginRefresh()
	for _, h := range sc.answers {
		s.note(h.lun, h.cdb, h.data)
	}
	if !s.m.dev.Cache.FillOnce {
		s.cache.endRefresh()
	}
}

// note remembers one answer.
func (s *managedSession) note(lun uint64, cdb, data []byte) (askAgain bool) {
	q, ok := cacheQuestion(lun, cdb)
	if !ok {
		return false
	}
	_, had := s.cache.entries[q.key]
	if had && s.m.dev.Cache.FillOnce || s.m.dev.Cache.KeepTruncated && s.cache.keepTruncated(q, data) {
		return false
	}
	return s.cache.note(lun, cdb, data)
}

// observe learns from the target's answer to a requester's command.
func (s *managedSession) observe(r *Request) {
	switch scsi.Status(r.Status) {
	case scsi.StatusGood:
		if s.note(r.LUN, r.CDB, r.Read[:min(r.Transferred, len(r.Read))]) && s.session != nil {
			s.askWhole(r.LUN, r.CDB)
		}
	case scsi.StatusCheckCondition:
		if sense, err := scsi.ParseSense(r.Sense); err == nil {
			s.attention(sense)
			s.unsupported(r.LUN, sense)
		}
	}
}

// askWhole asks once more for an answer that its requester took in part only, so that the cache can serve others.
func (s *managedSession) askWhole(lun uint64, cdb []byte) {
	q, _ := cacheQuestion(lun, cdb)
	ask := question{cdb: scsi.ReportLUNs(scsi.SelectReport(q.key.page), 8+8*unitsMax), length: 8 + 8*unitsMax}
	if q.key.op == opInquiry {
		ask = inquiryQuestionOf(q.key)
	}
	if q.allocation >= ask.length {
		return
	}
	session := s.session
	go func() {
		if r := askSession(context.Background(), session, ask); r.good() {
			s.inbox.post(func() { s.noteLate(session, ask, r.data) })
		}
	}()
}

// noteLate remembers an answer unless its connection is gone.
func (s *managedSession) noteLate(session *Session, q question, data []byte) {
	if session == s.session {
		s.note(q.lun, q.cdb, data)
	}
}

// attention reacts to a unit attention that says that the units are not what they were.
func (s *managedSession) attention(sense scsi.Sense) {
	if sense.Key != scsi.UnitAttention {
		return
	}
	switch sense.Code {
	case scsi.LUNsDataChanged, scsi.InquiryDataChanged, scsi.CapacityDataChanged:
		s.enumerateAgain()
	}
}

// asyncArrived reacts to an Async Message: event 0 carries sense data of the target (RFC 7143, Section 11.9.1).
func (s *managedSession) asyncArrived(event AsyncEvent) {
	s.recordAsync(event)
	if event.Event != 0 || s.session == nil {
		return
	}
	if sense, err := scsi.ParseSense(event.Sense); err == nil {
		s.attention(sense)
	}
}

// enumerateAgain starts an enumeration of a session in use, or asks for one after that in progress.
func (s *managedSession) enumerateAgain() {
	switch {
	case !s.kind.HasDevices() || s.session == nil || s.ending:
	case s.scan != nil:
		s.rescan = true
	case s.ready:
		s.startScan(enumeration{target: s.spec.Target, again: s.cache.questions()}, false)
	}
}

// applyUnits compares what the target has now with what the stack knows: units that are gone or that are others leave with
// what waits for them, the same ones stay, new ones arrive.
func (s *managedSession) applyUnits(now []*unit) {
	s.keepIdentities(now)
	for _, old := range slices.Clone(s.units) {
		i := slices.IndexFunc(now, func(u *unit) bool { return u.lun == old.lun })
		switch {
		case i < 0:
			s.unitVanished(old, "unit no longer listed")
		case now[i].name() != old.name() && !s.m.dev.Devices.IgnoreIdentity:
			s.unitVanished(old, "another unit behind the LUN")
		default:
			s.unitStays(old, now[i])
		}
	}
	for _, u := range now {
		if !slices.ContainsFunc(s.units, func(o *unit) bool { return o.lun == u.lun }) {
			s.unitArrives(u)
		}
	}
	slices.SortStableFunc(s.units, func(a, b *unit) int { return cmp.Compare(a.lun, b.lun) })
}

// unitVanished removes a unit and fails what waits for it: it must not reach whatever is there now.
func (s *managedSession) unitVanished(u *unit, reason string) {
	s.removeUnits(func(o *unit) bool { return o == u }, reason)
	if !s.m.dev.Queue.RetryAbsentUnit {
		s.failQueue(func(p *pending) bool { return p.req.LUN == u.lun }, ErrDeviceRemoved, false)
		return
	}
	for _, p := range s.queue.take(func(p *pending) bool { return p.req.LUN == u.lun }) {
		s.m.park(s, p)
	}
}

// unitStays takes over what may change about a unit.
func (s *managedSession) unitStays(old, now *unit) {
	if s.m.dev.Devices.KeepSize {
		now.blocks, now.blockSize = old.blocks, old.blockSize
	}
	changed := old.blocks != now.blocks || old.blockSize != now.blockSize || old.data.Revision != now.data.Revision
	old.data, old.blocks, old.blockSize = now.data, now.blocks, now.blockSize
	if changed {
		s.m.stack.update(old)
		s.recordDevice(old, "changed", "", s.m.stack.pathsOf(old))
	}
}

// unitArrives surfaces a unit as a device, or as another path to one.
func (s *managedSession) unitArrives(u *unit) {
	if s.m.dev.Paths.NoSecondPath && s.m.stack.knowsLUN(s.spec.Target, u.lun) {
		return
	}
	s.units = append(s.units, u)
	paths := s.m.stack.arrive(s, s.id, u, s.bootUnit(u.lun))
	s.recordDevice(u, "arrived", "", paths)
}

// removeUnits takes the units that match from the stack.
func (s *managedSession) removeUnits(match func(*unit) bool, reason string) {
	kept := s.units[:0:0]
	for _, u := range s.units {
		if !match(u) {
			kept = append(kept, u)
			continue
		}
		paths := s.m.stack.leave(s, u)
		if s.m.dev.Devices.RemoveByLUNOnly {
			s.m.stack.dropLUN(u.lun)
		}
		s.recordDevice(u, "removed", reason, paths)
	}
	s.units = kept
}

// blockDevices marks the session's paths as usable or not.
func (s *managedSession) blockDevices(blocked bool) {
	state := "unblocked"
	if blocked {
		state = "blocked"
	}
	for _, u := range s.units {
		if u.blocked != blocked {
			u.blocked = blocked
			s.m.stack.block(s, u, blocked)
			s.recordDevice(u, state, "", s.m.stack.pathsOf(u))
		}
	}
}

// bootUnit reports whether a LUN is the boot unit of this session.
func (s *managedSession) bootUnit(lun uint64) bool { return s.kind == Boot && lun == s.spec.BootLUN }

// sequential reports whether the unit is one on which a command must not be executed twice.
func (s *managedSession) sequential(lun uint64) bool {
	return slices.ContainsFunc(s.units, func(u *unit) bool { return u.lun == lun && u.data.DeviceType == scsi.TypeSequential })
}

// keepIdentities lets a deviating initiator take the identity of units from before their removal.
func (s *managedSession) keepIdentities(now []*unit) {
	if !s.m.dev.Cache.SurvivesRemoval {
		return
	}
	for _, u := range now {
		if old, ok := s.identities[u.lun]; ok {
			u.identity = old
		}
		s.identities[u.lun] = u.identity
	}
}
