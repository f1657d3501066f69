package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// NOPDeviations are faults of pings.
type NOPDeviations struct {
	// AnswerWithTTT answers pings with a Target Transfer Tag of its own.
	AnswerWithTTT bool
	// EchoOnlyNonImmediate returns the data of non-immediate pings only.
	EchoOnlyNonImmediate bool
	// PingWithReservedTTT pings with the Target Transfer Tag 0xffffffff and yet expects an answer.
	PingWithReservedTTT bool
	// Uncounted does not count non-immediate pings: ExpCmdSN stays.
	Uncounted bool
	// EchoesZeros returns zero bytes in place of the data.
	EchoesZeros bool
	// EchoesAll returns all data, whatever the initiator takes; EchoesAllNonImmediate does so for non-immediate pings only.
	EchoesAll, EchoesAllNonImmediate bool
	// ShortEcho returns 4096 bytes at most.
	ShortEcho bool
	// AnswersEverything answers NOP-Outs that ask for nothing.
	AnswersEverything bool
	// HangsOnUnknownAnswer stops serving the connection over an answer to a ping that was not sent.
	HangsOnUnknownAnswer bool
	// WaitsForTasks answers pings only when no task is active.
	WaitsForTasks bool
	// OneBuffer answers all pings with the data of the first one.
	OneBuffer bool
	// DropsAnswered drops a connection although its pings were answered.
	DropsAnswered bool
	// CountsInformation takes a StatSN for a NOP-In that asks for nothing.
	CountsInformation bool
}

// TextDeviations are faults of text in full feature phase.
type TextDeviations struct {
	// KeepsTTT leaves a Target Transfer Tag in final responses.
	KeepsTTT bool
	// OpenWithReservedTTT sends responses with F=0 and the Target Transfer Tag 0xffffffff.
	OpenWithReservedTTT bool
	// AlwaysFinal sets F in every response that has no C.
	AlwaysFinal bool
	// ProposesWhenFinal adds an offer to responses with F=1.
	ProposesWhenFinal bool
	// CutPairWhole takes the part of a pair before the border of a PDU for a pair.
	CutPairWhole bool
	// AppliesIllegal takes keys of requests with F and C.
	AppliesIllegal bool
	// DropsFragment forgets the part before the border of a PDU.
	DropsFragment bool
	// OldTag answers a request of another tag with the tag of the exchange.
	OldTag bool
	// TakesRepeated takes a key twice in one exchange.
	TakesRepeated bool
	// NeverRestarts rejects a request that begins an exchange anew.
	NeverRestarts bool
	// AppliesAtOnce takes each value when it is read, whatever becomes of the exchange.
	AppliesAtOnce bool
	// AppliesTooSmall takes a MaxRecvDataSegmentLength of 511.
	AppliesTooSmall bool
	// Uncounted does not count Text Requests: ExpCmdSN stays.
	Uncounted bool
	// WaitsForData leaves empty requests unanswered.
	WaitsForData bool
	// EmptyForUnknown answers unknown keys with an empty response.
	EmptyForUnknown bool
	// HangsOnUnknownTTT stops serving the connection over an unknown Target Transfer Tag.
	HangsOnUnknownTTT bool
	// MixesUp answers a request that comes beside an open exchange with that one's tag.
	MixesUp bool
	// HangsOnOversized stops serving the connection over a request that is too long.
	HangsOnOversized bool
}

// RejectDeviations are faults of Reject.
type RejectDeviations struct {
	// NoHeader leaves the rejected header out.
	NoHeader bool
	// RepeatsStatSN shows the StatSN of the response before, and takes none.
	RepeatsStatSN bool
	// Withdrawn rejects failed text negotiations with the withdrawn reason 0x0b.
	Withdrawn bool
	// SilentOnUnknown drops PDUs of unknown operation codes without a word.
	SilentOnUnknown bool
	// TakesR2T stops serving the connection over an R2T of the initiator.
	TakesR2T bool
	// SNACKAborts forgets all tasks when it rejects a SNACK.
	SNACKAborts bool
	// CountsRejected raises ExpCmdSN for a command that it rejects, and goes on waiting for it.
	CountsRejected bool
	// ForgetsTask forgets the task of data that it rejects.
	ForgetsTask bool
	// Endless answers a Reject with four.
	Endless bool
	// LeaksText stops answering logins when many text exchanges were left open.
	LeaksText bool
	// LogoutRefused rejects the logout that it has asked for with reason 0x0c.
	LogoutRefused bool
}

// AsyncDeviations are faults of Asynchronous Messages.
type AsyncDeviations struct {
	// UncountedStatSN sends them without taking a StatSN.
	UncountedStatSN bool
	// DropAtOnce asks for logout and closes at once.
	DropAtOnce bool
	// DropNamesCIDZero announces the drop of CID 0.
	DropNamesCIDZero bool
	// EventWithoutSense sends event 0 without sense data.
	EventWithoutSense bool
	// RefusesNegotiation rejects the negotiation that it has asked for.
	RefusesNegotiation bool
}

// busyWithPing is where a faulty array turns away immediate task management right behind an immediate ping.
func (d *SequencingDeviations) busyWithPing(s *session, h *pdu.BHS) bool {
	busy := d.OneImmediate && h.Immediate() && s.faults.pinged
	s.faults.pinged = false
	return busy
}
