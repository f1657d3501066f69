package simtarget

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// session is an iSCSI session. Its lock guards everything below it, and the numbering of its connections.
type session struct {
	array     *Array
	serial    uint64
	target    *target // nil for a Discovery session that names none
	initiator string
	isid      iscsi.ISID
	tsih      uint16
	portal    *portal
	tag       uint16
	discovery bool
	user      string // the CHAP name that the first connection has proved, "" without authentication
	nexus     disk.Nexus
	openedAt  time.Time

	mu         sync.Mutex
	closed     bool
	params     text.Params
	conns      []*connection     // oldest first; none while the session waits within Time2Retain
	first      [1]*connection    // the memory of conns while there is one
	entering   int               // connections whose login has succeeded and whose final response is not queued yet
	parted     []*lostConnection // at recovery level 2, in the order in which they were lost
	lostTimer  *time.Timer
	retain     *time.Timer
	order      ordering
	tasks      taskSet
	ignored    tagRing // tags of commands that were not taken
	nextTTT    uint32
	wrappedTTT bool
	executed   uint64
	after      []func() // what the reading goroutine does next, without the lock
	managing   []*management
	fences     bool           // the response fence is kept
	fence      *responseFence // nil while none stands
	faults     sessionFaults
	recovery   *recovery // nil at recovery level 0

	fastAborted int    // tasks that FastAbort has ended and that may still get data
	delivered   uint64 // counts the tasks that were delivered
	ordered     int    // delivered tasks of the attribute ORDERED that are not finished
	queued      int    // tasks that wait for older ones
	waking      bool

	immediateMax int  // immediate commands that may be open
	statusInData bool // GOOD goes with the last Data-In
	pingPolicy   pingTimes
}

// The reasons in trace events of sessions that end.
const (
	reasonLogout         = "logout"
	reasonConnectionLost = "connection lost"
	reasonReinstated     = "reinstated"
	reasonEvicted        = "evicted for another session"
	reasonDropped        = "dropped"
	reasonMoved          = "the target is served elsewhere now"
	reasonRestart        = "restart"
	reasonRetainExpired  = "Time2Retain expired"
	reasonArrayClosed    = "array closed"
	reasonPing           = "ping not answered"
	reasonLogoutDeadline = "no logout within the time asked for"
)

// nexusOf names the I_T nexus of a session.
func (a *Array) nexusOf(s *session) disk.Nexus {
	n := disk.Nexus{InitiatorPort: fmt.Sprintf("%s,i,0x%s", s.initiator, s.isid), PortGroupTag: s.tag, RelativePort: uint16(s.portal.index)}
	if s.target != nil {
		n.Target = s.target.Name
	}
	for _, p := range a.portals { // the portals of one group are one port
		if p.Tag == s.tag {
			n.RelativePort = uint16(p.index)
			break
		}
	}
	if a.dev.Sessions.OnePortDesignator {
		n.PortGroupTag, n.RelativePort = a.portals[0].Tag, 1
	}
	if a.dev.Connections.OtherTagInPortName {
		n.PortGroupTag++
	}
	if a.dev.Connections.ShortISIDInPortName {
		n.InitiatorPort = fmt.Sprintf("%s,i,0x%s", s.initiator, strings.TrimLeft(s.isid.String(), "0"))
	}
	if a.dev.Sessions.ReservationByName {
		n.InitiatorPort = s.initiator
	}
	return n
}

// send numbers and queues a PDU that carries status: it takes the next StatSN. The caller holds the session's lock.
func (s *session) send(c *connection, p pdu.PDU) {
	var out outgoing
	s.prepare(c, &out, p)
	if c.sent != nil {
		s.keepResponse(c, &out.bhs, out.data, nil)
	}
	c.statSN++
	c.deliver(out)
}

// sendUnnumbered is send for PDUs that show the next StatSN without taking it.
func (s *session) sendUnnumbered(c *connection, p pdu.PDU) {
	var out outgoing
	s.prepare(c, &out, p)
	c.deliver(out)
}

// prepare encodes a PDU and fills in the three numbers that all PDUs of a target carry.
func (s *session) prepare(c *connection, out *outgoing, p pdu.PDU) {
	p.EncodeBHS(&out.bhs)
	_, out.data = p.Segments()
	s.array.dev.Robustness.dirty(&out.bhs)
	s.number(c, &out.bhs)
}

// number stores StatSN, ExpCmdSN and MaxCmdSN at their common place (RFC 7143, Section 11.2).
func (s *session) number(c *connection, h *pdu.BHS) {
	exp, top := s.order.advertise(s.array)
	if dev := &s.array.dev.Connections; dev.SharedStatSN || dev.StaleExpCmdSN {
		dev.share(s, c)
		exp = dev.stale(c, exp)
	}
	putWord(h, 24, c.statSN)
	putWord(h, 28, exp)
	putWord(h, 32, top)
}

