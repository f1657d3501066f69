package scsi

import "fmt"

// ASC is an additional sense code with its qualifier: the code in the upper byte (SPC-4, Section 4.5.6 and Annex F).
type ASC uint16

// The codes that this project gives, expects or explains.
const (
	NoAdditionalSense          ASC = 0x0000
	NotReadyCauseUnknown       ASC = 0x0400
	BecomingReady              ASC = 0x0401
	NotReadyInitCommand        ASC = 0x0402
	NotReadyStandby            ASC = 0x040b
	NotReadyUnavailable        ASC = 0x040c
	TransitionState            ASC = 0x040a
	WriteError                 ASC = 0x0c00
	UnexpectedUnsolicitedData  ASC = 0x0c0c
	NotEnoughUnsolicitedData   ASC = 0x0c0d
	UnrecoveredReadError       ASC = 0x1100
	ReadErrorFailedRetransmit  ASC = 0x1113
	ParameterListLengthError   ASC = 0x1a00
	MiscompareDuringVerify     ASC = 0x1d00
	InvalidOpcode              ASC = 0x2000
	LBAOutOfRange              ASC = 0x2100
	InvalidFieldInCDB          ASC = 0x2400
	LUNNotSupported            ASC = 0x2500
	InvalidFieldInParameters   ASC = 0x2600
	InvalidReleaseOfPersistent ASC = 0x2604
	WriteProtected             ASC = 0x2700
	SpaceAllocationFailed      ASC = 0x2707
	MediumMayHaveChanged       ASC = 0x2800
	PowerOnOrReset             ASC = 0x2900
	PowerOn                    ASC = 0x2901
	BusResetOccurred           ASC = 0x2902
	BusDeviceReset             ASC = 0x2903
	DeviceInternalReset        ASC = 0x2904
	NexusLossOccurred          ASC = 0x2907
	ParametersChanged          ASC = 0x2a00
	ModeParametersChanged      ASC = 0x2a01
	ReservationsPreempted      ASC = 0x2a03
	ReservationsReleased       ASC = 0x2a04
	RegistrationsPreempted     ASC = 0x2a05
	AsymmetricAccessChanged    ASC = 0x2a06
	CapacityDataChanged        ASC = 0x2a09
	CommandSequenceError       ASC = 0x2c00
	CommandsCleared            ASC = 0x2f00
	SavingNotSupported         ASC = 0x3900
	MediumNotPresent           ASC = 0x3a00
	MicrocodeChanged           ASC = 0x3f01
	InquiryDataChanged         ASC = 0x3f03
	LUNsDataChanged            ASC = 0x3f0e
	InternalTargetFailure      ASC = 0x4400
	ProtocolServiceCRCError    ASC = 0x4705
	SomeCommandsCleared        ASC = 0x477f
	OverlappedCommands         ASC = 0x4e00
	InsufficientResources      ASC = 0x5503
	InsufficientRegistration   ASC = 0x5504
	LowPowerConditionOn        ASC = 0x5e00
	CopyDeviceNotReachable     ASC = 0x0d02
	CopyDeviceTypeIncorrect    ASC = 0x0d03
	TooManyCopyDevices         ASC = 0x2606
	CopyDeviceTypeUnsupported  ASC = 0x2607
	TooManySegments            ASC = 0x2608
	SegmentTypeUnsupported     ASC = 0x2609
	InlineDataExceeded         ASC = 0x260b
	SoftwareWriteProtected     ASC = 0x2702
	MediumRemovalPrevented     ASC = 0x5302
	SetPortGroupsFailed        ASC = 0x670a
)

// ASC returns the additional sense code.
func (a ASC) ASC() byte { return byte(a >> 8) }

// Qualifier returns the additional sense code qualifier (ASCQ).
func (a ASC) Qualifier() byte { return byte(a) }

// Name returns the standard's name of the code, or "" when this package does not know it.
func (a ASC) Name() string {
	switch a {
	case NoAdditionalSense:
		return "NO ADDITIONAL SENSE INFORMATION"
	case NotReadyCauseUnknown:
		return "LOGICAL UNIT NOT READY, CAUSE NOT REPORTABLE"
	case BecomingReady:
		return "LOGICAL UNIT IS IN PROCESS OF BECOMING READY"
	case NotReadyInitCommand:
		return "LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED"
	case NotReadyStandby:
		return "LOGICAL UNIT NOT ACCESSIBLE, TARGET PORT IN STANDBY STATE"
	case NotReadyUnavailable:
		return "LOGICAL UNIT NOT ACCESSIBLE, TARGET PORT IN UNAVAILABLE STATE"
	case TransitionState:
		return "LOGICAL UNIT NOT ACCESSIBLE, ASYMMETRIC ACCESS STATE TRANSITION"
	case WriteError:
		return "WRITE ERROR"
	case UnexpectedUnsolicitedData:
		return "WRITE ERROR - UNEXPECTED UNSOLICITED DATA"
	case NotEnoughUnsolicitedData:
		return "WRITE ERROR - NOT ENOUGH UNSOLICITED DATA"
	case UnrecoveredReadError:
		return "UNRECOVERED READ ERROR"
	case ReadErrorFailedRetransmit:
		return "READ ERROR - FAILED RETRANSMISSION REQUEST"
	case ParameterListLengthError:
		return "PARAMETER LIST LENGTH ERROR"
	case MiscompareDuringVerify:
		return "MISCOMPARE DURING VERIFY OPERATION"
	case InvalidOpcode:
		return "INVALID COMMAND OPERATION CODE"
	case LBAOutOfRange:
		return "LOGICAL BLOCK ADDRESS OUT OF RANGE"
	case InvalidFieldInCDB:
		return "INVALID FIELD IN CDB"
	case LUNNotSupported:
		return "LOGICAL UNIT NOT SUPPORTED"
	case InvalidFieldInParameters:
		return "INVALID FIELD IN PARAMETER LIST"
	case InvalidReleaseOfPersistent:
		return "INVALID RELEASE OF PERSISTENT RESERVATION"
	case WriteProtected:
		return "WRITE PROTECTED"
	case SpaceAllocationFailed:
		return "SPACE ALLOCATION FAILED WRITE PROTECT"
	}
	return a.stateName()
}

