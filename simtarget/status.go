package simtarget

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// Traffic counts PDUs and their bytes: headers, AHS and data segments; padding and digests are left out. In is what initiators send.
// What a rule alters on its way out counts as it goes out; what a connection could not send any more may count as sent.
type Traffic struct {
	PDUsIn   uint64
	PDUsOut  uint64
	BytesIn  uint64
	BytesOut uint64
}

// Counters count what has happened to an array since it was made. None ever goes back.
type Counters struct {
	Traffic
	// Connections were accepted. LoginsGranted led to a session or to a connection of one; LoginsRefused ended with a status,
	// LoginsRedirected with a status of class 1, LoginsDropped without a Login Response.
	Connections      uint64
	LoginsGranted    uint64
	LoginsRefused    uint64
	LoginsRedirected uint64
	LoginsDropped    uint64
	// Commands are SCSI commands that were executed; CheckConditions those that ended in CHECK CONDITION.
	Commands        uint64
	CheckConditions uint64
	// Rejects are Reject PDUs. ConnectionsLost ended without a logout and without the array's own doing.
	Rejects         uint64
	ConnectionsLost uint64
}

// tally is what a connection counts for Counters. The session's lock guards it in full feature phase; before, the reading goroutine has it.
type tally struct {
	pdusIn, bytesIn, commands, checks, rejects uint64
}

func (t *tally) received(bytes int) {
	t.pdusIn++
	t.bytesIn += uint64(bytes)
}

// counts are the counters of the slow paths, and all of connections that are over.
type counts struct {
	granted, refused, redirected, dropped, lost atomic.Uint64
	over                                        Counters // guarded by the array's lock
}

// addTo adds what a connection has counted. Traffic of a login that is not over yet is left for later: its goroutine has it. The caller
// holds the array's lock.
func (c *connection) addTo(n *Counters, over bool) {
	sent := c.out.sent()
	n.PDUsOut, n.BytesOut = n.PDUsOut+sent.PDUsOut, n.BytesOut+sent.BytesOut
	if !over && !c.inSession.Load() {
		return
	}
	if c.inSession.Load() {
		c.session.mu.Lock()
		defer c.session.mu.Unlock()
	}
	t := &c.tally
	n.PDUsIn, n.BytesIn = n.PDUsIn+t.pdusIn, n.BytesIn+t.bytesIn
	n.Commands, n.CheckConditions, n.Rejects = n.Commands+t.commands, n.CheckConditions+t.checks, n.Rejects+t.rejects
}

// Counters gives what the array has counted so far.
func (a *Array) Counters() Counters {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.counts.over
	for _, c := range a.connections { // sums have no order
		c.addTo(&n, false)
	}
	n.Connections = a.ordinal
	n.LoginsGranted, n.LoginsRefused = a.counts.granted.Load(), a.counts.refused.Load()
	n.LoginsRedirected, n.LoginsDropped = a.counts.redirected.Load(), a.counts.dropped.Load()
	n.ConnectionsLost = a.counts.lost.Load()
	return n
}

// PortalInfo tells about a portal of an array.
type PortalInfo struct {
	Name    string
	Tag     uint16
	Address string // what initiators are told
	Up      bool
	Hidden  bool // not advertised
}

// Portals tells about all portals, in the profile's order.
func (a *Array) Portals() []PortalInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	infos := make([]PortalInfo, len(a.portals))
	for i, p := range a.portals {
		infos[i] = PortalInfo{Name: p.Name, Tag: p.Tag, Address: p.address(""), Up: p.up, Hidden: p.Hidden}
	}
	return infos
}

// TargetInfo tells about a target and its logical units.
type TargetInfo struct {
	Name    string
	Alias   string
	Portals []string // names; none means all
	LUNs    []LUNInfo
}

// LUNInfo tells about a logical unit.
type LUNInfo struct {
	Number    uint32
	Blocks    uint64
	BlockSize int // bytes
	Serial    string
	Revision  string
	Store     disk.StoreKind
}

// Targets tells about all targets, in the profile's order, with the logical units that they have now in ascending order.
func (a *Array) Targets() []TargetInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	infos := make([]TargetInfo, len(a.targets))
	for i, t := range a.targets {
		infos[i] = TargetInfo{Name: t.Name, Alias: t.Alias, Portals: t.Portals}
		for _, lun := range t.units.LUNs() {
			infos[i].LUNs = append(infos[i].LUNs, t.describe(lun))
		}
	}
	return infos
}

func (t *target) describe(lun scsi.LUN) LUNInfo {
	n, _ := lun.Number()
	info := LUNInfo{Number: n}
	if d := t.disks[n]; d != nil {
		id := d.Identity()
		info.Blocks, info.BlockSize, info.Serial, info.Revision = d.Blocks(), d.BlockSize(), id.Serial, id.Revision
		info.Store = d.StoreKind()
	}
	return info
}

// ConnectionInfo tells about a connection of a session.
type ConnectionInfo struct {
	CID          uint16
	Portal       string
	Local        string // the address that the initiator connected to
	Remote       string // the initiator's end
	HeaderDigest bool   // CRC32C is in force
	DataDigest   bool
	// MaxRecvDataSegmentLength is what the array takes on the connection, PeerMaxRecvDataSegmentLength what the initiator takes.
	MaxRecvDataSegmentLength     int
	PeerMaxRecvDataSegmentLength int
	// Open counts the SCSI commands of the connection that are not finished.
	Open int
	Traffic
}

// SessionStatus tells all there is to tell about a session.
type SessionStatus struct {
	SessionInfo
	// Opened is when the login was granted.
	Opened time.Time
	// Negotiated are the values that the login settled.
	Negotiated text.Params
	// Connections are those that are in full feature phase, in ascending order of their CIDs.
	Connections []ConnectionInfo
}

// SessionStatuses is Sessions at length. most bounds how many are told, the oldest first; all is how many there are.
func (a *Array) SessionStatuses(most int) (told []SessionStatus, all int) {
	a.mu.Lock()
	sessions := a.table.all()
	a.mu.Unlock()
	all = len(sessions)
	sessions = sessions[:min(all, max(0, most))]
	told = make([]SessionStatus, len(sessions))
	for i, s := range sessions {
		told[i] = s.status()
	}
	return told, all
}

func (s *session) status() SessionStatus {
	status := SessionStatus{SessionInfo: s.info()}
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Opened, status.Negotiated = s.openedAt, s.params
	for _, c := range s.conns {
		i := c.info()
		i.Open = s.tasks.countOf(c)
		status.Connections = append(status.Connections, i)
	}
	slices.SortFunc(status.Connections, func(x, y ConnectionInfo) int { return int(x.CID) - int(y.CID) })
	return status
}

// info tells about a connection. The caller holds the session's lock.
func (c *connection) info() ConnectionInfo {
	i := ConnectionInfo{
		CID: c.cid, Portal: c.portal.Name, Local: c.local, Remote: c.remote, HeaderDigest: c.digests.Header, DataDigest: c.digests.Data,
		MaxRecvDataSegmentLength: c.params.MaxRecvDataSegmentLength, PeerMaxRecvDataSegmentLength: c.params.PeerMaxRecvDataSegmentLength,
		Traffic: c.out.sent(),
	}
	i.PDUsIn, i.BytesIn = c.tally.pdusIn, c.tally.bytesIn
	return i
}
