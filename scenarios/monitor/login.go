package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The rules of the login exchange that bind the initiator.
var (
	loginForm  = rule{side: initiator, row: "login.pdu-fields", name: "form of a Login Request", clause: "RFC 7143, Section 11.12", spoils: everything}
	loginStage = rule{side: initiator, row: "login.pdu-fields", name: "the stage of a Login Request", clause: "RFC 7143, Section 11.12.3",
		needs: framing | login, spoils: everything}
	loginOnce = rule{side: initiator, row: "login.none-in-full-feature", name: "one login a connection", clause: "RFC 7143, Section 4.2.4",
		needs: framing | login, spoils: everything}
	loginTurns = rule{side: initiator, row: "login.one-outstanding-request", name: "one Login Request at a time", clause: "RFC 7143, Section 6.3",
		needs: framing | login, spoils: everything}
	loginSteps = rule{side: initiator, row: "login.no-stage-return", name: "no way back to an earlier stage", clause: "RFC 7143, Section 6.3",
		needs: framing | login, spoils: everything}
	transitOnce = rule{side: initiator, row: "login.tbit-usage", name: "C excludes T", clause: "RFC 7143, Section 11.12.2", spoils: everything}
	sameLogin   = rule{side: initiator, row: "login.identity-constant", name: "one identity for a whole login", clause: "RFC 7143, Section 6.3",
		needs: framing | login, spoils: everything}
	loginAck = rule{side: initiator, row: "login.expstatsn-in-login", name: "ExpStatSN in a login", clause: "RFC 7143, Section 11.12.9",
		needs: framing | login | status, spoils: status}
	loginLength = rule{side: initiator, row: "login.cbit-own-large-offer", name: "8192 bytes a Login Request", clause: "RFC 7143, Section 13.12",
		needs: framing, spoils: everything, firm: true}
	noGoOn = rule{side: initiator, row: "login.status.no-go-on", name: "a refused login is over", clause: "RFC 7143, Section 11.13.5",
		needs: framing | login, spoils: everything}
	onlyLogin = rule{side: initiator, row: "login.only-login-pdus", name: "nothing but Login Requests before full feature phase",
		clause: "RFC 7143, Section 6.3", needs: framing | login, spoils: everything}
)

// The rules of the login exchange that bind the target.
var (
	loginEcho = rule{side: target, row: "login.response.header-echo", name: "ITT, ISID and CSG of a Login Response", clause: "RFC 7143, Section 11.13",
		needs: framing | login, spoils: everything}
	transitAsked = rule{side: target, row: "login.response.t-only-when-requested", name: "T only when asked for", clause: "RFC 7143, Section 11.13.6",
		needs: framing | login, spoils: everything}
	nextStage = rule{side: target, row: "login.response.nsg-agrees-with-request", name: "the next stage", clause: "RFC 7143, Section 6.3",
		needs: framing | login, spoils: everything}
	continueExcludes = rule{side: target, row: "login.response.c-bit-excludes-t-bit", name: "C excludes T and F", clause: "RFC 7143, Section 6.2",
		spoils: everything}
	definedStatus = rule{side: target, row: "login.response.only-defined-status", name: "login status", clause: "RFC 7143, Section 11.13.5"}
	responseLimit = rule{side: target, row: "login.response.datasegment-default-limit", name: "8192 bytes a Login Response",
		clause: "RFC 7143, Section 13.12", spoils: everything}
	oneResponse = rule{side: target, row: "negotiation.exchange.one-response-per-request", name: "one Login Response a request",
		clause: "RFC 7143, Section 6.3", needs: framing | login, spoils: everything}
	noHandleYet = rule{side: target, row: "login.tsih.zero-before-final", name: "TSIH before the end of a login", clause: "RFC 7143, Section 11.13.3",
		needs: framing | login, spoils: login}
	handleGiven = rule{side: target, row: "login.tsih.nonzero-on-final", name: "TSIH of a new session", clause: "RFC 7143, Section 11.13.3",
		needs: framing | login}
	loginCmdSN = rule{side: target, row: "login.cmdsn.expcmdsn-equals-login-cmdsn", name: "a login consumes no CmdSN",
		clause: "RFC 7143, Section 4.2.2.1", needs: framing | login, spoils: order}
	versionZero = rule{side: target, row: "login.version.active-for-version-zero", name: "Version-active", clause: "RFC 7143, Section 11.13.2",
		needs: framing | login}
	loginWindow = rule{side: target, row: "login.maxcmdsn.window-not-inverted", name: "window of a Login Response", clause: "RFC 7143, Section 4.2.2.1",
		spoils: order}
)

