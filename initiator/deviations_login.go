package initiator

// LoginDeviations are faults in the Login Requests and in what is made of the answers (RFC 7143, Section 6.3).
type LoginDeviations struct {
	// OneMoreExchange answers the response that ends the login with another Login Request.
	OneMoreExchange bool
	// ReuseTSIH logs in with the TSIH of the session before (LoginConfig.Previous) instead of 0.
	ReuseTSIH bool
	// NotImmediate leaves the I bit of Login Requests clear.
	NotImmediate bool
	// CountCID takes the CID from a counter that advances with each Login Request.
	CountCID bool
	// OwnTransit moves on by its own T bit, whatever the target answered.
	OwnTransit bool
	// TrustTransit accepts a T bit that was not asked for.
	TrustTransit bool
	// IgnoreStage does not look at the stages of the target's answers.
	IgnoreStage bool
	// ConstantExpStatSN sends ExpStatSN 0 in every Login Request.
	ConstantExpStatSN bool
	// LateNames sends TargetName in the second Login Request.
	LateNames bool
	// NoDeadline waits for a silent target without end.
	NoDeadline bool
	// IgnoreStatus looks at the status only in a response without T bit.
	IgnoreStatus bool
	// CommandAfterLogin numbers the first command one higher than the login.
	CommandAfterLogin bool
	// AcceptUnofferedNone goes on without a digest when CRC32C alone was offered and the target answered None.
	AcceptUnofferedNone bool
	// ZeroTSIHLoops takes a final response with TSIH 0 for one of a login that is not over.
	ZeroTSIHLoops bool
	// TypelessISID sends ISIDs whose type bits are the reserved 11.
	TypelessISID bool
	// TransitToSameStage asks with T=1 for the stage in which the login is.
	TransitToSameStage bool
	// RestartSecurity goes back to the security stage when the target delays the end of the operational one.
	RestartSecurity bool
	// PingInLogin pings by its timer already during the login.
	PingInLogin bool
	// AnyOpcode serves other PDUs of the target's during the login, and waits on for the Login Response.
	AnyOpcode bool
	// ZeroStatSNUnset takes StatSN 0 for none.
	ZeroStatSNUnset bool
	// SignedStatSN compares StatSN as a signed number.
	SignedStatSN bool
	// FreezeStatSN goes on after a jump of StatSN with the ExpStatSN from before.
	FreezeStatSN bool
	// AnyTaskTag does not look at the task tag of a Login Response.
	AnyTaskTag bool
	// EachPDUAlone reads each part of the target's text by itself, and does not look at the C bit.
	EachPDUAlone bool
	// OneRequest puts all keys into one Login Request, however long they are.
	OneRequest bool
	// DropRest forgets the rest of its own text when the target answers in the middle of it with keys.
	DropRest bool
	// IgnoreVersion does not look at the active version.
	IgnoreVersion bool
	// RawName sends the InitiatorName as it was configured.
	RawName bool
	// NoRoundLimit exchanges Login PDUs without end.
	NoRoundLimit bool
	// RoundLimit, when above 0, is the number of Login Responses after which a login is given up.
	RoundLimit int
	// StatusInFinal looks at the status of the response only that leads to the full feature phase.
	StatusInFinal bool
	// BlockTarget refuses, by itself, further logins to a target that has once refused one with status 0x0301.
	BlockTarget bool
	// AuthFailureIsTimeout reports status 0x0201 as a timeout.
	AuthFailureIsTimeout bool
	// RefusalsAlike reports refusals of class 2 as a connection that could not be made.
	RefusalsAlike bool
	// RemovedIsRedirect takes status 0x0204 for a redirect to where the login was.
	RemovedIsRedirect bool
	// ReservedClassSucceeds takes status classes above 3 for success.
	ReservedClassSucceeds bool
	// CutLongResponse uses the first 8192 bytes of a longer Login Response and drops the others.
	CutLongResponse bool
	// OneReceive expects each PDU to arrive in one piece.
	OneReceive bool
	// LoginInFullFeature begins a login on the open connection when the digest setting changes.
	LoginInFullFeature bool
	// ResendRequest sends a Login Request again that is not answered within a second.
	ResendRequest bool
	// AllKeysAtOnce puts the operational keys into the first request, whatever its stage.
	AllKeysAtOnce bool
	// RestartOnReject begins the login anew, on the same connection, when the target rejects with the withdrawn reason 0x0b.
	RestartOnReject bool
}
