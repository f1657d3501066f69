package main

import (
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
	Target      string           `json:"target"`
	Alias       string           `json:"target_alias,omitempty"`
	Group       *int             `json:"portal_group,omitempty"`
	Asked       string           `json:"portal_asked"`
	Reached     string           `json:"portal_reached"`
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
	Queued      int              `json:"queued"`
	LastError   string           `json:"last_error,omitempty"`
}

type connectionLine struct {
	CID    uint16 `json:"cid"`
	Local  string `json:"local"`
	Remote string `json:"remote"`
}

// deviceLine is one device.
type deviceLine struct {
	Name      string     `json:"name"`
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
			Name: d.Name, Type: deviceTypeName(d.Type), Vendor: d.Identity.Vendor, Product: d.Identity.Product,
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
		ID: s.ID.String(), Kind: s.Kind.String(), State: s.State.String(), Since: s.Since, Target: s.TargetName, Alias: s.TargetAlias,
		Asked: s.Configured.HostPort(), Reached: s.Current.HostPort(), Redirects: []string{}, ISID: s.ISID.String(),
		TSIH: fmt.Sprintf("0x%04x", s.TSIH), Connections: []connectionLine{}, Header: digestName(s.Params.HeaderDigest),
		Data: digestName(s.Params.DataDigest), Negotiated: negotiated(s.Params), Added: s.Added, Logins: s.Logins, Attempts: s.Attempts, Queued: s.Queued,
	}
	if s.Params.HasTargetPortalGroupTag {
		line.Group = new(s.Params.TargetPortalGroupTag)
	}
	for _, r := range s.Redirects {
		line.Redirects = append(line.Redirects, fmt.Sprintf("%s from %s to %s", r.Status, r.From.HostPort(), r.To.HostPort()))
	}
	for _, cid := range s.CIDs {
		line.Connections = append(line.Connections, connectionLine{cid, s.LocalAddress.String(), s.RemoteAddress.String()})
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
	line("target", "%s", s.Target)
	if s.Alias != "" {
		line("alias", "%s", s.Alias)
	}
	group := ""
	if s.Group != nil {
		group = fmt.Sprintf(", portal group %d", *s.Group)
	}
	line("portal", "asked %s, reached %s%s", s.Asked, s.Reached, group)
	for _, r := range s.Redirects {
		line("redirect", "%s", r)
	}
	line("identifiers", "ISID %s, TSIH %s", s.ISID, s.TSIH)
	for _, c := range s.Connections {
		line("connection", "CID %d, %s to %s", c.CID, c.Local, c.Remote)
	}
	line("digests", "header %s, data %s", s.Header, s.Data)
	name := "negotiated"
	for i, f := range s.Negotiated {
		fmt.Fprintf(b, "%s%s=%v", map[bool]string{true: fmt.Sprintf("  %-11s ", name), false: ", "}[i%4 == 0], f.name, f.value)
		if i%4 == 3 || i == len(s.Negotiated)-1 {
			b.WriteString("\n")
			name = ""
		}
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
	fmt.Fprintf(b, "device %s: %s%s, %s %s\n", d.Name, d.Type, size, d.Vendor, d.Product)
	for _, p := range d.Paths {
		fmt.Fprintf(b, "  path        session %s, LUN %s%s\n", p.Session, p.LUN, map[bool]string{true: ", waiting"}[p.Blocked])
	}
}
