package fuzz

// TargetPlan is all that flows against a target can reach in the model.
func TargetPlan() Plan {
	p := Plan{Keys: keyPlan()}
	for s := security; s < stateCount; s++ {
		p.States = append(p.States, stateNames[s])
	}
	return p
}