// exchange is a login under way.
type exchange struct {
	first   pdu.LoginRequest
	last    pdu.LoginRequest
	asked   bool      // a request waits for its answer
	stage   pdu.Stage // where the connection is
	open    bool      // at least one request was sent
	partial bool      // the target has more to say: C was set
}

// loginRequest follows a Login Request.
func (c *conn) loginRequest(p *pdu.LoginRequest) {
	l := &c.login
	switch {
	case c.full:
		c.broken(&loginOnce, "a Login Request in full feature phase")
		return
	case c.refused:
		c.broken(&noGoOn, "a Login Request follows a refusal")
		return
	case l.asked:
		c.broken(&loginTurns, "a Login Request before the answer to the last one")
	}
	c.loginHeader(p)
	if !l.open {
		l.first, l.stage, l.open = *p, p.CSG, true
	} else {
		c.sameIdentity(p)
	}
	l.last, l.asked = *p, true
	if len(c.now.PDU.Data) > 0 && l.partial {
		c.spoil(initiator, everything) // text before the target had ended its own
	}
	if c.now.PDU.Header.DataSegmentLength() > 8192 {
		c.broken(&loginLength, "a Login Request with %d bytes of text", c.now.PDU.Header.DataSegmentLength())
	}
	c.loginText(initiator, p.Data, p.Continue, p.CSG == pdu.StageSecurity, false)
}

// loginHeader looks at the fields of one Login Request.
func (c *conn) loginHeader(p *pdu.LoginRequest) {
	switch {
	case !c.now.PDU.Header.Immediate():
		c.broken(&loginForm, "a Login Request without the I bit")
	case p.CSG > pdu.StageOperational:
		c.broken(&loginForm, "a Login Request with CSG %d", p.CSG)
	case p.Transit && (p.NSG <= p.CSG || p.NSG == 2):
		c.broken(&loginForm, "a Login Request with CSG %d and NSG %d", p.CSG, p.NSG)
	case p.VersionMin > p.VersionMax:
		c.broken(&loginForm, "a Login Request with Version-min %d above Version-max %d", p.VersionMin, p.VersionMax)
	case p.Transit && p.Continue:
		c.broken(&transitOnce, "a Login Request with C and T")
	}
	if p.VersionMin > 0 {
		c.spoil(initiator, everything) // no version that these rules know
	}
}

// sameIdentity holds a further Login Request against the first one, and against the answers so far.
func (c *conn) sameIdentity(p *pdu.LoginRequest) {
	l := &c.login
	f := &l.first
	switch {
	case p.ISID != f.ISID:
		c.broken(&sameLogin, "the ISID changes from %x to %x", f.ISID, p.ISID)
	case p.TSIH != f.TSIH:
		c.broken(&sameLogin, "the TSIH changes from %d to %d", f.TSIH, p.TSIH)
	case p.CID != f.CID:
		c.broken(&sameLogin, "the CID changes from %d to %d", f.CID, p.CID)
	case p.CmdSN != f.CmdSN && f.TSIH == 0:
		c.broken(&sameLogin, "the CmdSN changes from %s to %s", hex(f.CmdSN), hex(p.CmdSN))
	case p.VersionMin != f.VersionMin || p.VersionMax != f.VersionMax:
		c.broken(&sameLogin, "the versions change")
	case p.ITT != f.ITT:
		c.warned(&sameLogin, "the task tag changes from %s to %s", hex(f.ITT), hex(p.ITT))
		c.spoil(initiator, everything)
	}
	switch {
	case p.CSG < l.stage:
		c.broken(&loginSteps, "CSG %d behind stage %d", p.CSG, l.stage)
	case p.CSG > l.stage:
		c.broken(&loginStage, "CSG %d in stage %d", p.CSG, l.stage)
	}
	if c.statKnown && p.ExpStatSN != c.stat {
		c.broken(&loginAck, "ExpStatSN %s, want %s", hex(p.ExpStatSN), hex(c.stat))
	}
}

// loginResponse follows a Login Response.
func (c *conn) loginResponse(p *pdu.LoginResponse) {
	l := &c.login
	if c.full || !l.asked {
		c.broken(&oneResponse, "a Login Response that answers nothing")
		c.spoil(target, everything)
		return
	}
	l.asked = false
	if n := c.now.PDU.Header.DataSegmentLength(); n > 8192 {
		c.broken(&responseLimit, "%d bytes of text", n)
	}
	c.status(p)
	if p.StatusClass != 0 {
		c.refused = true
		c.redirected(p)
		return
	}
	c.counted(p)
	if serial(p.MaxCmdSN-p.ExpCmdSN) < -1 {
		c.broken(&loginWindow, "ExpCmdSN %s and MaxCmdSN %s", hex(p.ExpCmdSN), hex(p.MaxCmdSN))
	}
	c.loginAnswer(p)
	if p.Continue && p.Transit {
		c.broken(&continueExcludes, "a Login Response with C and T")
	}
	l.partial = p.Continue
	if n := held(c.now); l.last.Continue && n > 0 {
		c.broken(&emptyForPart, "%d bytes of text in answer to C=1", n)
		c.lose(keys) // it answers what it has not read to the end
	}
	c.loginText(target, p.Data, p.Continue, l.last.CSG == pdu.StageSecurity, p.Transit)
	if !p.Transit {
		return
	}
	l.stage = p.NSG
	if p.NSG == pdu.StageFullFeature {
		c.loggedIn(p)
	}
}

