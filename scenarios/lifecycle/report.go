package lifecycle

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/trace"
)

// Schema is the value of Report.Schema. Fields may be added under one schema; none is taken away or changes its meaning.
const Schema = "iscsispec.lifecycle/1"

// Report is what is measured of one initiator. Durations are seconds; null stands for what never came.
type Report struct {
	Schema       string         `json:"schema"`
	Command      []string       `json:"command"`
	Started      time.Time      `json:"started"`
	Measurements []*Measurement `json:"measurements"`
}

// Measurement is what an initiator did when its session was disturbed once.
type Measurement struct {
	Kind  string `json:"kind"`
	About string `json:"about"`
	// Plan is what was done, in the text form of faults and actions.
	Plan string `json:"plan"`
	// Unclear says why there is nothing to tell; empty where there is.
	Unclear string `json:"unclear,omitempty"`
	// LostAfter is when the connection ended, counted from the disturbance.
	LostAfter *float64 `json:"lost_after"`
	// FirstAttempt is when the first attempt came, counted from the loss; Gaps are those between the starts of attempts.
	FirstAttempt *float64  `json:"first_attempt"`
	Attempts     int       `json:"attempts"`
	Gaps         []float64 `json:"gaps"`
	// BackAfter is when a login succeeded, counted from the loss.
	BackAfter *float64 `json:"back_after"`
	// Time2Wait is what was in force; Waited tells whether the first attempt came no earlier; null without an attempt.
	Time2Wait float64 `json:"time2wait"`
	Waited    *bool   `json:"time2wait_honoured"`
	// ISID is the first login's, ISIDAfter that of the latest attempt; TSIHAfter is what that attempt asked for, 0 for a new session.
	ISID      string `json:"isid"`
	ISIDAfter string `json:"isid_after,omitempty"`
	TSIHAfter uint16 `json:"tsih_after"`
	// LogoutAfter is when a Logout Request followed the target's request for one.
	LogoutAfter *float64 `json:"logout_after,omitempty"`
	// Redirected tells whether a login was redirected, Followed whether the initiator went there, FellBack whether it came back to the first portal
	// when it was not let in there.
	Redirected bool `json:"redirected,omitempty"`
	Followed   bool `json:"followed,omitempty"`
	FellBack   bool `json:"fell_back,omitempty"`
	// Program tells how the command ended.
	Program string `json:"program"`
	// Findings are about the RFC's law, passes among them; policy leaves none.
	Findings []scenarios.Finding `json:"findings,omitempty"`
	// Capture is the path of the capture, relative to the report.
	Capture string `json:"capture,omitempty"`
	// Events are the trace.
	Events trace.Events `json:"-"`
}

// early is how much too soon an attempt may seem on the wall clock.
const early = 100 * time.Millisecond

// late is how much later than it should a logout may come on the wall clock.
const late = time.Second

// read fills a measurement from the trace: struck is when the session was disturbed, over when the watching ended.
func (m *Measurement) read(events trace.Events, struck, over time.Duration) {
	var s *clocks.Session
	var first clocks.Dial
	events = withoutGivenUp(events, struck)
	for _, candidate := range clocks.Sessions(events) {
		for _, d := range candidate.Dials {
			if d.FullFeature >= 0 && d.Open(struck) && normal(d) {
				s, first = candidate, d
			}
		}
	}
	if s == nil {
		m.Unclear = "the disturbed session is not in the trace"
		return
	}
	m.ISID = first.ISID().String()
	m.readLogout(first, over)
	for i := range s.Outages { // there is none where it stands, or was closed by its user
		if o := &s.Outages[i]; o.Lost >= struck {
			m.LostAfter, m.Time2Wait = seconds(o.Lost-struck), o.Wait.Seconds()
			m.readAttempts(o, first.Portal)
			return
		}
	}
}

// readAttempts tells of the attempts that followed a loss.
func (m *Measurement) readAttempts(o *clocks.Outage, portal string) {
	var starts []time.Duration
	for _, a := range o.Attempts {
		starts = append(starts, a.At)
		for i, d := range a.Dials {
			if len(d.Requests) > 0 {
				m.ISIDAfter, m.TSIHAfter = d.ISID().String(), d.Requests[0].PDU.TSIH
			}
			m.FellBack = m.FellBack || m.Followed && i == 0 && d.Portal == portal
			m.Redirected = m.Redirected || d.Redirected()
			m.Followed = m.Followed || i > 0
		}
	}
	m.Attempts = len(starts)
	for _, gap := range clocks.Gaps(starts) {
		m.Gaps = append(m.Gaps, gap.Seconds())
	}
	if o.Back >= 0 {
		m.BackAfter = seconds(o.Back - o.Lost)
	}
	if len(starts) == 0 {
		return
	}
	m.FirstAttempt = seconds(starts[0] - o.Lost)
	if m.LogoutAfter != nil { // what ends in order is not what the wait is for
		return
	}
	waited := starts[0]-o.Lost >= o.Wait-early
	m.Waited = &waited
	f := scenarios.Finding{Rule: "DefaultTime2Wait", Clause: "RFC 7143, Sections 7.5 and 13.15", Expected: []string{fmt.Sprintf("no login within %v of the loss", o.Wait)},
		Actual: fmt.Sprintf("the first attempt %v after it", starts[0]-o.Lost), At: starts[0], Verdict: scenarios.Pass}
	f.Reason = f.Rule + ": " + f.Actual + "."
	if !waited {
		f.Verdict, f.Evidence = scenarios.Warn, []trace.Event{o.Event, o.Attempts[0].Event}
	}
	m.Findings = append(m.Findings, f)
}

