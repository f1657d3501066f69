package simtarget

func rowsMethod() []RowDeviation {
	return []RowDeviation{
		{"auth.method.first-acceptable-chosen", func(d *Deviations) { d.Method.FirstMemberOnly = true }},
		{"auth.method.none-refused-when-required", func(d *Deviations) { d.Method.AcceptNone = true }},
		{"auth.method.absent-when-required", func(d *Deviations) { d.Method.TransitWithMethod = true }},
		{"auth.method.operational-start-when-required", func(d *Deviations) { d.Method.OperationalUnguarded = true }},
		{"auth.method.unsupported-only", func(d *Deviations) { d.Method.FallBackToNone = true }},
		{"auth.method.second-offer-forbidden", func(d *Deviations) { d.Method.SecondOfferTaken = true }},
		{"auth.method.target-proposal-first-step", func(d *Deviations) { d.Method.EarlyAlgorithmLost = true }},
		{"auth.chap.unknown-name-refused", func(d *Deviations) { d.Method.AnyName = true }},
		{"auth.chap.empty-name-refused", func(d *Deviations) { d.Method.EmptyName = true }},
		{"auth.chap.name-prefix-not-accepted", func(d *Deviations) { d.Method.NamePrefix = true }},
		{"auth.chap.algorithm-md5-selected", func(d *Deviations) { d.Method.OnlySHA256 = true }},
		{"auth.chap.order-algorithm-with-method", func(d *Deviations) { d.Method.TransitWithAlgorithm = true }},
		{"auth.chap.challenge-fresh-each-time", func(d *Deviations) { d.Method.ConstantChallenge = true }},
		{"auth.chap.replay-refused", func(d *Deviations) { d.Method.ChallengePerName = true }},
		{"auth.chap.secret-length-128-bit", func(d *Deviations) { d.Method.TwelveBytes = true }},
		{"auth.chap.keys-outside-security-stage", func(d *Deviations) { d.Method.CHAPInOperational = true }},
		{"auth.failure.session-not-created", func(d *Deviations) { d.Method.LeakOnFailure = true }},
		{"auth.chap.identity-bound-to-initiator-name", func(d *Deviations) { d.Method.NameUnbound = true }},
	}
}

func rowsCHAP() []RowDeviation {
	return []RowDeviation{
		{"auth.chap.wrong-response-refused", func(d *Deviations) { d.CHAP.FirstByteOnly = true }},
		{"auth.chap.secret-prefix-not-accepted", func(d *Deviations) { d.CHAP.ShortSecretPasses = true }},
		{"auth.chap.algorithm-from-list", func(d *Deviations) { d.CHAP.FirstAlgorithm = true }},
		{"auth.chap.algorithm-none-supported", func(d *Deviations) { d.CHAP.UnofferedMD5 = true }},
		{"auth.chap.algorithm-malformed", func(d *Deviations) { d.CHAP.JunkMeansMD5 = true }},
		{"auth.chap.order-response-before-algorithm", func(d *Deviations) { d.CHAP.BlankDigest = true }},
		{"auth.chap.missing-response-key", func(d *Deviations) { d.CHAP.MissingResponsePasses = true }},
		{"auth.chap.response-hex-and-base64", func(d *Deviations) { d.CHAP.Base64AsHexadecimal = true }},
		{"auth.chap.response-wrong-length", func(d *Deviations) { d.CHAP.LongResponsePasses = true }},
		{"auth.chap.response-malformed-encoding", func(d *Deviations) { d.CHAP.JunkDigitsAreZero = true }},
		{"auth.chap.challenge-size-and-encoding", func(d *Deviations) { d.CHAP.IdentifierBeyond = true }},
		{"auth.chap.mutual-success", func(d *Deviations) { d.CHAP.ProvesWithPeerSecret = true }},
		{"auth.chap.mutual-requested-but-unconfigured", func(d *Deviations) { d.CHAP.ProvesWithPeerSecret = true }},
		{"auth.chap.mutual-challenge-reflection-refused", func(d *Deviations) { d.CHAP.ReflectionAnswered = true }},
		{"auth.chap.mutual-same-secret-refused", func(d *Deviations) { d.CHAP.OwnResponsePasses = true }},
		{"auth.chap.mutual-challenge-forms", func(d *Deviations) { d.CHAP.ChallengeCut = true }},
		{"auth.chap.mutual-challenge-too-long", func(d *Deviations) { d.CHAP.ChallengeOverflows = true }},
		{"auth.chap.mutual-missing-half", func(d *Deviations) { d.CHAP.IdentifierOptional = true }},
		{"auth.chap.short-outgoing-secret", func(d *Deviations) { d.CHAP.ShortSecretUsed = true }},
	}
}
