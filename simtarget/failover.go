package simtarget

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// failoverState is what a moving array remembers. The array's lock guards it, groups aside, which have one of their own.
type failoverState struct {
	suspended []suspension
	groups    *disk.PortGroups // nil without asymmetric access
}

// suspension is a Suspend that is in force.
type suspension struct {
	Suspend
	until time.Time // zero without an end
}

// answering is the portal that answers at another one's address. The caller holds the array's lock.
func (p *portal) answering() *portal {
	if p.behind != nil {
		return p.behind
	}
	return p
}

// unanswered reports whether a portal takes connections without answering.
func (a *Array) unanswered(p *portal) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.silent
}

// movePortal takes an address away from whoever answers there, and gives it to another portal when the silence is over.
func (a *Array) movePortal(m PortalMove) error {
	a.mu.Lock()
	from, to := a.portal(m.From), a.portal(m.To)
	switch {
	case from == nil:
		a.mu.Unlock()
		return fmt.Errorf("no portal %q", m.From)
	case m.To != "" && to == nil:
		a.mu.Unlock()
		return fmt.Errorf("no portal %q", m.To)
	}
	from.silent = true
	from.moves++
	move := from.moves
	a.mu.Unlock()
	a.dropThrough(m.From, EndSilent)
	if m.Silence <= 0 {
		a.arrive(from, to, m.Then, move)
		return nil
	}
	a.afterwards(m.Silence, func() { a.arrive(from, to, m.Then, move) })
	return nil
}

// arrive ends a move: the new owner answers, and ends what the old one has left. A later move takes the place of one that is under way.
func (a *Array) arrive(from, to *portal, then Ending, move int) {
	a.mu.Lock()
	if from.moves != move {
		a.mu.Unlock()
		return
	}
	from.silent = false
	if from.behind = to; to == from {
		from.behind = nil
	}
	var old []*connection
	for _, c := range a.connections {
		if c.door == from {
			old = append(old, c)
		}
	}
	a.mu.Unlock()
	if then == "" {
		return
	}
	slices.SortFunc(old, func(x, y *connection) int { return int(x.ordinal) - int(y.ordinal) })
	for _, c := range old {
		c.end(then)
	}
}

// changeOwner makes another portal serve a target.
func (a *Array) changeOwner(o OwnerChange) error {
	a.mu.Lock()
	t := a.targets[0]
	if o.Target != "" {
		t = a.target(o.Target)
	}
	p := a.portal(o.Portal)
	if t == nil || p == nil {
		a.mu.Unlock()
		return fmt.Errorf("target %q or portal %q is not there", o.Target, o.Portal)
	}
	t.owner = o.Portal
	a.mu.Unlock()
	if o.Drop == "" {
		return nil
	}
	for _, s := range a.selected(Which{Target: t.Name, Kind: "Normal"}) {
		if s.portal != p {
			a.closeSession(s, o.Drop, reasonMoved)
		}
	}
	return nil
}

// suspend begins or ends a time in which logins are refused.
func (a *Array) suspend(s Suspend) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Portal != "" && a.portal(s.Portal) == nil {
		return fmt.Errorf("no portal %q", s.Portal)
	}
	if s.Target != "" && a.target(s.Target) == nil {
		return fmt.Errorf("no target %q", s.Target)
	}
	if s.Status != 0 && !refusing(s.Status) {
		return fmt.Errorf("status 0x%04x, want one of class 2 or 3", uint16(s.Status))
	}
	f := &a.moving
	f.suspended = slices.DeleteFunc(f.suspended, func(old suspension) bool { return old.Portal == s.Portal && old.Target == s.Target })
	if s.Over {
		return nil
	}
	fresh := suspension{Suspend: s}
	if s.For > 0 {
		fresh.until = time.Now().Add(s.For)
	}
	f.suspended = append(f.suspended, fresh)
	return nil
}

