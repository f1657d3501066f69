package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// findSession looks for the session that a non-zero TSIH names: ISID and TSIH name it together, within initiator name, target and portal
// group (RFC 7143, Section 6.3.1). With it comes a connection that replaces the one with its CID, or adds one.
func (l *login) findSession() error {
	a, dev := l.array, &l.dev.Login
	a.mu.Lock()
	defer a.mu.Unlock()
	var same *session
	for _, s := range a.table.sessions {
		switch {
		case s.tsih == l.tsih && dev.TSIHAloneFindsSession && !s.discovery:
			same = s
		case s.tsih == l.tsih && a.dev.Sessions.GlobalTSIH && s.isid == l.isid && s.initiator == l.initiator:
			same = s
		case s.initiator != l.initiator || s.isid != l.isid || s.target != l.target || s.discovery != l.discovery ||
			s.tag != l.c.portal.Tag && !a.dev.Connections.AnyPortalGroup:
		case s.tsih == l.tsih:
			same = s
		case dev.ISIDAloneReinstates:
			return nil
		}
	}
	if same == nil && (dev.UnknownTSIHCreatesSession || a.faults.wasClosed(l)) {
		return nil
	}
	if same == nil {
		return refuse(iscsi.StatusSessionDoesNotExist, "no session with TSIH 0x%04x and this ISID", l.tsih)
	}
	if same.portal != l.c.portal && a.dev.Connections.OnePortalOnly {
		return refuse(iscsi.StatusCannotInclude, "the session began at another portal")
	}
	if !l.joinable(same) {
		return refuse(iscsi.StatusTooManyConnections, "MaxConnections is %d", same.params.MaxConnections)
	}
	l.joins = same
	return nil
}

// joinable reports whether the login may add its connection, or replace the one with its CID. The caller holds the array's lock.
func (l *login) joinable(s *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.fits(s)
}

// fits is joinable for callers who hold the session's lock.
func (l *login) fits(s *session) bool {
	if l.dev.Connections.RefuseFurther && len(s.conns) > 0 && s.withCID(l.cid) == nil {
		return false
	}
	return s.room() || s.withCID(l.cid) != nil || l.array.joinsAnyway()
}

// joinsAnyway is where faulty arrays add connections that the session has no room for.
func (a *Array) joinsAnyway() bool {
	return a.dev.Keys.UnlimitedConnections || a.dev.Login.TSIHAloneFindsSession || a.dev.Sessions.GlobalTSIH
}

// admit makes the session that the login has earned, or gives its connection to the one that it joins.
func (l *login) admit() error {
	c := l.c
	c.cid, c.params = l.cid, l.result()
	c.digests = pdu.Digests{Header: c.params.HeaderDigest, Data: c.params.DataDigest}
	l.distortDigests()
	if l.joins != nil {
		return l.join()
	}
	if err := l.array.limit(l, true); err != nil {
		return err
	}
	s := l.newSession()
	a := l.array
	a.mu.Lock()
	evicted := a.evicted(l)
	replaced := slices.DeleteFunc(a.replacedBy(l), func(old *session) bool { return slices.Contains(evicted, old) })
	if len(a.table.sessions)-len(evicted)-len(replaced) >= a.sessionsMax { // what goes leaves its place
		a.mu.Unlock()
		return refuse(iscsi.StatusOutOfResources, "%d sessions", a.sessionsMax)
	}
	how := a.profile.Session.Replaced
	s.tsih = l.handle()
	a.table.add(s)
	a.routeToFirst(l, s)
	code := a.greeting(l, s.nexus)
	a.mu.Unlock()
	for _, old := range replaced {
		l.inherit(s, old)
		a.closeSession(old, how, reasonReinstated)
	}
	for _, old := range evicted {
		a.closeSession(old, how, reasonEvicted)
	}
	if s.target != nil && !s.discovery {
		s.target.units.Connect(s.nexus, code)
	}
	l.granted = s
	a.recordOpened(l, s)
	return nil
}

// result is what was negotiated, with the array's names in place.
func (l *login) result() text.Params {
	p := l.negotiation.Result()
	l.distortResult(&p)
	if l.joins != nil && !l.dev.Connections.RenegotiateSession {
		agreed := l.joins.params
		agreed.HeaderDigest, agreed.DataDigest = p.HeaderDigest, p.DataDigest
		agreed.MaxRecvDataSegmentLength, agreed.PeerMaxRecvDataSegmentLength = p.MaxRecvDataSegmentLength, p.PeerMaxRecvDataSegmentLength
		return agreed
	}
	return p
}

