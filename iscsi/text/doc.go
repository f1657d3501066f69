// Package text holds the key=value text of iSCSI logins and Text Requests: the pairs and how they are cut over PDUs,
// the table of all keys that RFC 7143 and RFC 7144 define, and the negotiation of one login as a pure state type.
//
// A login driver makes one Negotiation for each side, and in every exchange hands it the pairs that came (Receive)
// before it asks for what to send: the answers that Receive returned, then the pairs of Offer. When nothing is Open,
// Result holds the parameters of the session. The CHAP keys pass by it: CutSecurity takes them out for iscsi/chap.
//
// Text of a peer is never trusted: sizes are bounded, and every fault is a typed error that names the clause.
//
// # First use
//
//	n := text.NewNegotiation(text.Initiator, text.Normal, []text.Want{{Key: text.KeyHeaderDigest, Offer: "CRC32C,None"}})
//	request := n.Offer().Append(nil) // Goes out in a Login Request.
//	...
//	pairs, err := text.Parse(response)
//	answers, err := n.Receive(pairs) // Go out in the next one.
//	...
//	params := n.Result()
package text
