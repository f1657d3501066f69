package simtarget

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/internal/profiles"
)

// scriptPause is the shortest time between two repetitions of a step.
const scriptPause = 100 * time.Millisecond

// ParseScript reads the steps of a failover script from YAML: a list, in the words of Step. What it names is looked at when an array is made
// of a profile that has it. Errors are *ProfileError.
func ParseScript(name string, data []byte) (Script, error) {
	var s Script
	err := profiles.Decode(data, &s)
	if err != nil {
		return nil, yamlError(name, data, err)
	}
	return s, nil
}

// YAML prints the script. ParseScript reads the same from it.
func (s Script) YAML() ([]byte, error) {
	var b bytes.Buffer
	err := yaml.NewEncoder(&b, yaml.IndentSequence(true)).Encode(s)
	return b.Bytes(), err
}

// title is what a step is called.
func (s Script) title(i int) string {
	if s[i].Name != "" {
		return s[i].Name
	}
	return fmt.Sprint(i + 1)
}

func (p *Profile) checkFailover() error {
	f := p.Failover
	if err := oneOf("failover.lun_changes_as", f.LUNChangesAs, ReportNone, ReportAttention, ReportAsync, ReportBoth); err != nil {
		return err
	}
	if err := p.checkALUA(); err != nil {
		return err
	}
	if len(f.Script) > stepsMax {
		return wrong("failover.script", "%d steps, want at most %d", len(f.Script), stepsMax)
	}
	for i := range f.Script {
		if err := p.checkStep(fmt.Sprintf("failover.script[%d]", i), i); err != nil {
			return err
		}
	}
	return nil
}

func (p *Profile) checkALUA() error {
	groups := p.Failover.ALUA.Groups
	if len(groups) > aluaGroupsMax {
		return wrong("failover.alua.groups", "%d target port groups, want at most %d", len(groups), aluaGroupsMax)
	}
	taken := map[string]bool{}
	for i, g := range groups {
		at := fmt.Sprintf("failover.alua.groups[%d]", i)
		switch {
		case g.ID == 0:
			return wrong(at+".id", "0, want 1 to 65535")
		case slices.ContainsFunc(groups[:i], func(other ALUAGroup) bool { return other.ID == g.ID }):
			return wrong(at+".id", "target port group %d twice", g.ID)
		case len(g.Portals) == 0:
			return wrong(at, "target port group %d has no portals", g.ID)
		}
		if err := checkALUAState(at+".state", g.State); err != nil {
			return err
		}
		if err := p.checkPortalNames(at+".portals", g.Portals); err != nil {
			return err
		}
		for _, name := range g.Portals {
			if taken[name] {
				return wrong(at+".portals", "portal %q is in two target port groups", name)
			}
			taken[name] = true
		}
	}
	return p.checkALUATags()
}

// checkALUATags holds portals of one portal group, which are one target port (RFC 7143, Section 4.4.1), to one target port group.
func (p *Profile) checkALUATags() error {
	group := map[uint16]uint16{}
	for i, portal := range p.Portals {
		id := uint16(0)
		for _, g := range p.Failover.ALUA.Groups {
			if slices.Contains(g.Portals, portal.Name) {
				id = g.ID
			}
		}
		if other, known := group[portal.Tag]; known && other != id {
			return wrong(fmt.Sprintf("portals[%d].tag", i),
				"contradiction: portals of portal group %d are one target port, and are in different target port groups", portal.Tag)
		}
		group[portal.Tag] = id
	}
	return nil
}

func checkALUAState(at string, s ALUAState) error {
	return oneOf(at, s, ALUAOptimized, ALUANonOptimized, ALUAStandby, ALUAUnavailable, ALUATransitioning)
}

// checkStep looks at one step: when it happens, and that what it does is possible.
func (p *Profile) checkStep(at string, i int) error {
	script := p.Failover.Script
	s := script[i]
	switch {
	case s.Logins > 0 && s.OnCall:
		return wrong(at+".on_call", "contradiction: the step waits for a number of logins and for a call, want one")
	case s.Logins < 0 || s.Logins > 1<<30:
		return wrong(at+".logins", "%d, want 1 or more", s.Logins)
	case s.After < 0 || s.After > 30*24*time.Hour:
		return wrong(at+".after", "%q, want 0s to 720h", s.After)
	case s.Every != 0 && s.Every < scriptPause:
		return wrong(at+".every", "%q, want %s or more", s.Every, scriptPause)
	case s.Times < 0 || s.Times > 0 && s.Every == 0:
		return wrong(at+".times", "contradiction: times without every")
	case len(s.Do) == 0:
		return wrong(at, "the step does nothing: do is empty")
	case len(s.Do) > stepActionsMax:
		return wrong(at+".do", "%d actions, want at most %d", len(s.Do), stepActionsMax)
	}
	for j := range i {
		if script.title(j) == script.title(i) {
			return wrong(at+".name", "two steps are named %q", script.title(i))
		}
	}
	for j := range s.Do {
		if err := p.checkAction(fmt.Sprintf("%s.do[%d]", at, j), &s.Do[j]); err != nil {
			return err
		}
	}
	return nil
}

