package initiator

import (
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Causes of a session's end, beside I/O errors and *ProtocolError.
var (
	// ErrClosed says that the user closed the session abruptly.
	ErrClosed = errors.New("closed by its user")
	// ErrPingTimeout says that the target answered neither a ping nor anything else in time. It is an ErrTimeout too.
	ErrPingTimeout = fmt.Errorf("ping %w", ErrTimeout)
	// ErrTaskManagementTimeout says that no task management response came in time. It is an ErrTimeout too.
	ErrTaskManagementTimeout = fmt.Errorf("task management %w", ErrTimeout)
	// ErrAsyncLogout says that the session was logged out because the target asked for it (event 1).
	ErrAsyncLogout = errors.New("logged out at the target's request")
	// ErrAsyncDrop says that the target announced that it drops the connection or the session (events 2 and 3).
	ErrAsyncDrop = errors.New("dropped by the target after notice")
)

// ProtocolError says that the target broke the protocol in full feature phase; the connection ends by it.
type ProtocolError struct {
	// Opcode is the PDU's, Field the field at fault as the RFC names it.
	Opcode pdu.Opcode
	Field  string
	// Got and Want are what came and what was allowed.
	Got, Want string
	// Clause is the rule, such as "RFC 7143, Section 11.7.5".
	Clause string
}

// Error names PDU, field, got, want and clause.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("protocol error: %v %s: got %s, want %s (%s)", e.Opcode, e.Field, e.Got, e.Want, e.Clause)
}

// RejectError says that the target rejected a PDU (RFC 7143, Section 11.17).
type RejectError struct {
	Reason pdu.RejectReason
	// Opcode is that of the rejected PDU.
	Opcode pdu.Opcode
}

// Error names the reason and the PDU.
func (e *RejectError) Error() string {
	return fmt.Sprintf("target rejected %v: %v", e.Opcode, e.Reason)
}

// TargetFailureError says that the target could not execute a command, so that there is no SCSI status (RFC 7143, Section 11.4.3).
type TargetFailureError struct{ Response pdu.SCSIResponseCode }

// Error names the response code.
func (e *TargetFailureError) Error() string {
	return fmt.Sprintf("command not executed: response 0x%02x", byte(e.Response))
}

// IncompleteError says that the target reported success without having transferred all that it claims.
type IncompleteError struct {
	// Got and Want are bytes; Want is the expected length less the residual.
	Got, Want int
}

// Error names both lengths.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("incomplete data: got %d bytes, want %d", e.Got, e.Want)
}
