// Package pdu is the iSCSI wire codec: every protocol data unit of RFC 7143, Section 11, in both directions.
//
// A PDU is seen in two shapes. A Frame is what travels: the 48-byte basic header segment, additional header segments, data, padding
// and digests, exactly as on the wire, so that it can also express what no lawful peer would send. A PDU is the decoded header, one
// struct a PDU type, with the field names of the RFC. FrameOf and Frame.Decode lead from one to the other.
//
// Reader takes frames from a stream; Splitter and Dialogue watch bytes that somebody else reads and writes. Nothing here does I/O of its
// own, knows time, or keeps a goroutine.
//
// There is one file for each pair of request and response, named after it.
//
// # First use
//
//	wire := pdu.Encode(nil, &pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.ReservedTag}, pdu.Digests{Header: true})
//	...
//	r := pdu.NewReader(conn, pdu.Limits{})
//	r.SetDigests(pdu.Digests{Header: true})
//	frame, err := r.Read()  // *DigestError, *LengthError, or what the stream says
//	p, err := frame.Decode() // *pdu.NOPIn, *pdu.DataIn ...
package pdu

// ReservedTag is the tag value that stands for "no tag" in Initiator Task Tag and Target Transfer Tag. RFC 7143, Section 11.2.1.8.
const ReservedTag uint32 = 0xffffffff

// PDU is a decoded protocol data unit. The types of this package that implement it are used as pointers.
type PDU interface {
	// Opcode tells which PDU this is.
	Opcode() Opcode
	// EncodeBHS overwrites all 48 bytes of h. TotalAHSLength and DataSegmentLength come from the segments.
	EncodeBHS(h *BHS)
	// DecodeBHS sets every header field from h and leaves the segments alone. It reads leniently: reserved bits and fields are not
	// looked at. A header with another opcode gives a *FormatError.
	DecodeBHS(h *BHS) error
	// Segments gives the additional header segments and the data segment without padding. They are the PDU's own, not copies.
	Segments() (ahs, data []byte)
	// SetSegments stores the segments without copying. A PDU type that carries no such segment drops it: only the Frame still has it.
	SetSegments(ahs, data []byte)
}

// New returns an empty PDU of the type that op names, or nil for an opcode that RFC 7143 does not define.
func New(op Opcode) PDU {
	switch op {
	case OpNOPOut:
		return new(NOPOut)
	case OpSCSICommand:
		return new(SCSICommand)
	case OpTaskManagementRequest:
		return new(TaskManagementRequest)
	case OpLoginRequest:
		return new(LoginRequest)
	case OpTextRequest:
		return new(TextRequest)
	case OpDataOut:
		return new(DataOut)
	case OpLogoutRequest:
		return new(LogoutRequest)
	case OpSNACKRequest:
		return new(SNACKRequest)
	}
	return newResponse(op)
}

func newResponse(op Opcode) PDU {
	switch op {
	case OpNOPIn:
		return new(NOPIn)
	case OpSCSIResponse:
		return new(SCSIResponse)
	case OpTaskManagementResponse:
		return new(TaskManagementResponse)
	case OpLoginResponse:
		return new(LoginResponse)
	case OpTextResponse:
		return new(TextResponse)
	case OpDataIn:
		return new(DataIn)
	case OpLogoutResponse:
		return new(LogoutResponse)
	case OpR2T:
		return new(R2T)
	case OpAsyncMessage:
		return new(AsyncMessage)
	case OpReject:
		return new(Reject)
	}
	return nil
}

// Encode appends p as it goes over the wire, with padding and the digests that d asks for, and returns the longer slice.
func Encode(b []byte, p PDU, d Digests) []byte {
	return FrameOf(p).Append(b, d)
}
