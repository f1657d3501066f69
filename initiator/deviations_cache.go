package initiator

// CacheDeviations are faults in what the cache answers.
type CacheDeviations struct {
	// QueueInquiry queues INQUIRY with the other requests while the session is down.
	QueueInquiry bool
	// ForwardReportLUNs queues REPORT LUNS for the target while the session is down.
	ForwardReportLUNs bool
	// VPDAsStandard answers every VPD page with the standard INQUIRY data.
	VPDAsStandard bool
	// KeepTruncated keeps the answer as the first asker's allocation length cut it, length field included.
	KeepTruncated bool
	// ConsultWhileUp answers from the cache although the session is up.
	ConsultWhileUp bool
	// FillOnce never replaces a remembered answer.
	FillOnce bool
	// IgnoreLUN answers INQUIRY for any unit with what LUN 0 said.
	IgnoreLUN bool
	// SurvivesRemoval keeps what was remembered of removed units, and takes the identity of a returning unit from it.
	SurvivesRemoval bool
	// ZeroFilled answers an INQUIRY that was never asked before with zeros.
	ZeroFilled bool
}
