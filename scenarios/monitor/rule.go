package monitor

import (
	"fmt"

	"github.com/iscsispec/iscsispec/scenarios"
)

// side is one of the two ends of a connection.
type side int

const (
	initiator side = iota
	target
)

// other gives the side across.
func (s side) other() side { return 1 - s }

// ground is what a rule rests on, as a set.
type ground uint8

const (
	// login: the exchange of Login Requests and Responses went by the rules.
	login ground = 1 << iota
	// keys: what the two sides agreed on is known.
	keys
	// order: CmdSN, task tags and the command window were used by the rules.
	order
	// data: data moved by the rules of SCSI commands and R2Ts.
	data
	// texts: Text Requests and Responses came by the rules.
	texts
	// status: every PDU with a StatSN was seen, each once.
	status
	// framing: PDUs could be told apart and were whole.
	framing

	everything = login | keys | order | data | texts | status | framing
)

// rule is one invariant: what the side that it binds always does on a lawful connection.
type rule struct {
	side side
	row  string // the catalogue's
	name string // what was looked at
	// clause is narrower than the row's.
	clause string
	// needs is the ground that the other side must have kept, and that was seen whole. A rule without needs is about the form of a PDU.
	needs ground
	// spoils is the ground that a breach takes from the rules of the other side.
	spoils ground
	// lenient rules are warnings, whatever the level of their row.
	lenient bool
	// firm rules keep their verdict, since the words of the row decide.
	firm bool
}

// verdict is a rule's before the row's level has its say.
func (r *rule) verdict() scenarios.Verdict {
	if r.lenient {
		return scenarios.Warn
	}
	return scenarios.Fail
}

// broken tells that a rule was broken by the PDU at hand. It speaks where the side that the rule binds is judged and the ground is whole.
func (c *conn) broken(r *rule, format string, args ...any) {
	c.brokenAs(r, r.verdict(), format, args...)
}

// warned is broken for what a row names as a leniency.
func (c *conn) warned(r *rule, format string, args ...any) {
	c.brokenAs(r, scenarios.Warn, format, args...)
}

func (c *conn) brokenAs(r *rule, v scenarios.Verdict, format string, args ...any) {
	sound := c.stands(r)
	if v != scenarios.Warn {
		c.spoil(r.side, r.spoils)
	}
	if sound && c.w.judged[r.side] {
		c.w.note(c, r, v, fmt.Sprintf(format, args...))
	}
}

// stands tells whether the ground of a rule is whole.
func (c *conn) stands(r *rule) bool {
	gone := c.blind | c.spoilt[r.side.other()]
	if c.s != nil {
		gone |= c.s.blind | c.s.spoilt[r.side.other()]
	}
	return gone&r.needs == 0
}

// spoil takes ground from the rules of the other side: here, and on the other connections of the session.
func (c *conn) spoil(by side, g ground) {
	c.spoilt[by] |= g
	if c.s != nil {
		c.s.spoilt[by] |= g &^ (login | framing)
	}
}

// lose takes ground from the rules of both sides.
func (c *conn) lose(g ground) {
	c.blind |= g
	if c.s != nil {
		c.s.blind |= g &^ (login | framing)
	}
}
