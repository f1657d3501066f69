package reports

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// story tells traces by hand, in the words that the initiator and the network use, so that reports are tested without either.
type story struct {
	at      time.Duration
	events  trace.Events
	conn    string
	digests pdu.Digests
	statSN  uint32
	cmdSN   uint32
	dials   int
	client  string
	server  string
}

func newStory() *story {
	return &story{statSN: 0x1000, cmdSN: 1, client: "10.0.1.1:%d", server: "10.0.0.1:3260"}
}

func (s *story) add(e trace.Event) {
	e.At = s.at
	s.events = append(s.events, e)
	s.at += 137 * time.Microsecond
}

func (s *story) local() string { return fmt.Sprintf(s.client, 49152+s.dials) }

// dial begins the next connection.
func (s *story) dial() {
	s.dials++
	s.conn = fmt.Sprintf("%s#%d", s.server, s.dials)
	s.add(trace.Event{Kind: trace.KindDial, Node: "host", Conn: s.conn, From: s.local(), To: s.server})
}

func (s *story) refused() {
	s.dial()
	s.add(trace.Event{Kind: trace.KindDialFailed, Node: "host", Conn: s.conn, From: s.local(), To: s.server, Err: "connect: connection refused"})
	s.add(trace.Event{Kind: trace.KindSession, Node: "initiator", Session: 1, Op: "attempt-failed", State: "reconnecting", To: s.server, Err: "connection refused"})
}

func (s *story) accepted() {
	s.dial()
	s.digests = pdu.Digests{}
	s.add(trace.Event{Kind: trace.KindConnUp, Node: "host", Conn: s.conn, From: s.local(), To: s.server})
	s.add(trace.Event{Kind: trace.KindConnUp, Node: "array", Conn: s.conn, From: s.server, To: s.local()})
}

// pass lets a PDU go from one end to the other, both of which record it.
func (s *story) pass(p pdu.PDU) {
	wire := pdu.Encode(nil, p, s.digests)
	splitter := pdu.NewSplitter(pdu.Limits{})
	splitter.SetDigests(s.digests)
	splitter.Feed(wire)
	piece, ok := splitter.Next()
	if !ok {
		panic("a PDU that is none")
	}
	from, to := "host", "array"
	if p.Opcode().FromTarget() {
		from, to = to, from
	}
	kept := trace.PDUOf(piece.Frame, 1<<20)
	s.add(trace.Event{Kind: trace.KindPDUSent, Node: from, Conn: s.conn, PDU: kept})
	s.add(trace.Event{Kind: trace.KindPDUReceived, Node: to, Conn: s.conn, PDU: kept})
}

func (s *story) status() uint32 { s.statSN++; return s.statSN - 1 }

// login makes a connection and logs in, with the digests that are asked for.
func (s *story) login(d pdu.Digests) {
	s.accepted()
	isid := [6]byte{0x80, 1, 2, 3, 0, 0}
	word := func(on bool) string {
		if on {
			return "CRC32C"
		}
		return "None"
	}
	s.pass(&pdu.LoginRequest{
		Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: isid, ITT: 1, CID: 1, CmdSN: s.cmdSN,
		Data: fmt.Appendf(nil, "InitiatorName=iqn.2026-01.org.example:host\x00TargetName=iqn.2026-01.org.example:disk\x00SessionType=Normal\x00"+
			"HeaderDigest=%s\x00DataDigest=%s\x00", word(d.Header), word(d.Data)),
	})
	s.pass(&pdu.LoginResponse{
		Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: isid, TSIH: 0x101, ITT: 1, StatSN: s.status(), ExpCmdSN: s.cmdSN,
		MaxCmdSN: s.cmdSN + 31, Data: fmt.Appendf(nil, "TargetPortalGroupTag=1\x00HeaderDigest=%s\x00DataDigest=%s\x00", word(d.Header), word(d.Data)),
	})
	s.digests = d
}

func (s *story) read(length int) {
	s.pass(&pdu.SCSICommand{
		Final: true, Read: true, Attr: pdu.AttrSimple, ITT: 0x10 + s.cmdSN, ExpectedDataTransferLength: uint32(length), CmdSN: s.cmdSN, ExpStatSN: s.statSN,
		CDB: [16]byte{0x28, 0, 0, 0, 0, 0, 0, byte(length / 512 >> 8), byte(length / 512)},
	})
	data := make([]byte, length)
	for i := range data {
		data[i] = byte(i / 512)
	}
	s.cmdSN++
	s.pass(&pdu.DataIn{
		Final: true, StatusPresent: true, ITT: 0xf + s.cmdSN, TTT: pdu.ReservedTag, StatSN: s.status(), ExpCmdSN: s.cmdSN, MaxCmdSN: s.cmdSN + 31, Data: data,
	})
}

func (s *story) ping() {
	s.pass(&pdu.NOPOut{Immediate: true, ITT: 0x900, TTT: pdu.ReservedTag, CmdSN: s.cmdSN, ExpStatSN: s.statSN, Data: []byte("ping")})
	s.pass(&pdu.NOPIn{ITT: 0x900, TTT: pdu.ReservedTag, StatSN: s.status(), ExpCmdSN: s.cmdSN, MaxCmdSN: s.cmdSN + 31, Data: []byte("ping")})
}

