package scripted

import "github.com/iscsispec/iscsispec/scenarios/fuzz"

// Bytes runs the flow that the input of a fuzzing engine stands for against the project's own initiator. T is the fuzz target's (see fuzz.Lent).
// The error is a *fuzz.FlowError, or tells that the flow cannot be run.
func Bytes(t any, data []byte) error {
	f := Draw(&fuzz.Bytes{Left: data})
	findings, err := Run(fuzz.Lent(t), f, nil)
	if err == nil && len(findings) > 0 {
		return &fuzz.FlowError{Flow: f, Finding: *findings[0]}
	}
	return err
}
