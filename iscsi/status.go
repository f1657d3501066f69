package iscsi

import "fmt"

// Status is what a Login Response says about the login: Status-Class in the upper byte, Status-Detail in the lower
// (RFC 7143, Section 11.13.5).
type Status uint16

// The statuses that RFC 7143 defines.
const (
	StatusSuccess                 Status = 0x0000
	StatusMovedTemporarily        Status = 0x0101
	StatusMovedPermanently        Status = 0x0102
	StatusInitiatorError          Status = 0x0200
	StatusAuthenticationFailure   Status = 0x0201
	StatusAuthorizationFailure    Status = 0x0202
	StatusNotFound                Status = 0x0203
	StatusTargetRemoved           Status = 0x0204
	StatusUnsupportedVersion      Status = 0x0205
	StatusTooManyConnections      Status = 0x0206
	StatusMissingParameter        Status = 0x0207
	StatusCannotInclude           Status = 0x0208
	StatusSessionTypeNotSupported Status = 0x0209
	StatusSessionDoesNotExist     Status = 0x020a
	StatusInvalidDuringLogin      Status = 0x020b
	StatusTargetError             Status = 0x0300
	StatusServiceUnavailable      Status = 0x0301
	StatusOutOfResources          Status = 0x0302
)

// The status classes.
const (
	ClassSuccess        byte = 0
	ClassRedirection    byte = 1
	ClassInitiatorError byte = 2
	ClassTargetError    byte = 3
)

// MakeStatus puts a class and a detail together.
func MakeStatus(class, detail byte) Status { return Status(class)<<8 | Status(detail) }

// Class returns Status-Class: 0 success, 1 redirection, 2 initiator error, 3 target error.
func (s Status) Class() byte { return byte(s >> 8) }

// Detail returns Status-Detail.
func (s Status) Detail() byte { return byte(s) }

// String returns the number and its meaning, for example "0x0203 (target not found)". A detail that the RFC does not
// define is named by its class.
func (s Status) String() string { return fmt.Sprintf("0x%04x (%s)", uint16(s), s.meaning()) }

func (s Status) meaning() string {
	switch s {
	case StatusSuccess:
		return "success"
	case StatusMovedTemporarily:
		return "target moved temporarily"
	case StatusMovedPermanently:
		return "target moved permanently"
	case StatusInitiatorError:
		return "initiator error"
	case StatusAuthenticationFailure:
		return "authentication failure"
	case StatusAuthorizationFailure:
		return "authorization failure"
	case StatusNotFound:
		return "target not found"
	case StatusTargetRemoved:
		return "target removed"
	case StatusUnsupportedVersion:
		return "unsupported version"
	case StatusTooManyConnections:
		return "too many connections"
	case StatusMissingParameter:
		return "missing parameter"
	case StatusCannotInclude:
		return "cannot include in session"
	case StatusSessionTypeNotSupported:
		return "session type not supported"
	case StatusSessionDoesNotExist:
		return "session does not exist"
	case StatusInvalidDuringLogin:
		return "invalid during login"
	case StatusTargetError:
		return "target error"
	case StatusServiceUnavailable:
		return "service unavailable"
	case StatusOutOfResources:
		return "out of resources"
	}
	return s.classMeaning()
}

func (s Status) classMeaning() string {
	switch s.Class() {
	case ClassSuccess:
		return "undefined success"
	case ClassRedirection:
		return "undefined redirection"
	case ClassInitiatorError:
		return "undefined initiator error"
	case ClassTargetError:
		return "undefined target error"
	}
	return "undefined class"
}
