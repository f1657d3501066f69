package fuzz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// request makes the Login Request of a step: what the step leaves at its zero value is what a well-behaved initiator would say.
func (r *run) request(c *conn, s *Step) (*request, error) {
	q := &request{form: s.Form}
	p := &q.LoginRequest
	p.Transit, p.Continue = s.Transit, s.Continue
	p.CSG, p.NSG = pdu.Stage(s.CSG), pdu.Stage(s.NSG)
	p.ITT = 0x10000 + uint32(c.number) + s.ITT
	if c.begun {
		p.ISID, p.TSIH, p.CID = c.first.ISID, c.first.TSIH, c.first.CID
		p.VersionMax, p.VersionMin, p.CmdSN = c.first.VersionMax, c.first.VersionMin, c.first.CmdSN+s.CmdSN
	} else {
		p.ISID, p.CID = isids[0], uint16(c.number)
		p.CmdSN = uint32(c.number)<<12 + s.CmdSN
	}
	if s.ISID != 0 {
		p.ISID = isids[s.ISID]
	}
	if s.CID != 0 {
		p.CID = uint16(c.number) + s.CID
	}
	if s.VersionMax != 0 || s.VersionMin != 0 {
		p.VersionMax, p.VersionMin = s.VersionMax, s.VersionMin
	}
	r.handle(c, s, p)
	if c.counted {
		p.ExpStatSN = c.statSN + 1
	}
	p.ExpStatSN += s.ExpStatSN
	return q, r.fill(c, q, s.Pairs)
}

// handle sets the TSIH of a request.
func (r *run) handle(c *conn, s *Step, p *pdu.LoginRequest) {
	switch {
	case s.TSIH == "wrong":
		p.TSIH = unknownHandle
	case s.TSIH == "zero":
		p.TSIH = 0
	case s.TSIH != "":
		p.TSIH = unknownHandle
		if n := r.model.conns[s.TSIH[1]-'0'].session; n != nil {
			p.TSIH = n.tsih
			if !c.begun {
				p.CmdSN = n.cmdSN + s.CmdSN
			}
		}
	}
}

// fill makes the text of a request.
func (r *run) fill(c *conn, q *request, pairs []Pair) error {
	words := r.word(c)
	for i, template := range pairs {
		name, err := Expand(template.Key, words)
		if err != nil {
			return err
		}
		value, err := Expand(template.Value, words)
		if err != nil {
			return err
		}
		q.add(sent{keyOf(name), name, value, template.Bare}, i == len(pairs)-1)
	}
	return nil
}

// add appends a pair in the request's form.
func (q *request) add(p sent, last bool) {
	nulPrefix := q.form == FormMoreNULs && len(q.pairs) > 0
	q.pairs = append(q.pairs, p)
	b := q.data
	if nulPrefix {
		b = append(b, 0, 0, 0)
	}
	begin := len(b)
	b = append(b, p.name...)
	if !p.bare {
		b = append(b, '=')
		b = append(b, p.value...)
	}
	switch {
	case last && q.form == FormHalf:
		b = b[:begin+(len(b)-begin)/2]
	case last && q.form == FormNoLastNUL:
	default:
		b = append(b, 0)
	}
	if last && q.form == FormMoreNULs {
		b = append(b, 0, 0, 0, 0)
	}
	q.data = b
}

// walk goes on with a login as a well-behaved initiator does, until it has come to an end.
func (r *run) walk(c *conn, s *Step) (*violation, *got, error) {
	if c.state == moved {
		r.follow(c)
	}
	if !c.inLogin() {
		return nil, nil, nil
	}
	if err := r.open(c); err != nil {
		return nil, nil, err
	}
	for round := range roundsMax {
		q, err := r.polite(c, s)
		if err != nil {
			return nil, nil, err
		}
		v, g, err := r.exchange(c, q, s.Cut)
		if v != nil || err != nil || !c.inLogin() {
			return v, g, err
		}
		if round == roundsMax-1 && !c.lenient && !c.clouded {
			return broken(r.model.baseRule(c, q), fmt.Sprintf("full feature phase within %d requests", roundsMax)), g, nil
		}
	}
	return nil, nil, nil
}

