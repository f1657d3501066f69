// Package capture finds iSCSI in captures of others: pcapng and pcap, as tcpdump, tshark and this project write them.
//
// Read puts the TCP streams together, finds those that speak iSCSI, by a port or by a login at the beginning, cuts them into PDUs and hands them
// out as events of a trace, each with the number of the frame in which its last byte came. It goes through a capture once, and keeps no more than
// what is under way. A stream whose beginning or middle is not there is taken up again at the next place where PDUs can be told for sure.
//
// # First use
//
//	w := monitor.NewWatcher(monitor.Options{})
//	summary, err := capture.Read(file, capture.Options{}, w)
package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/iscsispec/iscsispec/trace"
)

// AttrFrame is the key of the attribute that tells in which frame of the capture, counted from 1, the last byte of a PDU came.
const AttrFrame = "frame"

// Ports are the ports of iSCSI: the one that targets listen on, and the system port of RFC 7143, Section 15.
var Ports = []uint16{3260, 860}

// Options say where to look.
type Options struct {
	// Ports are where targets listen; nil means Ports. A stream on another port is found when it begins with a login.
	Ports []uint16
}

// Sink takes the events of a capture; *monitor.Watcher is one.
type Sink interface {
	// Take is handed each event once. The event is the sink's.
	Take(e *trace.Event)
	// Lost tells that bytes of a connection are not in the capture, before the events behind them.
	Lost(connection string)
}

// Summary tells what a capture held.
type Summary struct {
	Frames int // packets, of whatever kind
	PDUs   int
	// Connections that spoke iSCSI, in order of appearance, at most maxTold of them; More counts those beyond.
	Connections []*Connection
	More        int
	// CutShort tells that the capture ends in the middle of a packet.
	CutShort bool
	// Start is the time of the first packet, which events count from.
	Start time.Time
}

// Connection is one that spoke iSCSI.
type Connection struct {
	Name string
	PDUs int
	// Midway tells that it was under way when the capture began: what its two ends agreed on is unknown.
	Midway bool
	// Lost counts how often bytes are missing.
	Lost int
	// Skipped counts the bytes that were passed over until PDUs could be told again.
	Skipped int64
}

// The limits of what a reading keeps.
const (
	maxTold    = 1000
	maxStreams = 1 << 14
	// maxPages bounds what waits for a hole in a stream to be filled, in pages of some 2 kB: for one direction, and in all.
	maxPagesOne, maxPagesAll = 1 << 9, 1 << 15
	// idle is how long a stream may be silent when there are too many.
	idle = 10 * time.Minute
)

// ErrFormat is what the error of a file that is no capture wraps.
var ErrFormat = errors.New("no capture: expected pcapng or pcap")

// source is what both readers of pcapgo do.
type source interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// Is tells whether a file that begins with these four bytes is a capture.
func Is(magic []byte) bool {
	if len(magic) < 4 {
		return false
	}
	switch [4]byte(magic) {
	case [4]byte{0x0a, 0x0d, 0x0d, 0x0a}, [4]byte{0xa1, 0xb2, 0xc3, 0xd4}, [4]byte{0xd4, 0xc3, 0xb2, 0xa1}, [4]byte{0xa1, 0xb2, 0x3c, 0x4d},
		[4]byte{0x4d, 0x3c, 0xb2, 0xa1}:
		return true
	}
	return false
}

// Read goes through a capture and hands its PDUs to the sink. The summary is good up to an error.
func Read(r io.Reader, o Options, sink Sink) (Summary, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	magic, err := buffered.Peek(4)
	if err != nil || !Is(magic) {
		return Summary{}, ErrFormat
	}
	var packets source
	link := layers.LinkTypeEthernet
	if magic[0] == 0x0a {
		packets, err = pcapgo.NewNgReader(buffered, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	} else {
		var reader *pcapgo.Reader
		if reader, err = pcapgo.NewReader(buffered); err == nil {
			packets, link = reader, reader.LinkType()
		}
	}
	if err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if o.Ports == nil {
		o.Ports = Ports
	}
	c := &reading{options: o, sink: sink}
	err = c.all(packets, link)
	return c.summary, err
}

// reading is one pass over a capture.
type reading struct {
	options Options
	sink    Sink
	summary Summary
	streams int
	names   map[string]int
}

// place is the packet at hand, as the assembly carries it along.
type place struct {
	gopacket.CaptureInfo
	frame int
}

// GetCaptureInfo implements reassembly.AssemblerContext.
func (p *place) GetCaptureInfo() gopacket.CaptureInfo { return p.CaptureInfo }

// all reads packet by packet.
func (c *reading) all(packets source, link layers.LinkType) error {
	c.names = map[string]int{}
	pool := reassembly.NewStreamPool(c)
	assembler := reassembly.NewAssembler(pool)
	assembler.MaxBufferedPagesPerConnection, assembler.MaxBufferedPagesTotal = maxPagesOne, maxPagesAll
	defer assembler.FlushAll()
	for {
		bytes, info, err := packets.ReadPacketData()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			c.summary.CutShort = true
			return nil
		case err != nil:
			return fmt.Errorf("frame %d: %w", c.summary.Frames+1, err)
		}
		c.summary.Frames++
		if c.summary.Frames == 1 {
			c.summary.Start = info.Timestamp
		}
		if len(info.AncillaryData) > 0 {
			if own, is := info.AncillaryData[0].(layers.LinkType); is {
				link = own
			}
		}
		packet := gopacket.NewPacket(bytes, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, is := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !is || packet.NetworkLayer() == nil {
			continue
		}
		assembler.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, &place{info, c.summary.Frames})
		if c.streams > maxStreams {
			assembler.FlushCloseOlderThan(info.Timestamp.Add(-idle))
		}
	}
}
