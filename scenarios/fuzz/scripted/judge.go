package scripted

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// judge judges the record of one run: the logins, each by its model, and what holds over all of them.
type judge struct {
	p        *played
	coverage *fuzz.Coverage
	findings []*fuzz.Finding
	logins   []*model // by connection, from 1
	outages  outages
	isid     *[6]byte
	id       ini.SessionID
	// challenges are those of the initiator so far.
	challenges [][]byte
}

// findingsMax bounds the findings of a run: what follows the first ones is mostly their consequence.
const findingsMax = 8

func (p *played) judge(cover *fuzz.Coverage) []*fuzz.Finding {
	j := &judge{p: p, coverage: cover}
	j.outages.j = j
	if p.broke != nil {
		j.add("login.endless-negotiation", 0, fuzz.Outcome{Kind: Broke, Detail: p.broke.Error()}, "a run that leaves nothing behind")
		return j.findings
	}
	slices.SortStableFunc(p.records, inOrder)
	for i := range p.records {
		r := &p.records[i]
		if r.at > p.end {
			break // it was under way still
		}
		for _, m := range j.logins {
			m.tick(r.at)
		}
		j.take(r)
	}
	j.finish()
	return j.findings
}

// inOrder compares records by their instants. When a connection is lost, one goroutine of the initiator closes it while another dials again:
// of one instant, dials are the last.
func inOrder(a, b record) int {
	rank := func(r record) int {
		if r.what == dialled {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.at, b.at), rank(a)-rank(b))
}

// add adds a finding.
func (j *judge) add(rule string, step int, got fuzz.Outcome, want ...string) {
	if len(j.findings) < findingsMax {
		j.findings = append(j.findings, &fuzz.Finding{Rule: rule, Clause: clauseOf(rule), Step: step, Got: got, Want: want})
	}
}

// take takes one record in.
func (j *judge) take(r *record) {
	switch r.what {
	case dialled:
		j.outages.dialled(r)
		if r.conn > 0 {
			j.logins = append(j.logins, &model{j: j, conn: r.conn, began: r.at, waiting: true, rule: "login.standard", allowed: goesOn})
		}
	case over:
		j.outages.loginOver(r)
	case status:
		j.told(r)
	default:
		m := j.login(r.conn)
		switch r.what {
		case heard:
			m.heard(r)
		case said:
			m.said(r)
		case closed:
			m.closed(r)
		case ended:
			m.ended(r)
		}
	}
}

// login is the model of a connection.
func (j *judge) login(conn int) *model { return j.logins[conn-1] }

// finish looks at what the end of the run has left open.
func (j *judge) finish() {
	j.outages.finish()
	if len(j.findings) == 0 {
		j.listen()
	}
	if !j.p.full {
		return
	}
	j.add("login.endless-negotiation", 0, fuzz.Outcome{Kind: WentOn, Detail: fmt.Sprintf("beyond %d events", recordsMax)}, "an end")
}

// watch looks at what holds for all that an initiator sends.
func (j *judge) watch(r *record) {
	if secretIn(r.raw) {
		j.add("auth.secret-not-exposed", 0, fuzz.Outcome{Kind: Sent, Detail: "a secret"}, "no secret on the wire")
	}
}

// identity holds the initiator port of a login against the first one (contract C4 of the catalogue: the ISID is constant).
func (j *judge) identity(m *model, q *pdu.LoginRequest) {
	if j.isid == nil {
		isid := q.ISID
		j.isid = &isid
		return
	}
	if *j.isid != q.ISID {
		m.fault("session-id.constant.across-redirect", fuzz.Outcome{Kind: Sent, Detail: fmt.Sprintf("ISID %x", q.ISID)}, fmt.Sprintf("ISID %x as before", *j.isid))
	}
}

// told holds what the session manager says of a session against what was agreed.
func (j *judge) told(r *record) {
	s := r.session
	if j.id == 0 {
		j.id = s.ID
	}
	if s.ID != j.id {
		j.add("session-id.constant.many-severed-links", 0, fuzz.Outcome{Kind: Held, Detail: fmt.Sprintf("session ID %v", s.ID)}, fmt.Sprintf("%v as before", j.id))
	}
	if s.State != ini.StateConnected || len(j.logins) == 0 {
		return
	}
	m := j.logins[len(j.logins)-1]
	if m.left || m.dead || !m.final && m.allowed&enters == 0 && m.allowed != 0 && m.allowed&goesOn == 0 {
		if !m.left && !m.dead {
			m.full = true
			m.fault(m.rule, fuzz.Outcome{Kind: Entered}, m.allowed.names()...)
		}
		return
	}
	if !m.final {
		return
	}
	j.outages.succeeded(m)
	j.agreed(m, s)
}

