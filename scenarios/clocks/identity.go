package clocks

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Identity judges that each session stays the one it is, whatever becomes of its connections: its local ID begins with a login, is never
// given twice and never replaced by another while the session lives; its ISID stays (unless the terms say otherwise), so that a login takes the place of the
// lost session instead of leaving it behind; and every login that is to do so has TSIH 0 (RFC 7143, Section 6.3.5). Each session leaves a finding.
func Identity(sessions []*Session, t Terms) []scenarios.Finding {
	var findings []scenarios.Finding
	for _, s := range sessions {
		findings = append(findings, s.identity(t))
	}
	return append(findings, taken(sessions)...)
}

func (s *Session) identity(t Terms) scenarios.Finding {
	if s.Local() {
		if len(s.states) == 0 {
			return say(false, s.Name, "the session ID", "one that a login has brought", "one that only its devices show", s.Devices...)
		}
		if first := s.states[0]; first.Was != stateNone || first.State != stateConnecting && first.State != stateReconnecting {
			return say(false, s.Name, "the session ID", "one that a login has brought", fmt.Sprintf("one that appears %s after %q", first.State, first.Was), first)
		}
		for i, e := range s.states {
			if i > 0 && e.State == stateConnecting && s.states[i-1].State == stateClosed {
				return say(false, s.Name, "the session ID", "one that is not given again", "another login under it", s.states[i-1], e)
			}
		}
	}
	logins := 0
	var isid *iscsi.ISID
	for _, d := range s.logins() {
		for _, q := range d.Requests {
			if q.PDU.TSIH != 0 {
				return say(false, s.Name, "TSIH in the Login Requests of a new session", "0", fmt.Sprintf("0x%04x at %v", q.PDU.TSIH, q.At), q.Event)
			}
			if isid == nil {
				isid = new(iscsi.ISID(q.PDU.ISID))
			} else if *isid != iscsi.ISID(q.PDU.ISID) && !t.FreshISID {
				return say(false, s.Name, "ISID", isid.String(), fmt.Sprintf("%s at %v", iscsi.ISID(q.PDU.ISID), q.At), q.Event)
			}
		}
		logins++
	}
	return say(true, s.Name, "identity", "", fmt.Sprintf("constant over %d losses and %d connections with logins", len(s.Outages), logins))
}

// logins are the connections that brought a session, or were to: not those that were added to it.
func (s *Session) logins() []Dial {
	var dials []Dial
	if len(s.Dials) > 0 {
		dials = append(dials, s.Dials[0])
	}
	for _, o := range s.Outages {
		for _, a := range o.Attempts {
			dials = append(dials, a.Dials...)
		}
	}
	return dials
}

// taken finds sessions whose place, the I_T nexus, another one has taken while they lived.
//
// Sessions of one initiator may share an ISID before different portal groups (Section 4.4.3).
func taken(sessions []*Session) []scenarios.Finding {
	type place struct {
		nexus
		group string
	}
	type holder struct {
		s  *Session
		by trace.Event
	}
	holders := map[place]holder{}
	var findings []scenarios.Finding
	for _, s := range sessions {
		if !s.Local() {
			continue
		}
		for _, d := range s.logins() {
			if !LoggedIn(d) {
				continue
			}
			group, _ := d.Answered(text.KeyTargetPortalGroupTag)
			p := place{nexusOf(d), group}
			if h, held := holders[p]; held && h.s != s && h.s.lives(d.At) {
				findings = append(findings, say(false, s.Name, "the place of "+h.s.Name, "left to it while it lives", fmt.Sprintf("taken at %v", d.At), h.by, d.Event))
			}
			holders[p] = holder{s, d.Event}
		}
	}
	return findings
}

// lives tells whether a session's user had not ended it by then.
func (s *Session) lives(at time.Duration) bool { return s.Opened <= at && (s.Left < 0 || s.Left > at) }
