package fuzz

import (
	"errors"
	"net"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
)

// The times of a run.
const (
	// answerTime is how long an answer may take before it counts as silence; dropTime how long a target may take to close.
	answerTime = 20 * time.Second
	dropTime   = 10 * time.Second
	// The same of a run in a hurry.
	hurriedAnswer = 3 * time.Second
	hurriedDrop   = time.Second
	// roundsMax bounds the requests of a walk.
	roundsMax = 16
	// passedMax bounds the PDUs that are passed over while an answer is awaited.
	passedMax = 64
)

// dialer opens a connection to a portal: "" is the one under test, others are addresses that redirects name.
type dialer func(portal string) (net.Conn, error)

// run carries flows out against a target, one after the other, and has the model judge each step. It belongs to one goroutine.
type run struct {
	set   *Setup
	dial  dialer
	model model
	tally tally
	links [ConnsMax + 1]link
	// slow tells that the target does not close behind a refusal, so that it is not waited for again; hurried that what is silent will
	// be looked at again at leisure.
	slow, hurried bool
	oldResponse   string
	buffer        []byte
	sent          uint64 // PDUs
	// longest is the longest wait in a flow, 0 for none.
	longest time.Duration
}

// link is the transport of a connection.
type link struct {
	conn    net.Conn
	reader  *pdu.Reader
	address string // where a redirect leads
}

// DialError tells that a target could not be reached.
type DialError struct{ Err error }

// Error names the cause.
func (e *DialError) Error() string { return "no connection to the target: " + e.Err.Error() }

// Unwrap gives the dialer's error.
func (e *DialError) Unwrap() error { return e.Err }

// flow runs one flow, and gives what was found, the first first. Of our own array nothing more is asked behind the first. The error tells that the
// target could not be reached at all.
func (r *run) flow(f *Flow) ([]*Finding, error) {
	m := &r.model
	m.reset(r.set)
	m.tally = &r.tally
	r.oldResponse = ""
	defer r.closeAll()
	var failed *DialError
	for i := range f.Steps {
		s := &f.Steps[i]
		m.step = i + 1
		v, g, err := r.step(s)
		if errors.As(err, &failed) {
			if i == 0 {
				return nil, err
			}
			v, g = broken("login.prelogin.other-pdu-closes", "a connection"), &got{kind: Dropped, note: failed.Error()}
		}
		if v != nil {
			c := &m.conns[s.Conn]
			m.lost(c, v, g)
			if r.links[s.Conn].conn != nil && !c.over() {
				r.endHere(c, VerbClose)
			}
		}
		if len(m.breaches) > 0 && !r.set.foreign {
			return m.breaches, nil
		}
	}
	m.step = 0
	for i := range m.conns {
		if c := &m.conns[i]; c.state == replaced {
			if v, g := r.awaitReplaced(c); v != nil {
				m.note(v, g)
			}
		}
	}
	return m.breaches, nil
}

// finding makes the report of a violation.
func (v *violation) finding(step int, g *got) *Finding {
	f := &Finding{Rule: v.rule, Step: step, Want: v.want, Got: Outcome{Kind: g.kind, Detail: g.describe()}}
	if g.kind == Refused {
		f.Got.Status = g.login.Status()
	}
	if row := scenarios.LoadCatalogue().Row(v.rule); row != nil {
		f.Clause = row.Clause
	}
	return f
}

// describe tells what came in words.
func (g *got) describe() string {
	switch g.kind {
	case Answered, Refused, Rejected, Foreign:
		frame := pdu.Frame{BHS: g.header, Data: g.data}
		text := frame.String()
		for _, piece := range pieces(g.data) {
			if g.header.Opcode() == pdu.OpLoginResponse {
				text += " " + Escape(piece[:min(len(piece), 100)])
			}
		}
		return text
	}
	return g.note
}

// step carries out one step.
func (r *run) step(s *Step) (*violation, *got, error) {
	c := &r.model.conns[s.Conn]
	if c.state == replaced && s.Verb != VerbWait {
		v, g := r.awaitReplaced(c)
		return v, g, nil
	}
	if s.Verb == VerbWait {
		time.Sleep(r.lasting(s.For))
		r.model.waited()
		return nil, nil, nil
	}
	if s.Verb == VerbWalk {
		return r.walk(c, s)
	}
	if _, sends := answers[s.Verb]; c.over() || !sends && !slices.Contains(endings, s.Verb) && s.Verb != VerbLogin {
		return nil, nil, nil
	}
	if err := r.open(c); err != nil {
		return nil, nil, err
	}
	switch s.Verb {
	case VerbLogin:
		return r.login(c, s)
	case VerbClose, VerbReset, VerbHush:
		r.endHere(c, s.Verb)
		return nil, nil, nil
	}
	return r.serve(c, s)
}

// lasting is how long a wait is in this run.
func (r *run) lasting(d time.Duration) time.Duration {
	if r.longest > 0 {
		return min(d, r.longest)
	}
	return d
}

