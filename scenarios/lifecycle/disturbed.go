package lifecycle

import (
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/trace"
)

// withoutGivenUp leaves out of a trace the Normal sessions that the initiator had given up by itself before its session was disturbed, such as those of a
// command that looks at one portal of a target after the other and closes each connection without a logout. From the wire they look like sessions that
// were lost, to which a login under a new ISID may belong as well as to the disturbed one.
//
// Such a connection has ended before the disturbance, or stood idle since before a later session was opened and was then closed by the initiator's end: a
// busy recorder may read of that end when the disturbance is over.
func withoutGivenUp(events trace.Events, struck time.Duration) trace.Events {
	var dials []clocks.Dial
	for _, d := range clocks.Dials(events) {
		if d.FullFeature >= 0 && d.FullFeature < struck && normal(d) {
			dials = append(dials, d)
		}
	}
	if len(dials) < 2 {
		return events
	}
	busy := lastUse(events, struck)
	var out []string
	for i, d := range dials[:len(dials)-1] {
		later := dials[i+1]
		byItself := d.How == trace.CloseFINReceived || d.How == trace.CloseRSTReceived
		if d.Closed >= 0 && (d.Closed < struck || byItself && busy[d.Conn] < later.At) {
			out = append(out, d.Conn)
		}
	}
	return slices.DeleteFunc(slices.Clone(events), func(e trace.Event) bool {
		return slices.ContainsFunc(out, func(conn string) bool { return e.Conn == conn || strings.HasPrefix(e.Conn, conn+"/") })
	})
}

// lastUse tells when the last PDU before an instant passed each connection.
func lastUse(events trace.Events, before time.Duration) map[string]time.Duration {
	last := map[string]time.Duration{}
	for _, e := range events {
		if e.At < before && (e.Kind == trace.KindPDUSent || e.Kind == trace.KindPDUReceived) {
			last[e.Conn] = e.At
		}
	}
	return last
}
