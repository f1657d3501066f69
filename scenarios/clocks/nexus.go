package clocks

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// followedWithin is how soon after a redirection a connection counts as its following, where the initiator does not tell.
const followedWithin = time.Second

// wireSessions puts sessions together from logins: connections of one I_T nexus are one session. A login under another ISID counts for the
// session that is down where there is but one of the initiator and the target, and so does a connection that came to no login.
func wireSessions(events []trace.Event, dials []Dial) []*Session {
	n := &nexuses{last: end(events), blind: blindTimes(events), far: !slices.ContainsFunc(events, func(e trace.Event) bool {
		return e.Kind == trace.KindDial && e.Node == trace.NodeInitiator
	})}
	for _, d := range dials {
		n.take(d)
	}
	for _, s := range n.sessions {
		s.loseAt(n.last) // a loss that nothing followed
		for i := range s.Outages {
			s.Outages[i].Far = n.far
		}
	}
	return n.sessions
}

type nexuses struct {
	sessions []*Session
	names    []nexus // of the sessions, in the same order
	blind    blinds
	far      bool // nobody saw what the initiator dialled
	last     time.Duration
}

type nexus struct {
	initiator, target, kind string
	isid                    iscsi.ISID
}

func nexusOf(d Dial) nexus {
	name, _ := d.Key(text.KeyInitiatorName)
	target, _ := d.Key(text.KeyTargetName)
	kind, _ := d.Key(text.KeySessionType)
	return nexus{initiator: name, target: target, kind: cmp.Or(kind, "Normal"), isid: d.ISID()}
}

// take finds the session that a connection is for, and puts it there.
func (n *nexuses) take(d Dial) {
	// An initiator may have dialled anew before the end of its connection was recorded, which it had noticed.
	asOf := d.At
	if len(d.Requests) > 0 {
		asOf = d.Requests[0].At
	}
	for _, s := range n.sessions {
		s.loseAt(asOf)
	}
	s := n.find(d)
	switch {
	case s != nil:
		s.attempt(d, n.blind)
	case LoggedIn(d):
		x := nexusOf(d)
		s := &Session{Name: fmt.Sprintf("%s, ISID %s, %s", x.initiator, x.isid, cmp.Or(x.target, "discovery")), Initiator: x.initiator, Target: x.target,
			Portal: d.Portal, Opened: d.At, Left: -1, Dials: []Dial{d}, End: n.last}
		n.sessions, n.names = append(n.sessions, s), append(n.names, x)
	}
}

// find gives the session that a connection is for, or nil.
func (n *nexuses) find(d Dial) *Session {
	var down, strange []*Session
	for i, s := range n.sessions {
		if len(d.Requests) > 0 {
			x := nexusOf(d)
			if x == n.names[i] {
				switch {
				case s.down() != nil:
					return s
				case s.Left >= 0: // another life under the same name
					n.names[i] = nexus{}
				case d.Requests[0].PDU.TSIH == 0: // its initiator has lost what seems to stand, and nobody saw when
					s.lose(s.Dials[len(s.Dials)-1], d.At)
					s.down().Blind = true
					return s
				}
				continue
			}
			if x.isid = n.names[i].isid; x != n.names[i] {
				continue
			}
		} else if !s.knows(d.Portal) {
			if s.down() != nil {
				strange = append(strange, s)
			}
			continue
		}
		if s.down() != nil {
			down = append(down, s)
		}
	}
	if len(down) == 0 { // a place that nobody was seen to be sent to
		down = strange
	}
	if len(down) == 1 {
		return down[0]
	}
	for _, s := range down { // it may be any one's
		s.down().Blind = true
	}
	return nil
}

// down gives the outage that goes on, or nil.
func (s *Session) down() *Outage {
	if n := len(s.Outages); n > 0 && s.Outages[n-1].Back < 0 && s.Outages[n-1].Left < 0 {
		return &s.Outages[n-1]
	}
	return nil
}

// knows tells whether a session was ever at a portal, or sent there.
func (s *Session) knows(portal string) bool {
	for _, d := range s.Dials {
		to, _ := d.Answered(text.KeyTargetAddress)
		if d.Portal == portal || to == portal {
			return true
		}
	}
	return false
}

// loseAt begins an outage when the session's connection has ended before an instant and its user did not ask for that.
func (s *Session) loseAt(at time.Duration) {
	if s.down() != nil || s.Left >= 0 {
		return
	}
	d := s.Dials[len(s.Dials)-1]
	ended := d.Closed
	for _, sooner := range []time.Duration{loggedOut(d), d.Shut} { // some keep the connection until they have the next
		if sooner >= 0 && (ended < 0 || sooner < ended) {
			ended = sooner
		}
	}
	if ended < 0 || ended > at {
		return
	}
	if left := leftByUser(d); left >= 0 {
		s.Left = left
		return
	}
	s.lose(d, ended)
}

// lose begins an outage.
func (s *Session) lose(d Dial, at time.Duration) {
	o := Outage{Lost: at, Wait: waitAfter(d), Back: -1, Left: -1, Event: d.Event, Before: AttemptOf(d)}
	if n := len(s.Outages); n > 0 { // the attempt may have begun at another portal
		if done := s.Outages[n-1].Attempts; len(done) > 0 {
			o.Before = done[len(done)-1]
		}
	}
	s.Outages = append(s.Outages, o)
}

// attempt takes a connection of a session that is down.
func (s *Session) attempt(d Dial, blind blinds) {
	o := s.down()
	if o.Lost > d.At && len(o.Attempts) == 0 {
		o.Lost = d.At
	}
	from := o.Before.At
	if n := len(o.Attempts); n > 0 {
		from = o.Attempts[n-1].At
	}
	o.Blind = o.Blind || blind.touch(from, d.At)
	s.Dials = append(s.Dials, d)
	if n := len(o.Attempts); n > 0 && follows(o.Attempts[n-1], d) {
		o.Attempts[n-1].join(d)
	} else {
		o.Attempts = append(o.Attempts, AttemptOf(d))
	}
	if LoggedIn(d) {
		o.Back = d.FullFeature
	}
}

// follows tells whether a connection is where the latest login of an attempt was sent.
func follows(a Attempt, d Dial) bool {
	last := a.Dials[len(a.Dials)-1]
	return last.Redirected() && d.At-last.Responses[len(last.Responses)-1].At <= followedWithin
}