func (l *login) newSession() *session {
	a, c := l.array, l.c
	policy, data := a.sessionPolicy(), a.dataPolicy()
	fixed := -1
	if l.orders != nil && l.orders.Window != nil {
		fixed = *l.orders.Window
	}
	s := &session{
		array: a, target: l.target, initiator: l.initiator, isid: l.isid, portal: c.portal, discovery: l.discovery,
		params: c.params, entering: 1, order: newOrdering(l.cmdSN, policy.CommandWindow, fixed),
		immediateMax: policy.ImmediateCommands, statusInData: data.StatusInDataIn, openedAt: time.Now(),
	}
	if !l.discovery {
		s.recovery = newRecovery(s.params.ErrorRecoveryLevel, a.recoveryPolicy())
	}
	if l.chap != nil {
		s.user = l.chap.Name()
	}
	s.fences = s.fencing()
	s.pingPolicy = pingTimes{policy.PingInterval, policy.PingTimeout, uint64(scsi.LUNOf(policy.PingLUN)), policy.StrictPingLUN}
	a.mu.Lock()
	s.tag = c.portal.Tag
	s.nexus = a.nexusOf(s)
	a.mu.Unlock()
	return s
}

// handle draws the TSIH. The caller holds the array's lock.
func (l *login) handle() uint16 {
	switch {
	case l.orders != nil && l.orders.TSIH != nil:
		return *l.orders.TSIH
	case l.dev.Login.ConstantTSIH:
		return 1
	case l.array.profile.Session.FixedTSIH != 0:
		return l.array.profile.Session.FixedTSIH
	}
	return l.array.table.newTSIH()
}

// nexusesMax bounds the memory for nexuses that were greeted after a restart.
const nexusesMax = 8192

// greeting is the unit attention that a new session meets. The caller holds the array's lock.
func (a *Array) greeting(l *login, n disk.Nexus) scsi.ASC {
	if l.orders != nil && l.orders.UnitAttention != 0 {
		return scsi.ASC(l.orders.UnitAttention)
	}
	if a.lost[n] {
		delete(a.lost, n)
		return scsi.NexusLossOccurred
	}
	if a.profile.Data.UnitAttentionAtLogin {
		return scsi.PowerOnOrReset
	}
	if !a.restarted || !a.profile.Failover.AfterRestart || a.greeted[n] || len(a.greeted) >= nexusesMax {
		return scsi.NoAdditionalSense
	}
	a.greeted[n] = true
	return scsi.PowerOnOrReset
}

// opened attaches the connection once the final response is queued. The caller holds the session's lock.
func (s *session) opened(c *connection) {
	c.session = s
	s.entering--
	if s.closed { // Another login or an action has ended it since it was admitted.
		c.end(EndFIN)
		return
	}
	if twin := s.withCID(c.cid); twin != nil && !s.array.joinsAnyway() { // It came while this login went on.
		s.detach(twin)
		s.part(twin, true)
		twin.end(EndFIN)
	}
	s.array.dev.Connections.takeOver(s, c)
	s.attach(c)
	if s.recovery != nil {
		c.sent = &sentResponses{acked: c.statSN, told: c.statSN}
	}
	s.order.advertise(s.array)
	p := s.pingPolicy
	if s.discovery && s.array.dev.Listing.PingsIdle {
		p.interval, p.timeout = 5*time.Second, 5*time.Second
	}
	s.startPings(c, p.interval, p.timeout)
	if s.array.dev.Recovery.ContinueTasks {
		s.continueTasks(c)
	}
}

// join gives the connection to the session that it belongs to. Where it replaces the connection with its CID, that one is logged out with
// it: its tasks end, unless recovery level 2 was agreed (RFC 7143, Sections 6.3.4 and 7.3).
func (l *login) join() error {
	s, a := l.joins, l.array
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return refuse(iscsi.StatusSessionDoesNotExist, "the session has ended meanwhile")
	}
	if !l.fits(s) {
		s.mu.Unlock()
		return refuse(iscsi.StatusTooManyConnections, "MaxConnections is %d", s.params.MaxConnections)
	}
	if s.retain != nil {
		s.retain.Stop()
	}
	old := s.withCID(l.cid)
	if l.array.joinsAnyway() {
		old = nil
	}
	if old != nil {
		s.detach(old)
		if !a.dev.Recovery.ContinueTasks {
			if old.sent != nil {
				s.takeExpStatSN(old, l.expStatSN)
			}
			s.part(old, true)
		}
	}
	s.entering++
	s.freeByLogin(l.cid, l.expStatSN)
	s.mu.Unlock()
	if old != nil && !a.dev.Recovery.ServeReplacedConnection {
		old.end(a.sessionPolicy().Replaced)
	}
	l.granted = s
	a.recordJoined(l, s)
	return nil
}

// pingTimes are the profile's pings when the session was opened.
type pingTimes struct {
	interval, timeout time.Duration
	lun               uint64
	strict            bool // about the LUN of answers
}
