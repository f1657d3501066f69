package fuzz

// loginStates are the states of a login that goes on.
var loginStates = []state{fresh, security, agreed, challenged, proven, operational}

// plan is a set of transitions: from any of some states, by any of some events, to one.
type plan struct {
	from   []state
	events []event
	to     state
}

// plans are the transitions that the model can go through. What is left out cannot come about: a login never leaves the security stage for
// another one than the operational, and nothing leads out of a connection that is over.
var plans = []plan{
	{[]state{fresh, security}, []event{evHold, evHoldFaulty}, security},
	{[]state{fresh, security, agreed}, []event{evHold, evHoldFaulty}, agreed},
	{[]state{agreed, challenged}, []event{evHold, evHoldFaulty}, challenged},
	{[]state{challenged, proven}, []event{evHold, evHoldFaulty}, proven},
	{[]state{fresh, operational}, []event{evHold, evHoldFaulty}, operational},
	{[]state{fresh, security, challenged, proven}, []event{evGrant, evGrantFaulty}, operational},
	{[]state{fresh, security, challenged, proven, operational}, []event{evNew, evReinstate, evJoin, evReplace}, full},
	{[]state{fresh, security, challenged, proven, operational}, []event{evDiscover}, discovery},
	{loginStates, []event{evRefuseFaulty}, refused},
	{[]state{fresh, security, operational}, []event{evRefuse}, refused},
	{[]state{fresh, security, operational}, []event{evDropFaulty}, dropped},
	{loginStates, []event{evEnd}, ended},
	{[]state{fresh, security, challenged, proven, operational}, []event{evRedirect}, moved},
	{[]state{full, discovery}, []event{evDrop}, dropped},
	{[]state{full, discovery}, []event{evLogout}, loggedOut},
	{[]state{full, discovery}, []event{evEnd}, ended},
	{[]state{full}, []event{evServe, evReject}, full},
	{[]state{discovery}, []event{evServe, evReject}, discovery},
	{[]state{full}, []event{evReplaced}, replaced},
	{[]state{replaced}, []event{evDrop}, dropped},
}

// allowed are further transitions that no sound target brings about: they are counted, and not missed.
var allowed = []plan{
	{loginStates, []event{evDrop, evReject}, dropped}, // after a time that a target need not wait, and what leniency lets pass
	{loginStates, []event{evRefuse}, refused},
	{[]state{replaced}, []event{evEnd}, ended},
	{[]state{discovery}, []event{evReplaced}, replaced},
	{[]state{agreed, challenged, proven, full, discovery}, []event{evDropFaulty}, dropped},
}

// TargetPlan is all that flows against a target can reach in the model.
func TargetPlan() Plan {
	p := Plan{Keys: keyPlan()}
	for s := security; s < stateCount; s++ {
		p.States = append(p.States, stateNames[s])
	}
	for _, moves := range plans {
		for _, from := range moves.from {
			for _, ev := range moves.events {
				p.Transitions = append(p.Transitions, moveName(from, ev, moves.to))
			}
		}
	}
	return p
}

// beyondPlan lists transitions of a coverage that the model should not have.
func beyondPlan(c *Coverage) []string {
	known := map[string]bool{}
	for _, moves := range append(append([]plan{}, plans...), allowed...) {
		for _, from := range moves.from {
			for _, ev := range moves.events {
				known[moveName(from, ev, moves.to)] = true
			}
		}
	}
	var beyond []string
	for name := range c.Transitions {
		if !known[name] {
			beyond = append(beyond, name)
		}
	}
	return beyond
}
