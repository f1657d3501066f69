package sessions

import (
	"context"
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
)

// Check is the code for one row of the catalogue: one or several plans, and the judge over their runs.
type Check struct {
	// ID is the row's.
	ID string
	// Accepts are the accepted outcomes in words.
	Accepts []string
	// Runs are the plans, each of which is run in a bubble of its own. Give each a name where there are several.
	Runs []Plan
	// Judge looks at the runs, in the order of the plans.
	Judge func(j *Judge, runs []*Run)
	// Defects are how the initiator is broken for the self-proof; the first is the row's own.
	Defects []Defect
}

// Defect is one way to break the initiator so that the check has to fail.
type Defect struct {
	// Name is permanent: the field of initiator.Deviations, "Reconnect.ExponentialBackoff".
	Name string
	// Set switches it on.
	Set func(d *initiator.Deviations)
	// Change, when not nil, alters each plan for the proof, where the defect shows only in other circumstances.
	Change func(p *Plan)
}

// scenario turns the check into what the registry takes.
func (c Check) scenario() scenarios.Check {
	s := scenarios.Check{ID: c.ID, Accepts: c.Accepts, Run: c.run}
	for _, d := range c.Defects {
		s.Deviations = append(s.Deviations, scenarios.Deviation{Name: d.Name, Apply: d})
	}
	return s
}

// run runs all plans and lets the judge look at them.
func (c Check) run(ctx context.Context, env *scenarios.Env) scenarios.Outcome {
	opts := Options{T: env.T, Seed: env.Seed}
	var change func(p *Plan)
	if env.Deviation != nil {
		defect, ok := env.Deviation.Apply.(Defect)
		if !ok {
			return scenarios.Outcome{Verdict: scenarios.Broken, Reason: fmt.Sprintf("Deviation %q is not one of this suite.", env.Deviation.Name)}
		}
		opts.Deviations = new(initiator.Deviations)
		defect.Set(opts.Deviations)
		change = defect.Change
	}
	var runs []*Run
	for i, p := range c.Runs {
		if ctx.Err() != nil {
			return scenarios.Unclear("The check ran out of time.")
		}
		if change != nil {
			p = p.clone()
			change(&p)
		}
		opts.Name = fmt.Sprint(i + 1)
		r, err := Execute(p, opts)
		if err != nil {
			return brokenRun(err, r)
		}
		runs = append(runs, r)
	}
	return c.judge(runs)
}

// Judged is the outcome of the check over runs that were made before.
func (c Check) Judged(runs []*Run) scenarios.Outcome { return c.judge(runs) }

func (c Check) judge(runs []*Run) scenarios.Outcome {
	j := new(Judge)
	c.Judge(j, runs)
	o := scenarios.Outcome{Verdict: scenarios.Fail, Reason: "The judge had nothing to say.", Actual: "nothing"}
	if len(j.findings) > 0 {
		o = scenarios.Conclude(j.findings)
	}
	var plans []string
	for _, r := range runs {
		o.Faults = append(o.Faults, r.Faults...)
		o.Duration += r.Ended
		plans = append(plans, r.Plan.String())
		if len(r.Trouble) > 0 {
			o.Findings = append(o.Findings, scenarios.Finding{Verdict: scenarios.Inconclusive, Firm: true, Part: r.Plan.Name,
				Rule: "the run went as planned", Reason: "The run did not go as planned: " + strings.Join(r.Trouble, "; ") + "."})
		}
	}
	o.Plan = strings.Join(plans, "---\n")
	o.Trace = told(runs, o.Findings, o.Verdict).Events
	return o
}

// told picks the run whose trace tells the story: the one with the gravest finding, or the first.
func told(runs []*Run, findings []scenarios.Finding, worst scenarios.Verdict) *Run {
	for _, f := range findings {
		for _, r := range runs {
			if f.Verdict == worst && worst != scenarios.Pass && f.Part == r.Plan.Name {
				return r
			}
		}
	}
	if len(runs) == 0 {
		return &Run{}
	}
	return runs[0]
}

// brokenRun is the outcome of a run that could not be brought to an end.
func brokenRun(err error, r *Run) scenarios.Outcome {
	o := scenarios.BubbleOutcome(err)
	if r != nil {
		o.Trace, o.Plan, o.Duration = r.Events, r.Plan.String(), r.Ended
	}
	return o
}

// Suite is the list of all checks of this package, ready for a registry.
func Suite() scenarios.Suite {
	suite := scenarios.Suite{Name: "sessions", Virtual: true, Own: true, Embedded: true,
		Peer: "the project's own initiator with its session manager, before simulated arrays"}
	for _, c := range Checks() {
		suite.Checks = append(suite.Checks, c.scenario())
	}
	return suite
}
