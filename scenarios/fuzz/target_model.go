package fuzz

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// state is where a connection is, in the model of a target.
type state byte

// The states. A connection is fresh before its first PDU.
const (
	fresh      state = iota
	security         // the security stage; no authentication is under way
	agreed           // AuthMethod=CHAP is settled
	challenged       // the target has sent its challenge
	proven           // the response was right, the stage goes on
	operational
	full      // full feature phase of a Normal session
	discovery // full feature phase of a Discovery session
	refused   // a refusal has come: the connection closes
	moved     // a redirect has come: the connection closes
	dropped   // the target has closed it
	replaced  // its session or itself was reinstated, or its session logged out: the target has to close it
	loggedOut // it was logged out
	ended     // this side has closed it, or says no more
	stateCount
)

var stateNames = [stateCount]string{"fresh", "security", "security:CHAP-agreed", "security:challenged", "security:proven", "operational",
	"full-feature", "full-feature:discovery", "refused", "redirected", "dropped", "replaced", "logged-out", "ended"}

// event is what takes the model from one state to another.
type event byte

// The events. Those of a faulty request tell that something in it was against a rule.
const (
	evHold       event = iota // answered without a transition
	evHoldFaulty              // the same, although the request was faulty
	evGrant                   // answered with a transition to the operational stage
	evGrantFaulty
	evNew       // granted: a new session
	evDiscover  // granted: a Discovery session
	evReinstate // granted: a session takes the place of one with the same identity
	evJoin      // granted: a connection more of a session
	evReplace   // granted: a connection takes the place of the one with its CID
	evRefuse
	evRefuseFaulty
	evRedirect
	evReject
	evDrop
	evDropFaulty
	evServe // a request of full feature phase was answered
	evLogout
	evEnd      // this side ended it
	evReplaced // another connection's login or logout ended it
	eventCount
)

var eventNames = [eventCount]string{"held", "faulty-held", "granted-operational", "faulty-granted-operational", "granted-session", "granted-discovery",
	"granted-reinstatement", "granted-connection", "granted-replacement", "refused", "faulty-refused", "redirected", "rejected", "dropped", "faulty-dropped",
	"served", "logged-out", "ended", "replaced-by-other"}

// tally counts what the model goes through. It is cheap to count in, and becomes a Coverage in the end.
type tally struct {
	states [stateCount]uint64
	moves  [stateCount][eventCount][stateCount]uint64
	keys   [keyCount][6]uint64
}

var classIndex = map[Class]int{Legal: 0, Boundary: 1, Illegal: 2, Malformed: 3, Duplicated: 4, Missing: 5}

// addTo puts the counts into a Coverage.
func (t *tally) addTo(c *Coverage) {
	for s, n := range t.states {
		if n > 0 {
			count(&c.States, stateNames[s], n)
		}
	}
	for from := range t.moves {
		for ev := range t.moves[from] {
			for to, n := range t.moves[from][ev] {
				if n > 0 {
					count(&c.Transitions, moveName(state(from), event(ev), state(to)), n)
				}
			}
		}
	}
	for k := range t.keys {
		for class, n := range t.keys[k] {
			if n > 0 {
				count(&c.Keys, keys[k].name+" "+string(Classes()[class]), n)
			}
		}
	}
}

func moveName(from state, ev event, to state) string {
	return stateNames[from] + " --" + eventNames[ev] + "--> " + stateNames[to]
}

// model follows one flow against one target. It is a pure state machine: the run tells it what was sent and what came.
type model struct {
	set   *Setup
	tally *tally
	conns [ConnsMax + 1]conn
	// sessions are those that the target may hold still.
	sessions []*nexus
	// breaches are what was found in the flow so far, and step the place in it.
	breaches []*Finding
	step     int
	// others is how many sessions of other flows the target may hold.
	others int
}

// reset makes a model ready for a flow.
func (m *model) reset(set *Setup) {
	m.set, m.sessions, m.breaches, m.step, m.others = set, m.sessions[:0], nil, 0, 0
	for i := range m.conns {
		if c := &m.conns[i]; c.begun || c.state != fresh || c.number == 0 {
			c.reset(i, 0)
		}
	}
}

// reset makes a connection fresh, towards a portal.
func (c *conn) reset(number, portal int) {
	*c = conn{number: number, portal: portal, offers: c.offers[:0], proposals: c.proposals[:0], partial: c.partial[:0]}
}

// nexus is a session.
type nexus struct {
	name, target string
	isid         [6]byte
	tsih         uint16
	discovery    bool
	portal       int
	cids         []uint16
	conns        []int
	most         int    // connections, as negotiated
	cmdSN        uint32 // of the next command
	logged       bool   // it was logged out or replaced: it is no more
	lost         bool   // its connections are gone: the target may or may not keep it
}

// conn is one connection.
type conn struct {
	number int
	state  state
	portal int // which portal it leads to: 0 is the one under test, higher ones those that redirects name

	// Of the login; begun tells that a request was sent.
	begun        bool
	first        pdu.LoginRequest
	csg          pdu.Stage
	name, target string
	named        bool // a whole text was sent
	hasName      bool
	hasTarget    bool
	typed        string
	rounds       int
	unique       bool // the CmdSN is that of the connection's own login
	joins        *nexus
	joinsLost    bool // the session that it joins may be gone
	session      *nexus

	statSN  uint32
	counted bool // statSN holds the last StatSN

	partial []byte // text of requests with the C bit
	cutting bool   // the last request had the C bit

	offers    []offer
	proposals []proposal
	asked     uint64 // the keys offered in this login, a bit each
	told      uint64 // the keys that the target has declared

	// lenient: something that the target may take amiss later was let pass. clouded: what the target makes of the login is not known
	// any more, so that its answers are not judged. barred is the rule against full feature phase.
	lenient, clouded bool
	barred           string

	chap chapState

	header, data bool   // digests agreed
	connections  int    // the result of MaxConnections where a proposal of the target made it
	answersBytes int    // of a long text that is being answered
	tags         uint32 // requests of full feature phase so far
	served       bool
	itt          uint32
	method       string // the answer to AuthMethod
}

// goTo takes a connection to a state.
func (m *model) goTo(c *conn, ev event, to state) {
	m.tally.moves[c.state][ev][to]++
	m.tally.states[to]++
	c.state = to
}

// discoveryLogin tells whether the login is one of a Discovery session.
func (c *conn) discoveryLogin() bool { return c.typed == "Discovery" }

// inLogin tells whether the login phase goes on.
func (c *conn) inLogin() bool { return c.state <= operational }

// serving tells whether the connection is in full feature phase.
func (c *conn) serving() bool { return c.state == full || c.state == discovery }

// over tells whether nothing more can be sent.
func (c *conn) over() bool { return c.state >= refused }

// live counts the sessions that the target holds, or may hold.
func (m *model) live() int {
	n := m.others
	for _, s := range m.sessions {
		if !s.logged {
			n++
		}
	}
	return n
}
