package cuts

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// violationsMax is how many broken laws of one run are told.
const violationsMax = 8

// wire holds what the initiator puts on the wire against the rules that are true of any traffic.
var wire = monitor.OfSessions()

// crcError is the sense of a command that the target terminates for the data digest of a Data-Out (RFC 7143, Section 11.4.7.2): ABORTED COMMAND, PROTOCOL
// SERVICE CRC ERROR.
const crcError = "0b/47/05"

// laws holds one run to what must be so wherever a link is cut. It is a pure function of the run and of the run without cuts.
type laws struct {
	clean  *sessions.Run // the same story without cuts; nil when this is it
	loses  bool          // bytes vanish from a stream that lives on: a command may be left without an answer, and time out
	blind  bool          // and the stream has no digests: nobody can tell garbage from PDUs, so what is moved or answered meanwhile may be wrong
	deaf   bool          // the array hears nothing and goes on speaking, so the initiator sees a live link: a command may time out
	twice  bool          // there are two cuts
	broken []string
}

// broke notes a broken law.
func (l *laws) broke(format string, args ...any) {
	if len(l.broken) < violationsMax {
		l.broken = append(l.broken, fmt.Sprintf(format, args...))
	}
}

// common are the laws of every scenario.
func (l *laws) common(r *sessions.Run) {
	for _, trouble := range r.Trouble {
		if l.twice && slices.Contains(r.Late, trouble) {
			continue // the instants of the stories leave time for the mending of one cut
		}
		l.broke("the run hung or ran away: %s", trouble)
	}
	l.ends(r)
	l.completions(r)
	l.identities(r)
	if !l.loses && !l.blind { // else nobody can tell what the initiator was given to read
		for _, f := range wire(r.Events) {
			l.broke("%s: %s", f.Row, f.Reason)
		}
	}
	left := r.Op(left)
	if rows := left.Sessions(); left.Outcome != sessions.OK || len(rows) > 0 {
		l.broke("the last listing came to %s with %d sessions: want none", left.Outcome, len(rows))
	}
	for _, s := range r.ArraySessions() {
		if s.Closed < 0 {
			l.broke("a session of %v, ISID %s, TSIH %d, is still at the array in the end", s.Opened, s.ISID, s.TSIH)
		}
	}
}

// ends holds every op to exactly one end, with a clear outcome.
func (l *laws) ends(r *sessions.Run) {
	ends := map[uint64]int{}
	for _, e := range r.Events {
		if e.Kind == trace.KindOp && e.State == trace.OpEnd {
			ends[e.Request]++
		}
	}
	for _, o := range r.AllOps() {
		if n := ends[o.Began.Request]; n != 1 {
			l.broke("%s (%s) ended %d times", o.Label, o.Name, n)
		}
		if o.Is(sessions.Pending, "CANCELLED") || o.Is(sessions.Failed) && o.Session != 0 && o.Label != rest && !l.loses {
			l.broke("%s (%s) came to %s: %s", o.Label, o.Name, o.Outcome, o.Err)
		}
	}
}

// completions holds every request of the session manager, its own ones included, to one completion.
func (l *laws) completions(r *sessions.Run) {
	type request struct{ session, number uint64 }
	open := map[request]bool{}
	for _, e := range r.Events {
		if e.Kind != trace.KindRequest {
			continue
		}
		k := request{e.Session, e.Request}
		switch is, known := open[k]; {
		case e.State != sessions.RequestCompleted:
			if known && !is {
				l.broke("request %d of session %d is %s at %v, after it was completed", e.Request, e.Session, e.State, e.At)
			}
			open[k] = true
		case known && !is:
			l.broke("request %d of session %d was completed again at %v", e.Request, e.Session, e.At)
		default:
			open[k] = false
		}
	}
	for k, is := range open {
		if is {
			l.broke("request %d of session %d was never completed", k.number, k.session)
		}
	}
}

