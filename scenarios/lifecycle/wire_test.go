package lifecycle

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// The portals of the stage that built traces are about.
const (
	portalA = "192.0.2.1:3260"
	portalB = "192.0.2.2:3260"
)

// tape is a trace in the making, as the proxy of a stage records one.
type tape struct {
	events trace.Events
	conns  int
}

// at is an instant in seconds.
func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// link is a connection of a tape.
type link struct {
	tape *tape
	conn string
	isid iscsi.ISID
}

// dial opens a connection: a Normal session's unless told otherwise.
func (t *tape) dial(s float64, portal string) *link {
	t.conns++
	l := &link{tape: t, conn: fmt.Sprintf("%s#%d", portal, t.conns)}
	from := fmt.Sprintf("198.51.100.1:%d", 40000+t.conns)
	t.events = append(t.events,
		trace.Event{At: at(s), Kind: trace.KindDial, Node: trace.NodeInitiator, Conn: l.conn, From: from, To: portal},
		trace.Event{At: at(s), Kind: trace.KindConnUp, Node: "proxy", Conn: l.conn, From: portal, To: from})
	return l
}

// pass lets a PDU through, from the initiator or to it.
func (l *link) pass(s float64, p pdu.PDU, fromInitiator bool) {
	kind := trace.KindPDUSent
	if fromInitiator {
		kind = trace.KindPDUReceived
	}
	l.tape.events = append(l.tape.events, trace.Event{At: at(s), Kind: kind, Node: "proxy", Conn: l.conn, PDU: trace.PDUOf(pdu.FrameOf(p), 1<<16)})
}

// login logs in under an ISID with a qualifier; further pairs are the initiator's. It is answered with success.
func (l *link) login(s float64, qualifier uint16, pairs ...string) *link {
	l.ask(s, qualifier, pairs...)
	l.pass(s+0.001, &pdu.LoginResponse{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: l.isid, TSIH: 7,
		Data: text.Pairs{{Key: text.KeyDefaultTime2Wait, Value: "2"}}.Append(nil)}, false)
	return l
}

// redirected is a login that is sent elsewhere.
func (l *link) redirected(s float64, qualifier uint16, to string) *link {
	l.ask(s, qualifier)
	answer := &pdu.LoginResponse{CSG: pdu.StageOperational, ISID: l.isid, Data: text.Pairs{{Key: text.KeyTargetAddress, Value: to + ",1"}}.Append(nil)}
	answer.SetStatus(uint16(iscsi.StatusMovedTemporarily))
	l.pass(s+0.001, answer, false)
	return l
}

// ask sends a Login Request.
func (l *link) ask(s float64, qualifier uint16, pairs ...string) {
	l.isid = iscsi.RandomISID(0x1234, qualifier)
	keys := text.Pairs{{Key: text.KeyInitiatorName, Value: "iqn.2026-01.com.example:host"}, {Key: text.KeyDefaultTime2Wait, Value: "2"}}
	if len(pairs) == 0 {
		keys = append(keys, text.Pair{Key: text.KeyTargetName, Value: "iqn.2026-01.com.example:array"}, text.Pair{Key: text.KeySessionType, Value: "Normal"})
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		keys = append(keys, text.Pair{Key: pairs[i], Value: pairs[i+1]})
	}
	l.pass(s, &pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: l.isid, Data: keys.Append(nil)}, true)
}

// use lets a command pass.
func (l *link) use(s float64) *link {
	l.pass(s, &pdu.SCSICommand{Final: true, Read: true}, true)
	return l
}

// end ends a connection in one of the ways of package trace.
func (l *link) end(s float64, how string) {
	l.tape.events = append(l.tape.events, trace.Event{At: at(s), Kind: trace.KindConnClosed, Node: "proxy", Conn: l.conn, State: how})
}

// read gives what a tape tells of a disturbance just before 10 s, watched until 30 s.
func (t *tape) read() *Measurement {
	const struck, over = 9.999, 30
	t.events = append(t.events, trace.Event{At: at(over), Kind: trace.KindNote, Node: "proxy"})
	trace.Sort(t.events)
	m := &Measurement{Kind: "reset"}
	m.read(t.events, at(struck), at(over))
	return m
}
