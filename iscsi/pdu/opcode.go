package pdu

import "fmt"

// Opcode is the six-bit operation code of a PDU, without the immediate bit. RFC 7143, Section 11.2.1.2.
type Opcode byte

// The opcodes of initiators.
const (
	OpNOPOut                Opcode = 0x00
	OpSCSICommand           Opcode = 0x01
	OpTaskManagementRequest Opcode = 0x02
	OpLoginRequest          Opcode = 0x03
	OpTextRequest           Opcode = 0x04
	OpDataOut               Opcode = 0x05
	OpLogoutRequest         Opcode = 0x06
	OpSNACKRequest          Opcode = 0x10
)

// The opcodes of targets.
const (
	OpNOPIn                  Opcode = 0x20
	OpSCSIResponse           Opcode = 0x21
	OpTaskManagementResponse Opcode = 0x22
	OpLoginResponse          Opcode = 0x23
	OpTextResponse           Opcode = 0x24
	OpDataIn                 Opcode = 0x25
	OpLogoutResponse         Opcode = 0x26
	OpR2T                    Opcode = 0x31
	OpAsyncMessage           Opcode = 0x32
	OpReject                 Opcode = 0x3f
)

// FromTarget reports whether only targets send this opcode.
func (o Opcode) FromTarget() bool { return o&0x20 != 0 }

// Known reports whether RFC 7143 defines the opcode.
func (o Opcode) Known() bool { return o.name() != "" }

// String gives the PDU's name as in the RFC, such as "SCSI Command"; an undefined opcode prints as "opcode 0x1f".
func (o Opcode) String() string {
	if n := o.name(); n != "" {
		return n
	}
	return fmt.Sprintf("opcode 0x%02x", byte(o))
}

func (o Opcode) name() string {
	if int(o) < len(opcodeNames) {
		return opcodeNames[o]
	}
	return ""
}

var opcodeNames = [64]string{
	OpNOPOut:                 "NOP-Out",
	OpSCSICommand:            "SCSI Command",
	OpTaskManagementRequest:  "Task Management Request",
	OpLoginRequest:           "Login Request",
	OpTextRequest:            "Text Request",
	OpDataOut:                "Data-Out",
	OpLogoutRequest:          "Logout Request",
	OpSNACKRequest:           "SNACK Request",
	OpNOPIn:                  "NOP-In",
	OpSCSIResponse:           "SCSI Response",
	OpTaskManagementResponse: "Task Management Response",
	OpLoginResponse:          "Login Response",
	OpTextResponse:           "Text Response",
	OpDataIn:                 "Data-In",
	OpLogoutResponse:         "Logout Response",
	OpR2T:                    "R2T",
	OpAsyncMessage:           "Async Message",
	OpReject:                 "Reject",
}
