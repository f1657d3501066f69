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
}
