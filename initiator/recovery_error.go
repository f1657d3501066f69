package initiator

import (
	"fmt"
	"strconv"
)

// RecoveryError says that error recovery within a connection or a session came to nothing, so that the next coarser one has to do: what was
// tried, and how often.
type RecoveryError struct {
	// What was to be recovered, as the RFC names it: "StatSN 7", "TASK REASSIGN" ...
	What string
	// Tries counts the attempts.
	Tries int
	// Err is why the last one failed; nil if it was not answered at all.
	Err error
}

// Error names what was tried and what came of it.
func (e *RecoveryError) Error() string {
	times := strconv.Itoa(e.Tries) + " times"
	if e.Tries == 1 {
		times = "once"
	}
	if e.Err != nil {
		return fmt.Sprintf("recovery of %s, tried %s: %v", e.What, times, e.Err)
	}
	return fmt.Sprintf("recovery of %s, tried %s: no answer", e.What, times)
}

// Unwrap returns why the last attempt failed.
func (e *RecoveryError) Unwrap() error { return e.Err }
