package reports

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// The bounds of a timing plot: what goes beyond is counted in a note.
const (
	maxPortalTracks  = 4
	maxSessionTracks = 4
	maxDeviceTracks  = 4
	maxMarks         = 150 // on one track
)

// tone says how a band or a mark is coloured and patterned; words say the same.
type tone string

const (
	toneGood  tone = "good"
	toneBad   tone = "bad"
	toneWait  tone = "wait"
	toneQuiet tone = "quiet"
)

// band is a state that lasts.
type band struct {
	from, to time.Duration
	tone     tone
	label    string
}

// mark is something that happened at one instant.
type mark struct {
	at    time.Duration
	shape string // tick, cross, diamond, up, dot
	tone  tone
	label string
}

// track is one line of a timing plot.
type track struct {
	name  string
	bands []band
	marks []mark
}

// timing is a timing plot: tracks one beneath the other over one axis, with the periods of faults behind all of them.
type timing struct {
	end     time.Duration
	faults  []band
	cuts    []time.Duration // instants at which connections were cut
	tracks  []track
	omitted []string // tracks beyond the bounds
}

// newTiming draws up the plot of a trace, or nil when nothing in it takes time: no link was cut, no session reconnected and no device left.
func newTiming(events []trace.Event) *timing {
	if !worthTiming(events) {
		return nil
	}
	t := &timing{end: trace.Events(events).End()}
	t.links(events)
	t.logins(events)
	t.sessions(events)
	t.devices(events)
	t.requests(events)
	return t
}

func worthTiming(events []trace.Event) bool {
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case trace.KindLink:
			if e.State == trace.LinkCut || e.State == trace.LinkRefuse || e.State == trace.LinkSilent {
				return true
			}
		case trace.KindSession:
			if e.State == "reconnecting" {
				return true
			}
		case trace.KindDevice:
			if e.State == "blocked" {
				return true
			}
		}
	}
	return false
}

// group gives the track of that key, in order of appearance, up to a bound; beyond it nil.
func (t *timing) group(tracks map[string]*track, order *[]string, key, name string, bound int) *track {
	if tr := tracks[key]; tr != nil {
		return tr
	}
	if len(*order) >= bound {
		if !slices.Contains(t.omitted, name) {
			t.omitted = append(t.omitted, name)
		}
		return nil
	}
	*order = append(*order, key)
	tracks[key] = &track{name: name}
	return tracks[key]
}

func (t *timing) collect(tracks map[string]*track, order []string) {
	for _, key := range order {
		tr := tracks[key]
		if n := len(tr.bands); n > 0 && tr.bands[n-1].to < 0 {
			tr.bands[n-1].to = t.end
		}
		tr.bands = slices.DeleteFunc(tr.bands, func(b band) bool { return b.label == "" })
		t.tracks = append(t.tracks, *tr)
	}
}

// state ends the band that lasts and begins another one.
func (tr *track) state(at time.Duration, tone tone, label string) {
	if n := len(tr.bands); n > 0 && tr.bands[n-1].to < 0 {
		if tr.bands[n-1].label == label {
			return
		}
		tr.bands[n-1].to = at
	}
	tr.bands = append(tr.bands, band{from: at, to: -1, tone: tone, label: label})
}

func (tr *track) mark(at time.Duration, shape string, tone tone, label string) {
	if len(tr.marks) < maxMarks {
		tr.marks = append(tr.marks, mark{at, shape, tone, label})
	}
}

// cut remembers an instant at which a connection was cut, once for all connections that were cut together.
func (t *timing) cut(at time.Duration) {
	if n := len(t.cuts); n < maxMarks && (n == 0 || at-t.cuts[n-1] > time.Millisecond) {
		t.cuts = append(t.cuts, at)
	}
}

// links draws a track for each portal whose service changed or that was dialled.
func (t *timing) links(events []trace.Event) {
	tracks, order := map[string]*track{}, []string(nil)
	for i := range events {
		e := &events[i]
		if e.Kind == trace.KindDial && e.To != "" {
			if tr := t.group(tracks, &order, e.To, "link to "+e.To, maxPortalTracks); tr != nil && len(tr.bands) == 0 {
				tr.state(0, toneGood, "up")
			}
		}
		if e.Kind != trace.KindLink || e.To == "" {
			continue
		}
		if e.Conn != "" {
			if tr := tracks[e.To]; tr != nil && e.State == trace.LinkCut {
				tr.mark(e.At, "cross", toneBad, "cut "+e.Conn)
				t.cut(e.At)
			}
			continue
		}
		tr := t.group(tracks, &order, e.To, "link to "+e.To, maxPortalTracks)
		if tr == nil {
			continue
		}
		if len(tr.bands) == 0 && e.At > 0 {
			tr.state(0, toneGood, "up")
		}
		switch e.State {
		case trace.LinkRefuse:
			tr.state(e.At, toneBad, "refused")
		case trace.LinkSilent:
			tr.state(e.At, toneBad, "silent")
		case "down":
			tr.state(e.At, toneBad, "nobody listens")
		case trace.LinkHeal, "listening":
			tr.state(e.At, toneGood, "up")
		}
	}
	before := len(t.tracks)
	t.collect(tracks, order)
	for _, tr := range t.tracks[before:] {
		for _, b := range tr.bands {
			if b.tone == toneBad {
				t.faults = append(t.faults, b)
			}
		}
	}
}

