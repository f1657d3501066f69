package reports

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// rowKind says how a row of a ladder is drawn.
type rowKind int

const (
	rowOut    rowKind = iota // an arrow from the initiator to a portal
	rowIn                    // an arrow from a portal to the initiator
	rowNote                  // something that happened at neither end's wire
	rowFault                 // a fault, or the network letting less through
	rowHealed                // the network letting everything through again
	rowFolded                // rows that were left out
)

// row is one line of a ladder.
type row struct {
	at    time.Duration
	kind  rowKind
	lane  int    // for arrows: the portal's number in ladder.portals
	conn  string // for arrows: which of several connections, such as "#2"
	text  string
	faint bool   // for arrows: not a PDU but TCP's own doing
	lost  bool   // for arrows: came to nothing
	hex   string // of a PDU's header and AHS
}

// ladder is what both the text form and the page draw.
type ladder struct {
	portals []string
	rows    []row
	folded  int // events that stand behind rows of kind rowFolded
}

// newLadder draws up the rows of a trace, with at most limit of them; 0 means all.
func newLadder(events []trace.Event, limit int) *ladder {
	views := viewpoints(events)
	l := &ladder{}
	conns := map[string]bool{}
	brief := briefOps(events)
	var shown []trace.Event
	for i := range events {
		e := &events[i]
		if !onLadder(e) || e.Kind == trace.KindOp && e.State == trace.OpBegin && brief[e.Request] {
			continue
		}
		if v := views[e.Conn]; v != nil {
			if !v.shows(e) {
				continue
			}
			conns[e.Conn] = true
			if v.server != "" && !slices.Contains(l.portals, v.server) {
				l.portals = append(l.portals, v.server)
			}
		}
		shown = append(shown, *e)
	}
	shown = trace.Fold(shown, 0) // people want repetitions thinned at any length
	for _, e := range trace.Fold(shown, limit) {
		l.take(&e, views[e.Conn], len(conns) > 1)
	}
	return l
}

// briefOps finds the operations that end at once: their end alone tells the story.
func briefOps(events []trace.Event) map[uint64]bool {
	begun, brief := map[uint64]time.Duration{}, map[uint64]bool{}
	for i := range events {
		e := &events[i]
		if e.Kind != trace.KindOp {
			continue
		}
		switch at, ok := begun[e.Request]; {
		case e.State == trace.OpBegin:
			begun[e.Request] = e.At
		case e.State == trace.OpEnd && ok:
			brief[e.Request] = e.At-at < time.Millisecond
		}
	}
	return brief
}

// onLadder tells what readers want to see beside the wire: requests only where the session manager did something unusual with them, and
// nothing of an array or the driver that the PDUs around it tell as well.
func onLadder(e *trace.Event) bool {
	switch e.Kind {
	case trace.KindAccepted, trace.KindConnUp:
		return false
	case trace.KindTarget:
		return e.State != "command"
	case trace.KindLink:
		return e.State != "fin" && e.State != "reset" && e.State != "listening"
	case trace.KindOp:
		return e.State == trace.OpBegin || e.State == trace.OpEnd
	case trace.KindRequest:
		switch e.State {
		case "submitted", "sent":
			return false
		case "completed":
			return e.Err != "" || e.Reason != "" && !strings.EqualFold(e.Reason, "good") && !strings.EqualFold(e.Reason, "ok")
		}
	}
	return true
}

func (l *ladder) take(e *trace.Event, v *viewpoint, several bool) {
	r := row{at: e.At, kind: rowNote, text: happening(e)}
	if v != nil {
		r.lane = max(0, slices.Index(l.portals, v.server))
		if _, number, ok := strings.Cut(e.Conn, "#"); ok && several {
			r.conn = "#" + number
		}
	}
	switch e.Kind {
	case trace.KindPDUSent, trace.KindPDUReceived:
		r.kind, r.text = arrow(v.outward(e)), e.PDU.String()
		r.hex = hex.EncodeToString(e.PDU.Header[:]) + hex.EncodeToString(e.PDU.AHS)
	case trace.KindBytes:
		r.kind, r.lost = arrow(v.outward(e)), true
		r.text = fmt.Sprintf("%d bytes that are no whole PDU", len(e.Raw))
		r.hex = hex.EncodeToString(e.Raw[:min(len(e.Raw), 96)])
	case trace.KindDial:
		r.kind, r.text, r.faint = rowOut, "connect", true
	case trace.KindDialFailed:
		r.kind, r.text, r.faint, r.lost = rowIn, "no connection: "+e.Err, true, true
	case trace.KindConnClosed:
		r.kind, r.text, r.faint = l.closing(e, v)
	case trace.KindFault:
		r.kind = rowFault
	case trace.KindLink:
		r.kind = linkRow(e.State)
	case trace.KindFolded:
		r.kind = rowFolded
		r.text = e.Reason
		if n, ok := e.Attr("events"); ok {
			_, _ = fmt.Sscan(n, &r.lane)
			l.folded += r.lane
		}
	}
	if r.text != "" {
		l.rows = append(l.rows, r)
	}
}

func (l *ladder) closing(e *trace.Event, v *viewpoint) (kind rowKind, text string, faint bool) {
	here := v.initiator // whether the end that records is the initiator's
	switch e.State {
	case trace.CloseFINSent, trace.CloseHalfSent:
		return arrow(here), "FIN", true
	case trace.CloseRSTSent:
		return arrow(here), "RST", true
	case trace.CloseFINReceived:
		return arrow(!here), "FIN", true
	case trace.CloseRSTReceived:
		return arrow(!here), "RST", true
	}
	return rowNote, "connection " + e.State, true
}

func linkRow(state string) rowKind {
	switch state {
	case trace.LinkCut, trace.LinkRefuse, trace.LinkSilent, "down":
		return rowFault
	case trace.LinkHeal:
		return rowHealed
	}
	return rowNote
}

func arrow(outward bool) rowKind {
	if outward {
		return rowOut
	}
	return rowIn
}

// WriteLadder writes a trace as a ladder of plain text, one line an event, with at most limit of them; 0 means all. Arrows to the right
// lead from the initiator to the portal that the line names, arrows to the left back.
func WriteLadder(w io.Writer, events []trace.Event, limit int) error {
	l := newLadder(events, limit)
	for _, r := range l.rows {
		if _, err := fmt.Fprintf(w, "%10.3f  %s%s\n", r.at.Seconds(), r.sign(), l.label(r)); err != nil {
			return err
		}
	}
	return nil
}

// label names the portal where there are several, the connection likewise, and tells what the row says.
func (l *ladder) label(r row) string {
	var words []string
	if (r.kind == rowOut || r.kind == rowIn) && len(l.portals) > 1 {
		words = append(words, l.portals[r.lane])
	}
	if r.conn != "" && (r.kind == rowOut || r.kind == rowIn) {
		words = append(words, r.conn)
	}
	return strings.Join(append(words, r.text), " ")
}

func (r row) sign() string {
	switch r.kind {
	case rowOut:
		return pick(r.lost, "--x  ", "-->  ")
	case rowIn:
		return pick(r.lost, "x--  ", "<--  ")
	case rowFault:
		return " !   "
	case rowHealed:
		return " +   "
	case rowNote:
		return "   · "
	case rowFolded:
		return " :   "
	}
	return "     "
}

func pick[T any](on bool, yes, no T) T {
	if on {
		return yes
	}
	return no
}
