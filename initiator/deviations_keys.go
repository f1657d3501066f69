package initiator

// KeyDeviations are faults about single keys (RFC 7143, Section 13).
type KeyDeviations struct {
	// LowerCaseDigest offers the digest crc32c.
	LowerCaseDigest bool
	// DataDigestFollowsHeader uses for data what was agreed for headers.
	DataDigestFollowsHeader bool
	// AgreeToMarkers answers OFMarker and IFMarker with Yes.
	AgreeToMarkers bool
	// ImmediateDespiteNo sends immediate data that the target has refused.
	ImmediateDespiteNo bool
	// ReceiveOneLess takes one byte less in a data segment than it has declared.
	ReceiveOneLess bool
	// ImmediateIgnoresLimit cuts Data-Out at the target's MaxRecvDataSegmentLength, but not immediate data.
	ImmediateIgnoresLimit bool
	// AnyLength goes by the target's MaxRecvDataSegmentLength even if it is out of range.
	AnyLength bool
	// OwnMaxBurst refuses an answer to MaxBurstLength that is below its offer.
	OwnMaxBurst bool
	// OwnFirstBurst goes by its own FirstBurstLength, whatever the target has answered.
	OwnFirstBurst bool
	// FirstAboveMax lets FirstBurstLength be above MaxBurstLength.
	FirstAboveMax bool
	// MaximumTime2Retain takes the larger one of both values.
	MaximumTime2Retain bool
	// MinimumTime2Wait takes the smaller one of both values.
	MinimumTime2Wait bool
	// EightBitR2Ts refuses an answer to MaxOutstandingR2T that does not fit a byte.
	EightBitR2Ts bool
	// DemandLevel refuses an answer to ErrorRecoveryLevel that is below its offer.
	DemandLevel bool
	// RepeatSessionType sends SessionType in both stages.
	RepeatSessionType bool
	// EchoTag answers TargetPortalGroupTag.
	EchoTag bool
	// IgnoreTag joins connections of different portal groups.
	IgnoreTag bool
	// LeadingOnJoin sends the whole list of keys in the login of a further connection.
	LeadingOnJoin bool
	// AssumeFastAbort answers TaskReporting with FastAbort, whatever was offered.
	AssumeFastAbort bool
	// LastOfList answers TaskReporting with the last value that was offered.
	LastOfList bool
	// LevelAbove answers iSCSIProtocolLevel with one more than it supports.
	LevelAbove bool
	// NegotiateArchitecture answers X#NodeArchitecture.
	NegotiateArchitecture bool
}

// keyRows are the rows about single keys.
func keyRows() []RowDeviation {
	return []RowDeviation{
		{"keys.digest-offer", func(d *Deviations) { d.Keys.LowerCaseDigest = true }},
		{"keys.digest-response", func(d *Deviations) { d.Keys.DataDigestFollowsHeader = true }},
		{"keys.digest-crc32c-supported", func(d *Deviations) { d.Digest.BigEndian = true }},
		{"keys.markers-obsolete", func(d *Deviations) { d.Keys.AgreeToMarkers = true }},
		{"keys.immediatedata", func(d *Deviations) { d.Keys.ImmediateDespiteNo = true }},
		{"keys.mrdsl-declared", func(d *Deviations) { d.Keys.ReceiveOneLess = true }},
		{"keys.mrdsl-target-small", func(d *Deviations) { d.Keys.ImmediateIgnoresLimit = true }},
		{"keys.mrdsl-illegal", func(d *Deviations) { d.Keys.AnyLength = true }},
		{"keys.maxburstlength", func(d *Deviations) { d.Keys.OwnMaxBurst = true }},
		{"keys.firstburst-not-above-maxburst", func(d *Deviations) { d.Keys.OwnFirstBurst = true }},
		{"keys.firstburst-above-maxburst-from-target", func(d *Deviations) { d.Keys.FirstAboveMax = true }},
		{"keys.time2retain", func(d *Deviations) { d.Keys.MaximumTime2Retain = true }},
		{"keys.time2wait", func(d *Deviations) { d.Keys.MinimumTime2Wait = true }},
		{"keys.maxoutstandingr2t", func(d *Deviations) { d.Keys.EightBitR2Ts = true }},
		{"keys.errorrecoverylevel", func(d *Deviations) { d.Keys.DemandLevel = true }},
		{"keys.sessiontype", func(d *Deviations) { d.Keys.RepeatSessionType = true }},
		{"keys.target-alias-and-tag", func(d *Deviations) { d.Keys.EchoTag = true }},
		{"keys.tag-mismatch", func(d *Deviations) { d.Keys.IgnoreTag = true }},
		{"keys.leading-only-on-second-connection", func(d *Deviations) { d.Keys.LeadingOnJoin = true }},
		{"keys.maxconnections", func(d *Deviations) { d.Recovery.IgnoreMaxConnections = true }},
		{"keys.taskreporting", func(d *Deviations) { d.Keys.AssumeFastAbort = true }},
		{"keys.taskreporting-fastabort", func(d *Deviations) { d.Keys.LastOfList = true }},
		{"keys.iscsiprotocollevel", func(d *Deviations) { d.Keys.LevelAbove = true }},
		{"keys.nodearchitecture", func(d *Deviations) { d.Keys.NegotiateArchitecture = true }},
	}
}