// suspended refuses a login while its kind is suspended.
func (a *Array) suspended(l *login) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.moving.suspended {
		over := !s.until.IsZero() && !time.Now().Before(s.until)
		here := (s.Portal == "" || s.Portal == l.c.portal.Name || s.Portal == l.c.door.Name) &&
			(s.Target == "" || l.target != nil && s.Target == l.target.Name)
		if over || !here || l.discovery {
			continue
		}
		if decides, err := a.dev.LoginWho.suspended(); decides {
			return err
		}
		status := s.Status
		if status == 0 {
			status = a.profile.Login.SuspendedStatus
		}
		return refuse(iscsi.Status(status), "logins are suspended")
	}
	return nil
}

// accessStates are the states of the profile in the words of SPC.
var accessStates = map[ALUAState]scsi.AccessState{
	ALUAOptimized: scsi.ActiveOptimized, ALUANonOptimized: scsi.ActiveNonOptimized, ALUAStandby: scsi.Standby,
	ALUAUnavailable: scsi.Unavailable, ALUATransitioning: scsi.Transitioning,
}

// newPortGroups makes the target port groups of the profile: their target ports are those that sessions through the portals have.
func (a *Array) newPortGroups() (*disk.PortGroups, error) {
	policy := a.profile.Failover.ALUA
	if len(policy.Groups) == 0 {
		return nil, nil
	}
	config := disk.PortGroupsConfig{
		Implicit: true, Explicit: policy.Explicit, TransitionSeconds: byte(min(255, (policy.Transition+time.Second-1)/time.Second)),
	}
	for _, g := range policy.Groups {
		group := disk.PortGroup{ID: g.ID, State: accessStates[g.State], Preferred: g.Preferred}
		for _, name := range g.Portals {
			if port := a.relativePort(a.portal(name).Tag); !slices.Contains(group.Ports, port) {
				group.Ports = append(group.Ports, port)
			}
		}
		config.Groups = append(config.Groups, group)
	}
	return disk.NewPortGroups(config)
}

// relativePort numbers the target port that a portal group is: after its first portal. The caller holds the array's lock.
func (a *Array) relativePort(tag uint16) uint16 {
	for _, p := range a.portals {
		if p.Tag == tag {
			return uint16(p.index)
		}
	}
	return 0
}

// changeALUA gives a target port group another state, by way of transitioning where the profile has a time for that.
func (a *Array) changeALUA(c ALUAChange) error {
	groups, transition := a.moving.groups, a.failover.Load().ALUA.Transition
	state, known := accessStates[c.State]
	if !known {
		return fmt.Errorf("no asymmetric access state %q", c.State)
	}
	if groups == nil {
		return fmt.Errorf("the array has no target port groups")
	}
	now := state
	if transition > 0 {
		now = scsi.Transitioning
	}
	if !groups.SetState(c.Group, now, transition == 0) {
		return fmt.Errorf("no target port group %d", c.Group)
	}
	if transition > 0 {
		a.afterwards(transition, func() { groups.SetState(c.Group, state, true) })
	}
	return nil
}

// reportLUNs tells of a change of a target's logical unit inventory.
func (a *Array) reportLUNs(t *target, how LUNReport) {
	if how == "" {
		how = a.failover.Load().LUNChangesAs
	}
	if how == ReportAsync || how == ReportBoth {
		code := scsi.LUNsDataChanged
		a.sendAsync(Async{Which: Which{Target: t.Name, Kind: "Normal"}, Event: pdu.AsyncSCSI,
			Sense: SenseCode{Key: byte(scsi.UnitAttention), Code: byte(code >> 8), Qualifier: byte(code)}})
	}
	if how == ReportAttention || how == ReportBoth {
		t.units.Attention(scsi.LUNsDataChanged)
	}
}

// announceEnd tells a session that its connections, or all of it, will end because the array does. It returns the connections that were told.
func (s *session) announceEnd(event int) []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || event == 0 {
		return nil
	}
	for _, c := range s.conns {
		s.async(c, Async{Event: pdu.AsyncEvent(event)})
	}
	return slices.Clone(s.conns)
}
