package simtarget

// OfferDeviations are faults in how the array takes the text of a login and what it answers to single keys. What the answers say is in force
// unless the field says otherwise.
type OfferDeviations struct {
	// RefusesHash refuses a login with an unknown key whose name holds '#'.
	RefusesHash bool
	// RefusesArchitecture refuses a login that declares X#NodeArchitecture.
	RefusesArchitecture bool
	// PlainNamesUnanswered leaves unknown keys unanswered whose names do not begin with X-.
	PlainNamesUnanswered bool
	// SequenceNotUnderstood answers DataSequenceInOrder=NotUnderstood.
	SequenceNotUnderstood bool
	// AliasRejected answers InitiatorAlias=Reject.
	AliasRejected bool
	// LastOfTextWins takes the last value of a key that comes twice in one text.
	LastOfTextWins bool
	// TakesLaterOffer answers a key that was settled in an earlier request with the new offer.
	TakesLaterOffer bool
	// TakesLastDeclaration takes MaxRecvDataSegmentLength as often as it is declared.
	TakesLastDeclaration bool
	// UnknownMemberSpoilsList answers Reject to a list with a digest that it does not know.
	UnknownMemberSpoilsList bool
	// InventsNone answers None to a list of digests none of which it takes.
	InventsNone bool
	// OrAsAnd answers InitialR2T=No to an offer of Yes.
	OrAsAnd bool
	// AndAsOr answers ImmediateData=Yes to an offer of No.
	AndAsOr bool
	// EchoesBoolean answers ImmediateData with what was offered, whatever that is.
	EchoesBoolean bool
	// OwnMaximum answers MaxBurstLength=16776192 whatever was offered.
	OwnMaximum bool
	// OwnWait answers DefaultTime2Wait=2 whatever was offered.
	OwnWait bool
	// ReadsDigitsOnly reads a hexadecimal MaxBurstLength as 0.
	ReadsDigitsOnly bool
	// EchoesLevel answers ErrorRecoveryLevel=3 to an offer of 3.
	EchoesLevel bool
	// WordsAreZero answers 0 to a numeric key whose offer is no number.
	WordsAreZero bool
	// RejectedInForce uses a MaxBurstLength that it has answered with Reject.
	RejectedInForce bool
	// FoldsCase takes maxburstlength for MaxBurstLength.
	FoldsCase bool
	// HangsOnBareToken never answers a login whose text holds a token without "=".
	HangsOnBareToken bool
	// DiesOfEmptyValue stops listening over a MaxBurstLength without a value.
	DiesOfEmptyValue bool
	// ReadsPastEnd takes two digits of another request for the end of a text that lacks its last zero byte.
	ReadsPastEnd bool
	// StopsAtEmptyToken passes over everything behind two zero bytes in a row.
	StopsAtEmptyToken bool
	// CutsLongNames answers a key of more than 63 bytes under the first 63 of them.
	CutsLongNames bool
	// DiesOfLongValue stops listening over a value of more than 256 bytes.
	DiesOfLongValue bool
	// ShortOfText refuses a text of more than 4096 bytes with 0x0302.
	ShortOfText bool
	// WantsNameFirst refuses a login whose first key is not InitiatorName with 0x0207.
	WantsNameFirst bool
	// KeepsBlanks answers a digest list that has blanks with the part behind the comma, blank and all.
	KeepsBlanks bool
	// BurstIrrelevant answers MaxBurstLength=Irrelevant.
	BurstIrrelevant bool
	// ProposesLongBurst proposes a FirstBurstLength above the agreed MaxBurstLength.
	ProposesLongBurst bool
	// SecurityKeySilent puts a MaxBurstLength in force that came in the stage SecurityNegotiation, and does not answer it.
	SecurityKeySilent bool
	// TakesMarkers answers IFMarker=Yes to an offer of Yes.
	TakesMarkers bool
	// TakesMarkerInterval answers OFMarkInt=2048.
	TakesMarkerInterval bool
	// FourExchanges refuses a login in its fifth exchange; TenExchanges in its eleventh.
	FourExchanges, TenExchanges bool
	// EmptyRound answers the first request that asks for full feature phase with an empty text and T=0.
	EmptyRound bool
	// NoLastZero leaves the zero byte off the last pair of a Login Response.
	NoLastZero bool
	// EchoesRange answers a range of numbers with the range.
	EchoesRange bool
	// DeclaresInSecurity declares MaxRecvDataSegmentLength in responses of the stage SecurityNegotiation.
	DeclaresInSecurity bool
	// ProposesMalformedMethod proposes AuthMethod=Z-com.vendor/auth in the stage SecurityNegotiation.
	ProposesMalformedMethod bool
	// ProposesWithdrawnMethod proposes AuthMethod=X-com.vendor.auth in the stage SecurityNegotiation.
	ProposesWithdrawnMethod bool
}

