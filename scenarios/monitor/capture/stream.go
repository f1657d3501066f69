package capture

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// New makes what follows one TCP stream. It implements reassembly.StreamFactory.
func (c *reading) New(network, _ gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	c.streams++
	s := &stream{c: c}
	from, to := endpoint(network.Src(), tcp.SrcPort), endpoint(network.Dst(), tcp.DstPort)
	switch {
	case slices.Contains(c.options.Ports, uint16(tcp.DstPort)):
		s.known, s.forward, s.spoken = true, pdu.ToTarget, true
	case slices.Contains(c.options.Ports, uint16(tcp.SrcPort)):
		s.known, s.forward, s.spoken = true, pdu.ToInitiator, true
	}
	s.ends = [2]string{from, to}
	return s
}

func endpoint(host gopacket.Endpoint, port layers.TCPPort) string {
	return net.JoinHostPort(host.String(), strconv.Itoa(int(port)))
}

// stream is one TCP connection of a capture.
type stream struct {
	c       *reading
	ends    [2]string // the one that sent the first packet, and the other
	known   bool      // which of them is the initiator
	forward pdu.Direction
	spoken  bool // iSCSI goes by the port
	foreign bool // it is not iSCSI

	name     string // of the connection, once it has one
	told     *Connection
	dialogue *pdu.Dialogue // from the beginning, as long as nothing is missing
	resync   [2]*half      // behind a gap, or from the middle on

	// next are the sequence numbers behind what was put together so far, of the first packet's direction and of the other one.
	next [2]uint32
	seen [2]bool
	fin  [2]bool
	gap  bool // an acknowledgement has told of bytes that are not in the capture
}

// index numbers a direction: 0 is that of the first packet.
func index(flow reassembly.TCPFlowDirection) int {
	if flow == reassembly.TCPDirClientToServer {
		return 0
	}
	return 1
}

// Accept lets every packet take part, and a direction whose SYN is not in the capture begin where it does. What a packet acknowledges was
// received; when it has not come by here, it is missing, and what follows it in the same direction must not wait for it.
func (s *stream) Accept(tcp *layers.TCP, _ gopacket.CaptureInfo, flow reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool,
	_ reassembly.AssemblerContext) bool {
	*start = true
	own := index(flow)
	if next < 0 { // nothing of this direction so far
		s.next[own] = tcp.Seq
		if tcp.SYN {
			s.next[own]++
		}
	} else {
		s.next[own] = uint32(next)
	}
	s.seen[own], s.fin[own] = true, s.fin[own] || tcp.FIN
	other := 1 - own
	if ahead := int32(tcp.Ack - s.next[other]); tcp.ACK && s.seen[other] && !s.foreign && (ahead > 1 || ahead == 1 && !s.fin[other]) {
		s.gap = true
		if s.told != nil && s.told.Lost == 0 {
			s.lost()
		}
	}
	return !s.foreign
}

// ReassembledSG takes the next bytes of one direction.
func (s *stream) ReassembledSG(sg reassembly.ScatterGather, context reassembly.AssemblerContext) {
	flow, _, _, skip := sg.Info()
	length, _ := sg.Lengths()
	if s.foreign || length == 0 && skip <= 0 {
		return
	}
	at, is := context.(*place)
	if !is {
		return
	}
	b := sg.Fetch(length)
	s.next[index(flow)] += uint32(max(skip, 0) + length)
	if s.told == nil && !s.recognised(flow, b) {
		s.foreign = true
		return
	}
	dir := s.forward
	if flow != reassembly.TCPDirClientToServer {
		dir = dir.Reverse()
	}
	if skip > 0 && (s.dialogue != nil || s.told.Lost == 0 || s.resync[dir].split != nil) {
		s.lost()
	}
	s.feed(dir, b, at)
}

// ReassemblyComplete ends the stream.
func (s *stream) ReassemblyComplete(context reassembly.AssemblerContext) bool {
	s.c.streams--
	if s.told == nil {
		return true
	}
	at, is := context.(*place)
	if !is { // the end of the capture
		return true
	}
	s.emit(&trace.Event{Kind: trace.KindConnClosed, State: trace.CloseFINSent}, at)
	return true
}

