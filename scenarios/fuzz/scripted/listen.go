package scripted

import (
	"strconv"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/trace"
)

// events are the record as a trace of the array's ends of the connections, which monitors read.
func (p *played) events() []trace.Event {
	var events []trace.Event
	for i := range p.records {
		r := &p.records[i]
		e := trace.Event{At: r.at, Node: trace.NodeTarget, Conn: strconv.Itoa(r.conn)}
		switch {
		case r.at > p.end || r.what != heard && r.what != said || r.broken || r.raw != nil:
			continue
		case r.what == heard:
			e.Kind = trace.KindPDUReceived
		default:
			e.Kind = trace.KindPDUSent
		}
		e.PDU = trace.PDUOf(&r.frame, 1<<20)
		events = append(events, e)
	}
	return events
}

// listen lets the monitors look at what was said, which know nothing of the flow.
func (j *judge) listen() {
	for _, f := range monitor.Judge(j.p.events(), monitor.Options{Judge: scenarios.RoleInitiator, At: []string{trace.NodeTarget}}) {
		if f.Verdict == scenarios.Fail {
			j.add(f.Row, 0, fuzz.Outcome{Kind: Sent, Detail: f.Rule + ": " + f.Reason + " " + f.Actual}, f.Expected...)
		}
	}
}
