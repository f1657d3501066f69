package simtarget

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// ActionError says why an action was not carried out.
type ActionError struct {
	// Index counts the actions of the call from 0.
	Index int
	// Reason says what was expected and what came.
	Reason string
}

// Error names the action and the reason.
func (e *ActionError) Error() string {
	return fmt.Sprintf("simtarget: action %d: %s", e.Index, e.Reason)
}

// Apply carries out actions in order and stops at the first that is not lawful. Errors are *ActionError, or ErrClosed.
func (a *Array) Apply(actions ...Action) error {
	for i := range actions {
		select {
		case <-a.done:
			return ErrClosed
		default:
		}
		act := &actions[i]
		verb, err := act.verb()
		if err == nil {
			a.recordAction(verb)
			err = a.apply(act)
		}
		if err != nil {
			return &ActionError{Index: i, Reason: err.Error()}
		}
	}
	return nil
}

// verb names the one field of an action that is set.
func (act *Action) verb() (string, error) {
	fields := []struct {
		name string
		set  bool
	}{
		{"login", act.Login != nil}, {"command", act.Command != nil}, {"text", act.Text != nil}, {"alter", act.Alter != nil},
		{"logout", act.Logout != nil}, {"clear", act.Clear != nil}, {"release", act.Release != nil}, {"async", act.Async != nil},
		{"ping", act.Ping != nil}, {"drop", act.Drop != nil}, {"window", act.Window != nil}, {"portal", act.Portal != nil},
		{"lun", act.LUN != nil}, {"policy", act.Policy != nil}, {"restart", act.Restart != nil},
		{"move", act.Move != nil}, {"owner", act.Owner != nil}, {"suspend", act.Suspend != nil}, {"alua", act.ALUA != nil},
		{"call", act.Call != nil},
	}
	verb := ""
	for _, f := range fields {
		if !f.set {
			continue
		}
		if verb != "" {
			return "", fmt.Errorf("both %s and %s are set, want one", verb, f.name)
		}
		verb = f.name
	}
	if verb == "" {
		return "", fmt.Errorf("nothing is set, want one field")
	}
	return verb, nil
}

func (a *Array) apply(act *Action) error {
	switch {
	case act.Login != nil, act.Command != nil, act.Text != nil, act.Logout != nil, act.Alter != nil:
		if !a.rules.add(act) {
			return fmt.Errorf("more than %d rules wait", rulesMax)
		}
	case act.Clear != nil:
		a.rules.clear(*act.Clear)
	case act.Release != nil:
		a.letGo(*act.Release)
	case act.Async != nil:
		a.sendAsync(*act.Async)
	case act.Ping != nil:
		a.ping(*act.Ping)
	case act.Drop != nil:
		a.drop(*act.Drop)
	case act.Window != nil:
		return a.setWindow(*act.Window)
	case act.Portal != nil:
		return a.setPortal(*act.Portal)
	case act.LUN != nil:
		return a.changeLUNs(*act.LUN)
	case act.Policy != nil:
		a.setPolicy(*act.Policy)
	case act.Restart != nil:
		a.restart(*act.Restart)
	case act.Move != nil:
		return a.movePortal(*act.Move)
	case act.Owner != nil:
		return a.changeOwner(*act.Owner)
	case act.Suspend != nil:
		return a.suspend(*act.Suspend)
	case act.ALUA != nil:
		return a.changeALUA(*act.ALUA)
	case act.Call != nil:
		return a.call(*act.Call)
	}
	return nil
}

func (e Ending) orFIN() Ending {
	if e == "" {
		return EndFIN
	}
	return e
}

// drop ends sessions, or one connection of each.
func (a *Array) drop(d Drop) {
	for _, s := range a.selected(d.Which) {
		if d.CID == nil {
			a.closeSession(s, d.How.orFIN(), reasonDropped)
			continue
		}
		s.mu.Lock()
		conns := s.chosen(d.CID)
		s.mu.Unlock()
		for _, c := range conns {
			a.closeConnection(s, c, d.How.orFIN(), reasonDropped)
		}
	}
}

// dropThrough ends the connections that came through a portal, all of them where it has no name. Sessions that have no other connection end
// with them, and so do those that wait for their initiator and began there.
func (a *Array) dropThrough(portal string, how Ending) {
	for _, s := range a.selected(Which{}) {
		s.mu.Lock()
		conns := slices.DeleteFunc(s.chosen(nil), func(c *connection) bool { return portal != "" && c.door.Name != portal })
		whole := len(conns) == len(s.conns) && (len(conns) > 0 || portal == "" || s.portal.Name == portal)
		s.mu.Unlock()
		if whole {
			a.closeSession(s, how, reasonDropped)
			continue
		}
		for _, c := range conns {
			a.closeConnection(s, c, how, reasonDropped)
		}
	}
}

