package initiator

import (
	"context"
	"errors"
)

// Outcome names one result so that results can be compared and counted: "GOOD", "CHECK CONDITION" and so on when the
// target answered, and otherwise the name of the error as OutcomeOf has it.
func (r *Request) Outcome() string {
	if r.Err != nil {
		return OutcomeOf(r.Err)
	}
	return statusName(r.Status)
}

// OutcomeOf names an error of a request or an operation: "LOGGED-OUT", "DEVICE-REMOVED", "QUEUE-FULL", "TRANSPORT-LOST",
// "AUTH-FAILED", "NOT-SUPPORTED", "TIMEOUT", "ABORTED", "EXISTS" or "CANCELLED"; "OK" for nil and "ERROR" for every other.
func OutcomeOf(err error) string {
	var exists *ExistsError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &exists):
		return "EXISTS"
	case errors.Is(err, ErrDeviceRemoved):
		return "DEVICE-REMOVED"
	case errors.Is(err, ErrLoggedOut):
		return "LOGGED-OUT"
	case errors.Is(err, ErrQueueFull):
		return "QUEUE-FULL"
	case errors.Is(err, ErrAuthFailed):
		return "AUTH-FAILED"
	case errors.Is(err, ErrNotSupported):
		return "NOT-SUPPORTED"
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "TIMEOUT"
	case errors.Is(err, ErrAborted):
		return "ABORTED"
	case errors.Is(err, context.Canceled):
		return "CANCELLED"
	case errors.Is(err, ErrTransportLost):
		return "TRANSPORT-LOST"
	default:
		return "ERROR"
	}
}

// statusName names a SCSI status byte (SAM-5, Section 5.3.1).
func statusName(status byte) string {
	switch status {
	case 0x00:
		return "GOOD"
	case 0x02:
		return "CHECK CONDITION"
	case 0x04:
		return "CONDITION MET"
	case 0x08:
		return "BUSY"
	case 0x18:
		return "RESERVATION CONFLICT"
	case 0x28:
		return "TASK SET FULL"
	case 0x30:
		return "ACA ACTIVE"
	case 0x40:
		return "TASK ABORTED"
	default:
		return "STATUS"
	}
}