// status holds a login status to be a defined one. RFC 7143, Section 11.13.5.
func (c *conn) status(p *pdu.LoginResponse) {
	known := map[byte]byte{0: 0, 1: 2, 2: 0x0b, 3: 2}
	most, is := known[p.StatusClass]
	switch {
	case !is:
		c.broken(&definedStatus, "Status-Class %d", p.StatusClass)
	case p.StatusDetail > most || p.StatusClass == 1 && p.StatusDetail == 0:
		c.warned(&definedStatus, "status 0x%02x%02x", p.StatusClass, p.StatusDetail)
	}
}

// loginAnswer holds a Login Response of status 0 against the request that it answers.
func (c *conn) loginAnswer(p *pdu.LoginResponse) {
	q := &c.login.last
	switch {
	case p.ITT != q.ITT:
		c.broken(&loginEcho, "ITT %s, want %s", hex(p.ITT), hex(q.ITT))
	case p.ISID != q.ISID:
		c.broken(&loginEcho, "ISID %x, want %x", p.ISID, q.ISID)
	case p.CSG != q.CSG:
		c.broken(&loginEcho, "CSG %d, want %d", p.CSG, q.CSG)
	}
	if q.VersionMin == 0 && q.VersionMax == 0 && p.VersionActive != 0 {
		c.broken(&versionZero, "Version-active %d, where only version 0 was offered", p.VersionActive)
	}
	final := p.Transit && p.NSG == pdu.StageFullFeature
	switch {
	case p.Transit && !q.Transit:
		c.broken(&transitAsked, "T=1 in answer to T=0")
	case p.Transit && (p.NSG <= p.CSG || p.NSG > q.NSG || p.NSG == 2):
		c.broken(&nextStage, "from CSG %d to NSG %d, where NSG %d was asked for", p.CSG, p.NSG, q.NSG)
	case !final && q.TSIH == 0 && p.TSIH != 0:
		c.broken(&noHandleYet, "TSIH %d before the login has ended", p.TSIH)
	case final && p.TSIH == 0:
		c.broken(&handleGiven, "TSIH 0 in the final Login Response")
	case final && q.TSIH == 0 && p.ExpCmdSN != q.CmdSN:
		c.broken(&loginCmdSN, "ExpCmdSN %s, want %s", hex(p.ExpCmdSN), hex(q.CmdSN))
	}
}

// loggedIn begins full feature phase.
func (c *conn) loggedIn(p *pdu.LoginResponse) {
	c.full, c.cid, c.statLogin = true, c.login.first.CID, c.stat
	c.talk.settle(c)
	c.w.join(c, p)
	c.talk = nil
}

// loginText puts the parts of a login text together and follows what it says.
func (c *conn) loginText(from side, part []byte, continues, security, transit bool) {
	whole, ok := c.assemble(from, part, continues)
	if !ok {
		return
	}
	c.wellFormed(from, whole)
	pairs, err := text.Parse(whole)
	if err != nil {
		c.spoil(from, keys)
	}
	for _, pair := range pairs {
		c.talk.say(c, from, pair, security)
	}
	if from == target && transit {
		c.talk.openQuestions(c, pairs)
	}
}

// assemble keeps the parts of a text that came with C=1, and returns the whole.
func (c *conn) assemble(from side, part []byte, continues bool) ([]byte, bool) {
	if c.now.PDU.Cut > 0 || len(c.parts[from])+len(part) > maxText {
		c.lose(keys | texts)
		c.parts[from] = nil
		return nil, false
	}
	if continues {
		c.parts[from] = append(c.parts[from], part...)
		return nil, false
	}
	whole := part
	if len(c.parts[from]) > 0 {
		whole = append(c.parts[from], part...)
		c.parts[from] = nil
	}
	return whole, true
}

// serial gives the distance of two numbers in serial arithmetic (RFC 1982) as a signed one.
func serial(distance uint32) int32 { return int32(distance) }
