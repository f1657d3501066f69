package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// record completes an event of this session and hands it to the log.
func (s *managedSession) record(e trace.Event) {
	e.Node, e.Session = trace.NodeInitiator, uint64(s.id)
	s.m.log.Record(e)
}

// recordState tells the trace that the session is in a new state: with the portal reached when it is connected, and with
// what it is when it first appears.
func (s *managedSession) recordState(was State, reason string, err error) {
	if !s.m.log.Enabled() {
		return
	}
	e := trace.Event{Kind: trace.KindSession, State: s.state.String(), Was: was.String(), Reason: reason}
	if err != nil {
		e.Err = err.Error()
	}
	switch s.state {
	case StateConnecting:
		e.Attrs = []trace.Attr{
			trace.A("kind", s.kind), trace.A("target", s.spec.Target), trace.A("portal", s.memory.configured.HostPort()),
			trace.A("port", s.port.Name), trace.A("isid", s.place.isid), trace.A("added", s.place.added),
		}
	case StateConnected:
		e.To = s.info.Current.HostPort()
		e.Attrs = []trace.Attr{
			trace.A("kind", s.kind), trace.A("target", s.spec.Target), trace.A("portal", s.info.Configured.HostPort()),
			trace.A("isid", s.info.ISID), trace.A("tsih", fmt.Sprintf("0x%04x", s.info.TSIH)), trace.A("logins", s.logins),
		}
	case StateReconnecting:
		others, boot := s.latencies()
		e.Attrs = []trace.Attr{
			trace.A("next-attempt", s.attemptTime().Sub(s.m.log.Start())), trace.A("latency", others), trace.A("boot-latency", boot),
		}
	}
	s.record(e)
}

// recordAsync tells the trace of an Async Message.
func (s *managedSession) recordAsync(event AsyncEvent) {
	if s.m.log.Enabled() {
		s.record(trace.Event{Kind: trace.KindSession, Op: "async", State: s.state.String(), Attrs: []trace.Attr{trace.A("event", event.Event)}})
	}
}

// recordDevice tells the trace of a step of one path of a device: "arrived", "blocked", "unblocked", "changed" or
// "removed". The attribute paths is the number of paths that the device has after it: 1 at "arrived" means that the device is
// new in the stack, 0 at "removed" that it left.
func (s *managedSession) recordDevice(u *unit, state, reason string, paths int) {
	if !s.m.log.Enabled() {
		return
	}
	lun := lunNumber(u.lun)
	s.record(trace.Event{
		Kind: trace.KindDevice, Device: u.name(), LUN: &lun, State: state, Reason: reason,
		Attrs: []trace.Attr{
			trace.A("designator", u.identity.Designator), trace.A("serial", u.identity.Serial), trace.A("paths", paths),
			trace.A("boot", s.bootUnit(u.lun)), trace.A("blocks", u.blocks), trace.A("block-size", u.blockSize),
		},
	})
}

// recordRequest tells the trace of a step of a request: "submitted", "queued", "served-from-cache", "sent", "requeued" or
// "completed", the last with its outcome as the reason. "sent" is the handing over to the connection, where it may wait for
// the command window.
func (s *managedSession) recordRequest(p *pending, state, reason string) {
	if !s.m.log.Enabled() {
		return
	}
	lun := lunNumber(p.req.LUN)
	e := trace.Event{Kind: trace.KindRequest, LUN: &lun, Request: p.seq, State: state, Reason: reason, Device: s.deviceName(p.req.LUN)}
	if len(p.req.CDB) > 0 {
		e.Op = scsi.Opcode(p.req.CDB[0]).String()
	}
	switch state {
	case "submitted":
		e.Attrs = []trace.Attr{trace.A("cdb", fmt.Sprintf("%x", p.req.CDB)), trace.A("read", len(p.req.Read)), trace.A("write", len(p.req.Write))}
		if p.hasDeadline() {
			e.Attrs = append(e.Attrs, trace.A("deadline", p.deadline.Sub(s.m.log.Start())))
		}
	case "requeued":
		if !p.req.Sent {
			e.Attrs = []trace.Attr{trace.A("unsent", true)}
		}
	case "completed":
		if p.req.Err != nil {
			e.Err = p.req.Err.Error()
		}
	}
	s.record(e)
}

// deviceName returns the name of the device behind a LUN, or "".
func (s *managedSession) deviceName(lun uint64) string {
	for _, u := range s.units {
		if u.lun == lun {
			return u.name()
		}
	}
	return ""
}

// status describes the session for a listing.
func (s *managedSession) status() SessionStatus {
	dev := s.m.dev.Listing
	st := SessionStatus{
		ID: s.id, Kind: s.kind, State: s.state, Since: s.since, InitiatorPort: s.port.Name, Added: s.place.added,
		BootLUN: s.spec.BootLUN, SessionInfo: s.info, NextPortal: s.nextPortal(), Logins: s.logins,
		Attempts: s.schedule.attempts, LastError: s.lastErr, LostAt: s.lostAt,
		Queued: s.queue.length(), QueuedBytes: s.queue.bytes, InFlight: s.flying,
	}
	if s.state == StateConnected {
		st.Attempts = 0
		if s.session != nil {
			st.SessionInfo = s.session.Info()
			st.Connections = s.session.Connections()
			for _, c := range st.Connections {
				st.CIDs = append(st.CIDs, c.CID)
			}
		}
	}
	st.Configured = s.memory.configured
	if dev.FirstLoginForEver {
		st.SessionInfo = s.first
	}
	if dev.TSIHOfLeadingLogin {
		st.TSIH = 0
	}
	if dev.StateOnSuccessOnly && s.state == StateReconnecting {
		st.State, st.LostAt, st.Attempts = StateConnected, time.Time{}, 0
	}
	if dev.KindDataAlways && s.kind != Discovery {
		st.Kind = Data
	}
	return st
}
