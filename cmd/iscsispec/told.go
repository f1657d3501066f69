package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// told is what --abilities and --ability say, and --sessions; flags win over the file.
func (o *targetOptions) told() (target.Told, error) {
	var file target.Told
	if o.abilities != "" {
		text, err := os.ReadFile(o.abilities)
		if err != nil {
			return file, usageError("--abilities: %w", err)
		}
		if file, err = target.ParseTold(text); err != nil {
			return file, usageError("--abilities %s: %w", o.abilities, err)
		}
	}
	flags := target.Told{Capabilities: map[scenarios.Capability]bool{}, Sessions: o.sessions}
	for _, text := range o.ability {
		name, value, _ := strings.Cut(text, "=")
		if value != "yes" && value != "no" {
			return file, usageError("--ability %q: want CAPABILITY=yes or CAPABILITY=no", text)
		}
		flags.Capabilities[scenarios.Capability(name)] = value == "yes"
	}
	if err := flags.Valid(); err != nil {
		return file, usageError("--ability: %w", err)
	}
	return flags.Over(file), nil
}

// tellCompany says how many checks run at once.
func tellCompany(suite scenarios.Suite) string {
	if suite.Sessions < 2 {
		return fmt.Sprintf("%-18s one at a time\n", "checks")
	}
	return fmt.Sprintf("%-18s side by side, with %d sessions and %d ranges of blocks\n", "checks", suite.Sessions, suite.Ranges)
}

// hooks reads --hook.
func (o *targetOptions) hooks() (map[string]string, error) {
	var names []string
	for _, hook := range target.Hooks() {
		names = append(names, hook[0])
	}
	hooks := map[string]string{}
	for _, text := range o.hook {
		name, command, given := strings.Cut(text, "=")
		switch {
		case !slices.Contains(names, name):
			return nil, usageError("--hook %q: want one of %s", name, strings.Join(names, ", "))
		case !given || strings.TrimSpace(command) == "":
			return nil, usageError("--hook %s: want %s=COMMAND", text, name)
		case hooks[name] != "":
			return nil, usageError("--hook %s stands twice", name)
		}
		hooks[name] = command
	}
	return hooks, nil
}
