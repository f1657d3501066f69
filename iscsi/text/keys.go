package text

import "sort"

// Names of the keys that RFC 7143 and RFC 7144 define.
const (
	KeyAuthMethod               = "AuthMethod"
	KeyDataDigest               = "DataDigest"
	KeyDataPDUInOrder           = "DataPDUInOrder"
	KeyDataSequenceInOrder      = "DataSequenceInOrder"
	KeyDefaultTime2Retain       = "DefaultTime2Retain"
	KeyDefaultTime2Wait         = "DefaultTime2Wait"
	KeyErrorRecoveryLevel       = "ErrorRecoveryLevel"
	KeyFirstBurstLength         = "FirstBurstLength"
	KeyHeaderDigest             = "HeaderDigest"
	KeyImmediateData            = "ImmediateData"
	KeyInitialR2T               = "InitialR2T"
	KeyInitiatorAlias           = "InitiatorAlias"
	KeyInitiatorName            = "InitiatorName"
	KeyISCSIProtocolLevel       = "iSCSIProtocolLevel"
	KeyMaxBurstLength           = "MaxBurstLength"
	KeyMaxConnections           = "MaxConnections"
	KeyMaxOutstandingR2T        = "MaxOutstandingR2T"
	KeyMaxRecvDataSegmentLength = "MaxRecvDataSegmentLength"
	KeyNodeArchitecture         = "X#NodeArchitecture"
	KeySendTargets              = "SendTargets"
	KeySessionType              = "SessionType"
	KeyTargetAddress            = "TargetAddress"
	KeyTargetAlias              = "TargetAlias"
	KeyTargetName               = "TargetName"
	KeyTargetPortalGroupTag     = "TargetPortalGroupTag"
	KeyTaskReporting            = "TaskReporting"
)

// The constants that answer an offer (RFC 7143, Section 6.2), and the two values of a boolean key.
const (
	NotUnderstood = "NotUnderstood"
	Irrelevant    = "Irrelevant"
	Reject        = "Reject"
	Yes           = "Yes"
	No            = "No"
)

const (
	maxDataSegmentLength = 1<<24 - 1
	maxValueLength       = 255
	// maxSecurityValueLength lets binary values of 1024 bytes pass in hexadecimal and leaves their check to the method.
	maxSecurityValueLength = 64 << 10
)

// table is sorted by name.
var table = makeTable()

func makeTable() []Key {
	keys := append(negotiatedKeys(), declaredKeys()...)
	keys = append(keys, securityKeys()...)
	for i := range keys {
		if keys[i].MaxLength == 0 {
			keys[i].MaxLength = maxValueLength
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].Name < keys[j].Name })
	return keys
}

// operational fills what most negotiated keys share: both sides, leading login, whole session, not in Discovery.
func operational(name string, f Function, fallback, clause string) Key {
	return Key{Name: name, Function: f, Default: fallback, Senders: both, Use: LeadingOnly, Scope: SessionWide,
		Operational: true, NotInDiscovery: true, Clause: clause}
}

func number(name string, f Function, low, high int, fallback, clause string) Key {
	k := operational(name, f, fallback, clause)
	k.Min, k.Max = low, high
	return k
}

func negotiatedKeys() []Key {
	digests := []string{"CRC32C", "None"}
	header := Key{Name: KeyHeaderDigest, Function: List, Default: "None", Values: digests, Senders: both, Use: InitializeOnly,
		Scope: ConnectionOnly, Operational: true, Clause: "RFC 7143, Section 13.1"}
	data := header
	data.Name = KeyDataDigest
	reporting := operational(KeyTaskReporting, List, "RFC3720", "RFC 7143, Section 13.23")
	reporting.Values = []string{"RFC3720", "ResponseFence", "FastAbort"}
	wait := number(KeyDefaultTime2Wait, Maximum, 0, 3600, "2", "RFC 7143, Section 13.15")
	retain := number(KeyDefaultTime2Retain, Minimum, 0, 3600, "20", "RFC 7143, Section 13.16")
	level := number(KeyErrorRecoveryLevel, Minimum, 0, 2, "0", "RFC 7143, Section 13.20")
	wait.NotInDiscovery, retain.NotInDiscovery, level.NotInDiscovery = false, false, false
	keys := []Key{
		header, data, reporting, wait, retain, level,
		number(KeyMaxConnections, Minimum, 1, 65535, "1", "RFC 7143, Section 13.2"),
		operational(KeyInitialR2T, Or, Yes, "RFC 7143, Section 13.10"),
		operational(KeyImmediateData, And, Yes, "RFC 7143, Section 13.11"),
		number(KeyMaxBurstLength, Minimum, 512, maxDataSegmentLength, "262144", "RFC 7143, Section 13.13"),
		number(KeyFirstBurstLength, Minimum, 512, maxDataSegmentLength, "65536", "RFC 7143, Section 13.14"),
		number(KeyMaxOutstandingR2T, Minimum, 1, 65535, "1", "RFC 7143, Section 13.17"),
		operational(KeyDataPDUInOrder, Or, Yes, "RFC 7143, Section 13.18"),
		operational(KeyDataSequenceInOrder, Or, Yes, "RFC 7143, Section 13.19"),
		number(KeyISCSIProtocolLevel, Minimum, 0, 31, "1", "RFC 7144, Section 7.1.1"),
	}
	for _, name := range []string{"IFMarker", "OFMarker", "IFMarkInt", "OFMarkInt"} {
		keys = append(keys, Key{Name: name, Function: Obsolete, Senders: both, Use: InitializeOnly, Scope: ConnectionOnly,
			Operational: true, Clause: "RFC 7143, Section 13.25"})
	}
	return keys
}

