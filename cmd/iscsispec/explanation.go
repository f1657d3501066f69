package main

import (
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/iscsispec/iscsispec/baselines"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/reports"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
	"github.com/iscsispec/iscsispec/simtarget"
)

// explanation is all that the tool knows of one row. It marshals to what explain --json prints.
type explanation struct {
	*scenarios.Row
	// Statements are the normative statements that the row checks.
	Statements []explainedStatement `json:"statements"`
	// Checks cover the row, one for each suite; none where it is not checked yet.
	Checks []explainedCheck `json:"checks"`
	// Peers are the real ones that are known to differ, Profiles the shipped ones that do as such peers do.
	Peers    []baselines.Difference `json:"peers"`
	Profiles []profileDifference    `json:"profiles"`
	// Wireshark says how to see it.
	Wireshark explainedView `json:"wireshark"`
}

// explainedStatement is one normative statement.
type explainedStatement struct {
	Place string `json:"place"`
	Level string `json:"level"`
	About string `json:"about"`
}

// explainedCheck is the check of the row in one suite.
type explainedCheck struct {
	Suite   string         `json:"suite"`
	Risk    scenarios.Risk `json:"risk"`
	Accepts []string       `json:"accepts"`
	// Deviations are the names of the defects with each of which the peer fails the check; the row's own come first.
	Deviations []string `json:"deviations"`
	// Run are command lines that run the check alone.
	Run []string `json:"run"`
}

// profileDifference is a shipped profile that answers the row otherwise than a sound peer.
type profileDifference struct {
	Profile string `json:"profile"`
	Why     string `json:"why"`
}

// explainedView says how to see a row's matter in a capture.
type explainedView struct {
	Capture string `json:"capture"`
	reports.View
	Command string `json:"command"`
}

// newExplanation gathers what is known of a row.
func newExplanation(registry *scenarios.Registry, row *scenarios.Row) (*explanation, error) {
	e := &explanation{Row: row, Statements: []explainedStatement{}, Checks: []explainedCheck{}, Peers: baselines.Of(row.ID), Profiles: []profileDifference{}}
	if e.Peers == nil {
		e.Peers = []baselines.Difference{}
	}
	for _, s := range scenarios.StatementsOf(row.ID) {
		e.Statements = append(e.Statements, explainedStatement{s.Place(), s.Level, s.About})
	}
	var deviations []string
	for _, entry := range registry.Find(row.ID) {
		check := newExplainedCheck(entry)
		deviations = append(deviations, check.Deviations...)
		e.Checks = append(e.Checks, check)
	}
	var err error
	if e.Profiles, err = differingProfiles(row, deviations); err != nil {
		return nil, &statusError{exitDefect, err}
	}
	capture := "out/" + reports.FolderCaptures + "/" + row.ID + ".pcapng"
	view := reports.ViewOf(row)
	e.Wireshark = explainedView{Capture: capture, View: view, Command: view.Command(capture)}
	return e, nil
}

func newExplainedCheck(entry scenarios.Entry) explainedCheck {
	c := explainedCheck{Suite: entry.Suite, Risk: entry.Risk, Accepts: entry.Accepts, Deviations: []string{}}
	if c.Accepts == nil {
		c.Accepts = []string{}
	}
	for _, d := range entry.Deviations {
		c.Deviations = append(c.Deviations, d.Name)
	}
	c.Run = []string{fmt.Sprintf("iscsispec check %s --only %s", entry.Suite, entry.ID)}
	switch {
	case entry.Suite == target.Name && entry.Risk == scenarios.Safe:
		c.Run = append(c.Run, fmt.Sprintf("iscsispec check target URL --only %s", entry.ID))
	case entry.Suite == target.Name:
		c.Run = append(c.Run, fmt.Sprintf("iscsispec check target URL --only %s --allow %s", entry.ID, entry.Risk))
	case entry.Suite == "initiator":
		c.Run = append(c.Run, fmt.Sprintf("iscsispec check initiator --only %s -- COMMAND {url}", entry.ID))
	}
	return c
}

// shipped are the profiles that come with the tool.
type shipped struct {
	hosts  []*initiator.Profile
	arrays []*simtarget.Profile
}

// shippedProfiles reads them once.
var shippedProfiles = sync.OnceValues(func() (shipped, error) {
	var s shipped
	for _, name := range initiator.Profiles() {
		p, err := initiator.BuiltinProfile(name)
		if err != nil {
			return s, err
		}
		s.hosts = append(s.hosts, p)
	}
	for _, name := range simtarget.Builtins() {
		p, err := simtarget.Builtin(name)
		if err != nil {
			return s, err
		}
		s.arrays = append(s.arrays, p)
	}
	return s, nil
})

// differingProfiles finds the shipped profiles that differ at a row: arrays that say so or have a defect by which the row's check proves
// itself, and initiators that depart so.
func differingProfiles(row *scenarios.Row, deviations []string) ([]profileDifference, error) {
	found := []profileDifference{}
	profiles, err := shippedProfiles()
	if err != nil {
		return nil, err
	}
	if row.Role == scenarios.RoleInitiator {
		for _, p := range profiles.hosts {
			for _, d := range p.Departures {
				if slices.Contains(deviations, d) {
					found = append(found, profileDifference{p.Name, "departs by " + d + ", as the original does: " + p.Description})
				}
			}
		}
		return found, nil
	}
	for _, p := range profiles.arrays {
		if why := arrayDiffers(p, row, deviations); why != "" {
			found = append(found, profileDifference{p.Name, why})
		}
	}
	return found, nil
}

// arrayDiffers says how an array of a profile answers a row otherwise than a sound one; it is empty where it does not.
func arrayDiffers(p *simtarget.Profile, row *scenarios.Row, deviations []string) string {
	for _, d := range p.Differs {
		if matched, err := path.Match(d.Row, row.ID); err == nil && matched {
			return d.Why
		}
	}
	for _, d := range p.Defects {
		if slices.Contains(deviations, d) {
			return "has the defect " + d
		}
	}
	return ""
}