// follow begins the login anew where a redirect leads.
func (r *run) follow(c *conn) {
	l := &r.links[c.number]
	l.conn.Close()
	l.reader.Release()
	*l = link{address: l.address}
	c.reset(c.number, c.portal+1)
}

// polite makes the request with which a well-behaved initiator goes on.
func (r *run) polite(c *conn, s *Step) (*request, error) {
	if !c.begun {
		first := *s
		first.Pairs = r.introduced(s.Pairs)
		if first.CSG > 1 || r.set.auth == required {
			first.CSG = 0
		}
		if first.CSG == 0 && !named(first.Pairs, "AuthMethod") && !named(first.Pairs, "{") {
			first.Pairs = append(first.Pairs, Pair{Key: "AuthMethod", Value: r.method()})
		}
		first.NSG, first.Transit, first.Continue, first.Form = 3, true, false, FormPlain
		if first.CSG == 0 {
			first.NSG, first.Transit = 1, r.set.auth != required
		}
		return r.request(c, &first)
	}
	next := Step{Conn: s.Conn, Header: Header{CSG: byte(c.csg)}}
	if c.cutting || c.answersBytes > 0 {
		return r.request(c, &next)
	}
	next.Transit, next.NSG = true, byte(c.csg)+1
	if c.csg != pdu.StageSecurity {
		next.NSG = 3
	}
	for _, p := range c.proposals {
		if !p.done {
			next.Pairs = append(next.Pairs, Pair{Key: Escape(p.name), Value: Escape(r.reply(p))})
		}
	}
	r.prove(c, &next)
	if !c.named || !c.hasName {
		next.Pairs = append(next.Pairs, r.introduced(nil)...)
	}
	return r.request(c, &next)
}

// introduced adds the names that a login needs where a step does not say them.
func (r *run) introduced(pairs []Pair) []Pair {
	out := slices.Clone(pairs)
	for _, p := range []Pair{{Key: "InitiatorName", Value: "{i1}"}, {Key: "TargetName", Value: "{target}"}, {Key: "SessionType", Value: "Normal"}} {
		if !named(pairs, p.Key) {
			out = append(out, p)
		}
	}
	return out
}

func named(pairs []Pair, key string) bool {
	return slices.ContainsFunc(pairs, func(p Pair) bool { return p.Key == key })
}

// method is what a well-behaved initiator offers as AuthMethod.
func (r *run) method() string {
	if r.set.auth == required {
		return "CHAP"
	}
	return "None"
}

// reply answers a proposal of the target with its own value, as the catalogue's std-login does.
func (r *run) reply(p proposal) string {
	switch {
	case p.key == kUnknown:
		return notUnderstood
	case keys[p.key].function == obsolete:
		return reject
	case p.key == kAuthMethod && strings.Contains(p.value, r.method()):
		return r.method()
	case keys[p.key].function == list:
		first, _, _ := strings.Cut(p.value, ",")
		return first
	}
	return p.value
}

// prove adds what the authentication asks for.
func (r *run) prove(c *conn, next *Step) {
	if c.csg != pdu.StageSecurity {
		return
	}
	switch {
	case c.chap.step == chapAgreed && c.chap.lists == "":
		next.Pairs = append(next.Pairs, Pair{Key: "CHAP_A", Value: "5"})
		next.Transit, next.NSG = false, 0
	case c.chap.step == chapAgreed:
		next.Transit, next.NSG = false, 0
	case c.chap.step == chapChallenged:
		next.Pairs = append(next.Pairs, Pair{Key: "CHAP_N", Value: "{user}"}, Pair{Key: "CHAP_R", Value: "{chap.r}"})
		if r.set.Own != "" && c.number%2 == 0 {
			next.Pairs = append(next.Pairs, Pair{Key: "CHAP_I", Value: "77"}, Pair{Key: "CHAP_C", Value: "{bytes:16}"})
		}
	case c.chap.step == chapNone && r.set.auth == required && c.asked&(1<<kAuthMethod) == 0 && !pending(next.Pairs, "AuthMethod"):
		next.Pairs = append(next.Pairs, Pair{Key: "AuthMethod", Value: "CHAP"})
		next.Transit, next.NSG = false, 0
	case c.chap.step == chapNone && r.set.auth == required:
		next.Transit, next.NSG = false, 0
	}
}

