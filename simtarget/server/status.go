package server

import (
	"os"
	"time"

	"github.com/iscsispec/iscsispec/simtarget"
)

// StatusSchema is the value of Status.Schema. Fields may be added under one schema; none is taken away or changes its meaning.
const StatusSchema = "iscsispec.serve.status/1"

// Status is what status.json holds. Times are RFC 3339, durations are seconds, lengths are bytes. Counters never go back while the server
// runs, whatever becomes of the sessions.
type Status struct {
	Schema        string     `json:"schema"`
	PID           int        `json:"pid"`
	Started       time.Time  `json:"started"`
	UptimeSeconds float64    `json:"uptime_seconds"`
	Recording     *Recording `json:"recording,omitempty"` // absent when nothing is recorded
	Arrays        []Array    `json:"arrays"`
}

// Recording is a recording in a Status.
type Recording struct {
	Dir          string `json:"dir"`
	Part         int    `json:"part"`
	Bytes        int64  `json:"bytes"`
	Events       uint64 `json:"events"`
	DroppedParts int    `json:"dropped_parts"`
	Error        string `json:"error,omitempty"` // why it has ended
}

// Array is an array in a Status.
type Array struct {
	Name        string   `json:"name"`
	Profile     string   `json:"profile"`
	Description string   `json:"description,omitempty"`
	Portals     []Portal `json:"portals"`
	Targets     []Target `json:"targets"`
	Counters    Counters `json:"counters"`
	// SessionsTotal is how many sessions there are; Sessions are the oldest of them, as many as were asked for.
	SessionsTotal int       `json:"sessions_total"`
	Sessions      []Session `json:"sessions"`
}

// Portal is a portal in a Status.
type Portal struct {
	Name    string `json:"name"`
	Tag     uint16 `json:"portal_group_tag"`
	Address string `json:"address"`
	Up      bool   `json:"up"`
	Hidden  bool   `json:"hidden"`
}

// Target is a target in a Status.
type Target struct {
	Name    string   `json:"name"`
	Alias   string   `json:"alias,omitempty"`
	Portals []string `json:"portals"` // names; all of the array's when empty
	LUNs    []LUN    `json:"luns"`
}

// LUN is a logical unit in a Status.
type LUN struct {
	Number    uint32 `json:"lun"`
	Blocks    uint64 `json:"blocks"`
	BlockSize int    `json:"block_size"`
	Serial    string `json:"serial"`
	Revision  string `json:"revision"`
	Store     string `json:"store"` // "memory", "file" or "null"
}

// Traffic counts PDUs and their bytes: headers, AHS and data segments. In is what initiators send.
type Traffic struct {
	PDUsIn   uint64 `json:"pdus_in"`
	PDUsOut  uint64 `json:"pdus_out"`
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
}

// Counters count from the start of the server. See simtarget.Counters.
type Counters struct {
	Traffic
	Connections      uint64 `json:"connections"`
	ConnectionsLost  uint64 `json:"connections_lost"`
	LoginsGranted    uint64 `json:"logins_granted"`
	LoginsRefused    uint64 `json:"logins_refused"`
	LoginsRedirected uint64 `json:"logins_redirected"`
	LoginsDropped    uint64 `json:"logins_dropped"`
	Commands         uint64 `json:"commands"`
	CheckConditions  uint64 `json:"check_conditions"`
	Rejects          uint64 `json:"rejects"`
}

// Session is a session in a Status.
type Session struct {
	Serial    uint64    `json:"serial"` // counts the array's sessions from 1; the trace calls it session
	Type      string    `json:"type"`   // "normal" or "discovery"
	Initiator string    `json:"initiator"`
	ISID      string    `json:"isid"` // twelve hexadecimal digits
	TSIH      uint16    `json:"tsih"`
	Target    string    `json:"target"`
	Portal    string    `json:"portal"`
	Tag       uint16    `json:"portal_group_tag"`
	Opened    time.Time `json:"opened"`
	// Connected is false while the session waits for its initiator to return.
	Connected  bool       `json:"connected"`
	Commands   uint64     `json:"commands"`      // executed
	Open       int        `json:"commands_open"` // not finished
	Held       int        `json:"commands_held"` // wait for a release
	Negotiated Negotiated `json:"negotiated"`
	// Connections are those in full feature phase.
	Connections []Connection `json:"connections"`
}

// Negotiated are the values of a session that a login settles (RFC 7143, Section 13).
type Negotiated struct {
	AuthMethod          string `json:"AuthMethod"`
	MaxConnections      int    `json:"MaxConnections"`
	ErrorRecoveryLevel  int    `json:"ErrorRecoveryLevel"`
	InitialR2T          bool   `json:"InitialR2T"`
	ImmediateData       bool   `json:"ImmediateData"`
	MaxBurstLength      int    `json:"MaxBurstLength"`
	FirstBurstLength    int    `json:"FirstBurstLength"`
	MaxOutstandingR2T   int    `json:"MaxOutstandingR2T"`
	DefaultTime2Wait    int    `json:"DefaultTime2Wait"`
	DefaultTime2Retain  int    `json:"DefaultTime2Retain"`
	DataPDUInOrder      bool   `json:"DataPDUInOrder"`
	DataSequenceInOrder bool   `json:"DataSequenceInOrder"`
	TaskReporting       string `json:"TaskReporting"`
	InitiatorAlias      string `json:"InitiatorAlias,omitempty"`
}

