package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// listing is what sessions prints: all sessions and devices at one instant.
type listing struct {
	Sessions []sessionLine `json:"sessions"`
	Devices  []deviceLine  `json:"devices"`
}

// sessionLine is one session. What is negotiated is that of the connection, or of the last one.
type sessionLine struct {
	ID          string           `json:"id"`
	Kind        string           `json:"kind"`
	State       string           `json:"state"`
	Since       time.Time        `json:"since"`
	Initiator   string           `json:"initiator"`
	Port        string           `json:"initiator_port"`
	Target      string           `json:"target"`
	Alias       string           `json:"target_alias,omitempty"`
	Group       *int             `json:"portal_group,omitempty"`
	Asked       string           `json:"portal_asked"`
	Reached     string           `json:"portal_reached"`
	Next        string           `json:"portal_next"`
	Redirects   []string         `json:"redirects"`
	ISID        string           `json:"isid"`
	TSIH        string           `json:"tsih"`
	Connections []connectionLine `json:"connections"`
	Header      string           `json:"header_digest"`
	Data        string           `json:"data_digest"`
	Negotiated  fieldList        `json:"negotiated"`
	Added       bool             `json:"added"`
	Logins      int              `json:"logins"`
	Attempts    int              `json:"attempts"`
	LostAt      *time.Time       `json:"lost_at,omitempty"`
	Queued      int              `json:"queued"`
	InFlight    int              `json:"in_flight"`
	LastError   string           `json:"last_error,omitempty"`
}

// connectionLine is one connection. Its digests and segment lengths are its own.
type connectionLine struct {
	CID       uint16    `json:"cid"`
	Asked     string    `json:"portal_asked"`
	Reached   string    `json:"portal_reached"`
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	Header    string    `json:"header_digest"`
	Data      string    `json:"data_digest"`
	Receives  int       `json:"max_recv_data_segment_length"`
	Sends     int       `json:"target_max_recv_data_segment_length"`
	Commands  int       `json:"commands"`
	Recovered bool      `json:"recovering,omitempty"`
}

// deviceLine is one device.
type deviceLine struct {
	Name      string     `json:"name"`
	VPD83     string     `json:"designator,omitempty"`
	Serial    string     `json:"serial,omitempty"`
	Boot      bool       `json:"boot,omitempty"`
	Type      string     `json:"type"`
	Vendor    string     `json:"vendor"`
	Product   string     `json:"product"`
	Bytes     uint64     `json:"bytes"`
	BlockSize uint32     `json:"block_size"`
	Blocked   bool       `json:"blocked"`
	Paths     []pathLine `json:"paths"`
}

type pathLine struct {
	Session string `json:"session"`
	LUN     string `json:"lun"`
	Blocked bool   `json:"blocked"`
}

func listingOf(m *initiator.Manager) listing {
	l := listing{Sessions: []sessionLine{}, Devices: []deviceLine{}}
	for _, s := range m.Sessions() {
		l.Sessions = append(l.Sessions, sessionLineOf(s))
	}
	for _, d := range m.Devices() {
		line := deviceLine{
			Name: d.Name, VPD83: d.Identity.Designator, Serial: d.Identity.Serial, Boot: d.Boot, Type: deviceTypeName(d.Type), Vendor: d.Identity.Vendor, Product: d.Identity.Product,
			Bytes: d.Blocks * uint64(d.BlockSize), BlockSize: d.BlockSize, Blocked: d.Blocked, Paths: []pathLine{},
		}
		for _, p := range d.Paths {
			line.Paths = append(line.Paths, pathLine{p.Session.String(), scsi.LUN(p.LUN).String(), p.Blocked})
		}
		l.Devices = append(l.Devices, line)
	}
	return l
}

// lost reports whether a session is not connected.
func (l listing) lost() bool {
	return slices.ContainsFunc(l.Sessions, func(s sessionLine) bool { return len(s.Connections) == 0 })
}

func sessionLineOf(s initiator.SessionStatus) sessionLine {
	line := sessionLine{
		ID: s.ID.String(), Kind: s.Kind.String(), State: s.State.String(), Since: s.Since, Initiator: s.InitiatorName, Port: s.InitiatorPort,
		Target: s.TargetName, Alias: s.TargetAlias, Asked: s.Configured.HostPort(), Reached: s.Current.HostPort(),
		Next: s.NextPortal.HostPort(), Redirects: []string{}, ISID: s.ISID.String(),
		TSIH: fmt.Sprintf("0x%04x", s.TSIH), Connections: []connectionLine{}, Header: digestName(s.Params.HeaderDigest),
		Data: digestName(s.Params.DataDigest), Negotiated: negotiated(s.Params), Added: s.Added, Logins: s.Logins, Attempts: s.Attempts, Queued: s.Queued,
		InFlight: s.InFlight,
	}
	if !s.LostAt.IsZero() {
		line.LostAt = &s.LostAt
	}
	if s.Params.HasTargetPortalGroupTag {
		line.Group = new(s.Params.TargetPortalGroupTag)
	}
	for _, r := range s.Redirects {
		line.Redirects = append(line.Redirects, fmt.Sprintf("%s from %s to %s", r.Status, r.From.HostPort(), r.To.HostPort()))
	}
	for _, c := range s.Connections {
		line.Connections = append(line.Connections, connectionLine{
			CID: c.CID, Asked: c.Configured.HostPort(), Reached: c.Current.HostPort(), Local: c.LocalAddress.String(), Remote: c.RemoteAddress.String(),
			Since: c.Since, Header: digestName(c.HeaderDigest), Data: digestName(c.DataDigest), Receives: c.MaxRecvDataSegmentLength,
			Sends: c.PeerMaxRecvDataSegmentLength, Commands: c.Commands, Recovered: c.Recovering,
		})
	}
	if s.LastError != nil {
		line.LastError = s.LastError.Error()
	}
	return line
}