// agreed compares the parameters in force with those that the login has settled.
func (j *judge) agreed(m *model, s *ini.SessionStatus) {
	p := &s.Params
	for i := range rules {
		r := &rules[i]
		got, has := parameter(p, r.key)
		if !has {
			continue
		}
		want := m.results(r.key)
		if r.key == "FirstBurstLength" {
			want = bounded(want, m.results("MaxBurstLength"))
		}
		if !slices.ContainsFunc(want, func(v string) bool { return same(r, v, got) }) {
			m.fault(heldRow(m, r), fuzz.Outcome{Kind: Held, Detail: r.key + "=" + got}, prefixed(r.key+"=", want)...)
		}
	}
	want := []string{"8192"}
	if o := m.find("MaxRecvDataSegmentLength" + declaredByArray); o != nil {
		want = o.results
	}
	if got := fmt.Sprint(p.PeerMaxRecvDataSegmentLength); !slices.ContainsFunc(want, func(v string) bool { return same(ruleOf("MaxRecvDataSegmentLength"), v, got) }) {
		m.fault("negotiation.defaults-when-silent", fuzz.Outcome{Kind: Held, Detail: "MaxRecvDataSegmentLength=" + got + " of the array"}, want...)
	}
}

// heldRow is the row that a parameter breaks which nobody has agreed on.
func heldRow(m *model, r *rule) string {
	switch o := m.find(r.key); {
	case o == nil || !o.settled:
		return "negotiation.defaults-when-silent"
	case len(o.results) == 1 && o.results[0] == r.fallback && o.value != r.fallback:
		return "negotiation.reject-answer"
	}
	return r.row
}

func prefixed(prefix string, values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, prefix+v)
	}
	return out
}

// same compares two values of a key.
func same(r *rule, a, b string) bool {
	if r.numeric() {
		x, _ := numberOf(a)
		y, _ := numberOf(b)
		return x == y
	}
	return a == b
}

// bounded are first bursts no longer than the burst.
func bounded(first, burst []string) []string {
	var out []string
	for _, f := range first {
		for _, b := range burst {
			x, _ := numberOf(f)
			y, _ := numberOf(b)
			out = append(out, fmt.Sprint(min(x, y)))
		}
	}
	return out
}

// parameter is a parameter in force, as the key's value; false for keys that settle none.
func parameter(p *text.Params, key string) (string, bool) {
	digest := func(on bool) string {
		if on {
			return "CRC32C"
		}
		return "None"
	}
	switch key {
	case "HeaderDigest":
		return digest(p.HeaderDigest), true
	case "DataDigest":
		return digest(p.DataDigest), true
	case "MaxConnections":
		return fmt.Sprint(p.MaxConnections), true
	case "ErrorRecoveryLevel":
		return fmt.Sprint(p.ErrorRecoveryLevel), true
	case "InitialR2T":
		return yes(p.InitialR2T), true
	case "ImmediateData":
		return yes(p.ImmediateData), true
	case "MaxBurstLength":
		return fmt.Sprint(p.MaxBurstLength), true
	case "FirstBurstLength":
		return fmt.Sprint(p.FirstBurstLength), true
	case "MaxOutstandingR2T":
		return fmt.Sprint(p.MaxOutstandingR2T), true
	case "DataPDUInOrder":
		return yes(p.DataPDUInOrder), true
	case "DataSequenceInOrder":
		return yes(p.DataSequenceInOrder), true
	case "DefaultTime2Wait":
		return fmt.Sprint(p.DefaultTime2Wait), true
	case "DefaultTime2Retain":
		return fmt.Sprint(p.DefaultTime2Retain), true
	case "TaskReporting":
		return p.TaskReporting, true
	case "iSCSIProtocolLevel":
		return fmt.Sprint(p.ProtocolLevel), true
	}
	return "", false
}

// over tells that a login has failed on a connection; lost that a session has lost it.
func (j *judge) over(m *model, at time.Duration) { j.outages.loginFailed(m, at) }
func (j *judge) lost(m *model, at time.Duration) { j.outages.lost(m, at) }

// loggedOut takes a Logout Request in, which the array has asked for; announced takes in what the array announces.
func (j *judge) loggedOut(m *model, _ time.Duration) {
	if !m.touched {
		m.fault("login.standard", fuzz.Outcome{Kind: Sent, Detail: "a Logout Request"}, "a session that goes on")
	}
}

func (j *judge) announced(m *model, p *pdu.AsyncMessage) {
	if p.Event == pdu.AsyncConnectionDrop || p.Event == pdu.AsyncSessionDrop {
		j.outages.wait, j.outages.waitKnown = time.Duration(p.Parameter2)*time.Second, true
	}
}

// redirected decides what may follow a redirect.
func (j *judge) redirected(m *model, rule string, bad reaction) {
	j.outages.redirected(m, rule, bad)
}