func putWord(h *pdu.BHS, at int, v uint32) {
	h[at], h[at+1], h[at+2], h[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// deliver passes a PDU of full feature phase to the writer, through the rules that alter PDUs.
func (c *connection) deliver(out outgoing) {
	out.digests = c.digests
	if route := c.session.faults.route; route != nil {
		route.out.put(out)
		return
	}
	c.array.dev.Digest.apply(&out.faults)
	out.faults.stalePad = c.array.dev.DataIn.StalePadding
	if c.array.rules.altering.Load() {
		c.array.alter(c, &out)
		return
	}
	c.out.put(out)
}

// info tells about the session.
func (s *session) info() SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := SessionInfo{
		Serial: s.serial, Initiator: s.initiator, ISID: s.isid, TSIH: s.tsih, Portal: s.portal.Name, Tag: s.tag, Discovery: s.discovery,
		Executed: s.executed, Open: s.tasks.count(), Held: s.tasks.held(), Connected: len(s.conns) > 0,
		CIDs: s.cids(),
	}
	if s.target != nil {
		i.Target = s.target.Name
	}
	if c := s.lead(); c != nil {
		i.CID, i.Remote = c.cid, c.remote
	}
	return i
}

// closeSession ends a session: tasks, nexus, connections. It reports whether the session was still open.
func (a *Array) closeSession(s *session, how Ending, reason string) bool {
	a.mu.Lock()
	a.table.remove(s)
	a.mu.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	conns := s.conns
	if how == EndAsync {
		for _, c := range conns {
			s.announceDrop(c)
		}
	}
	s.terminate()
	s.mu.Unlock()
	a.release(s, reason)
	for _, c := range conns {
		c.end(how)
	}
	return true
}

// terminate ends the session's tasks and takes its connections away. The caller holds the session's lock.
func (s *session) terminate() {
	for _, c := range s.conns {
		c.pings.stop()
		c.attached = false
	}
	s.closed, s.conns = true, nil
	if s.retain != nil {
		s.retain.Stop()
	}
	if s.lostTimer != nil {
		s.lostTimer.Stop()
	}
	s.parted = nil
	s.tasks.dropAll(s)
	s.order.drop()
	s.recovery.forgetAll(nil)
	s.recovery.stop()
}

// release gives up what a closed session held outside of itself.
func (a *Array) release(s *session, reason string) {
	abrupt := reason == reasonConnectionLost || reason == reasonRetainExpired
	if s.target != nil && !s.discovery {
		if !a.dev.Sessions.KeepReservations {
			s.target.units.Disconnect(s.nexus)
		}
		s.target.aca.forget(s.nexus)
		if a.dev.Sessions.CloneCloseResets && abrupt {
			s.target.units.Reset(scsi.BusDeviceReset)
			a.abortEverywhere(s.target)
		}
	}
	a.afterClose(s, abrupt)
	a.unlockHost(reason)
	a.recordSession(s, "session-closed", reason)
}

// matches reports whether the selection takes the session, its Nth aside.
func (w *Which) matches(s *session) bool {
	target := ""
	if s.target != nil {
		target = s.target.Name
	}
	return (w.Serial == 0 || w.Serial == s.serial) && w.matchesNames(target, s.portal.Name, s.initiator, s.isid, s.discovery)
}

func (w *Which) matchesNames(target, portal, initiator string, isid iscsi.ISID, discovery bool) bool {
	kind := "Normal"
	if discovery {
		kind = "Discovery"
	}
	return (w.Target == "" || w.Target == target) && (w.Portal == "" || w.Portal == portal) &&
		(w.Initiator == "" || w.Initiator == initiator) && (w.ISID == "" || strings.EqualFold(strings.TrimPrefix(w.ISID, "0x"), isid.String())) &&
		(w.Kind == "" || w.Kind == kind)
}

// Sessions tells about all sessions, oldest first.
func (a *Array) Sessions() []SessionInfo {
	a.mu.Lock()
	all := a.table.all()
	a.mu.Unlock()
	infos := make([]SessionInfo, len(all))
	for i, s := range all {
		infos[i] = s.info()
	}
	return infos
}

// selected lists the sessions that a selection takes, oldest first.
func (a *Array) selected(w Which) []*session {
	a.mu.Lock()
	all := a.table.all()
	a.mu.Unlock()
	var taken []*session
	for _, s := range all {
		if w.matches(s) {
			taken = append(taken, s)
		}
	}
	switch n := w.Nth; {
	case n == 0:
		return taken
	case n > 0 && n <= len(taken):
		return taken[n-1 : n]
	case n < 0 && -n <= len(taken):
		return taken[len(taken)+n:][:1]
	}
	return nil
}
