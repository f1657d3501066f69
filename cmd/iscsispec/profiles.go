package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

// profileLine is one profile as list --profiles prints it.
type profileLine struct {
	Role        string `json:"role"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// profileLines are the shipped profiles: initiators to be, then arrays to serve.
func profileLines() ([]profileLine, error) {
	var lines []profileLine
	for _, name := range initiator.Profiles() {
		p, err := initiator.BuiltinProfile(name)
		if err != nil {
			return nil, &statusError{exitDefect, err}
		}
		lines = append(lines, profileLine{"initiator", p.Name, p.Description})
	}
	for _, name := range simtarget.Builtins() {
		p, err := simtarget.Builtin(name)
		if err != nil {
			return nil, &statusError{exitDefect, err}
		}
		lines = append(lines, profileLine{"target", p.Name, p.Description})
	}
	return lines, nil
}

// printProfiles lists them.
func printProfiles(w io.Writer, asJSON bool) error {
	lines, err := profileLines()
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, lines)
	}
	width, role := 0, ""
	for _, l := range lines {
		width = max(width, len(l.Name))
	}
	titles := map[string]string{
		"initiator": "Initiators, for --as of discover, inquiry, luns, read, write, ping and sessions:",
		"target":    "Arrays, for iscsispec serve and check target --profile:",
	}
	for _, l := range lines {
		if l.Role != role {
			role = l.Role
			fmt.Fprintln(w, titles[role])
		}
		text := strings.TrimSpace(wrap(l.Description, strings.Repeat(" ", width+4), 110))
		if _, err := fmt.Fprintf(w, "  %-*s  %s\n", width, l.Name, text); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(w, "iscsispec explain NAME shows all of one.")
	return err
}

// findInitiator takes an embedded name or, where it looks like a path, a file.
func findInitiator(name string) (*initiator.Profile, error) {
	if isPath(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError("--as: %w", err)
		}
		profile, err := initiator.ParseProfile(text)
		if err != nil {
			return nil, usageError("--as %s: %w", name, err)
		}
		return profile, nil
	}
	for _, known := range initiator.Profiles() {
		if known == name {
			return initiator.BuiltinProfile(name)
		}
	}
	return nil, usageError("--as: unknown profile %q; nearest: %s (iscsispec list --profiles shows all)", name,
		strings.Join(scenarios.Nearest(name, initiator.Profiles(), 3), ", "))
}

// isPath tells a file's path from the name of an embedded profile.
func isPath(name string) bool {
	return strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// explainProfile prints an initiator's profile in the form that --as reads.
func explainProfile(w io.Writer, name string) error {
	p, err := initiator.BuiltinProfile(name)
	if err != nil {
		return &statusError{exitDefect, err}
	}
	_, err = fmt.Fprintf(w, "# An initiator, for --as %s, or, as a file that was changed, for --as FILE.yaml.\n%s", p.Name, p)
	return err
}

// completeProfiles offers the initiators.
func completeProfiles(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	for _, name := range initiator.Profiles() {
		if strings.HasPrefix(name, typed) {
			offers = append(offers, name)
		}
	}
	return offers, cobra.ShellCompDirectiveDefault
}