// closing is how long a target may take to end a connection.
func (r *run) closing() time.Duration {
	if r.hurried {
		return hurriedDrop
	}
	return dropTime
}

// within is how long an answer may take.
func (r *run) within() time.Duration {
	if r.hurried {
		return hurriedAnswer
	}
	return answerTime
}

// open makes the connection where there is none.
func (r *run) open(c *conn) error {
	l := &r.links[c.number]
	if l.conn != nil {
		return nil
	}
	raw, err := r.dial(l.address)
	if err != nil {
		return &DialError{err}
	}
	l.conn = raw
	l.reader = pdu.NewReader(raw, pdu.Limits{MaxDataSegmentLength: 1 << 20})
	return nil
}

// endHere ends a connection from this side.
func (r *run) endHere(c *conn, how Verb) {
	l := &r.links[c.number]
	switch how {
	case VerbReset:
		if soft, can := l.conn.(interface{ SetLinger(int) error }); can {
			_ = soft.SetLinger(0) // a transport that cannot reset closes
		}
		l.conn.Close()
	case VerbClose:
		l.conn.Close()
	}
	r.model.endedHere(c)
}

// closeAll ends what a flow has left open.
func (r *run) closeAll() {
	for i := range r.links {
		l := &r.links[i]
		if l.conn != nil {
			if r.set.foreign && r.model.conns[i].serving() {
				r.leave(&r.model.conns[i])
			}
			l.conn.Close()
			l.reader.Release()
		}
		*l = link{}
	}
}

// leave logs a session of a foreign target out, as well as it goes.
func (r *run) leave(c *conn) {
	s := &Step{Conn: c.number, Verb: VerbLogout}
	if r.send(c, r.pduOf(c, s), Cut{}) {
		r.read(c, 2*time.Second)
	}
}

// login sends one Login Request and has its answer judged.
func (r *run) login(c *conn, s *Step) (*violation, *got, error) {
	q, err := r.request(c, s)
	if err != nil {
		return nil, nil, err
	}
	return r.exchange(c, q, s.Cut)
}

// exchange sends a Login Request and takes the answer.
func (r *run) exchange(c *conn, q *request, cut Cut) (*violation, *got, error) {
	m := &r.model
	q.Data = q.data
	if cut.End != "" {
		r.send(c, &q.LoginRequest, cut)
		if !c.begun {
			c.begun, c.first = true, q.LoginRequest
		}
		r.endHere(c, map[Ending]Verb{EndReset: VerbReset, EndClose: VerbClose, EndSilence: VerbHush}[cut.End])
		return nil, nil, nil
	}
	if c.serving() {
		g := r.ask(c, &q.LoginRequest)
		return m.judgeSecond(c, g), g, nil
	}
	e := m.expectLogin(c, q)
	g := r.ask(c, &q.LoginRequest)
	if g.kind == Answered && g.header.Opcode() != pdu.OpLoginResponse {
		g.kind = Foreign
	}
	v := m.judgeLogin(c, q, &e, g)
	if v == nil {
		r.after(c, g)
		if c.state == refused || c.state == moved {
			if v, next := r.closes(c); v != nil {
				m.note(v, next)
			}
		}
	}
	return v, g, nil
}

// after follows what a response has brought about.
func (r *run) after(c *conn, g *got) {
	l := &r.links[c.number]
	switch {
	case c.serving() && c.session != nil:
		if c.unique {
			c.session.cmdSN = g.login.ExpCmdSN
		}
		l.reader.SetDigests(pdu.Digests{Header: c.header, Data: c.data})
	case c.state == moved:
		l.address, _ = valueOf(g.data, "TargetAddress")
	}
}

// closes looks whether the target closes behind a refusal (RFC 7143, Section 11.13.5). One that waits, takes no further login, and closes
// when this side does is within the catalogue's leniency; it is not waited for again.
func (r *run) closes(c *conn) (*violation, *got) {
	if r.slow {
		return nil, nil
	}
	g := r.read(c, r.closing())
	if g.kind == Dropped {
		return nil, nil
	}
	want := broken("login.response.nonzero-status-closes", "the end of the connection behind the refusal")
	again := conn{number: c.number}
	q, err := r.polite(&again, &Step{Conn: c.number})
	if err != nil || g.kind != Silent {
		return want, g
	}
	q.Data = q.data
	r.send(c, &q.LoginRequest, Cut{})
	if g = r.read(c, 2*time.Second); g.kind == Answered {
		return want, g
	}
	if half, can := r.links[c.number].conn.(interface{ CloseWrite() error }); g.kind == Silent && can && half.CloseWrite() == nil {
		g = r.read(c, r.closing())
	}
	r.slow = true
	if g.kind == Silent {
		return want, g
	}
	return nil, nil
}

// awaitReplaced looks whether the target ends a connection that has lost its place.
func (r *run) awaitReplaced(c *conn) (*violation, *got) {
	g := r.read(c, r.closing())
	v := r.model.judgeReplaced(c, g)
	if v != nil {
		r.model.goTo(c, evEnd, ended) // It is not asked again.
	}
	return v, g
}