// checkAction looks whether the names in an action of a script exist.
func (p *Profile) checkAction(at string, act *Action) error {
	verb, err := act.verb()
	if err != nil {
		return wrong(at, "%v", err)
	}
	at += "." + verb
	portals, targets := act.names()
	for _, n := range portals {
		if n.name == "" && n.optional {
			continue
		}
		if err := p.checkPortalName(at+"."+n.key, n.name); err != nil {
			return err
		}
	}
	for _, n := range targets {
		if err := p.checkTargetName(at+"."+n.key, n.name); err != nil {
			return err
		}
	}
	return p.checkActionValues(at, act)
}

// checkActionValues looks at what an action of a script says beside names.
func (p *Profile) checkActionValues(at string, act *Action) error {
	endings := []Ending{"", EndFIN, EndRST, EndAsync, EndSilent}
	switch {
	case act.Policy != nil:
		return wrong(at, "a script cannot replace the policies that it is part of")
	case act.Call != nil:
		called := slices.IndexFunc(p.Failover.Script, func(s Step) bool { return s.Name == act.Call.Step && s.OnCall })
		if called < 0 {
			return wrong(at+".step", "no step %q that waits for a call", act.Call.Step)
		}
		if p.Failover.Script[called].After < scriptPause {
			return wrong(at+".step", "step %q follows at once, want %s or more of after, lest steps call each other without end",
				act.Call.Step, scriptPause)
		}
	case act.Drop != nil:
		return oneOf(at+".how", act.Drop.How, endings...)
	case act.Portal != nil:
		return oneOf(at+".drop", act.Portal.Drop, endings...)
	case act.Move != nil:
		if act.Move.Silence < 0 {
			return wrong(at+".silence", "%q, want 0s or more", act.Move.Silence)
		}
		return oneOf(at+".then", act.Move.Then, "", EndFIN, EndRST)
	case act.Owner != nil:
		return oneOf(at+".drop", act.Owner.Drop, endings...)
	case act.Suspend != nil:
		if act.Suspend.Status != 0 && !refusing(act.Suspend.Status) {
			return wrong(at+".status", "status 0x%04x, want one of class 2 or 3", uint16(act.Suspend.Status))
		}
	case act.ALUA != nil:
		if !slices.ContainsFunc(p.Failover.ALUA.Groups, func(g ALUAGroup) bool { return g.ID == act.ALUA.Group }) {
			return wrong(at+".group", "no target port group %d", act.ALUA.Group)
		}
		return checkALUAState(at+".state", act.ALUA.State)
	case act.LUN != nil:
		return oneOf(at+".report", act.LUN.Report, "", ReportNone, ReportAttention, ReportAsync, ReportBoth)
	}
	return nil
}

// namedAt is a name that an action mentions, and where.
type namedAt struct {
	key, name string
	optional  bool
}

// names lists the portals and targets that an action mentions.
func (act *Action) names() (portals, targets []namedAt) {
	which := func(w Which) {
		portals, targets = append(portals, namedAt{"which.portal", w.Portal, true}), append(targets, namedAt{"which.target", w.Target, true})
	}
	switch {
	case act.Login != nil:
		which(act.Login.Which)
	case act.Command != nil:
		which(act.Command.Which)
	case act.Text != nil:
		which(act.Text.Which)
	case act.Logout != nil:
		which(act.Logout.Which)
	case act.Async != nil:
		which(act.Async.Which)
	case act.Drop != nil:
		which(act.Drop.Which)
	case act.Ping != nil:
		which(act.Ping.Which)
	case act.Portal != nil:
		portals = append(portals, namedAt{"name", act.Portal.Name, true})
	case act.LUN != nil:
		targets = append(targets, namedAt{"target", act.LUN.Target, true})
	case act.Move != nil:
		portals = append(portals, namedAt{"from", act.Move.From, false}, namedAt{"to", act.Move.To, true})
	case act.Owner != nil:
		portals = append(portals, namedAt{"portal", act.Owner.Portal, false})
		targets = append(targets, namedAt{"target", act.Owner.Target, true})
	case act.Suspend != nil:
		portals = append(portals, namedAt{"portal", act.Suspend.Portal, true})
		targets = append(targets, namedAt{"target", act.Suspend.Target, true})
	}
	return portals, targets
}
