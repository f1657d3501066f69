package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The rules of Text Requests and Responses, and of logouts.
var (
	textTurns = rule{side: initiator, row: "text.one-at-a-time", name: "one text exchange at a time", clause: "RFC 7143, Section 11.10",
		needs: framing | order, spoils: texts | keys | order}
	textParts = rule{side: initiator, row: "text.cbit-excludes-fbit", name: "C excludes F", clause: "RFC 7143, Section 6.2", needs: framing,
		spoils: texts | keys}
	textLength = rule{side: initiator, row: "text.target-limit-respected", name: "length of a Text Request", clause: "RFC 7143, Section 13.12",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	textLoginKeys = rule{side: initiator, row: "text.no-repeat-of-login-only-keys", name: "no keys of the login", clause: "RFC 7143, Section 6.4",
		needs: framing | texts | keys, spoils: texts | keys}
	textTags = rule{side: target, row: "text.response.ttt-and-f-consistent", name: "F and Target Transfer Tag of a Text Response",
		clause: "RFC 7143, Section 11.11.1"}
	textAnswers = rule{side: target, row: "negotiation.exchange.one-response-per-request", name: "one Text Response a request", clause: "RFC 7143, Section 11.11",
		needs: framing | order | login | status | texts, spoils: texts}
	textForPart = rule{side: target, row: "text.cbit.empty-response-and-reassembly", name: "an empty answer to a part of a text",
		clause: "RFC 7143, Section 6.2", needs: framing | order | login | status | texts, spoils: texts | keys}
	textOpen = rule{side: target, row: "text.f-bit.not-set-for-open-request", name: "F=0 for a request with F=0", clause: "RFC 7143, Section 11.11.1",
		needs: framing | order | login | status | texts, spoils: texts}

	logoutForm = rule{side: initiator, row: "logout.fields", name: "form of a Logout Request", clause: "RFC 7143, Section 11.14", needs: framing,
		spoils: everything &^ (framing | status | keys)}
	logoutLast = rule{side: initiator, row: "logout.no-requests-after", name: "no request behind a Logout Request", clause: "RFC 7143, Section 11.14",
		needs: framing | order | login, spoils: order | data | texts}
	logoutAnswered = rule{side: target, row: "logout.close-session.response-and-close", name: "one Logout Response a request",
		clause: "RFC 7143, Section 11.15", needs: framing | order | login | status, spoils: order}
)

// textState is how far a text exchange is.
type textState struct {
	asked     bool // a request waits for its response
	final     bool // its F bit
	continues bool // its C bit
}

// textRequest follows a Text Request.
func (c *conn) textRequest(p *pdu.TextRequest) {
	if limit := c.agreed.limits[target]; limit > 0 && int(held(c.now)) > limit {
		c.broken(&textLength, "a Text Request with %d bytes, where the target takes %d", held(c.now), limit)
	}
	if p.Continue && p.Final {
		c.broken(&textParts, "a Text Request with C and F")
	}
	if p.ITT == pdu.ReservedTag {
		c.broken(&tagUnique, "the reserved task tag for a Text Request")
		return
	}
	t := c.s.tasks[p.ITT]
	if t == nil || t.kind != textExchange {
		if c.s.text != nil && c.s.text.c == c && c.s.text.text.asked && !c.s.text.refused && !c.s.text.aborted {
			c.broken(&textTurns, "a Text Request with another task tag before the response to the last one")
		}
		t = &task{kind: textExchange, cmdSN: p.CmdSN}
		c.s.text = t
		c.task(p.ITT, t)
	} else if t.text.asked {
		c.broken(&textTurns, "a Text Request before the response to the last one")
	}
	t.text = textState{asked: true, final: p.Final, continues: p.Continue}
	c.textKeys(initiator, p.Data, p.Continue)
}

// textKeys follows what a text exchange says: a new limit replaces the old one, and until both sides know it the greater one holds.
func (c *conn) textKeys(from side, part []byte, continues bool) {
	whole, ok := c.assemble(from, part, continues)
	if !ok {
		return
	}
	c.wellFormed(from, whole)
	pairs, err := text.Parse(whole)
	if err != nil {
		c.spoil(from, texts|keys)
	}
	for _, pair := range pairs {
		key, known := text.Lookup(pair.Key)
		switch {
		case !known || text.Reserved(pair.Value):
		case pair.Key == text.KeyMaxRecvDataSegmentLength:
			n, sound := text.ParseNumber(pair.Value)
			if !sound || !key.Admits(pair.Value) {
				c.spoil(from, keys|texts)
				continue
			}
			if c.agreed.limits[from] > 0 {
				c.agreed.limits[from] = max(c.agreed.limits[from], n)
			}
		case from == initiator && (key.Use == text.InitializeOnly || key.Use == text.LeadingOnly) && pair.Key != text.KeyTargetName:
			c.broken(&textLoginKeys, "%v in a Text Request", pair)
		}
	}
}

// textResponse follows a Text Response.
func (c *conn) textResponse(p *pdu.TextResponse) {
	switch {
	case p.Continue && p.Final:
		c.broken(&continueExcludes, "a Text Response with C and F")
	case p.Final && p.TTT != pdu.ReservedTag:
		c.broken(&textTags, "F=1 with the Target Transfer Tag %s", hex(p.TTT))
	case !p.Final && p.TTT == pdu.ReservedTag:
		c.broken(&textTags, "F=0 with the reserved Target Transfer Tag")
	}
	c.fits(p.Opcode())
	t := c.s.tasks[p.ITT]
	if t == nil || t.kind != textExchange || t.c != c || !t.text.asked {
		if t == nil || !t.refused {
			c.broken(&textAnswers, "a Text Response with the task tag %s, which no Text Request has that waits for one", hex(p.ITT))
		}
		return
	}
	if p.Final && (!t.text.final || t.text.continues) {
		c.broken(&textOpen, "F=1 in answer to F=0")
	}
	if n := held(c.now); t.text.continues && n > 0 {
		c.broken(&textForPart, "%d bytes of text in answer to C=1", n)
	}
	t.text.asked = false
	if p.Final {
		c.s.finish(p.ITT, t)
	}
	c.textKeys(target, p.Data, p.Continue)
}

// logoutRequest follows a Logout Request.
func (c *conn) logoutRequest(p *pdu.LogoutRequest) {
	switch {
	case !c.now.PDU.Header.Final():
		c.broken(&logoutForm, "F=0")
	case p.Reason > pdu.LogoutRemoveForRecovery:
		c.broken(&logoutForm, "the reason %d", p.Reason)
	case p.Reason == pdu.LogoutRemoveForRecovery && c.agreed.level > 0 && c.agreed.level < 3:
		c.broken(&logoutForm, "the reason 2 below recovery level 2")
	case held(c.now) > 0:
		c.broken(&logoutForm, "%d bytes of data", held(c.now))
	case p.Reason == pdu.LogoutCloseConnection && p.CID != c.cid && !c.s.several && c.s.numbered:
		c.broken(&logoutForm, "the CID %d, where the one connection has %d", p.CID, c.cid)
	}
	if p.ITT == pdu.ReservedTag {
		c.broken(&tagUnique, "the reserved task tag for a logout")
		return
	}
	c.task(p.ITT, &task{kind: logoutKind, cmdSN: p.CmdSN, immediate: p.Reason == pdu.LogoutCloseSession || p.CID == c.cid})
	if p.Reason == pdu.LogoutCloseSession || p.Reason == pdu.LogoutCloseConnection && p.CID == c.cid {
		c.leaving = true
	}
}

// logoutResponse follows a Logout Response.
func (c *conn) logoutResponse(p *pdu.LogoutResponse) {
	if !c.now.PDU.Header.Final() {
		c.broken(&logoutAnswered, "F=0")
	}
	t := c.closesRequest(p.ITT, logoutKind, &logoutAnswered, p.Opcode())
	switch {
	case t == nil:
	case p.Response != pdu.LogoutSuccess:
		c.leaving = false
	case t.immediate && c.leaving:
		c.loggedOut = true
	}
}
