package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// turnedAway refuses what the profile's list refuses, in the shape of the first entry that fits.
func (l *login) turnedAway() error {
	for _, r := range l.array.loginPolicy().Refuse {
		target := ""
		if l.target != nil {
			target = l.target.Name
		}
		fits := r.Discovery == l.discovery && (r.Initiator == "" || r.Initiator == l.initiator) &&
			(r.Target == "" || r.Target == target) && (r.Portal == "" || r.Portal == l.c.portal.Name)
		if fits {
			return r.With.refusal("the array refuses such logins")
		}
	}
	return nil
}

// refusal makes the end of a login in this shape.
func (e Excess) refusal(reason string) error {
	status, isStatus := e.status()
	switch {
	case isStatus:
		return refuse(status, "%s", reason)
	case e == ExcessRST:
		return &vanished{how: EndRST, reason: reason}
	case e == ExcessFIN:
		return &vanished{how: EndFIN, reason: reason}
	case e == ExcessSilent:
		return &vanished{how: EndSilent, reason: reason}
	}
	return refuse(iscsi.StatusOutOfResources, "%s", reason)
}

// strict refuses what some arrays do not take although others do.
func (l *login) strict(q *pdu.LoginRequest, first bool) error {
	policy := l.array.loginPolicy()
	switch {
	case q.Continue && !policy.AcceptContinue:
		return refuse(iscsi.StatusTargetError, "C bit in a Login Request")
	case first && policy.SecurityFirst && q.CSG != pdu.StageSecurity:
		return refuse(iscsi.StatusAuthenticationFailure, "the login begins behind the security stage")
	case !first && policy.StrictNumbers && q.CmdSN != l.cmdSN:
		return refuse(iscsi.StatusInitiatorError, "CmdSN 0x%08x, want 0x%08x", q.CmdSN, l.cmdSN)
	case !first && policy.StrictNumbers && q.ExpStatSN != l.c.statSN:
		return refuse(iscsi.StatusInitiatorError, "ExpStatSN 0x%08x, want 0x%08x", q.ExpStatSN, l.c.statSN)
	}
	return nil
}

// takeTurn waits until no other login goes on at the portal, where the profile takes one at a time. It reports whether the connection is
// still there.
func (l *login) takeTurn() bool {
	if !l.array.loginPolicy().SerialPerPortal {
		return true
	}
	l.c.paused.Store(true) // what came meanwhile lies ready
	select {
	case l.c.door.turn <- struct{}{}:
		l.turn = true
		return true
	case <-l.c.gone:
		return false
	}
}

// passTurn lets the next login go on.
func (l *login) passTurn() {
	if l.turn {
		l.turn = false
		<-l.c.door.turn
	}
}

// hostLocked reports whether a connection comes from another host than the one that has the array for itself, and gives the array to a first
// one. The caller holds the array's lock.
func (a *Array) hostLocked(remote string) bool {
	if !a.profile.Session.HostLock {
		return false
	}
	if a.hostLock == "" {
		a.hostLock = host(remote)
	}
	return a.hostLock != host(remote)
}

// unlockHost frees the array for other hosts when the last session has logged out.
func (a *Array) unlockHost(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hostLock != "" && reason == reasonLogout && len(a.table.sessions) == 0 {
		a.hostLock = ""
	}
}
