package text

// Params are the parameters that a login settles, all with the defaults of RFC 7143, Section 13, until negotiated.
// Lengths are bytes, times are seconds. It is a plain value.
type Params struct {
	// HeaderDigest and DataDigest tell whether CRC32C is in force on the connection.
	HeaderDigest, DataDigest bool

	MaxConnections     int
	ErrorRecoveryLevel int
	DefaultTime2Wait   int
	DefaultTime2Retain int

	InitialR2T          bool
	ImmediateData       bool
	DataPDUInOrder      bool
	DataSequenceInOrder bool
	MaxOutstandingR2T   int
	MaxBurstLength      int
	// FirstBurstLength is never above MaxBurstLength.
	FirstBurstLength int

	// MaxRecvDataSegmentLength is what this side declared and hence takes; PeerMaxRecvDataSegmentLength is what the other
	// side declared and this side may send.
	MaxRecvDataSegmentLength     int
	PeerMaxRecvDataSegmentLength int

	SessionType SessionType
	// AuthMethod is "None", "CHAP" or another method's name.
	AuthMethod string
	// TaskReporting is "RFC3720", "ResponseFence" or "FastAbort".
	TaskReporting string
	// ProtocolLevel is the result of iSCSIProtocolLevel.
	ProtocolLevel int

	InitiatorName, InitiatorAlias string
	TargetName, TargetAlias       string
	// TargetAddress is where a redirection leads; it is the text of the key, unchecked.
	TargetAddress string
	// TargetPortalGroupTag counts only where HasTargetPortalGroupTag is set.
	TargetPortalGroupTag    int
	HasTargetPortalGroupTag bool
}

// DefaultParams returns the parameters of a session that negotiated nothing.
func DefaultParams() Params {
	return Params{
		MaxConnections: 1, ErrorRecoveryLevel: 0, DefaultTime2Wait: 2, DefaultTime2Retain: 20,
		InitialR2T: true, ImmediateData: true, DataPDUInOrder: true, DataSequenceInOrder: true,
		MaxOutstandingR2T: 1, MaxBurstLength: 262144, FirstBurstLength: 65536,
		MaxRecvDataSegmentLength: 8192, PeerMaxRecvDataSegmentLength: 8192,
		SessionType: Normal, AuthMethod: "None", TaskReporting: "RFC3720", ProtocolLevel: 1,
	}
}

// Set stores the settled value of a negotiated key, or the value of a declared one, of which own says that this side declared
// it. A value that the key does not take, or an unknown key, changes nothing and gives false.
func (p *Params) Set(key, value string, own bool) bool {
	k, known := Lookup(key)
	if !known || !k.Admits(value) {
		return false
	}
	p.set(key, value, own)
	return true
}

// set stores the settled value of a negotiated or declared key. The value has been checked; own tells who declared it.
func (p *Params) set(key, value string, own bool) {
	n, _ := ParseNumber(value)
	yes := value == Yes
	switch key {
	case KeyHeaderDigest:
		p.HeaderDigest = value == "CRC32C"
	case KeyDataDigest:
		p.DataDigest = value == "CRC32C"
	case KeyMaxConnections:
		p.MaxConnections = n
	case KeyErrorRecoveryLevel:
		p.ErrorRecoveryLevel = n
	case KeyDefaultTime2Wait:
		p.DefaultTime2Wait = n
	case KeyDefaultTime2Retain:
		p.DefaultTime2Retain = n
	case KeyInitialR2T:
		p.InitialR2T = yes
	case KeyImmediateData:
		p.ImmediateData = yes
	case KeyDataPDUInOrder:
		p.DataPDUInOrder = yes
	case KeyDataSequenceInOrder:
		p.DataSequenceInOrder = yes
	case KeyMaxOutstandingR2T:
		p.MaxOutstandingR2T = n
	case KeyMaxBurstLength:
		p.MaxBurstLength = n
	case KeyFirstBurstLength:
		p.FirstBurstLength = n
	case KeyTaskReporting:
		p.TaskReporting = value
	case KeyISCSIProtocolLevel:
		p.ProtocolLevel = n
	case KeyAuthMethod:
		p.AuthMethod = value
	default:
		p.declare(key, value, n, own)
	}
}

func (p *Params) declare(key, value string, n int, own bool) {
	switch key {
	case KeyMaxRecvDataSegmentLength:
		if own {
			p.MaxRecvDataSegmentLength = n
		} else {
			p.PeerMaxRecvDataSegmentLength = n
		}
	case KeySessionType:
		if value == Discovery.String() {
			p.SessionType = Discovery
		} else {
			p.SessionType = Normal
		}
	case KeyInitiatorName:
		p.InitiatorName = value
	case KeyInitiatorAlias:
		p.InitiatorAlias = value
	case KeyTargetName:
		p.TargetName = value
	case KeyTargetAlias:
		p.TargetAlias = value
	case KeyTargetAddress:
		p.TargetAddress = value
	case KeyTargetPortalGroupTag:
		p.TargetPortalGroupTag, p.HasTargetPortalGroupTag = n, true
	}
}
