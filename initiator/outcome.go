package initiator

import (
	"context"
	"errors"

	"github.com/iscsispec/iscsispec/scsi"
)

// Outcome names one result so that results can be compared and counted: "GOOD", "CHECK CONDITION" and so on when the
// target answered, and otherwise the name of the error as OutcomeOf has it.
func (r *Request) Outcome() string {
	if r.Err != nil {
		return OutcomeOf(r.Err)
	}
	return scsi.Status(r.Status).String()
}

// OutcomeOf names an error of a request or an operation: "LOGGED-OUT", "DEVICE-REMOVED", "QUEUE-FULL", "TRANSPORT-LOST",
// "AUTH-FAILED", "NOT-SUPPORTED", "TIMEOUT", "ABORTED", "EXISTS", "BOOT-DEVICE" or "CANCELLED"; "OK" for nil and "ERROR" for every other.
func OutcomeOf(err error) string {
	var exists *ExistsError
	var boot *BootDeviceError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &boot):
		return "BOOT-DEVICE"
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
