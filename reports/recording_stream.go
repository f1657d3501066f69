package reports

import (
	"fmt"
	"net/netip"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// loginKept bounds what is kept of a connection's login, to show it again in a later part, in bytes.
const loginKept = 16 << 10

// live turns the events of connections that come and go into packets, and forgets connections that are over. Every connection is shown
// from the end that was recorded: the initiator's where the node that records it has dialled it, else the target's.
type live struct {
	capturer
	dials  map[string]string // by connection, the node that has dialled it; until the connection is up
	real   bool              // ports are shown as they are
	logins map[string]*keptLogin
}

// keptLogin is how a connection began.
type keptLogin struct {
	up    trace.Event
	pdus  []trace.Event
	bytes int
	whole bool // full feature phase has begun, or there is too much of it
}

func newLive(real bool) *live {
	l := &live{capturer: newCapturer(map[string]*viewpoint{}), real: real, dials: map[string]string{}, logins: map[string]*keptLogin{}}
	l.shown = map[ends]bool{}
	return l
}

// again makes every connection begin anew with the next packet of it.
func (l *live) again() {
	clear(l.streams)
	clear(l.shown)
}

// take gives the packets of one event.
func (l *live) take(e *trace.Event) []packet {
	if e.Kind == trace.KindTarget && e.State == "command" {
		return nil // the PDUs tell it
	}
	if e.Conn != "" && l.views[e.Conn] == nil {
		switch e.Kind {
		case trace.KindDial:
			l.dials[e.Conn] = e.Node
		case trace.KindDialFailed:
			delete(l.dials, e.Conn)
		}
		if e.Kind != trace.KindConnUp {
			l.remark(e) // it is over, or not up yet
			return nil
		}
		l.views[e.Conn] = l.viewpoint(e)
		l.logins[e.Conn] = &keptLogin{up: *e}
	}
	kept := l.logins[e.Conn]
	if kept != nil && e.Kind != trace.KindConnUp && l.streams[e.Conn] == nil {
		l.repeat(kept, e)
	}
	l.capturer.take(e)
	if kept != nil {
		kept.keep(e)
	}
	if e.Kind == trace.KindConnClosed && (e.State == trace.CloseFINSent || e.State == trace.CloseRSTSent) {
		if s := l.streams[e.Conn]; s != nil {
			delete(l.shown, s.ends())
		}
		delete(l.views, e.Conn)
		delete(l.streams, e.Conn)
		delete(l.logins, e.Conn)
	}
	packets := l.packets
	l.packets = nil
	return packets
}

// remark keeps what is to be said about a connection that is not shown, for the next packet.
func (l *live) remark(e *trace.Event) {
	if text := happening(e); text != "" {
		l.comment(fmt.Sprintf("%s %s", seconds(e.At), text))
	}
}

// viewpoint is the end that records a connection which is up now.
func (l *live) viewpoint(up *trace.Event) *viewpoint {
	v := &viewpoint{conn: up.Conn, node: up.Node, client: up.To, server: up.From, real: l.real}
	if l.dials[up.Conn] == up.Node {
		v.initiator, v.client, v.server = true, up.From, up.To
	}
	delete(l.dials, up.Conn)
	return v
}

// ends are the two addresses by which dissectors know a connection.
type ends struct{ client, server netip.AddrPort }

func (s *stream) ends() ends { return ends{s.client.addr, s.server.addr} }

// tellApart shows another port of the initiator where portals that are shown at one port would make two connections look like one.
func (c *capturer) tellApart(s *stream) {
	if c.shown == nil {
		return
	}
	real := s.client.addr
	for tries := 0; c.shown[s.ends()] && tries < 1<<16; tries++ {
		s.client.addr = netip.AddrPortFrom(real.Addr(), 1024+(s.client.addr.Port()-1024+1)%(1<<16-1024))
	}
	if s.client.addr != real {
		s.note += fmt.Sprintf("; the initiator is really at %s, where another connection is shown", real)
	}
	c.shown[s.ends()] = true
}

// repeat shows a connection's beginning in a part that it did not begin in.
func (l *live) repeat(kept *keptLogin, before *trace.Event) {
	l.comment(fmt.Sprintf("connection %s goes on from an earlier part; its login is shown once more", kept.up.Conn))
	again := kept.up
	again.At = before.At
	l.capturer.take(&again)
	for _, e := range kept.pdus {
		e.At = before.At
		l.capturer.take(&e)
	}
}

// keep remembers the PDUs of the login.
func (k *keptLogin) keep(e *trace.Event) {
	if k.whole || !e.Is(trace.KindPDUSent, trace.KindPDUReceived) {
		return
	}
	op := e.PDU.Opcode()
	k.bytes += pdu.BHSLength + len(e.PDU.Data)
	if op != pdu.OpLoginRequest && op != pdu.OpLoginResponse || k.bytes > loginKept {
		k.whole = true
		return
	}
	k.pdus = append(k.pdus, *e)
}
