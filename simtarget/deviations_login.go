package simtarget

// LoginDeviations are faults of the login phase.
type LoginDeviations struct {
	// NeverTransitFromOperational never sets T=1 in a login that started in the operational stage.
	NeverTransitFromOperational bool
	// SecurityEndsInFullFeature takes the next request for one in a wrong stage after the security stage ended with NSG=1.
	SecurityEndsInFullFeature bool
	// RefuseSecurityToFullFeature refuses NSG=3 in the security stage.
	RefuseSecurityToFullFeature bool
	// ZeroISID returns an ISID of zeros.
	ZeroISID bool
	// TransitUnasked sets T=1 and NSG=3 in answer to a request with T=0.
	TransitUnasked bool
	// GrantBeyondRequest answers NSG=1 with NSG=3.
	GrantBeyondRequest bool
	// UndefinedStatusClass refuses with Status-Class 5.
	UndefinedStatusClass bool
	// KeepOpenAfterRefusal leaves the connection open after a refusal and takes another login on it.
	KeepOpenAfterRefusal bool
	// EarlyTSIH shows a TSIH before the final response.
	EarlyTSIH bool
	// ZeroTSIH returns TSIH 0 in the final response.
	ZeroTSIH bool
	// ConstantTSIH gives every session the TSIH 1.
	ConstantTSIH bool
	// UnknownTSIHCreatesSession ignores a TSIH that names no session.
	UnknownTSIHCreatesSession bool
	// TSIHAloneFindsSession adds a connection to the session with that TSIH, whatever the ISID.
	TSIHAloneFindsSession bool
	// DeadTSIHAccepted still finds a session that was logged out.
	DeadTSIHAccepted bool
	// ISIDWithoutName reinstates sessions by ISID, whatever the initiator name.
	ISIDWithoutName bool
	// RefuseEnterpriseISID refuses ISIDs of the enterprise number format.
	RefuseEnterpriseISID bool
	// RefuseCIDZero takes CID 0 for a missing one.
	RefuseCIDZero bool
	// StatSNRestarts begins full feature phase with StatSN 1.
	StatSNRestarts bool
	// CountLoginCmdSN returns ExpCmdSN = CmdSN + 1 in Login Responses.
	CountLoginCmdSN bool
	// ZeroMaxCmdSN leaves MaxCmdSN at 0 in Login Responses.
	ZeroMaxCmdSN bool
	// AcceptAnonymous lets in who gives no InitiatorName.
	AcceptAnonymous bool
	// DefaultTarget assigns the first target when TargetName is absent.
	DefaultTarget bool
	// UnknownNameToDefault assigns the first target when the name is unknown.
	UnknownNameToDefault bool
	// DemandSessionType refuses a login without SessionType.
	DemandSessionType bool
	// DropEarlyBytes loses what arrives within 100 ms after the final response.
	DropEarlyBytes bool
	// ISIDAloneReinstates takes a login with a known ISID and any TSIH for a reinstatement.
	ISIDAloneReinstates bool
}

// NegotiationDeviations are faults of text negotiation.
type NegotiationDeviations struct {
	// IgnoreUnknownKeys leaves unknown keys unanswered.
	IgnoreUnknownKeys bool
	// SilentAgreement leaves MaxOutstandingR2T unanswered when it agrees with the offer.
	SilentAgreement bool
	// OwnDigestOrder picks CRC32C wherever it stands in the list.
	OwnDigestOrder bool
	// ZombieLogin refuses an ISID whose login was broken off.
	ZombieLogin bool
}

// KeyDeviations are faults about single keys.
type KeyDeviations struct {
	// DigestUnagreed uses digests that nobody negotiated.
	DigestUnagreed bool
	// BothDigestsWithHeader switches the data digest on with the header digest.
	BothDigestsWithHeader bool
	// NoDigests takes only None.
	NoDigests bool
	// DigestOnFinalResponse puts digests on the final Login Response.
	DigestOnFinalResponse bool
	// UnlimitedConnections adds connections beyond MaxConnections.
	UnlimitedConnections bool
	// OmitPortalGroupTag never sends TargetPortalGroupTag.
	OmitPortalGroupTag bool
	// PortalGroupTagOne tells tag 1 in logins at every portal.
	PortalGroupTagOne bool
}

// AuthDeviations are faults of authentication.
type AuthDeviations struct {
	// RejectNone answers AuthMethod=Reject to None although no authentication is needed.
	RejectNone bool
	// WrongOrder hashes secret and identifier in the wrong order, so that right credentials fail.
	WrongOrder bool
	// ReinstateBeforeAuthentication ends the old session before the new login has proved who it is.
	ReinstateBeforeAuthentication bool
}

// wrongSecret spoils the secret that a response is held against.
func (d *AuthDeviations) wrongSecret() string {
	if d.WrongOrder {
		return "?"
	}
	return ""
}

// DiscoveryDeviations are faults of Discovery sessions.
type DiscoveryDeviations struct {
	// DemandTargetName refuses Discovery logins without a TargetName.
	DemandTargetName bool
	// FirstTargetOnly lists only the first target.
	FirstTargetOnly bool
	// AliasInRecords adds TargetAlias to the records.
	AliasInRecords bool
	// OmitTag leaves the portal group tag out of TargetAddress.
	OmitTag bool
	// WildcardAddress lists 0.0.0.0.
	WildcardAddress bool
	// OwnPortalOnly lists only the portal of the session.
	OwnPortalOnly bool
	// ServeSCSI answers SCSI commands.
	ServeSCSI bool
	// DropTextUnderDigests agrees on digests for a Discovery session and closes at its first Text Request.
	DropTextUnderDigests bool
	// DropOnLogout closes without a Logout Response.
	DropOnLogout bool
	// RefuseSecond refuses a second login of the same initiator port while the first session lives.
	RefuseSecond bool
	// ReinstatesNormal lets a Discovery login end a Normal session with the same ISID.
	ReinstatesNormal bool
	// NormalReinstates lets a Normal login end a Discovery session with the same ISID.
	NormalReinstates bool
	// LogoutClosesAll ends all sessions of the initiator name with the Discovery session.
	LogoutClosesAll bool
	// IgnorePortal takes unnamed Discovery sessions at different portals for one.
	IgnorePortal bool
}
