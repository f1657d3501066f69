package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// happening tells in a few words what an event says that is neither a PDU nor the plain coming and going of a connection; "" for those. Ladders
// show it as a note, captures as a comment.
func happening(e *trace.Event) string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch e.Kind {
	case trace.KindDialFailed:
		say("connecting to %s failed: %s", e.To, e.Err)
	case trace.KindLink:
		say("network: %s", e.State)
		where := e.To
		if e.Conn != "" {
			where = e.Conn
		}
		if where != "" {
			say("(%s)", where)
		}
	case trace.KindFault:
		say("fault fired: %s", e.State)
	case trace.KindSession:
		say("session %d:", e.Session)
		say("%s", change(e))
	case trace.KindDevice:
		say("device %s: %s", e.Device, change(e))
	case trace.KindRequest:
		say("request %d %s: %s", e.Request, e.Op, e.State)
	case trace.KindOp:
		say("%s", e.Op)
		if label, _ := e.Attr("label"); label != "" && label != e.Op {
			say("%q", label)
		}
		say("%s", e.State)
	case trace.KindTarget:
		say("%s: %s", e.Node, e.State)
	case trace.KindFolded:
		return "... " + e.Reason
	case trace.KindNote:
		if e.State != "" {
			say("%s", e.State)
		}
	case trace.KindDial, trace.KindAccepted, trace.KindConnUp, trace.KindConnClosed, trace.KindPDUSent, trace.KindPDUReceived, trace.KindBytes:
		return ""
	default:
		say("%s %s", e.Kind, e.State)
	}
	if e.Reason != "" && len(words) > 0 {
		words[len(words)-1] += ","
	}
	if e.Reason != "" {
		say("%s", e.Reason)
	}
	if e.Err != "" && e.Kind != trace.KindDialFailed && e.Err != e.Reason {
		say("[%s]", e.Err)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// change tells a change of state, and which operation brought it about.
func change(e *trace.Event) string {
	s := e.State
	if e.Was != "" && e.Was != "none" && e.Was != e.State {
		s = e.Was + " → " + e.State
	}
	switch {
	case e.Op == "":
		return s
	case e.Was == "" || e.Was == e.State:
		return strings.ReplaceAll(e.Op, "-", " ")
	}
	return strings.ReplaceAll(e.Op, "-", " ") + " (" + s + ")"
}

// seconds gives an instant to the millisecond.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%.3f s", d.Seconds())
}
