package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
)

// checkContradictions reports knobs that are lawful one by one and make no sense together: what is set has to have an effect.
func (p *Profile) checkContradictions() error {
	for _, check := range []func() error{p.contradictingLogin, p.contradictingRedirect, p.contradictingSession, p.contradictingFailover} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Profile) contradictingLogin() error {
	chap := p.Login.CHAP
	asks := len(chap.Users) > 0
	switch {
	case !asks && chap.Own.Name != "":
		return wrong("login.chap.own", "contradiction: the array proves itself and asks for nothing: login.chap.users is empty")
	case !asks && chap.Optional:
		return wrong("login.chap.optional", "contradiction: authentication is optional and not asked for: login.chap.users is empty")
	case !asks && chap.OpenDiscovery:
		return wrong("login.chap.open_discovery", "contradiction: nothing is asked for anyway: login.chap.users is empty")
	case !asks && len(chap.OpenPortals) > 0:
		return wrong("login.chap.open_portals", "contradiction: nothing is asked for anyway: login.chap.users is empty")
	}
	return nil
}

func (p *Profile) contradictingRedirect() error {
	r := p.Login.Redirect
	if r.Mode == "" || r.Mode == RedirectNone {
		for _, f := range []struct {
			key string
			set bool
		}{
			{"from", len(r.From) > 0}, {"to", len(r.To) > 0}, {"pick", r.Pick != ""}, {"keep_first", r.KeepFirst},
			{"after_authentication", r.AfterAuthentication}, {"discovery", r.Discovery}, {"with_tag", r.WithTag}, {"omit_port", r.OmitPort},
		} {
			if f.set {
				return wrong("login.redirect."+f.key, "contradiction: it is set, and login.redirect.mode is none")
			}
		}
		return nil
	}
	to := func(portal Portal) bool {
		return slices.Contains(r.To, portal.Name) || len(r.To) == 0 && portal.Hidden
	}
	from := func(portal Portal) bool {
		return slices.Contains(r.From, portal.Name) || len(r.From) == 0 && !portal.Hidden
	}
	for _, portal := range p.Portals {
		if from(portal) && slices.ContainsFunc(p.Portals, func(other Portal) bool { return other.Name != portal.Name && to(other) }) {
			return nil
		}
	}
	return wrong("login.redirect", "contradiction: no portal is left to redirect to: list others in to, or hide some")
}

func (p *Profile) contradictingSession() error {
	s := p.Session
	limited := s.MaxPerTarget > 0 || s.MaxPerInitiator > 0 || s.MaxTotal > 0
	above := func(at string, value, limit int, other string) error {
		if value > 0 && limit > 0 && value > limit {
			return wrong(at, "contradiction: %d is more than %s, which is %d", value, other, limit)
		}
		return nil
	}
	for _, err := range []error{
		above("session.max_per_initiator", s.MaxPerInitiator, s.MaxPerTarget, "session.max_per_target"),
		above("session.max_per_initiator", s.MaxPerInitiator, s.MaxTotal, "session.max_total"),
		above("session.max_per_target", s.MaxPerTarget, s.MaxTotal, "session.max_total"),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case !limited && s.ExcessDelay > 0:
		return wrong("session.excess_delay", "contradiction: there is no limit on sessions that could be exceeded")
	case !limited && s.ExcessCountsStale:
		return wrong("session.excess_counts_stale", "contradiction: there is no limit on sessions")
	case s.ExcessDelay > 0 && s.OnExcess == ExcessKillOldest:
		return wrong("session.excess_delay", "contradiction: kill-oldest refuses nothing that could be delayed")
	case s.ExcessPoll > 0 && s.ExcessDelay == 0:
		return wrong("session.excess_poll", "contradiction: session.excess_delay is 0, so there is no time to look in")
	case s.ExcessPoll > 0 && s.ExcessDelay/s.ExcessPoll > pollsMax:
		return wrong("session.excess_poll", "%q is too often for session.excess_delay, want at most %d looks", s.ExcessPoll, pollsMax)
	case s.StrictPingLUN && s.PingInterval == 0:
		return wrong("session.strict_ping_lun", "contradiction: no pings are sent: session.ping_interval is 0")
	}
	return nil
}

// pollsMax bounds how often a login looks for a free place.
const pollsMax = 10000

// contradictingFailover reports what the failover knobs say against each other.
func (p *Profile) contradictingFailover() error {
	f := p.Failover
	switch {
	case f.ShutdownEvent != 0 && f.ShutdownEvent != 2 && f.ShutdownEvent != 3:
		return wrong("failover.shutdown_event", "%d, want 0, 2 or 3", f.ShutdownEvent)
	case len(f.ALUA.Groups) == 0 && f.ALUA.Explicit:
		return wrong("failover.alua.explicit", "contradiction: there are no target port groups")
	case len(f.ALUA.Groups) == 0 && f.ALUA.Transition > 0:
		return wrong("failover.alua.transition", "contradiction: there are no target port groups")
	}
	return nil
}

// refusing reports whether a status refuses a login.
func refusing(s Status) bool {
	class := iscsi.Status(s).Class()
	return class == iscsi.ClassInitiatorError || class == iscsi.ClassTargetError
}
