package reports

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/iscsispec/iscsispec/iscsi"
)

// maxPayload is the most of a PDU that one synthetic packet carries, in bytes: with its headers it stays within the 16-bit length of IP.
const maxPayload = 60 << 10

// packet is one packet of a capture, complete but for its comments.
type packet struct {
	at       time.Duration
	bytes    []byte
	comments []string
}

// stream is the synthetic TCP connection around the bytes of one connection.
type stream struct {
	client, server *side
	note           string // said once, on the first packet
	opened         bool
	dead           bool // a reset has passed
}

// side is one end of a stream.
type side struct {
	addr netip.AddrPort
	next uint32 // sequence number of the next byte
	fin  bool
}

// flags of a TCP segment.
type flags struct{ syn, ack, fin, rst, psh bool }

// newStream makes a connection for a viewpoint. Dissectors know iSCSI by the registered port, so any other portal is shown at that port and a
// comment tells the true one.
func newStream(v *viewpoint, number int) *stream {
	client := endpoint(v.client, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(49152+number%16384)))
	server := endpoint(v.server, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), iscsi.DefaultPort))
	s := &stream{note: "connection " + v.conn}
	if server.Port() != iscsi.DefaultPort && !v.real {
		s.note += fmt.Sprintf("; the portal is really %s, shown at port %d so that it is dissected", server, iscsi.DefaultPort)
		server = netip.AddrPortFrom(server.Addr(), iscsi.DefaultPort)
	}
	if client.Addr().Is4() != server.Addr().Is4() { // a packet has one address family
		client = netip.AddrPortFrom(netip.AddrFrom16(client.Addr().As16()), client.Port())
		server = netip.AddrPortFrom(netip.AddrFrom16(server.Addr().As16()), server.Port())
	}
	s.client = &side{addr: client, next: initialNumber(v.conn, "client")}
	s.server = &side{addr: server, next: initialNumber(v.conn, "server")}
	return s
}

// initialNumber derives the initial sequence number from the connection's name, so that captures are the same in every run and a second
// connection of the same addresses is told from the first.
func initialNumber(conn, side string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(conn + side))
	return h.Sum32()
}

// open gives the packets of the handshake, or nothing when it was shown before.
func (s *stream) open(at time.Duration) []packet {
	if s.opened {
		return nil
	}
	s.opened = true
	return []packet{
		s.segment(at, s.client, flags{syn: true}, nil),
		s.segment(at, s.server, flags{syn: true, ack: true}, nil),
		s.segment(at, s.client, flags{ack: true}, nil),
	}
}

// try gives the packet of a connection request that comes to nothing, and its refusal.
func (s *stream) try(at time.Duration, refused bool, answerAt time.Duration) []packet {
	packets := []packet{s.segment(at, s.client, flags{syn: true}, nil)}
	if refused {
		packets = append(packets, s.segment(answerAt, s.server, flags{rst: true, ack: true}, nil))
	}
	return packets
}

// carry gives the packets of some bytes from one side.
func (s *stream) carry(at time.Duration, from *side, b []byte) []packet {
	if s.dead || from.fin {
		return nil
	}
	packets := s.open(at)
	for len(b) > 0 {
		n := min(len(b), maxPayload)
		packets = append(packets, s.segment(at, from, flags{ack: true, psh: n == len(b)}, b[:n]))
		b = b[n:]
	}
	return packets
}

// finish gives the packet by which one side ends its direction.
func (s *stream) finish(at time.Duration, from *side) []packet {
	if s.dead || from.fin {
		return nil
	}
	packets := append(s.open(at), s.segment(at, from, flags{fin: true, ack: true}, nil))
	from.fin = true
	return append(packets, s.segment(at, s.other(from), flags{ack: true}, nil))
}

// reset gives the packet by which one side, or the network in its name, resets the connection.
func (s *stream) reset(at time.Duration, from *side) []packet {
	if s.dead {
		return nil
	}
	packets := append(s.open(at), s.segment(at, from, flags{rst: true, ack: true}, nil))
	s.dead = true
	return packets
}

func (s *stream) other(x *side) *side {
	if x == s.client {
		return s.server
	}
	return s.client
}

// segment builds one packet and moves the sender's sequence number on.
func (s *stream) segment(at time.Duration, from *side, f flags, payload []byte) packet {
	to := s.other(from)
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(from.addr.Port()), DstPort: layers.TCPPort(to.addr.Port()),
		Seq: from.next, SYN: f.syn, ACK: f.ack, FIN: f.fin, RST: f.rst, PSH: f.psh, Window: 0xffff,
	}
	if f.ack {
		tcp.Ack = to.next
	}
	from.next += uint32(len(payload))
	if f.syn || f.fin {
		from.next++
	}
	p := packet{at: at, bytes: serialize(from.addr.Addr(), to.addr.Addr(), tcp, payload)}
	if s.note != "" {
		p.comments, s.note = []string{s.note}, ""
	}
	return p
}

// serialize puts Ethernet and IP around a TCP segment, with lengths and checksums.
func serialize(from, to netip.Addr, tcp *layers.TCP, payload []byte) []byte {
	ethernet := &layers.Ethernet{SrcMAC: mac(from), DstMAC: mac(to), EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	if from.Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, Flags: layers.IPv4DontFragment, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		_ = tcp.SetNetworkLayerForChecksum(v4) // fails only for layers that are no network
		ip = v4
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		_ = tcp.SetNetworkLayerForChecksum(v6)
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip = v6
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, ethernet, ip, tcp, gopacket.Payload(payload)); err != nil {
		panic(fmt.Sprintf("reports: a packet of %d bytes cannot be built: %v", len(payload), err))
	}
	return buffer.Bytes()
}

// mac gives a locally administered address that follows from the IP address.
func mac(a netip.Addr) net.HardwareAddr {
	b := a.As16()
	return net.HardwareAddr{0x02, b[11], b[12], b[13], b[14], b[15]}
}
