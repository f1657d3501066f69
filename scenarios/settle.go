package scenarios

import "fmt"

// Settlement is what decides how grave a finding is for a row.
type Settlement struct {
	Level Level
	// Own holds the peer to every SHOULD and every warning, as the initiator catalogue's header asks of the project's
	// own initiator.
	Own bool
	// Strict does the same for any peer.
	Strict bool
}

// Verdict maps a verdict as a judge gave it to the one that is reported: breaking a SHOULD or a MAY is a warning, and
// for the own initiator or in strict mode every warning is a failure. A firm verdict stays.
func (s Settlement) Verdict(v Verdict, firm bool) Verdict {
	switch {
	case firm:
		return v
	case s.Own || s.Strict:
		if v == Warn {
			return Fail
		}
		return v
	case v == Fail && !s.Level.Binding():
		return Warn
	}
	return v
}

// settle sets the result's verdict and its findings' from the outcome.
func (s Settlement) settle(result *Result, o Outcome) {
	// The outcome's own verdict counts unless it merely repeats what the findings say.
	verdict, firm := o.Verdict, o.Firm
	findings := make([]Finding, len(o.Findings))
	worst := Pass
	for i, f := range o.Findings {
		f.Evidence = f.Evidence[:min(len(f.Evidence), EvidenceMax)]
		if f.Verdict == o.Verdict && f.Firm {
			firm = true
		}
		f.Verdict = s.Verdict(f.Verdict, f.Firm)
		findings[i] = f
		worst = Worse(worst, f.Verdict)
	}
	if len(findings) > 0 {
		result.Findings = findings
	}
	result.Verdict = Worse(s.Verdict(verdict, firm), worst)
	if o.Verdict == Skip && worst == Pass {
		result.Verdict = Skip
	}
	if result.Verdict != Pass && result.Verdict != Warn {
		return
	}
	for _, f := range o.Faults {
		if f.Fired == 0 && !f.Optional {
			result.Verdict = Inconclusive
			result.Reason = fmt.Sprintf("The planned fault %q never fired, so nothing is proven.", f.Plan)
			return
		}
	}
}