func (s *story) closed(node, state string) {
	s.add(trace.Event{Kind: trace.KindConnClosed, Node: node, Conn: s.conn, State: state})
}

func (s *story) session(state, was, reason string) {
	s.add(trace.Event{Kind: trace.KindSession, Node: "initiator", Session: 1, State: state, Was: was, Reason: reason})
}

func (s *story) device(lun uint64, state, reason string, paths int) {
	s.add(trace.Event{
		Kind: trace.KindDevice, Node: "initiator", Session: 1, Device: fmt.Sprintf("disk%d", lun), LUN: &lun, State: state, Reason: reason,
		Attrs: []trace.Attr{trace.A("paths", paths)},
	})
}

func (s *story) request(number uint64, op, state, reason string) {
	s.add(trace.Event{
		Kind: trace.KindRequest, Node: "initiator", Session: 1, Device: "disk0", LUN: new(uint64), Request: number, Op: op, State: state, Reason: reason,
	})
}

// reconnecting is a story of a cut link: refused for a while, requests from the cache and in the queue, then back again, or gone for good.
func reconnecting(d pdu.Digests, back time.Duration) *story {
	s := newStory()
	s.add(trace.Event{Kind: trace.KindOp, Node: "driver", Op: "login", State: trace.OpBegin, Request: 1})
	s.session("connecting", "none", "login")
	s.login(d)
	s.session("connected", "connecting", "login accepted")
	for lun := range uint64(2) {
		s.device(lun, "arrived", "new", 1)
	}
	s.add(trace.Event{Kind: trace.KindOp, Node: "driver", Op: "login", State: trace.OpEnd, Request: 1, Reason: "session 1"})
	s.read(4096)
	s.at = 12 * time.Second
	s.add(trace.Event{Kind: trace.KindFault, Node: "network", State: "reset:portal=*,at=12s", Reason: "1 connection"})
	s.add(trace.Event{Kind: trace.KindLink, Node: "network", Conn: s.conn, To: s.server, State: trace.LinkCut, Reason: "reset"})
	s.add(trace.Event{Kind: trace.KindLink, Node: "network", To: s.server, State: trace.LinkRefuse, Was: "listening"})
	s.closed("host", trace.CloseRSTReceived)
	s.closed("array", trace.CloseRSTReceived)
	s.session("reconnecting", "connected", "connection reset")
	for lun := range uint64(2) {
		s.device(lun, "blocked", "transport lost", 1)
	}
	for i := 0; s.at < back; i++ {
		if i == 1 {
			s.request(7, "INQUIRY", "submitted", "")
			s.request(7, "INQUIRY", "served-from-cache", "")
			s.request(8, "WRITE(10)", "submitted", "")
			s.request(8, "WRITE(10)", "queued", "")
		}
		s.add(trace.Event{Kind: trace.KindSession, Node: "initiator", Session: 1, Op: "attempt", State: "reconnecting", To: s.server})
		s.refused()
		s.at = s.at.Truncate(time.Second) + 5*time.Second
		if s.at == 72*time.Second {
			s.device(0, "removed", "removal latency", 0)
			s.device(1, "removed", "removal latency", 0)
			s.request(8, "WRITE(10)", "completed", "DEVICE-REMOVED")
		}
	}
	s.at = back
	s.add(trace.Event{Kind: trace.KindLink, Node: "network", To: s.server, State: trace.LinkHeal, Was: trace.LinkRefuse})
	s.add(trace.Event{Kind: trace.KindSession, Node: "initiator", Session: 1, Op: "attempt", State: "reconnecting", To: s.server})
	s.login(d)
	s.session("connected", "reconnecting", "login accepted")
	if back < 72*time.Second {
		s.device(0, "unblocked", "session restored", 1)
		s.device(1, "unblocked", "session restored", 1)
		s.request(8, "WRITE(10)", "sent", "replayed from the queue")
		s.request(8, "WRITE(10)", "completed", "")
	} else {
		s.device(0, "arrived", "session restored", 1)
		s.device(1, "arrived", "session restored", 1)
	}
	s.read(8192)
	s.ping()
	s.pass(&pdu.LogoutRequest{Immediate: true, ITT: 0x77, CmdSN: s.cmdSN, ExpStatSN: s.statSN})
	s.pass(&pdu.LogoutResponse{ITT: 0x77, StatSN: s.status(), ExpCmdSN: s.cmdSN, MaxCmdSN: s.cmdSN + 31})
	s.closed("array", trace.CloseFINSent)
	s.closed("host", trace.CloseFINReceived)
	s.closed("host", trace.CloseFINSent)
	s.session("closed", "connected", "logged off")
	s.device(0, "removed", "logged off", 0)
	s.device(1, "removed", "logged off", 0)
	return s
}

// result makes a story the result of a check of the catalogue.
func result(id string, verdict scenarios.Verdict, events trace.Events) *scenarios.Result {
	row := scenarios.LoadCatalogue().Row(id)
	if row == nil {
		panic("no row " + id)
	}
	r := &scenarios.Result{
		Kind: "result", ID: id, Suite: "sessions", Role: row.Role, Group: row.Group, Level: row.Level, Tier: row.Tier, Clause: row.Clause,
		Title: row.Expects, Verdict: verdict, Seed: 42, Virtual: true, Duration: events.End(), Trace: events,
		Replay: "iscsispec check sessions --only " + id + " --seed 1",
	}
	return r
}