// recognised looks at the first bytes: it tells whether the stream is iSCSI, which end is the initiator, and whether this is the beginning.
func (s *stream) recognised(flow reassembly.TCPFlowDirection, b []byte) bool {
	login := beginsLogin(b) && !s.gap
	if !s.known {
		if !login {
			return false
		}
		s.known, s.forward = true, pdu.ToTarget
		if flow != reassembly.TCPDirClientToServer {
			s.forward = pdu.ToInitiator
		}
	}
	from, to := s.ends[0], s.ends[1]
	if s.forward == pdu.ToInitiator {
		from, to = to, from
	}
	s.name = from + " > " + to
	if s.c.names[s.name]++; s.c.names[s.name] > 1 {
		s.name = fmt.Sprintf("%s #%d", s.name, s.c.names[s.name])
	}
	s.told = &Connection{Name: s.name, Midway: !login}
	if len(s.c.summary.Connections) < maxTold {
		s.c.summary.Connections = append(s.c.summary.Connections, s.told)
	} else {
		s.c.summary.More++
	}
	if login {
		s.dialogue = pdu.NewDialogue(pdu.Limits{MaxDataSegmentLength: pdu.MaxDataSegmentLength})
	} else {
		s.resync = [2]*half{{}, {}}
	}
	return true
}

// beginsLogin tells whether bytes are the beginning of a Login Request.
func beginsLogin(b []byte) bool {
	if len(b) < pdu.BHSLength || b[0]&0x3f != byte(pdu.OpLoginRequest) || b[4] != 0 || b[2] != 0 && b[3] > b[2] {
		return false
	}
	h := pdu.BHS(b)
	return h.DataSegmentLength() <= 1<<16 && (h.DataSegmentLength() == 0 || bytes.Contains(b[pdu.BHSLength:], []byte("=")))
}

// lost turns to looking for PDUs again.
func (s *stream) lost() {
	s.told.Lost++
	s.c.sink.Lost(s.name)
	known := s.resync[0] != nil && (s.resync[0].known || s.resync[1].known)
	digests := pdu.Digests{}
	switch {
	case s.dialogue != nil && s.dialogue.FullFeature():
		known, digests = true, s.dialogue.Digests()
	case known && s.resync[0].known:
		digests = s.resync[0].digests
	case known:
		digests = s.resync[1].digests
	}
	s.dialogue = nil
	for dir := range s.resync {
		s.resync[dir] = &half{known: known, digests: digests}
	}
}

// feed cuts bytes into PDUs.
func (s *stream) feed(dir pdu.Direction, b []byte, at *place) {
	var pieces []pdu.Piece
	if s.dialogue != nil {
		pieces = s.dialogue.Feed(dir, b)
	} else {
		h := s.resync[dir]
		if other := s.resync[dir.Reverse()]; !h.known && other.known {
			h.known, h.digests = true, other.digests
		}
		skipped := h.skipped
		pieces = h.feed(dir, b)
		s.told.Skipped += h.skipped - skipped
	}
	kinds := [2]trace.Kind{pdu.ToTarget: trace.KindPDUSent, pdu.ToInitiator: trace.KindPDUReceived}
	states := [2]string{pdu.ToTarget: trace.Sent, pdu.ToInitiator: trace.Received}
	for _, p := range pieces {
		if p.Frame == nil {
			s.told.Skipped += int64(p.Length)
			s.emit(&trace.Event{Kind: trace.KindBytes, State: states[dir]}, at)
			continue
		}
		s.told.PDUs++
		s.c.summary.PDUs++
		s.emit(&trace.Event{Kind: kinds[dir], PDU: trace.PDUOf(p.Frame, trace.DefaultMaxDataBytesPDU)}, at)
	}
}

func (s *stream) emit(e *trace.Event, at *place) {
	e.At, e.Node, e.Conn = at.Timestamp.Sub(s.c.summary.Start), trace.NodeInitiator, s.name
	e.Attrs = []trace.Attr{trace.A(AttrFrame, at.frame)}
	s.c.sink.Take(e)
}
