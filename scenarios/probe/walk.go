package probe

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// continuationsMax bounds how many parts with the C bit set a Walk follows.
const continuationsMax = 256

// Step is one Login Request of a Walk.
type Step struct {
	CSG, NSG          pdu.Stage
	Transit, Continue bool
	// Keys is the text. Data, where not nil, is sent instead, as it stands.
	Keys text.Pairs
	Data []byte
	// Patch, where not nil, changes the request before it goes out.
	Patch func(*pdu.LoginRequest)
}

// Walk is a login that a check walks step by step. It keeps what has to stay the same over a login: ITT, ISID, TSIH, CID and
// CmdSN, all of which may be overwritten between steps.
type Walk struct {
	Conn  *Conn
	ISID  iscsi.ISID
	TSIH  uint16
	CID   uint16
	ITT   uint32
	CmdSN uint32
	// VersionMax and VersionMin are 0 unless overwritten.
	VersionMax, VersionMin byte

	// Said are all pairs of the login so far, of both sides, in order.
	Said []Said
	// Responses are all Login Responses so far.
	Responses []*pdu.LoginResponse
	// Exchanges counts the requests that were answered by a Login Response.
	Exchanges int
}

// Answer is what came in answer to a Step.
type Answer struct {
	// Event is what came; Response is set when it is a Login Response.
	Event    Event
	Response *pdu.LoginResponse
	// Pairs is the text of the response, joined over parts with the C bit set. TextErr is what was wrong with it.
	Pairs   text.Pairs
	TextErr error
}

// OK tells whether a Login Response of status class 0 came.
func (a Answer) OK() bool { return a.Response != nil && a.Response.StatusClass == 0 }

// Refused tells whether a Login Response of another status class came, and which status.
func (a Answer) Refused() (iscsi.Status, bool) {
	if a.Response == nil || a.Response.StatusClass == 0 {
		return 0, false
	}
	return iscsi.Status(a.Response.Status()), true
}

// FullFeature tells whether the response grants the transition to the full feature phase.
func (a Answer) FullFeature() bool {
	return a.OK() && a.Response.Transit && a.Response.NSG == pdu.StageFullFeature
}

// Walk starts a login by hand on the connection: new-session of the catalogue without its keys, which Names returns.
func (c *Conn) Walk(l Login) *Walk {
	w := &Walk{Conn: c, ISID: c.Session.ISID, CID: 1, ITT: c.NewTag(), CmdSN: c.Session.CmdSN,
		VersionMax: l.VersionMax, VersionMin: l.VersionMin}
	if s := l.Session; s != nil {
		// The provisional session of the connection stands until the login is granted.
		w.ISID, w.TSIH, w.CmdSN, w.CID = s.ISID, s.TSIH, s.CmdSN, uint16(len(s.Conns)+1)
	}
	if l.ISID != nil {
		w.ISID = *l.ISID
	}
	if l.TSIH != nil {
		w.TSIH = *l.TSIH
	}
	if l.CID != nil {
		w.CID = *l.CID
	}
	if l.ITT != nil {
		w.ITT = *l.ITT
	}
	if l.CmdSN != nil {
		w.CmdSN = *l.CmdSN
	}
	c.ExpStatSN = 0
	return w
}

// Request makes the Login Request of a step without sending it.
func (w *Walk) Request(s Step) *pdu.LoginRequest {
	data := s.Data
	if data == nil {
		data = s.Keys.Append(nil)
	}
	r := &pdu.LoginRequest{Transit: s.Transit, Continue: s.Continue, CSG: s.CSG, NSG: s.NSG,
		VersionMax: w.VersionMax, VersionMin: w.VersionMin, ISID: w.ISID, TSIH: w.TSIH, ITT: w.ITT, CID: w.CID,
		CmdSN: w.CmdSN, ExpStatSN: w.Conn.ExpStatSN, Data: data}
	if s.Patch != nil {
		s.Patch(r)
	}
	return r
}

// Send sends a step and does not wait. A failed write shows in the next event.
func (w *Walk) Send(s Step) {
	w.say(false, s.Keys)
	// What the target did to the connection is told by the event that follows.
	_ = w.Conn.Send(w.Request(s))
}

// Exchange sends a step and waits for its answer within the answer timeout. Parts of the answer with the C bit set are
// followed with empty requests. After a granted transition to the full feature phase the connection is in that phase.
func (w *Walk) Exchange(s Step) Answer {
	w.Send(s)
	return w.Await(s)
}

// Await waits for the answer to a step that was sent, as Exchange does, so that several logins can be under way at the same time.
func (w *Walk) Await(s Step) Answer {
	var assembler text.Assembler
	for range continuationsMax {
		a := w.receive()
		if !a.OK() {
			return a
		}
		pairs, whole, err := assembler.Add(a.Response.Data, a.Response.Continue)
		if whole || err != nil {
			a.Pairs, a.TextErr = pairs, err
			w.say(true, pairs)
			if a.FullFeature() {
				w.enter(a.Response)
			}
			return a
		}
		w.Send(Step{CSG: s.CSG, NSG: s.NSG})
	}
	return Answer{Event: w.Conn.Answer(), TextErr: &text.LimitError{What: "parts", Limit: continuationsMax, Got: continuationsMax + 1}}
}

func (w *Walk) receive() Answer {
	a := Answer{Event: w.Conn.Answer()}
	if r, ok := As[*pdu.LoginResponse](a.Event); ok {
		a.Response = r
		w.Exchanges++
		w.Responses = append(w.Responses, r)
		if r.StatusClass != 0 {
			// A redirection carries TargetAddress.
			a.Pairs, a.TextErr = text.Parse(r.Data)
			w.say(true, a.Pairs)
		}
	}
	return a
}

// enter puts the connection into full feature phase, in a new session or in the one that the login named.
func (w *Walk) enter(r *pdu.LoginResponse) {
	c := w.Conn
	session := c.prober.sessionOf(w, r.TSIH)
	session.window(r.ExpCmdSN, r.MaxCmdSN)
	session.Conns = append(session.Conns, c)
	// Tags are unique within a session (RFC 7143, Section 11.2.1.8).
	c.nextTag += uint32(len(session.Conns)-1) << 20
	params := Settled(w.Said)
	if len(session.Conns) == 1 {
		session.Params = params
		session.InitiatorName, session.TargetName = params.InitiatorName, params.TargetName
	}
	c.Session, c.CID, c.loggedIn = session, w.CID, true
	c.Digests = pdu.Digests{Header: params.HeaderDigest, Data: params.DataDigest}
	c.Params = params
}

// sessionOf finds the session that a login has joined, or makes a new one.
func (p *Prober) sessionOf(w *Walk, tsih uint16) *Session {
	if w.TSIH != 0 {
		for _, s := range p.sessions {
			if s.TSIH == w.TSIH && s.ISID == w.ISID && !s.loggedOut {
				return s
			}
		}
	}
	s := &Session{ISID: w.ISID, TSIH: tsih, CmdSN: w.CmdSN}
	p.sessions = append(p.sessions, s)
	return s
}