// letGo goes on with held commands and responses.
func (a *Array) letGo(r Release) {
	for _, s := range a.selected(r.Which) {
		s.mu.Lock()
		held := slices.Clone(s.tasks.tasks)
		held = slices.DeleteFunc(held, func(k *task) bool {
			silent := k.rule != nil && k.rule.Silence
			return silent || k.phase != phaseHeld && k.phase != phaseAnswered
		})
		if r.Reverse {
			slices.Reverse(held)
		}
		if r.Next > 0 && r.Next < len(held) {
			held = held[:r.Next]
		}
		for _, k := range held {
			if s.closed {
				break
			}
			if k.phase == phaseAnswered {
				s.respond(k.conn, k)
				continue
			}
			s.begin(k.conn, k)
		}
		s.mu.Unlock()
	}
}

func (a *Array) setWindow(w Window) error {
	if w.Size < -1 || w.Size > windowMax {
		return fmt.Errorf("window %d, want -1 to %d", w.Size, windowMax)
	}
	for _, s := range a.selected(w.Which) {
		s.mu.Lock()
		s.order.fixed = w.Size
		for _, c := range s.conns {
			if w.Tell {
				s.tell(c)
			}
		}
		s.mu.Unlock()
	}
	return nil
}

func (a *Array) setPortal(p PortalState) error {
	if err := a.switchPortals(p); err != nil {
		return err
	}
	if p.Drop != "" {
		a.dropThrough(p.Name, p.Drop)
	}
	return nil
}

func (a *Array) switchPortals(p PortalState) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for _, known := range a.portals {
		if p.Name != "" && known.Name != p.Name {
			continue
		}
		found = true
		if p.Tag != nil {
			known.Tag = *p.Tag
		}
		if !p.Up && !p.Silent {
			a.shut(known)
		} else if err := a.open(known); err != nil {
			return fmt.Errorf("portal %s: %w", known.Name, err)
		}
		known.up, known.silent = p.Up, !p.Up && p.Silent
	}
	if !found {
		return fmt.Errorf("no portal %q", p.Name)
	}
	return nil
}

// changeLUNs changes a target's logical units, and tells of it.
func (a *Array) changeLUNs(l LUNChange) error {
	t := a.targets[0]
	if l.Target != "" {
		if t = a.target(l.Target); t == nil {
			return fmt.Errorf("no target %q", l.Target)
		}
	}
	if err := a.alterLUNs(t, l); err != nil {
		return err
	}
	if len(l.Add)+len(l.Remove) > 0 {
		a.reportLUNs(t, l.Report)
	}
	return nil
}

func (a *Array) alterLUNs(t *target, l LUNChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, spec := range l.Add {
		if err := t.put(spec); err != nil {
			return err
		}
	}
	for _, n := range l.Remove {
		t.units.Remove(scsi.LUNOf(n), false)
		t.close(n)
	}
	if l.Revision != "" || l.Serial != "" {
		d := t.disks[l.Number]
		if d == nil {
			return fmt.Errorf("no logical unit %d", l.Number)
		}
		if l.Revision != "" {
			d.SetRevision(l.Revision, false)
		}
		if l.Serial != "" {
			id := d.Identity()
			id.Serial, id.NAA = l.Serial, nil
			d.SetIdentity(id, false)
		}
	}
	if l.UnitAttention != 0 {
		t.units.Attention(scsi.ASC(l.UnitAttention))
	}
	return nil
}

func (a *Array) setPolicy(p Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Login != nil {
		a.profile.Login = *p.Login
	}
	if p.Session != nil {
		a.profile.Session = *p.Session
		a.staleTimeout.Store(int64(p.Session.StaleTimeout))
	}
	if p.Data != nil {
		a.profile.Data = *p.Data
	}
	if p.Failover != nil {
		fresh := *p.Failover
		a.profile.Failover = fresh
		a.failover.Store(&fresh)
	}
}

// restart forgets everything but the media.
func (a *Array) restart(r Restart) {
	how := r.How
	if how == "" {
		how = EndRST
	}
	if !r.KeepRules {
		a.rules.clear(Clear{})
	}
	for _, s := range a.selected(Which{}) {
		a.closeSession(s, how, reasonRestart)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.greeted)
	a.restarted = true
	a.table.next += restartTSIHStep
	for _, t := range a.targets {
		t.units.PowerCycle(scsi.PowerOnOrReset)
	}
	for _, c := range a.loggingIn() {
		c.end(how)
	}
}

// restartTSIHStep makes handles after a restart differ visibly from those before.
const restartTSIHStep = 0x0100

// loggingIn lists the connections that no session has, in order of arrival. The caller holds the lock.
func (a *Array) loggingIn() []*connection {
	var list []*connection
	for _, c := range a.connections {
		if !c.inSession.Load() {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y *connection) int { return int(x.ordinal) - int(y.ordinal) })
	return list
}
