package simtarget

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// rulesMax bounds the rules of one kind that wait.
const rulesMax = 4096

// waiting is a rule with what is left of it.
type waiting[R any] struct {
	rule *R
	skip int
	left int // matches it still applies to; negative for ever
}

func wait[R any](rule *R, t Times) *waiting[R] {
	w := &waiting[R]{rule: rule, skip: t.Skip, left: t.Next}
	if w.left == 0 {
		w.left = 1
	}
	return w
}

// rules are what scenarios have in mind for events to come. Their lock is taken last and held for the look-up only.
type rules struct {
	altering, commanding atomic.Bool // there are rules of the kind: looked at without the lock

	mu      sync.Mutex
	login   []*waiting[LoginRule]
	command []*waiting[CommandRule]
	text    []*waiting[TextRule]
	logout  []*waiting[LogoutRule]
	alter   []*waiting[AlterRule]
}

// first finds the first rule that takes the event, counts it down, and removes it when it is used up.
func first[R any](list *[]*waiting[R], takes func(*R) bool) *R {
	for i, w := range *list {
		if !takes(w.rule) {
			continue
		}
		if w.skip > 0 {
			w.skip--
			continue
		}
		if w.left > 0 {
			w.left--
		}
		if w.left == 0 {
			*list = slices.Delete(*list, i, i+1)
		}
		return w.rule
	}
	return nil
}

// refresh notes which kinds there are. The caller holds the rules' lock.
func (r *rules) refresh() {
	r.altering.Store(len(r.alter) > 0)
	r.commanding.Store(len(r.command) > 0)
}

// add puts the rules of an action in and reports whether there was room.
func (r *rules) add(act *Action) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if max(len(r.login), len(r.command), len(r.text), len(r.logout), len(r.alter)) >= rulesMax {
		return false
	}
	switch {
	case act.Login != nil:
		r.login = append(r.login, wait(act.Login, act.Login.Times))
	case act.Command != nil:
		r.command = append(r.command, wait(act.Command, act.Command.Times))
	case act.Text != nil:
		r.text = append(r.text, wait(act.Text, act.Text.Times))
	case act.Logout != nil:
		r.logout = append(r.logout, wait(act.Logout, act.Logout.Times))
	case act.Alter != nil:
		r.alter = append(r.alter, wait(act.Alter, act.Alter.Times))
	}
	r.refresh()
	return true
}

func (r *rules) clear(c Clear) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := c == Clear{}
	if all || c.Login {
		r.login = nil
	}
	if all || c.Command {
		r.command = nil
	}
	if all || c.Text {
		r.text = nil
	}
	if all || c.Logout {
		r.logout = nil
	}
	if all || c.Alter {
		r.alter = nil
	}
	r.refresh()
}

// loginRuleAtConnect finds the rule for a connection of which only the portal is known.
func (a *Array) loginRuleAtConnect(portal string) *LoginRule {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return first(&a.rules.login, func(r *LoginRule) bool {
		return r.At == AtConnect && (r.Which.Portal == "" || r.Which.Portal == portal)
	})
}

// loginRule finds the rule for a login whose first text is complete.
func (a *Array) loginRule(target, portal, initiator string, isid iscsi.ISID, discovery bool) *LoginRule {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return first(&a.rules.login, func(r *LoginRule) bool {
		return r.At != AtConnect && r.Which.matchesNames(target, portal, initiator, isid, discovery)
	})
}

// commandRule finds the rule for a SCSI command. The caller holds the session's lock.
func (a *Array) commandRule(s *session, k *task) *CommandRule {
	if !a.rules.commanding.Load() {
		return nil
	}
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	defer a.rules.refresh()
	number, single := scsi.LUN(k.lun).Number()
	return first(&a.rules.command, func(r *CommandRule) bool {
		return r.Which.matches(s) && (r.LUN == nil || single && *r.LUN == number) &&
			(len(r.Opcodes) == 0 || slices.Contains(r.Opcodes, k.cdb[0]))
	})
}

func (a *Array) textRule(s *session) *TextRule {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return first(&a.rules.text, func(r *TextRule) bool { return r.Which.matches(s) })
}

func (a *Array) logoutRule(s *session) *LogoutRule {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return first(&a.rules.logout, func(r *LogoutRule) bool { return r.Which.matches(s) })
}

// alter passes a PDU on as the first rule for it says.
func (a *Array) alter(c *connection, out *outgoing) {
	op := out.bhs.Opcode()
	a.rules.mu.Lock()
	rule := first(&a.rules.alter, func(r *AlterRule) bool { return r.Opcode == op && r.Which.matches(c.session) })
	a.rules.refresh()
	a.rules.mu.Unlock()
	if rule == nil {
		c.out.put(*out)
		return
	}
	if rule.Data != nil {
		out.data = rule.Data
		out.bhs.SetDataSegmentLength(len(rule.Data))
	}
	for _, p := range rule.Patch {
		p.apply(out.bhs[:])
	}
	out.faults.wrongHeaderDigest = out.faults.wrongHeaderDigest || rule.WrongHeaderDigest
	out.faults.wrongDataDigest = out.faults.wrongDataDigest || rule.WrongDataDigest
	for range rule.Repeat {
		again := *out
		again.buffer, again.end = nil, ""
		again.data = slices.Clone(out.data)
		c.out.put(again)
	}
	switch {
	case rule.Omit && rule.Then != "":
		out.buffer.release()
		c.end(rule.Then)
	case rule.Omit:
		out.buffer.release()
	case rule.Then != "":
		c.endAfter(*out, rule.Then)
	default:
		c.out.put(*out)
	}
}

// apply overwrites the bytes that fit.
func (p Patch) apply(header []byte) {
	if p.Offset >= 0 && p.Offset < len(header) {
		copy(header[p.Offset:], p.Bytes)
	}
}