// KeyValueDeviations are faults of the values that are agreed, and of what the array makes of them in full feature phase.
type KeyValueDeviations struct {
	// ConnectionsAboveOffer answers MaxConnections=4 to an offer of 1.
	ConnectionsAboveOffer bool
	// R2TNoByDefault takes InitialR2T for No where it was not negotiated, and waits for data that nobody announced.
	R2TNoByDefault bool
	// SolicitsAnyway agrees to InitialR2T=No and takes no unsolicited data.
	SolicitsAnyway bool
	// ImmediateNoByDefault takes ImmediateData for No where it was not negotiated.
	ImmediateNoByDefault bool
	// LongSegmentsByDefault sends data segments of 262144 bytes to who has declared nothing.
	LongSegmentsByDefault bool
	// RefusesOddLength refuses a MaxRecvDataSegmentLength that is no multiple of 512.
	RefusesOddLength bool
	// TakesTinyLength takes a MaxRecvDataSegmentLength below 512 as it is.
	TakesTinyLength bool
	// DeclaresTooMuch declares a MaxRecvDataSegmentLength of 262144 and takes 8192.
	DeclaresTooMuch bool
	// RedeclaredIgnored goes on with the old MaxRecvDataSegmentLength after it was declared again in full feature phase.
	RedeclaredIgnored bool
	// OneSequence puts all Data-In of a command into one sequence.
	OneSequence bool
	// WholeR2T asks for all data of a write in one R2T.
	WholeR2T bool
	// MebibyteBursts takes MaxBurstLength for 1 MiB where it was not negotiated.
	MebibyteBursts bool
	// FirstBurstAboveMaxBurst answers FirstBurstLength with the offer although it is above MaxBurstLength.
	FirstBurstAboveMaxBurst bool
	// FirstBurstAboveOffer answers FirstBurstLength=262144 whatever was offered.
	FirstBurstAboveOffer bool
	// FirstBurstSmallByDefault takes FirstBurstLength for 8192 where it was not negotiated.
	FirstBurstSmallByDefault bool
	// WaitZero answers DefaultTime2Wait=0 whatever was offered.
	WaitZero bool
	// RetainTwenty answers DefaultTime2Retain=20 whatever was offered.
	RetainTwenty bool
	// EightR2Ts answers MaxOutstandingR2T=8 to an offer of 1; EightWithRecovery to any offer beside a recovery level above 0.
	EightR2Ts, EightWithRecovery bool
	// AllR2TsAtOnce sends all R2Ts of a task at once.
	AllR2TsAtOnce bool
	// PDUsBackwards sends the PDUs of a sequence from the last to the first although DataPDUInOrder=Yes was agreed.
	PDUsBackwards bool
	// SequencesBackwards asks for the last burst first, and sends the last sequence first, although DataSequenceInOrder=Yes was agreed.
	SequencesBackwards bool
	// LevelTwo answers ErrorRecoveryLevel=2 to an offer of 1; LevelTwoInDiscovery to any offer in a Discovery session.
	LevelTwo, LevelTwoInDiscovery bool
	// LongAlias sends a TargetAlias of 300 bytes.
	LongAlias bool
	// ASCIIAliasOnly refuses an InitiatorAlias with bytes above 0x7f.
	ASCIIAliasOnly bool
	// SendTargetsInLogin answers SendTargets in a login.
	SendTargetsInLogin bool
	// EmptyRedirect redirects with an empty TargetAddress.
	EmptyRedirect bool
	// ReportingYes answers TaskReporting=Yes.
	ReportingYes bool
	// OldestReporting answers TaskReporting with the last of the offered list.
	OldestReporting bool
	// ProtocolTwo answers iSCSIProtocolLevel=2 to an offer of 1.
	ProtocolTwo bool
	// NoVersionClaimed returns the version descriptor 0x0960 whatever iSCSIProtocolLevel was agreed.
	NoVersionClaimed bool
	// RefusesBurstInDiscovery refuses a Discovery login that offers MaxBurstLength.
	RefusesBurstInDiscovery bool
	// NegotiatesInFullFeature accepts a MaxBurstLength in a Text Request.
	NegotiatesInFullFeature bool
	// StreamsText sends all parts of a long Text Response without waiting for the requests that ask for them.
	StreamsText bool
}
