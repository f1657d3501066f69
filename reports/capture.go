package reports

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// captureEpoch is the wall clock at which every capture begins: only differences of instants mean anything in virtual time, and a fixed
// beginning keeps captures the same from run to run.
var captureEpoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// maxComments bounds the comments on one packet.
const maxComments = 16

// WriteCapture writes the events of one check as a pcapng file and tells how many packets it holds.
//
// The bytes of the PDUs are the true ones, digests and padding included; Ethernet, IP and TCP around them are made up, with handshakes,
// sequence numbers, FIN and RST where the trace has them. What happened between two packets (faults, operations, session and device
// states) stands as comments on the later one.
func WriteCapture(w io.Writer, r *scenarios.Result) (packets int, err error) {
	events := r.Whole
	if len(events) == 0 {
		events = r.Trace
	}
	list := packetsOf(events)
	return len(list), writeCapture(w, list, captureTitle(r))
}

func captureTitle(r *scenarios.Result) string {
	return fmt.Sprintf("%s: %s\nverdict: %s %s\nreplay: %s", r.ID, r.Title, r.Verdict, r.Reason, r.Replay)
}

func writeCapture(w io.Writer, packets []packet, title string) error {
	intf := pcapgo.NgInterface{
		Name: "iscsispec", Description: "what one end saw, in Ethernet, IP and TCP that are made up", LinkType: layers.LinkTypeEthernet,
		TimestampResolution: 9, // nanoseconds
	}
	section := pcapgo.NgSectionInfo{Application: "iscsispec", Comment: title}
	ng, err := pcapgo.NewNgWriterInterface(w, intf, pcapgo.NgWriterOptions{SectionInfo: section})
	if err != nil {
		return err
	}
	for i := range packets {
		p := &packets[i]
		info := gopacket.CaptureInfo{Timestamp: captureEpoch.Add(p.at), CaptureLength: len(p.bytes), Length: len(p.bytes)}
		if err := ng.WritePacketWithOptions(info, p.bytes, pcapgo.NgPacketOptions{Comments: p.comments}); err != nil {
			return err
		}
	}
	return ng.Flush()
}

// capturer turns events into packets.
type capturer struct {
	views   map[string]*viewpoint
	streams map[string]*stream
	dialled map[string]time.Duration // when the connection request went out
	packets []packet
	waiting []string // comments for the next packet

	// shown are the ends of the streams, of a capture in which connections of one time may seem to have the same ones; else nil.
	shown map[ends]bool
}

func newCapturer(views map[string]*viewpoint) capturer {
	return capturer{views: views, streams: map[string]*stream{}, dialled: map[string]time.Duration{}}
}

func packetsOf(events []trace.Event) []packet {
	c := newCapturer(viewpoints(events))
	for i := range events {
		c.take(&events[i])
	}
	if len(c.waiting) > 0 && len(c.packets) > 0 {
		last := &c.packets[len(c.packets)-1]
		last.comments = append(last.comments, "then: "+strings.Join(c.waiting, "; "))
	}
	return c.packets
}

func (c *capturer) take(e *trace.Event) {
	if text := happening(e); text != "" {
		c.comment(fmt.Sprintf("%s %s", seconds(e.At), text))
	}
	v := c.views[e.Conn]
	if v == nil || !v.shows(e) {
		return
	}
	s := c.streams[e.Conn]
	if s == nil {
		s = newStream(v, len(c.streams))
		c.tellApart(s)
		c.streams[e.Conn] = s
	}
	switch e.Kind {
	case trace.KindDial:
		c.dialled[e.Conn] = e.At
	case trace.KindDialFailed:
		begin, ok := c.dialled[e.Conn]
		if !ok {
			begin = e.At
		}
		c.add(s.try(begin, strings.Contains(e.Err, "refused"), e.At))
	case trace.KindConnUp:
		c.add(s.open(e.At))
	case trace.KindPDUSent, trace.KindPDUReceived:
		if e.PDU.Cut > 0 {
			c.comment(fmt.Sprintf("the last %d bytes of this data segment were not kept: zeros stand for them", e.PDU.Cut))
		}
		c.add(s.carry(e.At, c.from(s, v, e), e.PDU.Frame().Append(nil, e.PDU.Digests())))
	case trace.KindBytes:
		c.comment(fmt.Sprintf("%d bytes that are no whole PDU", len(e.Raw)))
		c.add(s.carry(e.At, c.from(s, v, e), e.Raw))
	case trace.KindConnClosed:
		c.close(s, v, e)
	}
}

func (c *capturer) close(s *stream, v *viewpoint, e *trace.Event) {
	here, there := s.client, s.server
	if !v.initiator {
		here, there = there, here
	}
	switch e.State {
	case trace.CloseFINReceived:
		c.add(s.finish(e.At, there))
	case trace.CloseRSTReceived:
		c.add(s.reset(e.At, there))
	case trace.CloseFINSent, trace.CloseHalfSent:
		c.add(s.finish(e.At, here))
	case trace.CloseRSTSent:
		c.add(s.reset(e.At, here))
	}
}

func (c *capturer) from(s *stream, v *viewpoint, e *trace.Event) *side {
	if v.outward(e) {
		return s.client
	}
	return s.server
}

func (c *capturer) comment(text string) {
	if len(c.waiting) == maxComments {
		c.waiting = append(c.waiting[:maxComments-1:maxComments-1], "and more that is in the records")
		return
	}
	if len(c.waiting) < maxComments {
		c.waiting = append(c.waiting, text)
	}
}

func (c *capturer) add(packets []packet) {
	if len(packets) == 0 {
		return
	}
	packets[0].comments = append(packets[0].comments, c.waiting...)
	c.waiting = nil
	// A connection request that came to nothing is known only afterwards; its packet goes to where it belongs in time.
	for _, p := range packets {
		at := len(c.packets)
		for at > 0 && c.packets[at-1].at > p.at {
			at--
		}
		c.packets = append(c.packets, packet{})
		copy(c.packets[at+1:], c.packets[at:])
		c.packets[at] = p
	}
}