// identities holds each local session to one ISID, which no other has, at the array too.
func (l *laws) identities(r *sessions.Run) {
	known := map[uint64]string{}
	var all []string
	for _, label := range []string{listing, left} {
		for _, o := range r.Ops(label) {
			for _, row := range o.Sessions() {
				if was, is := known[row.ID]; is && was != row.ISID {
					l.broke("session %d has ISID %s and had %s", row.ID, row.ISID, was)
				} else if !is && row.Kind != "discovery" && slices.Contains(all, row.ISID) {
					l.broke("session %d has the ISID %s of another one", row.ID, row.ISID)
				}
				known[row.ID] = row.ISID
				all = append(all, row.ISID)
			}
		}
	}
}

// was expects an op to have ended with one of some outcomes.
func (l *laws) was(r *sessions.Run, label string, accepted ...string) bool {
	o := r.Op(label)
	if !o.Is(accepted...) {
		l.broke("%s (%s) came to %q %s %s: want %v", label, o.Name, o.Outcome, o.Status, o.Err, accepted)
		return false
	}
	return true
}

// reference is the op of the run without cuts; its own where this is it.
func (l *laws) reference(r *sessions.Run, label string) sessions.OpRun {
	if l.clean == nil {
		return r.Op(label)
	}
	return l.clean.Op(label)
}

// ended expects the end of a request through a link that was cut, and tells whether it is GOOD: it has to be unless bytes vanished or nobody notices the cut.
func (l *laws) ended(r *sessions.Run, label string) bool {
	if l.blind {
		return r.Op(label).Outcome == sessions.Good
	}
	accepted := []string{sessions.Good}
	if l.loses || l.deaf {
		accepted = append(accepted, sessions.Timeout)
	}
	if l.loses {
		accepted = append(accepted, sessions.Failed) // rejected for its data digest
		if o := r.Op(label); o.Is(sessions.CheckCondition) && o.Sense == crcError {
			return false
		}
	}
	return l.was(r, label, accepted...) && r.Op(label).Outcome == sessions.Good
}

// moved expects a read or write to have been GOOD and to have moved what the run without cuts did.
func (l *laws) moved(r *sessions.Run, label string) {
	if !l.ended(r, label) {
		return
	}
	got, want := r.Op(label), l.reference(r, label)
	if (got.Digest != want.Digest || got.Length != want.Length) && !l.blind {
		l.broke("%s moved %d bytes %s (%s): want %d bytes %s (%s)", label, got.Length, got.Digest, got.Head, want.Length, want.Digest, want.Head)
	}
}

// keeps expects a session to have been there from its login to the listing under one ID, with its devices, and connected in the end.
func (l *laws) keeps(r *sessions.Run, label string) {
	id := r.Session(label)
	if id == 0 {
		l.broke("%s is no session: %s %s", label, r.Op(label).Outcome, r.Op(label).Err)
		return
	}
	row, listed := lastOf(r, listing).SessionRow(id)
	switch {
	case !listed:
		l.broke("session %d (%s) is not in the listing", id, label)
	case row.State != sessions.StateConnected:
		l.broke("session %d (%s) is %s in the end, after %q", id, label, row.State, row.LastError)
	}
	for _, gone := range r.Devices(id, sessions.DeviceGone) {
		if gone.At < r.Op(off).Begin && !l.blind {
			l.broke("device %s of session %d left the stack at %v", gone.Device, id, gone.At)
		}
	}
}

// alone expects the listing before the logoff to show so many sessions.
func (l *laws) count(r *sessions.Run, want int) {
	if rows := lastOf(r, listing).Sessions(); len(rows) != want {
		l.broke("%d sessions are listed: want %d", len(rows), want)
	}
}

// lastOf is the latest op of a label.
func lastOf(r *sessions.Run, label string) sessions.OpRun {
	ops := r.Ops(label)
	if len(ops) == 0 {
		return r.Op(label)
	}
	return ops[len(ops)-1]
}

// isids gives the ISIDs of the Normal sessions that the array opened.
func isids(r *sessions.Run) []string {
	var found []string
	for _, s := range r.ArraySessions() {
		if s.Kind == "Normal" && !slices.Contains(found, s.ISID) {
			found = append(found, s.ISID)
		}
	}
	return found
}