// stateName names the codes that tell of changes of state rather than of faults of one command.
func (a ASC) stateName() string {
	switch a {
	case MediumMayHaveChanged:
		return "NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED"
	case PowerOnOrReset:
		return "POWER ON, RESET, OR BUS DEVICE RESET OCCURRED"
	case PowerOn:
		return "POWER ON OCCURRED"
	case BusResetOccurred:
		return "SCSI BUS RESET OCCURRED"
	case BusDeviceReset:
		return "BUS DEVICE RESET FUNCTION OCCURRED"
	case DeviceInternalReset:
		return "DEVICE INTERNAL RESET"
	case NexusLossOccurred:
		return "I_T NEXUS LOSS OCCURRED"
	case ParametersChanged:
		return "PARAMETERS CHANGED"
	case ModeParametersChanged:
		return "MODE PARAMETERS CHANGED"
	case ReservationsPreempted:
		return "RESERVATIONS PREEMPTED"
	case ReservationsReleased:
		return "RESERVATIONS RELEASED"
	case RegistrationsPreempted:
		return "REGISTRATIONS PREEMPTED"
	case AsymmetricAccessChanged:
		return "ASYMMETRIC ACCESS STATE CHANGED"
	case CapacityDataChanged:
		return "CAPACITY DATA HAS CHANGED"
	case CommandSequenceError:
		return "COMMAND SEQUENCE ERROR"
	case CommandsCleared:
		return "COMMANDS CLEARED BY ANOTHER INITIATOR"
	case SavingNotSupported:
		return "SAVING PARAMETERS NOT SUPPORTED"
	case MediumNotPresent:
		return "MEDIUM NOT PRESENT"
	case MicrocodeChanged:
		return "MICROCODE HAS BEEN CHANGED"
	case InquiryDataChanged:
		return "INQUIRY DATA HAS CHANGED"
	case LUNsDataChanged:
		return "REPORTED LUNS DATA HAS CHANGED"
	case InternalTargetFailure:
		return "INTERNAL TARGET FAILURE"
	case ProtocolServiceCRCError:
		return "PROTOCOL SERVICE CRC ERROR"
	case SomeCommandsCleared:
		return "SOME COMMANDS CLEARED BY ISCSI PROTOCOL EVENT"
	case OverlappedCommands:
		return "OVERLAPPED COMMANDS ATTEMPTED"
	case InsufficientResources:
		return "INSUFFICIENT RESOURCES"
	case InsufficientRegistration:
		return "INSUFFICIENT REGISTRATION RESOURCES"
	case LowPowerConditionOn:
		return "LOW POWER CONDITION ON"
	}
	return a.rareName()
}

// rareName names the codes of third-party copies, of media that come and go, and of port groups.
func (a ASC) rareName() string {
	switch a {
	case CopyDeviceNotReachable:
		return "COPY TARGET DEVICE NOT REACHABLE"
	case CopyDeviceTypeIncorrect:
		return "INCORRECT COPY TARGET DEVICE TYPE"
	case TooManyCopyDevices:
		return "TOO MANY TARGET DESCRIPTORS"
	case CopyDeviceTypeUnsupported:
		return "UNSUPPORTED TARGET DESCRIPTOR TYPE CODE"
	case TooManySegments:
		return "TOO MANY SEGMENT DESCRIPTORS"
	case SegmentTypeUnsupported:
		return "UNSUPPORTED SEGMENT DESCRIPTOR TYPE CODE"
	case InlineDataExceeded:
		return "INLINE DATA LENGTH EXCEEDED"
	case SoftwareWriteProtected:
		return "LOGICAL UNIT SOFTWARE WRITE PROTECTED"
	case MediumRemovalPrevented:
		return "MEDIUM REMOVAL PREVENTED"
	case SetPortGroupsFailed:
		return "SET TARGET PORT GROUPS COMMAND FAILED"
	}
	return ""
}

// String gives code and qualifier in hexadecimal, and the name where there is one: "29/00 (POWER ON, ...)".
func (a ASC) String() string {
	if name := a.Name(); name != "" {
		return fmt.Sprintf("%02X/%02X (%s)", a.ASC(), a.Qualifier(), name)
	}
	return fmt.Sprintf("%02X/%02X", a.ASC(), a.Qualifier())
}
