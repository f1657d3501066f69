package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// Request is one SCSI command and its outcome. The submitter fills the first part and must not touch
// the Request, nor the memory of CDB, Read and Write, from Submit until Done is called (or Do returns). A finished
// Request may be submitted again; nothing is allocated then.
type Request struct {
	// LUN is the logical unit number in its eight-byte wire form (scsi.LUN).
	LUN uint64
	// CDB is the command descriptor block, 1 to 16 bytes.
	CDB []byte
	// Read receives data from the target; its length is the expected transfer length. Read and Write together
	// (bidirectional commands) are refused with ErrNotSupported.
	Read []byte
	// Write is sent to the target; its length is the expected transfer length.
	Write []byte
	// Attr is the task attribute; its zero value is sent as it is (untagged).
	Attr pdu.TaskAttribute
	// Done is called exactly once when the request is over, from a goroutine of the session. It must not block;
	// it may call Submit. It may be nil.
	Done func(*Request)

	// Err is nil when the target answered the command with any SCSI status; otherwise it says why there is no
	// status: ErrTransportLost, ErrLoggedOut, ErrAborted, *TargetFailureError, *RejectError, a context's error ...
	Err error
	// Status is the SCSI status byte (0 GOOD, 2 CHECK CONDITION ...).
	Status byte
	// Sense holds the sense data without the two length bytes that precede it on the wire. Its memory is reused
	// when the Request is submitted again.
	Sense []byte
	// Transferred counts the bytes of Read that were filled or of Write that the target took, after the residual.
	Transferred int
	// Residual is the residual count, meaningful when Overflow or Underflow is set (RFC 7143, Section 11.4.5).
	Residual uint32
	// Overflow says that the target had or wanted Residual more bytes than offered.
	Overflow bool
	// Underflow says that Residual bytes of the offered were not transferred.
	Underflow bool

	task requestState
	// intercept, when not nil, is called instead of Done: the upper layer's way of seeing a completion first.
	intercept func(*Request)
}