func pending(pairs []Pair, key string) bool { return named(pairs, key) }

// cmdSN is the CmdSN of the next command on a connection.
func (r *run) cmdSN(c *conn) uint32 {
	if c.session != nil {
		return c.session.cmdSN
	}
	return c.first.CmdSN
}

// pduOf makes the PDU of a step that is no Login Request.
func (r *run) pduOf(c *conn, s *Step) pdu.PDU {
	c.tags++
	itt, cmdSN, exp := 0x20000+uint32(c.number)<<8+c.tags+s.ITT, r.cmdSN(c)+s.CmdSN, c.statSN+1+s.ExpStatSN
	switch s.Verb {
	case VerbCommand:
		if c.session != nil {
			c.session.cmdSN++
		}
		return &pdu.SCSICommand{Final: true, Attr: pdu.AttrSimple, ITT: itt, CmdSN: cmdSN, ExpStatSN: exp, CDB: [16]byte{}}
	case VerbPing:
		return &pdu.NOPOut{Immediate: true, ITT: itt, TTT: pdu.ReservedTag, CmdSN: cmdSN, ExpStatSN: exp, Data: []byte("iscsispec")}
	case VerbText:
		return &pdu.TextRequest{Immediate: true, Final: true, ITT: itt, TTT: pdu.ReservedTag, CmdSN: cmdSN, ExpStatSN: exp, Data: []byte("SendTargets=All\x00")}
	}
	return &pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutReason(s.Reason), ITT: itt, CID: c.first.CID + s.CID, CmdSN: cmdSN, ExpStatSN: exp}
}

// answers is the opcode of the answer that a verb asks for.
var answers = map[Verb]pdu.Opcode{VerbCommand: pdu.OpSCSIResponse, VerbPing: pdu.OpNOPIn, VerbText: pdu.OpTextResponse, VerbLogout: pdu.OpLogoutResponse}

// serve sends a request of full feature phase, in whatever phase the connection is, and has the answer judged.
func (r *run) serve(c *conn, s *Step) (*violation, *got, error) {
	p := r.pduOf(c, s)
	if s.Cut.End != "" {
		r.send(c, p, s.Cut)
		if s.Verb == VerbCommand && c.session != nil {
			c.session.cmdSN-- // It never came.
		}
		c.begun = true
		r.endHere(c, map[Ending]Verb{EndReset: VerbReset, EndClose: VerbClose, EndSilence: VerbHush}[s.Cut.End])
		return nil, nil, nil
	}
	g := r.ask(c, p)
	v := r.model.judgeServed(c, s.Verb, s, g, answers[s.Verb])
	return v, g, nil
}

// statSNOf is the StatSN of a PDU of full feature phase that takes one.
func statSNOf(h *pdu.BHS) (uint32, bool) {
	switch h.Opcode() {
	case pdu.OpSCSIResponse, pdu.OpNOPIn, pdu.OpTextResponse, pdu.OpLogoutResponse, pdu.OpReject:
		return uint32(h[24])<<24 | uint32(h[25])<<16 | uint32(h[26])<<8 | uint32(h[27]), true
	}
	return 0, false
}

// endings are the verbs that end a connection from this side.
var endings = []Verb{VerbClose, VerbReset, VerbHush}
