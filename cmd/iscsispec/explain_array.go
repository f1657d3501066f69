package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

// explainArray prints what a profile of an array, by its name or path, models: where it comes from, what it has, every knob that differs from the default, its script,
// and the rows that it answers otherwise than a sound array.
func explainArray(w io.Writer, name string) error {
	p, err := findArray(name)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", p.Name, wrap(p.Description, "  ", 110))
	explainList(&b, "Known of arrays of this kind", p.Facts)
	explainList(&b, "Guessed", p.Guesses)
	explainLayout(&b, p)
	explainKnobs(&b, p)
	if len(p.Failover.Script) > 0 {
		fmt.Fprintln(&b, "What it does on its own account, or when called")
		for _, s := range p.Failover.Script {
			fmt.Fprintf(&b, "  %s: %s\n", s.Name, s.Moment())
			for _, act := range s.Do {
				fmt.Fprintf(&b, "      %s\n", act)
			}
		}
		fmt.Fprintln(&b)
	}
	explainList(&b, "Its defects, by their place in simtarget.Deviations", p.Defects)
	fmt.Fprintln(&b, "Rows of the target catalogue that it answers otherwise than a sound array")
	for _, d := range p.Differs {
		fmt.Fprintf(&b, "  %s\n%s\n", d.Row, wrap(d.Why, "      ", 110))
	}
	if len(p.Differs) == 0 {
		fmt.Fprintln(&b, "  None.")
	}
	fmt.Fprintf(&b, "\nTry it\n  iscsispec serve %s\n  iscsispec check target --profile %s\n", name, name)
	_, err = io.WriteString(w, b.String())
	return err
}

func explainList(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintln(b, title)
	for _, item := range items {
		fmt.Fprintf(b, "  - %s\n", strings.TrimSpace(wrap(item, "    ", 110)))
	}
	fmt.Fprintln(b)
}

// explainLayout tells portals and targets.
func explainLayout(b *strings.Builder, p *simtarget.Profile) {
	fmt.Fprintln(b, "Portals")
	for _, portal := range p.Portals {
		var marks []string
		for _, m := range []struct {
			word string
			set  bool
		}{
			{"hidden", portal.Hidden}, {"down", portal.Down}, {"silent", portal.Silent}, {"in " + portal.Network, portal.Network != ""},
		} {
			if m.set {
				marks = append(marks, m.word)
			}
		}
		line := fmt.Sprintf("  %-12s %s, portal group %d %s", portal.Name, portal.Address, portal.Tag, strings.Join(marks, ", "))
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(b, "\nTargets")
	for _, t := range p.Targets {
		where := "at every portal"
		if len(t.Portals) > 0 {
			where = "at " + strings.Join(t.Portals, ", ")
		}
		if t.Owner != "" {
			where += ", owned by " + t.Owner
		}
		var units []string
		for _, l := range t.LUNs {
			units = append(units, fmt.Sprintf("LUN %d of %s", l.Number, l.Size))
		}
		fmt.Fprintf(b, "  %s %s: %s\n", t.Name, where, strings.Join(units, ", "))
	}
	fmt.Fprintln(b)
}

// explainKnobs tells the knobs that differ from the default, with their documentation.
func explainKnobs(b *strings.Builder, p *simtarget.Profile) {
	fmt.Fprintln(b, "Knobs that differ from the default")
	set := slices.DeleteFunc(p.Differences(), func(k simtarget.KnobSetting) bool {
		return k.Path == "failover.script" // it has a part of its own
	})
	for _, k := range set {
		value, fallback := k.Value, k.Default
		if fallback == "" {
			fallback = "none"
		}
		fmt.Fprintf(b, "  %s: %s (default %s)\n%s\n", k.Path, value, fallback, wrap(k.Doc, "      ", 110))
		for _, word := range k.Words {
			if strings.HasPrefix(word, value+":") {
				fmt.Fprintf(b, "      %s\n", word)
			}
		}
	}
	if len(set) == 0 {
		fmt.Fprintln(b, "  None.")
	}
	fmt.Fprintln(b)
}

// findArray takes the name of a shipped profile or, where it looks like a path, a file.
func findArray(name string) (*simtarget.Profile, error) {
	if isPath(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError("profile: %w", err)
		}
		profile, err := simtarget.ParseProfile(name, text)
		if err != nil {
			return nil, usageError("%w", err)
		}
		return profile, nil
	}
	if !slices.Contains(simtarget.Builtins(), name) {
		return nil, usageError("--profile: unknown profile %q; nearest: %s (iscsispec list --profiles shows all)", name,
			strings.Join(scenarios.Nearest(name, simtarget.Builtins(), 3), ", "))
	}
	return simtarget.Builtin(name)
}
