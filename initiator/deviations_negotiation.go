package initiator

// NegotiationDeviations are faults of the text negotiation in the login (RFC 7143, Sections 6.1 to 6.3).
type NegotiationDeviations struct {
	// ResendOffers sends the keys of the operational stage again in each of its requests.
	ResendOffers bool
	// IgnoreRepeated takes the first value of a key that the target sends twice.
	IgnoreRepeated bool
	// EchoLists answers a list with the whole list.
	EchoLists bool
	// AnyListAnswer does not hold the choice from a list against the list.
	AnyListAnswer bool
	// AnyNumber takes whatever digits an answer begins with, cut to 24 bits.
	AnyNumber bool
	// InitialR2TIsAnd answers an offer of InitialR2T as if both sides had to say Yes.
	InitialR2TIsAnd bool
	// AnythingButNoIsYes takes any answer to a boolean offer for Yes, unless it is No.
	AnythingButNoIsYes bool
	// IgnoreUnknownKeys leaves keys that it does not know unanswered.
	IgnoreUnknownKeys bool
	// FewAnswers answers no offer but that of MaxConnections.
	FewAnswers bool
	// ReservedWordIsZero answers a reserved word, offered as a number, with 0.
	ReservedWordIsZero bool
	// OfferStandsAfterReject goes by its own offer when that was rejected.
	OfferStandsAfterReject bool
	// IrrelevantFails ends the login at the answer Irrelevant.
	IrrelevantFails bool
	// NotUnderstoodFails ends the login when a key that older targets do not know is not understood.
	NotUnderstoodFails bool
	// LargePeer takes 262144 for the MaxRecvDataSegmentLength of a target that has told none.
	LargePeer bool
	// NoFinalZero leaves the zero byte after the last pair of a request out.
	NoFinalZero bool
	// AnyText takes from a malformed text what can be read of it.
	AnyText bool
	// IgnoreLowerCase leaves keys that begin with a small letter unanswered.
	IgnoreLowerCase bool
	// DecimalOnly reads hexadecimal numbers as 0.
	DecimalOnly bool
	// SixtyFourKeys answers at most 64 keys of one text.
	SixtyFourKeys bool
	// FourKilobytes takes at most 4096 bytes of text.
	FourKilobytes bool
	// OfferReject offers ErrorRecoveryLevel=Reject.
	OfferReject bool
	// FourExchanges gives up after four exchanges in a stage.
	FourExchanges bool
	// EmptyFirst begins the operational stage with an empty request.
	EmptyFirst bool
	// MalformedMethod offers an authentication method of its own whose name holds a slash.
	MalformedMethod bool
	// VendorDigest offers a digest under the prefix of keys.
	VendorDigest bool
}

// negotiationRows are the rows about the text negotiation of a login.
func negotiationRows() []RowDeviation {
	return []RowDeviation{
		{"negotiation.offer-once", func(d *Deviations) { d.Negotiation.ResendOffers = true }},
		{"negotiation.duplicate-in-separate-pdus", func(d *Deviations) { d.Negotiation.IgnoreRepeated = true }},
		{"negotiation.duplicate-in-same-pdu", func(d *Deviations) { d.Negotiation.IgnoreRepeated = true }},
		{"negotiation.list-picks-own-offer", func(d *Deviations) { d.Negotiation.EchoLists = true }},
		{"negotiation.list-answer-not-offered", func(d *Deviations) { d.Negotiation.AnyListAnswer = true }},
		{"negotiation.numeric-answer-above-offer", func(d *Deviations) { d.Negotiation.AnyNumber = true }},
		{"negotiation.numeric-out-of-range", func(d *Deviations) { d.Negotiation.AnyNumber = true }},
		{"negotiation.boolean-functions", func(d *Deviations) { d.Negotiation.InitialR2TIsAnd = true }},
		{"negotiation.boolean-illegal-value", func(d *Deviations) { d.Negotiation.AnythingButNoIsYes = true }},
		{"negotiation.unknown-key-notunderstood", func(d *Deviations) { d.Negotiation.IgnoreUnknownKeys = true }},
		{"negotiation.answer-every-offer", func(d *Deviations) { d.Negotiation.FewAnswers = true }},
		{"negotiation.reserved-word-as-offer", func(d *Deviations) { d.Negotiation.ReservedWordIsZero = true }},
		{"negotiation.reject-answer", func(d *Deviations) { d.Negotiation.OfferStandsAfterReject = true }},
		{"negotiation.irrelevant-answer", func(d *Deviations) { d.Negotiation.IrrelevantFails = true }},
		{"negotiation.notunderstood-standard-key", func(d *Deviations) { d.Negotiation.NotUnderstoodFails = true }},
		{"negotiation.defaults-when-silent", func(d *Deviations) { d.Negotiation.LargePeer = true }},
		{"negotiation.text-termination", func(d *Deviations) { d.Negotiation.NoFinalZero = true }},
		{"negotiation.text-malformed", func(d *Deviations) { d.Negotiation.AnyText = true }},
		{"negotiation.case-sensitive", func(d *Deviations) { d.Negotiation.IgnoreLowerCase = true }},
		{"negotiation.number-formats", func(d *Deviations) { d.Negotiation.DecimalOnly = true }},
		{"negotiation.many-keys", func(d *Deviations) { d.Negotiation.SixtyFourKeys = true }},
		{"negotiation.accepts-8192-bytes", func(d *Deviations) { d.Negotiation.FourKilobytes = true }},
		{"negotiation.reserved-words-never-offered", func(d *Deviations) { d.Negotiation.OfferReject = true }},
		{"negotiation.six-exchanges-allowed", func(d *Deviations) { d.Negotiation.FourExchanges = true }},
		{"negotiation.empty-requests-avoided", func(d *Deviations) { d.Negotiation.EmptyFirst = true }},
		{"negotiation.no-withdrawn-prefixes", func(d *Deviations) { d.Negotiation.VendorDigest = true }},
		{"negotiation.extension-labels", func(d *Deviations) { d.Negotiation.MalformedMethod = true }},
	}
}