// readLogout tells how a request for a logout was answered, which is law: as early as possible, and within the time that the target gives.
func (m *Measurement) readLogout(d clocks.Dial, over time.Duration) {
	asked, within := time.Duration(-1), time.Duration(0)
	var request trace.Event
	for _, w := range d.Notices {
		if limit, is := asksForLogout(w.PDU); is && asked < 0 {
			asked, within, request = w.At, limit, w.Event
		}
		if w.Opcode() == pdu.OpLogoutRequest && asked >= 0 && m.LogoutAfter == nil {
			m.LogoutAfter = seconds(w.At - asked)
		}
	}
	if asked < 0 {
		return
	}
	f := scenarios.Finding{Rule: "the logout that the target asked for", Clause: "RFC 7143, Section 11.9.1", Expected: []string{fmt.Sprintf("a Logout Request within %v", within)},
		At: asked, Verdict: scenarios.Pass}
	switch ended := d.Closed >= 0 && d.Closed-asked < within; {
	case m.LogoutAfter != nil:
		f.Actual = fmt.Sprintf("one after %.3f s", *m.LogoutAfter)
		if *m.LogoutAfter > (within + late).Seconds() {
			f.Verdict = scenarios.Fail
		}
	case ended:
		f.Verdict, f.Actual = scenarios.Fail, fmt.Sprintf("none; the connection ended %v after the request", d.Closed-asked)
	case over-asked < within+late:
		f.Verdict, f.Actual = scenarios.Inconclusive, "none while it was watched"
	default:
		f.Verdict, f.Actual = scenarios.Fail, "none"
	}
	if f.Reason = f.Rule + ": " + f.Actual + "."; f.Verdict != scenarios.Pass {
		f.Evidence = []trace.Event{request}
	}
	m.Findings = append(m.Findings, f)
}

func normal(d clocks.Dial) bool {
	kind, _ := d.Key(text.KeySessionType)
	return kind != "Discovery"
}

func seconds(d time.Duration) *float64 { return new(d.Seconds()) }

// WriteTable prints a report for people.
func WriteTable(w io.Writer, r *Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tLOST AFTER\tFIRST ATTEMPT\tATTEMPTS\tGAPS\tBACK AFTER\tTIME2WAIT\tISID\tTSIH ASKED\tREDIRECT\tLOGOUT\tCOMMAND")
	for _, m := range r.Measurements {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Kind, told(m.LostAfter), told(m.FirstAttempt), m.Attempts, gaps(m.Gaps), told(m.BackAfter),
			m.wait(), m.identity(), m.tsih(), m.redirect(), told(m.LogoutAfter), m.Program)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range r.Measurements {
		if m.Unclear != "" {
			fmt.Fprintf(w, "%s: not measured: %s\n", m.Kind, m.Unclear)
		}
		for _, f := range m.Findings {
			if f.Verdict != scenarios.Pass {
				fmt.Fprintf(w, "%s: %s: %s (expected %s; %s)\n", m.Kind, f.Verdict, f.Reason, strings.Join(f.Expected, " or "), f.Clause)
			}
		}
	}
	return nil
}

func told(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f s", *seconds)
}

func gaps(all []float64) string {
	const most = 6
	var words []string
	for _, g := range all[:min(len(all), most)] {
		words = append(words, fmt.Sprintf("%.2f", g))
	}
	if len(all) > most {
		words = append(words, "...")
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, " ")
}

func (m *Measurement) wait() string {
	switch {
	case m.Waited == nil:
		return "-"
	case *m.Waited:
		return fmt.Sprintf("%.0f s, waited", m.Time2Wait)
	}
	return fmt.Sprintf("%.0f s, not waited", m.Time2Wait)
}

func (m *Measurement) identity() string {
	switch m.ISIDAfter {
	case "":
		return "-"
	case m.ISID:
		return "same"
	}
	return "another"
}

func (m *Measurement) tsih() string {
	if m.ISIDAfter == "" {
		return "-"
	}
	return fmt.Sprintf("0x%04x", m.TSIHAfter)
}

func (m *Measurement) redirect() string {
	switch {
	case !m.Redirected:
		return "-"
	case !m.Followed:
		return "not followed"
	case m.FellBack:
		return "followed, fell back"
	}
	return "followed"
}
