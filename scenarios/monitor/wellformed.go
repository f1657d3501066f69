package monitor

import (
	"bytes"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The rules about the form of key=value text.
var (
	targetText = rule{side: target, row: "negotiation.text.target-text-well-formed", name: "key=value text", clause: "RFC 7143, Section 6.1",
		needs: framing | keys, spoils: keys | texts}
	initiatorText = rule{side: initiator, row: "negotiation.text-termination", name: "key=value text", clause: "RFC 7143, Section 6.1",
		needs: framing | keys, spoils: everything &^ framing}
	redirectAddress = rule{side: target, row: "keys.target-address.not-volunteered-outside-redirect", name: "TargetAddress of a redirect",
		clause: "RFC 7143, Section 13.8", needs: framing | login, firm: true}
)

// wellFormed looks at a whole text.
func (c *conn) wellFormed(from side, whole []byte) {
	r := &targetText
	if from == initiator {
		r = &initiatorText
	}
	for len(whole) > 0 {
		piece, rest, ended := bytes.Cut(whole, []byte{0})
		whole = rest
		name, value, pair := bytes.Cut(piece, []byte("="))
		switch {
		case len(piece) == 0:
			c.warned(r, "a zero byte too many")
			if from == initiator {
				c.spoil(initiator, keys)
			}
			return
		case !ended:
			c.broken(r, "%.80q lacks its zero byte", piece)
			return
		case !pair:
			c.broken(r, "%.80q has no =", piece)
			return
		}
		if !text.ValidKeyName(string(name)) && !text.Reserved(string(value)) { // an answer repeats the name
			c.broken(r, "%.80q is no name of a key", name)
			return
		}
		if key, known := text.Lookup(string(name)); len(value) > 255 && (!known || len(value) > key.MaxLength) && from == target {
			c.broken(r, "the value of %s has %d bytes", name, len(value))
			return
		}
	}
}

// redirected looks at the text of a refusal.
func (c *conn) redirected(p *pdu.LoginResponse) {
	if p.StatusClass != iscsi.ClassRedirection || p.Continue || c.now.PDU.Cut > 0 || len(c.parts[target]) > 0 {
		return
	}
	pairs, err := text.Parse(p.Data)
	if err != nil {
		return
	}
	values := pairs.Values(text.KeyTargetAddress)
	if len(values) == 0 {
		c.broken(&redirectAddress, "a redirect without TargetAddress")
	}
	for _, value := range values {
		if _, err := iscsi.ParseTargetAddress(value); err != nil {
			c.broken(&redirectAddress, "a redirect to %q: %v", value, err)
		}
	}
}