// Connection is a connection in a Status.
type Connection struct {
	CID          uint16 `json:"cid"`
	Portal       string `json:"portal"`
	Local        string `json:"local"`
	Remote       string `json:"remote"`
	HeaderDigest string `json:"HeaderDigest"` // "None" or "CRC32C"
	DataDigest   string `json:"DataDigest"`
	// TargetMaxRecvDataSegmentLength is what the array takes, InitiatorMaxRecvDataSegmentLength what the initiator takes.
	TargetMaxRecvDataSegmentLength    int `json:"TargetMaxRecvDataSegmentLength"`
	InitiatorMaxRecvDataSegmentLength int `json:"InitiatorMaxRecvDataSegmentLength"`
	Traffic
}

// Status tells how the server stands, with at most so many sessions of each array.
func (s *Server) Status(sessions int) Status {
	status := Status{Schema: StatusSchema, PID: os.Getpid(), Started: s.started, UptimeSeconds: time.Since(s.started).Seconds(), Arrays: []Array{}}
	if s.options.Recording != nil {
		r := s.options.Recording()
		status.Recording = &r
	}
	for _, one := range s.arrays {
		status.Arrays = append(status.Arrays, one.status(sessions))
	}
	return status
}

func (o *served) status(most int) Array {
	a := Array{
		Name: o.Name, Profile: o.Profile.Name, Description: o.Profile.Description, Portals: []Portal{}, Targets: []Target{}, Sessions: []Session{},
		Counters: countersOf(o.array.Counters()),
	}
	for _, p := range o.array.Portals() {
		a.Portals = append(a.Portals, Portal{Name: p.Name, Tag: p.Tag, Address: p.Address, Up: p.Up, Hidden: p.Hidden})
	}
	for _, t := range o.array.Targets() {
		a.Targets = append(a.Targets, targetOf(t))
	}
	told, all := o.array.SessionStatuses(most)
	a.SessionsTotal = all
	for i := range told {
		a.Sessions = append(a.Sessions, sessionOf(&told[i]))
	}
	return a
}

func countersOf(n simtarget.Counters) Counters {
	return Counters{
		Traffic: Traffic(n.Traffic), Connections: n.Connections, ConnectionsLost: n.ConnectionsLost, LoginsGranted: n.LoginsGranted,
		LoginsRefused: n.LoginsRefused, LoginsRedirected: n.LoginsRedirected, LoginsDropped: n.LoginsDropped, Commands: n.Commands,
		CheckConditions: n.CheckConditions, Rejects: n.Rejects,
	}
}

func targetOf(t simtarget.TargetInfo) Target {
	told := Target{Name: t.Name, Alias: t.Alias, Portals: append([]string{}, t.Portals...), LUNs: []LUN{}}
	for _, l := range t.LUNs {
		told.LUNs = append(told.LUNs, LUN{Number: l.Number, Blocks: l.Blocks, BlockSize: l.BlockSize, Serial: l.Serial, Revision: l.Revision, Store: string(l.Store)})
	}
	return told
}

func sessionOf(s *simtarget.SessionStatus) Session {
	p := &s.Negotiated
	told := Session{
		Serial: s.Serial, Type: "normal", Initiator: s.Initiator, ISID: s.ISID.String(), TSIH: s.TSIH, Target: s.Target, Portal: s.Portal,
		Tag: s.Tag, Opened: s.Opened, Connected: s.Connected, Commands: s.Executed, Open: s.Open, Held: s.Held,
		Negotiated: Negotiated{
			AuthMethod: p.AuthMethod, MaxConnections: p.MaxConnections, ErrorRecoveryLevel: p.ErrorRecoveryLevel, InitialR2T: p.InitialR2T,
			ImmediateData: p.ImmediateData, MaxBurstLength: p.MaxBurstLength, FirstBurstLength: p.FirstBurstLength,
			MaxOutstandingR2T: p.MaxOutstandingR2T, DefaultTime2Wait: p.DefaultTime2Wait, DefaultTime2Retain: p.DefaultTime2Retain,
			DataPDUInOrder: p.DataPDUInOrder, DataSequenceInOrder: p.DataSequenceInOrder, TaskReporting: p.TaskReporting,
			InitiatorAlias: p.InitiatorAlias,
		},
		Connections: []Connection{},
	}
	if s.Discovery {
		told.Type = "discovery"
	}
	for _, c := range s.Connections {
		told.Connections = append(told.Connections, Connection{
			CID: c.CID, Portal: c.Portal, Local: c.Local, Remote: c.Remote, HeaderDigest: digest(c.HeaderDigest), DataDigest: digest(c.DataDigest),
			TargetMaxRecvDataSegmentLength: c.MaxRecvDataSegmentLength, InitiatorMaxRecvDataSegmentLength: c.PeerMaxRecvDataSegmentLength,
			Traffic: Traffic(c.Traffic),
		})
	}
	return told
}

func digest(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}
