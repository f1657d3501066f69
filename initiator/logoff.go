package initiator

import (
	"context"
	"time"
)

// logOff begins the session's end for its user; reply is called when it is over.
func (s *managedSession) logOff(reply func(error)) {
	if s.state == StateClosed {
		reply(nil)
		return
	}
	s.logoffs = append(s.logoffs, reply)
	if s.ending || s.state == StateReconnecting && s.m.dev.Reconnect.LogoffWaitsForReturn {
		return
	}
	s.beginEnd("logoff")
}

// beginEnd ends the session, whatever it is doing: a login in progress is broken off, what waits unsent fails at once,
// and a connection in use is logged out. What the target completes before its Logout Response still counts.
func (s *managedSession) beginEnd(reason string) {
	s.ending, s.ready = true, false
	giveUp := s.endScan()
	s.failQueue(func(*pending) bool { return true }, ErrLoggedOut, s.m.dev.Queue.ForgetAtLogoff)
	if s.state != StateLoggingOff {
		s.become(StateLoggingOff, reason, nil)
	}
	for _, a := range s.attempts {
		if !s.m.dev.Reconnect.LogoffForgetsLoginInProgress {
			a.cancel()
		}
	}
	if s.m.dev.Reconnect.LogoffForgetsLoginInProgress {
		s.attempts = nil
	}
	if s.session != nil && !s.leaving {
		s.leaving = true
		go s.leave(s.session, s.abrupt, giveUp)
	} else {
		giveUp()
	}
	s.endIfIdle()
}

// leave logs out beside the owner, or closes the connection. The scan that was in progress is given up behind the Logout Request, so that none
// of its commands is aborted before it.
func (s *managedSession) leave(session *Session, abrupt bool, giveUpScan func()) {
	var err error
	if !abrupt {
		err = session.logoutAnd(context.Background(), giveUpScan)
	}
	session.Close()
	giveUpScan()
	<-session.Done()
	s.inbox.post(func() { s.left(err) })
}

// left takes the end of the logout. Whatever the target said or failed to say, the session is over.
func (s *managedSession) left(err error) {
	s.leaving, s.session = false, nil
	s.m.noteGone(s)
	if err != nil && s.m.dev.Paths.RemoveReconnects {
		s.reconnectAfterAll(err)
		return
	}
	s.endIfIdle()
}

// reconnectAfterAll lets a deviating initiator take the end of a logout for a loss.
func (s *managedSession) reconnectAfterAll(err error) {
	s.ending = false
	s.schedule.lost(time.Now(), 0)
	s.become(StateReconnecting, "connection lost", err)
	for _, reply := range s.logoffs {
		reply(nil)
	}
	s.logoffs = nil
}

// endIfIdle finishes a session whose end has begun once nothing of it is under way any more.
func (s *managedSession) endIfIdle() {
	if !s.ending || s.leaving || s.session != nil || len(s.attempts) > 0 || s.state == StateClosed {
		return
	}
	if s.flying > 0 && !s.m.dev.Logout.ForgetWaiters {
		return
	}
	s.finish(nil, "logged off")
}

// cancelFirst breaks off the first login because whoever asked for it waits no longer.
func (s *managedSession) cancelFirst(err error) {
	if s.firstLogin == nil || s.state == StateClosed {
		return
	}
	s.endFirstLogin(err)
	s.logOff(func(error) {})
}

// shutDown ends the session without a Logout Request, as when the process ends.
func (s *managedSession) shutDown(reason string) {
	if s.state == StateClosed {
		return
	}
	s.abrupt = true
	if s.leaving && s.session != nil {
		go s.session.Close() // A logout in progress is not waited for.
	}
	s.beginEnd(reason)
}
