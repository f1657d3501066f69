package cuts

import (
	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// failed are the outcomes of an operation that a cut ended: clear ones, none of them a success.
var failed = []string{sessions.Unreachable, sessions.LoginFailed, sessions.Timeout, sessions.TransportLost}

// orFailed are outcomes with those of a cut.
func orFailed(outcomes ...string) []string { return append(outcomes, failed...) }

// judgeLogin: a first login succeeds, or fails and leaves nothing behind (C3). The place is free then, and taken otherwise.
func judgeLogin(l *laws, r *sessions.Run) {
	l.was(r, stake, orFailed(sessions.OK)...)
	if id := r.Session(stake); id != 0 {
		if l.was(r, again, sessions.Exists) && r.Op(again).Session != id {
			l.broke("the second login is told of session %d: want %d", r.Op(again).Session, id)
		}
		l.keeps(r, stake)
		if own := isids(r); len(own) != 1 {
			l.broke("the session logged in under the ISIDs %v: want one", own)
		}
	} else if l.was(r, again, sessions.OK) {
		l.keeps(r, again)
	}
	l.ended(r, awake)
	l.was(r, alive, sessions.Good)
	l.count(r, 1)
	l.was(r, off, sessions.OK)
}

// judgeDiscovery: what was told is right, a session that is cut is not re-established (C8), and a second one tells all.
func judgeDiscovery(l *laws, r *sessions.Run) {
	l.was(r, stake, orFailed(sessions.OK)...)
	want := l.reference(r, against)
	if told := r.Op(act); told.Outcome == sessions.OK && !sameRows(told, want) && !l.blind {
		l.broke("SendTargets told %v: want %v", targets(told), targets(want))
	}
	if l.was(r, again, sessions.OK) && l.was(r, against, sessions.OK) && !sameRows(r.Op(against), want) {
		l.broke("SendTargets told %v in the end: want %v", targets(r.Op(against)), targets(want))
	}
	l.count(r, 1)
}

// judgeRead: the read ends well, with the right bytes, through the same session.
func judgeRead(l *laws, r *sessions.Run) {
	if !l.was(r, stake, sessions.OK) {
		return
	}
	l.moved(r, act)
	l.ended(r, probe)
	l.ended(r, awake)
	l.was(r, alive, sessions.Good)
	l.keeps(r, stake)
	there := 1
	if r.Session(first) != 0 {
		l.keeps(r, first)
		there++
	}
	l.count(r, there)
	if own := isids(r); len(own) != there {
		l.broke("%d sessions logged in under the ISIDs %v", there, own)
	}
}

// judgeWrite: the write ends well, and what was acknowledged is there.
func judgeWrite(l *laws, r *sessions.Run) {
	if !l.was(r, stake, sessions.OK) {
		return
	}
	if l.ended(r, act) {
		l.moved(r, back)
	}
	l.ended(r, awake)
	l.was(r, alive, sessions.Good)
	l.keeps(r, stake)
	l.count(r, 1)
	if own := isids(r); len(own) != 1 {
		l.broke("the session logged in under the ISIDs %v: want one", own)
	}
}

// judgeLogout: the session is gone whatever became of the Logout Request, its request has ended, and its place is free for a session with another ID.
func judgeLogout(l *laws, r *sessions.Run) {
	if !l.was(r, stake, sessions.OK) {
		return
	}
	l.was(r, act, orFailed(sessions.OK)...)
	if r.Op(probe).Outcome != sessions.LoggedOut {
		l.moved(r, probe)
	}
	if rows := r.Op(listing).Sessions(); len(rows) != 0 {
		l.broke("%d sessions are listed after the logoff: want none", len(rows))
	}
	if !l.was(r, again, sessions.OK) {
		return
	}
	if r.Session(again) == r.Session(stake) {
		l.broke("the new session has the old one's ID %d", r.Session(stake))
	}
	l.ended(r, awake)
	l.was(r, alive, sessions.Good)
	l.keeps(r, again)
	l.count(r, 1)
}

// judgeClone: the second session comes about or fails, as the array has it, and the first one is none the worse for it.
func judgeClone(l *laws, r *sessions.Run) {
	if !l.was(r, first, sessions.OK) {
		return
	}
	want := l.reference(r, again)
	l.was(r, stake, orFailed(sessions.OK)...)
	l.was(r, again, want.Outcome)
	listed := 1
	for _, label := range []string{stake, again} {
		if r.Session(label) != 0 {
			l.keeps(r, label)
			listed++
		}
	}
	l.ended(r, probe)
	l.ended(r, awake)
	l.was(r, alive, sessions.Good)
	l.keeps(r, first)
	l.count(r, listed)
}

// targets are the names and addresses that a SendTargets brought.
func targets(o sessions.OpRun) []string {
	var all []string
	for _, row := range o.Rows {
		name, _ := row.Attr("target")
		addresses, _ := row.Attr("addresses")
		all = append(all, name+" "+addresses)
	}
	return all
}

func sameRows(a, b sessions.OpRun) bool {
	x, y := targets(a), targets(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}
