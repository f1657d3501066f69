package scsi

import "fmt"

// DataError says that parameter data or sense data that came from a device (or, for parameter lists, from an application client) are
// not what the standard allows.
type DataError struct {
	What  string // the data, such as "standard INQUIRY data"
	Field string // the field, in the standard's words
	Got   uint64 // the field's value, or the number of bytes when the data are too short
	Want  string // what the standard asks for
}

// Error names the data, the field, what came and what was expected.
func (e *DataError) Error() string {
	return fmt.Sprintf("scsi: %s: %s is %d, want %s", e.What, e.Field, e.Got, e.Want)
}

// CDBError says why a command descriptor block cannot be parsed.
type CDBError struct {
	Opcode Opcode
	Code   ASC // InvalidOpcode, InvalidFieldInCDB or ParameterListLengthError: what a device reports for it
	Byte   int // the offset of the field in the CDB, for the sense data's field pointer
	Want   string
}

// Error names the command, the byte and what was expected there.
func (e *CDBError) Error() string {
	return fmt.Sprintf("scsi: %v: byte %d: want %s (%v)", e.Opcode, e.Byte, e.Want, e.Code)
}

// Sense returns the sense data that a device gives for the error: ILLEGAL REQUEST with the field pointer at the byte in error.
func (e *CDBError) Sense() Sense {
	return Sense{Key: IllegalRequest, Code: e.Code, Pointer: FieldPointer{Valid: true, InCDB: true, Byte: uint16(e.Byte)}}
}
