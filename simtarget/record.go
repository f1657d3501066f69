package simtarget

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// The array's events are of trace.KindTarget, with the session's serial number as Session and the connection's ends as From (initiator) and
// To (portal). State says what happened:
//
//	login-refused login-redirected login-dropped
//	session-opened session-closed session-waiting session-joined connection-closed
//	command-held command response-held task-aborted task-management rejected
//	async action
//
// Reason tells why, and the attributes the rest. A command is recorded once for each execution.

func (a *Array) record(e trace.Event) {
	e.Kind, e.Node = trace.KindTarget, a.node
	a.log.Record(e)
}

func (s *session) attrs() []trace.Attr {
	target := ""
	if s.target != nil {
		target = s.target.Name
	}
	kind := "Normal"
	if s.discovery {
		kind = "Discovery"
	}
	return []trace.Attr{
		trace.A("initiator", s.initiator), trace.A("isid", s.isid), trace.A("tsih", fmt.Sprintf("0x%04x", s.tsih)), trace.A("target", target),
		trace.A("portal", s.portal.Name), trace.A("tag", s.tag), trace.A("kind", kind),
	}
}

// recordLogin tells of a login that did not succeed.
func (a *Array) recordLogin(l *login, state, reason string) {
	switch state {
	case "login-refused":
		a.counts.refused.Add(1)
	case "login-redirected":
		a.counts.redirected.Add(1)
	default:
		a.counts.dropped.Add(1)
	}
	if !a.log.Enabled() {
		return
	}
	target := ""
	if l.target != nil {
		target = l.target.Name
	}
	a.record(trace.Event{State: state, Reason: reason, From: l.c.remote, To: l.c.local, Attrs: []trace.Attr{
		trace.A("initiator", l.initiator), trace.A("isid", l.isid), trace.A("target", target), trace.A("portal", l.c.portal.Name),
	}})
}

func (a *Array) recordOpened(l *login, s *session) {
	a.counts.granted.Add(1)
	if a.log.Enabled() {
		a.record(trace.Event{State: "session-opened", Session: s.serial, From: l.c.remote, To: l.c.local, Attrs: s.attrs()})
	}
}

func (a *Array) recordJoined(l *login, s *session) {
	a.counts.granted.Add(1)
	if a.log.Enabled() {
		a.record(trace.Event{State: "session-joined", Session: s.serial, From: l.c.remote, To: l.c.local,
			Attrs: append(s.attrs(), trace.A("cid", l.cid))})
	}
}

// recordConnection tells of one connection of a session that goes on.
func (a *Array) recordConnection(s *session, c *connection, state, reason string) {
	if a.log.Enabled() {
		a.record(trace.Event{State: state, Reason: reason, Session: s.serial, From: c.remote, To: c.local,
			Attrs: append(s.attrs(), trace.A("cid", c.cid))})
	}
}

func (a *Array) recordSession(s *session, state, reason string) {
	if a.log.Enabled() {
		a.record(trace.Event{State: state, Reason: reason, Session: s.serial, Attrs: s.attrs()})
	}
}

func (a *Array) recordAction(verb string) {
	if a.log.Enabled() {
		a.record(trace.Event{State: "action", Op: verb})
	}
}

// recordTask tells of a step of a SCSI command. Executed commands tell their status and, of writes, a hash of the data.
func (s *session) recordTask(k *task, state string) {
	if !s.array.log.Enabled() {
		return
	}
	lun := k.lun
	e := trace.Event{State: state, Session: s.serial, LUN: &lun, Op: k.opcode().String(), Attrs: []trace.Attr{
		trace.A("itt", fmt.Sprintf("0x%08x", k.itt)), trace.A("cmdsn", k.cmdSN), trace.A("cdb", hex.EncodeToString(k.cdb)),
	}}
	if k.conn != nil && s.params.MaxConnections > 1 {
		e.Attrs = append(e.Attrs, trace.A("cid", k.conn.cid))
	}
	if state == "command" {
		e.Attrs = append(e.Attrs, trace.A("status", k.device.Status))
		if k.device.Direction == scsi.DataOut && len(k.device.DataOut) > 0 {
			h := fnv.New64a()
			h.Write(k.device.DataOut)
			e.Attrs = append(e.Attrs, trace.A("data", fmt.Sprintf("%016x", h.Sum64())))
		}
	}
	s.array.record(e)
}

func (s *session) recordManagement(p *pdu.TaskManagementRequest, response pdu.TaskResponse) {
	if !s.array.log.Enabled() {
		return
	}
	lun := p.LUN
	s.array.record(trace.Event{State: "task-management", Session: s.serial, LUN: &lun, Op: p.Function.String(), Reason: response.String(),
		Attrs: []trace.Attr{trace.A("itt", fmt.Sprintf("0x%08x", p.ITT)), trace.A("referenced", fmt.Sprintf("0x%08x", p.ReferencedTaskTag))}})
}

func (s *session) recordReject(h *pdu.BHS, reason pdu.RejectReason) {
	if s.array.log.Enabled() {
		s.array.record(trace.Event{State: "rejected", Session: s.serial, Op: h.Opcode().String(), Reason: reason.String()})
	}
}

func (s *session) recordAsync(p *pdu.AsyncMessage) {
	if s.array.log.Enabled() {
		s.array.record(trace.Event{State: "async", Session: s.serial, Op: p.Event.String(), Attrs: []trace.Attr{
			trace.A("parameter1", p.Parameter1), trace.A("parameter2", p.Parameter2), trace.A("parameter3", p.Parameter3),
		}})
	}
}