func digestName(crc bool) string {
	if crc {
		return "CRC32C"
	}
	return "None"
}

// negotiated lists the values in force, by their keys' names.
func negotiated(p text.Params) fieldList {
	yes := map[bool]string{true: text.Yes, false: text.No}
	return fieldList{
		{"AuthMethod", p.AuthMethod}, {text.KeyMaxConnections, p.MaxConnections}, {text.KeyErrorRecoveryLevel, p.ErrorRecoveryLevel},
		{text.KeyInitialR2T, yes[p.InitialR2T]}, {text.KeyImmediateData, yes[p.ImmediateData]},
		{text.KeyMaxBurstLength, p.MaxBurstLength}, {text.KeyFirstBurstLength, p.FirstBurstLength}, {text.KeyMaxOutstandingR2T, p.MaxOutstandingR2T},
		{text.KeyMaxRecvDataSegmentLength, p.MaxRecvDataSegmentLength}, {"TargetMaxRecvDataSegmentLength", p.PeerMaxRecvDataSegmentLength},
		{text.KeyDataPDUInOrder, yes[p.DataPDUInOrder]}, {text.KeyDataSequenceInOrder, yes[p.DataSequenceInOrder]},
		{text.KeyDefaultTime2Wait, p.DefaultTime2Wait}, {text.KeyDefaultTime2Retain, p.DefaultTime2Retain},
	}
}

// print writes the listing; in one line where lines of JSON are to follow.
func (l listing) print(w io.Writer, asJSON, oneLine bool) error {
	switch {
	case asJSON && oneLine:
		return json.NewEncoder(w).Encode(l)
	case asJSON:
		return writeJSON(w, l)
	}
	var b strings.Builder
	for _, s := range l.Sessions {
		s.write(&b)
	}
	for _, d := range l.Devices {
		d.write(&b)
	}
	if len(l.Sessions) == 0 {
		b.WriteString("no sessions\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s sessionLine) write(b *strings.Builder) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	added := ""
	if s.Added {
		added = ", added"
	}
	fmt.Fprintf(b, "session %s: %s%s, %s since %s\n", s.ID, s.Kind, added, s.State, s.Since.Format(time.TimeOnly))
	line("initiator", "%s, port %s", s.Initiator, s.Port)
	line("target", "%s", s.Target)
	if s.Alias != "" {
		line("alias", "%s", s.Alias)
	}
	group := ""
	if s.Group != nil {
		group = fmt.Sprintf(", portal group %d", *s.Group)
	}
	line("portal", "asked %s, reached %s%s", s.Asked, s.Reached, group)
	if s.Next != s.Asked {
		line("", "a new login begins at %s", s.Next)
	}
	for _, r := range s.Redirects {
		line("redirect", "%s", r)
	}
	line("identifiers", "ISID %s, TSIH %s", s.ISID, s.TSIH)
	for _, c := range s.Connections {
		line("connection", "CID %d, %s to %s, since %s, digests: header %s, data %s; segments: %d in, %d out%s", c.CID, c.Local, c.Remote,
			c.Since.Format(time.TimeOnly), c.Header, c.Data, c.Receives, c.Sends, map[bool]string{true: ", being recovered"}[c.Recovered])
	}
	if len(s.Connections) == 0 { // otherwise each connection has told its own
		line("digests", "header %s, data %s", s.Header, s.Data)
	}
	name := "negotiated"
	for i, f := range s.Negotiated {
		fmt.Fprintf(b, "%s%s=%v", map[bool]string{true: fmt.Sprintf("  %-11s ", name), false: ", "}[i%4 == 0], f.name, f.value)
		if i%4 == 3 || i == len(s.Negotiated)-1 {
			b.WriteString("\n")
			name = ""
		}
	}
	line("logins", "%d%s", s.Logins, map[bool]string{true: fmt.Sprintf(", %d attempts since the loss", s.Attempts)}[s.LostAt != nil])
	if s.Queued+s.InFlight > 0 {
		line("requests", "%d waiting, %d with the target", s.Queued, s.InFlight)
	}
	if s.LastError != "" {
		line("last error", "%s", s.LastError)
	}
}

func (d deviceLine) write(b *strings.Builder) {
	size := ""
	if d.BlockSize > 0 {
		size = ", " + bytesText(d.Bytes)
	}
	fmt.Fprintf(b, "device %s: %s%s, %s %s%s\n", d.Name, d.Type, size, d.Vendor, d.Product, map[bool]string{true: ", boot device"}[d.Boot])
	if d.VPD83 != "" || d.Serial != "" {
		fmt.Fprintf(b, "  identity    VPD 83h %s, serial %s\n", cmp.Or(d.VPD83, "none"), cmp.Or(d.Serial, "none"))
	}
	for _, p := range d.Paths {
		fmt.Fprintf(b, "  path        session %s, LUN %s%s\n", p.Session, p.LUN, map[bool]string{true: ", waiting"}[p.Blocked])
	}
}