func declaredKeys() []Key {
	declared := func(name string, senders Role, use Use, clause string) Key {
		return Key{Name: name, Senders: senders, Use: use, Security: true, Operational: true, Clause: clause}
	}
	sessionType := declared(KeySessionType, Initiator, LeadingOnly, "RFC 7143, Section 13.21")
	sessionType.Values, sessionType.Default = []string{"Discovery", "Normal"}, "Normal"
	tag := declared(KeyTargetPortalGroupTag, Target, InitializeOnly, "RFC 7143, Section 13.9")
	tag.Min, tag.Max = 0, 65535
	length := declared(KeyMaxRecvDataSegmentLength, both, AnyPhase, "RFC 7143, Section 13.12")
	length.Min, length.Max, length.Default = 512, maxDataSegmentLength, "8192"
	length.Scope, length.Security = ConnectionOnly, false
	architecture := declared(KeyNodeArchitecture, both, LeadingOnly, "RFC 7143, Section 13.26")
	architecture.Security = false
	sendTargets := Key{Name: KeySendTargets, Function: Command, Senders: Initiator, Use: FullFeatureOnly,
		Clause: "RFC 7143, Section 13.3"}
	return []Key{
		sessionType, tag, length, architecture, sendTargets,
		declared(KeyInitiatorName, Initiator, InitializeOnly, "RFC 7143, Section 13.5"),
		declared(KeyTargetName, both, InitializeOnly, "RFC 7143, Section 13.4"),
		declared(KeyInitiatorAlias, Initiator, AnyPhase, "RFC 7143, Section 13.7"),
		declared(KeyTargetAlias, Target, AnyPhase, "RFC 7143, Section 13.6"),
		declared(KeyTargetAddress, Target, AnyPhase, "RFC 7143, Section 13.8"),
	}
}

func securityKeys() []Key {
	keys := []Key{{Name: KeyAuthMethod, Function: List, Default: "None", Senders: both, Use: InitializeOnly, Scope: ConnectionOnly,
		Values: []string{"None", "CHAP", "KRB5", "SRP"}, Security: true, Clause: "RFC 7143, Section 12.1"}}
	add := func(clause string, names ...string) {
		for _, name := range names {
			keys = append(keys, Key{Name: name, Function: Security, Senders: both, Use: InitializeOnly, Scope: ConnectionOnly,
				Security: true, MaxLength: maxSecurityValueLength, Clause: clause})
		}
	}
	add("RFC 7143, Section 12.1.1", "KRB_AP_REQ", "KRB_AP_REP")
	add("RFC 7143, Section 12.1.2", "SRP_U", "SRP_GROUP", "SRP_A", "SRP_B", "SRP_M", "SRP_HM", "SRP_s", "TargetAuth")
	add("RFC 7143, Section 12.1.3", "CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R")
	return keys
}

// Lookup finds a key by its name, which is case-sensitive.
func Lookup(name string) (Key, bool) {
	i := sort.Search(len(table), func(i int) bool { return table[i].Name >= name })
	if i < len(table) && table[i].Name == name {
		return table[i], true
	}
	return Key{}, false
}

// Keys returns all keys of the table, sorted by name.
func Keys() []Key { return append([]Key(nil), table...) }