// logins draws every connection request with what came of it.
func (t *timing) logins(events []trace.Event) {
	views := viewpoints(events)
	tr := track{name: "login attempts"}
	dialled := map[string]time.Duration{}
	outcome := map[string]mark{}
	var order []string
	for i := range events {
		e := &events[i]
		if e.Kind == trace.KindFolded {
			tr.folded(e)
			continue
		}
		if e.Kind == trace.KindDial {
			dialled[e.Conn] = e.At
			order = append(order, e.Conn)
			outcome[e.Conn] = mark{e.At, "dot", toneQuiet, "no answer"}
			continue
		}
		at, ok := dialled[e.Conn]
		if !ok {
			continue
		}
		if m, settled := loginOutcome(e, views[e.Conn]); settled {
			m.at = at
			if outcome[e.Conn].label == "no answer" {
				outcome[e.Conn] = m
			}
		}
	}
	for _, conn := range order {
		m := outcome[conn]
		tr.mark(m.at, m.shape, m.tone, conn+": "+m.label)
	}
	if len(tr.marks) > 0 {
		t.tracks = append(t.tracks, tr)
	}
}

// folded draws the period in which events were taken out, so that a gap is not read as silence.
func (tr *track) folded(e *trace.Event) {
	until, _ := e.Attr("until")
	if to, err := time.ParseDuration(until); err == nil && to > e.At {
		tr.bands = append(tr.bands, band{from: e.At, to: to, tone: toneQuiet, label: "folded"})
	}
}

// loginOutcome tells what an event means for the login on its connection, if it settles it.
func loginOutcome(e *trace.Event, v *viewpoint) (mark, bool) {
	switch e.Kind {
	case trace.KindDialFailed:
		return mark{shape: "cross", tone: toneBad, label: e.Err}, true
	case trace.KindConnClosed:
		if v != nil && v.shows(e) {
			return mark{shape: "cross", tone: toneBad, label: "connection lost during login"}, true
		}
	case trace.KindPDUSent, trace.KindPDUReceived:
		if e.PDU.Opcode() != pdu.OpLoginResponse || v == nil || !v.shows(e) {
			return mark{}, false
		}
		var r pdu.LoginResponse
		if r.DecodeBHS(&e.PDU.Header) != nil {
			return mark{}, false
		}
		switch {
		case r.StatusClass == 1:
			return mark{shape: "diamond", tone: toneWait, label: fmt.Sprintf("redirected (0x%04x)", r.Status())}, true
		case r.StatusClass != 0:
			return mark{shape: "cross", tone: toneBad, label: fmt.Sprintf("refused (0x%04x)", r.Status())}, true
		case r.Transit && r.NSG == pdu.StageFullFeature:
			return mark{shape: "tick", tone: toneGood, label: "logged in"}, true
		}
	}
	return mark{}, false
}

// sessions draws the states of each session.
func (t *timing) sessions(events []trace.Event) {
	tracks, order := map[string]*track{}, []string(nil)
	for i := range events {
		e := &events[i]
		if e.Kind != trace.KindSession || e.State == "" {
			continue
		}
		key := strconv.FormatUint(e.Session, 10)
		tr := t.group(tracks, &order, key, "session "+key, maxSessionTracks)
		if tr == nil {
			continue
		}
		switch e.Op {
		case "", "attempt", "attempt-failed":
			tr.state(e.At, sessionTone(e.State), pick(e.State == "closed" || e.State == "none", "", e.State))
		default:
			tr.mark(e.At, "diamond", toneWait, e.Op)
		}
	}
	t.collect(tracks, order)
}

func sessionTone(state string) tone {
	switch state {
	case "connected":
		return toneGood
	case "reconnecting":
		return toneBad
	case "closed", "none", "logging-off":
		return toneQuiet
	}
	return toneWait
}

// devices draws the states of each device in the stack. A device with several paths is as well as its best one.
func (t *timing) devices(events []trace.Event) {
	tracks, order := map[string]*track{}, []string(nil)
	blocked := map[string]map[uint64]bool{}
	for i := range events {
		e := &events[i]
		if e.Kind != trace.KindDevice || e.Device == "" {
			continue
		}
		tr := t.group(tracks, &order, e.Device, "device "+e.Device, maxDeviceTracks)
		if tr == nil {
			continue
		}
		paths := blocked[e.Device]
		if paths == nil {
			paths = map[uint64]bool{}
			blocked[e.Device] = paths
		}
		switch e.State {
		case "arrived", "unblocked", "blocked":
			paths[e.Session] = e.State == "blocked"
		case "removed":
			delete(paths, e.Session)
		default:
			tr.mark(e.At, "diamond", toneWait, e.State)
			continue
		}
		tone, label := deviceState(paths)
		tr.state(e.At, tone, label)
	}
	t.collect(tracks, order)
}

func deviceState(paths map[uint64]bool) (tone, string) {
	if len(paths) == 0 {
		return toneQuiet, ""
	}
	for _, blocked := range paths {
		if !blocked {
			return toneGood, "in the stack"
		}
	}
	return toneWait, "in the stack, no session"
}

// requests draws what the session manager did itself: answers from the cache, requests that waited, requests that failed.
func (t *timing) requests(events []trace.Event) {
	tr := track{name: "requests"}
	for i := range events {
		e := &events[i]
		if e.Kind != trace.KindRequest {
			continue
		}
		what := fmt.Sprintf("request %d %s ", e.Request, e.Op)
		switch e.State {
		case "served-from-cache":
			tr.mark(e.At, "diamond", toneGood, what+"answered from the cache")
		case "queued", "requeued":
			tr.mark(e.At, "up", toneWait, what+e.State)
		case "completed":
			if e.Err != "" {
				tr.mark(e.At, "cross", toneBad, what+"failed: "+e.Err)
			} else if e.Reason == "DEVICE-REMOVED" || e.Reason == "QUEUE-FULL" || e.Reason == "LOGGED-OUT" {
				tr.mark(e.At, "cross", toneBad, what+"failed: "+e.Reason)
			}
		}
	}
	if len(tr.marks) > 0 {
		t.tracks = append(t.tracks, tr)
	}
}
