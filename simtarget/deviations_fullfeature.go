package simtarget

// SequencingDeviations are faults of numbering, tags and responses.
type SequencingDeviations struct {
	// InvertedWindow shows MaxCmdSN = ExpCmdSN - 2 in every fourth PDU.
	InvertedWindow bool
	// DoubleExpCmdSN raises ExpCmdSN by two for each command.
	DoubleExpCmdSN bool
	// ImmediateAdvances raises ExpCmdSN for immediate NOP-Outs.
	ImmediateAdvances bool
	// DropLastInWindow ignores the command with CmdSN = MaxCmdSN, also when the window has moved on since MaxCmdSN was told at first.
	DropLastInWindow bool
	// UncountedTaskManagement sends Task Management Responses without taking a StatSN.
	UncountedTaskManagement bool
	// RememberTags refuses an Initiator Task Tag that was used before.
	RememberTags bool
	// StatusTwice sends a SCSI Response after a Data-In with status.
	StatusTwice bool
	// BothResidualBits sets O together with U for INQUIRY.
	BothResidualBits bool
	// NoSense leaves the sense data out.
	NoSense bool
	// ExecutesBeyond executes commands above MaxCmdSN.
	ExecutesBeyond bool
	// ExecutesBelow executes commands below ExpCmdSN.
	ExecutesBelow bool
	// ArrivalOrder executes commands as they arrive, whatever CmdSN is missing.
	ArrivalOrder bool
	// ClosesForEver never moves MaxCmdSN.
	ClosesForEver bool
	// IgnoresWhenClosed drops immediate requests while the window is closed.
	IgnoresWhenClosed bool
	// DiscardsImmediate drops immediate commands beyond the eighth without a word.
	DiscardsImmediate bool
	// R2TTakesStatSN takes a StatSN for each R2T.
	R2TTakesStatSN bool
	// DropsAfterWrap ends the connection when ExpStatSN has wrapped.
	DropsAfterWrap bool
	// TakesExpStatSN goes on with the ExpStatSN of a Text Request as its own StatSN.
	TakesExpStatSN bool
	// RefusesTagZero rejects the Initiator Task Tag 0.
	RefusesTagZero bool
	// OverwritesTask takes a second command with the tag of one in progress.
	OverwritesTask bool
	// IgnoresAHS loses framing over additional header segments, and serves the connection no more.
	IgnoresAHS bool
	// RefusesUntagged rejects commands without a task attribute.
	RefusesUntagged bool
	// AcknowledgesPastGap shows the highest CmdSN plus one as ExpCmdSN while one is missing.
	AcknowledgesPastGap bool
	// ReadsPriority refuses commands that have a priority.
	ReadsPriority bool
	// FillsQualifier shows a status qualifier with RESERVATION CONFLICT.
	FillsQualifier bool
	// OneImmediate rejects an immediate task management request that follows an immediate ping.
	OneImmediate bool
	// DropOnUnknownLUN ends the connection over a LUN that does not exist.
	DropOnUnknownLUN bool
}

// remember notes a tag for RememberTags.
func (d *SequencingDeviations) remember(s *session, itt uint32) {
	if !d.RememberTags {
		return
	}
	if s.faults.usedTags == nil {
		s.faults.usedTags = map[uint32]bool{}
	}
	s.faults.usedTags[itt] = true
}

// LogoutDeviations are faults of logout.
type LogoutDeviations struct {
	// NoResponse closes without a Logout Response.
	NoResponse bool
	// OwnCIDNotFound answers "CID not found" for the connection's own CID.
	OwnCIDNotFound bool
	// IgnoreCID closes the connection whatever CID is named.
	IgnoreCID bool
	// DataAfterResponse sends a Data-In behind the Logout Response.
	DataAfterResponse bool
	// ServeAfterLogout answers and goes on serving.
	ServeAfterLogout bool
	// RefuseRequested rejects a logout that an Asynchronous Message has asked for.
	RefuseRequested bool
}

// DigestDeviations are faults of digests in force.
type DigestDeviations struct {
	// NoFinalInversion computes header digests without the final inversion.
	NoFinalInversion bool
	// PadNotCovered leaves the padding out of data digests.
	PadNotCovered bool
	// HeaderOver44Bytes checks header digests over 44 bytes, so that right ones fail.
	HeaderOver44Bytes bool
}

func (d *DigestDeviations) apply(f *wireFaults) {
	f.rawHeaderDigest, f.padNotCovered = d.NoFinalInversion, d.PadNotCovered
}
