package lifecycle

import (
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// saw is what is compared of a measurement; times are seconds, and -1 for null.
type saw struct {
	lost, first, back          float64
	attempts                   int
	gaps                       []float64
	same, waited               bool
	redirected, went, fellBack bool
	logout                     float64
	verdicts                   []scenarios.Verdict
	unclear                    bool
}

// inSeconds is a time to the millisecond.
func inSeconds(s *float64) float64 {
	if s == nil {
		return -1
	}
	return math.Round(*s*1000) / 1000
}

// seen is what a measurement says.
func seen(m *Measurement) saw {
	s := saw{lost: inSeconds(m.LostAfter), first: inSeconds(m.FirstAttempt), back: inSeconds(m.BackAfter), attempts: m.Attempts, same: m.ISIDAfter == m.ISID && m.ISID != "",
		waited: m.Waited != nil && *m.Waited, redirected: m.Redirected, went: m.Followed, fellBack: m.FellBack, logout: inSeconds(m.LogoutAfter), unclear: m.Unclear != ""}
	for _, g := range m.Gaps {
		s.gaps = append(s.gaps, inSeconds(&g))
	}
	for _, f := range m.Findings {
		s.verdicts = append(s.verdicts, f.Verdict)
	}
	return s
}

// TestMeasurementOfATrace reads built traces of a session that is disturbed at 10 s.
func TestMeasurementOfATrace(t *testing.T) {
	pass, warn, fail := scenarios.Pass, scenarios.Warn, scenarios.Fail
	asked := func(l *link) { l.pass(10, &pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 3}, false) }
	logout := func(l *link, s float64) {
		l.pass(s, &pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseSession}, true)
		l.pass(s+0.001, &pdu.LogoutResponse{}, false)
		l.end(s+0.002, trace.CloseFINReceived)
	}
	for _, c := range []struct {
		name string
		play func(t *tape)
		want saw
	}{
		{"again at once, as another initiator port", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(10.1, portalA).login(10.2, 2)
		}, saw{lost: 0.001, first: 0.1, back: 0.201, attempts: 1, logout: -1, verdicts: []scenarios.Verdict{warn}}},
		{"after Time2Wait, as the same", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(12, portalA).login(12.1, 1)
		}, saw{lost: 0.001, first: 2, back: 2.101, attempts: 1, same: true, waited: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"three attempts, the last a login", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(12, portalA).end(12.1, trace.CloseRSTSent)
			t.dial(17, portalA).end(17.1, trace.CloseRSTSent)
			t.dial(23, portalA).login(23.1, 1)
		}, saw{lost: 0.001, first: 2, back: 13.101, attempts: 3, gaps: []float64{5, 6}, same: true, waited: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"never again", func(t *tape) { t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent) },
			saw{lost: 0.001, first: -1, back: -1, logout: -1}},
		{"nothing noticed", func(t *tape) { t.dial(1, portalA).login(1.1, 1).use(9.9) },
			saw{lost: -1, first: -1, back: -1, logout: -1}},
		{"noticed after a while", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(16, trace.CloseFINReceived)
			t.dial(18, portalA).login(18.1, 1)
		}, saw{lost: 6.001, first: 2, back: 2.101, attempts: 1, same: true, waited: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"redirected, and let in there", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(12, portalA).redirected(12.1, 1, portalB).end(12.2, trace.CloseFINReceived)
			t.dial(12.3, portalB).login(12.4, 1)
		}, saw{lost: 0.001, first: 2, back: 2.401, attempts: 1, same: true, waited: true, redirected: true, went: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"redirected to nobody, and back at the first portal", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(12, portalA).redirected(12.1, 1, portalB).end(12.2, trace.CloseFINReceived)
			t.dial(12.3, portalB).end(12.4, trace.CloseRSTSent)
			t.dial(17, portalA).login(17.1, 1)
		}, saw{lost: 0.001, first: 2, back: 7.101, attempts: 2, gaps: []float64{5}, same: true, waited: true, redirected: true, went: true, fellBack: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"redirected, and not followed", func(t *tape) {
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(12, portalA).redirected(12.1, 1, portalB).end(12.2, trace.CloseFINReceived)
		}, saw{lost: 0.001, first: 2, back: -1, attempts: 1, same: true, waited: true, redirected: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"logged out as asked", func(t *tape) {
			l := t.dial(1, portalA).login(1.1, 1).use(9.9)
			asked(l)
			logout(l, 11)
			t.dial(11.1, portalA).login(11.2, 1)
		}, saw{lost: 1.002, first: 0.099, back: 0.2, attempts: 1, same: true, logout: 1, verdicts: []scenarios.Verdict{pass}}},
		{"logged out too late", func(t *tape) {
			l := t.dial(1, portalA).login(1.1, 1).use(9.9)
			asked(l)
			logout(l, 14.5)
		}, saw{lost: 4.502, first: -1, back: -1, logout: 4.5, verdicts: []scenarios.Verdict{fail}}},
		{"closed instead of logged out", func(t *tape) {
			l := t.dial(1, portalA).login(1.1, 1).use(9.9)
			asked(l)
			l.end(11, trace.CloseFINReceived)
		}, saw{lost: 1.001, first: -1, back: -1, logout: -1, verdicts: []scenarios.Verdict{fail}}},
		{"deaf to the request", func(t *tape) {
			l := t.dial(1, portalA).login(1.1, 1).use(9.9)
			asked(l)
		}, saw{lost: -1, first: -1, back: -1, logout: -1, verdicts: []scenarios.Verdict{fail}}},
		{"a Discovery session beside it", func(t *tape) {
			t.dial(0.5, portalA).login(0.6, 9, text.KeySessionType, "Discovery").end(10.01, trace.CloseRSTSent)
			t.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(10.1, portalA).login(10.2, 2)
		}, saw{lost: 0.001, first: 0.1, back: 0.201, attempts: 1, logout: -1, verdicts: []scenarios.Verdict{warn}}},
		{"a session before it, given up without a logout", func(t *tape) {
			t.dial(1, portalB).login(1.1, 1).use(1.2).end(5, trace.CloseFINReceived)
			t.dial(4.9, portalA).login(4.99, 2).use(9.9).end(10, trace.CloseRSTSent) // asked for before the end of the other was recorded
			t.dial(10.1, portalA).login(10.2, 3)
		}, saw{lost: 0.001, first: 0.1, back: 0.201, attempts: 1, logout: -1, verdicts: []scenarios.Verdict{warn}}},
		{"the same, its end recorded late", func(t *tape) {
			t.dial(1, portalB).login(1.1, 1).use(1.2).end(10.05, trace.CloseFINReceived)
			t.dial(4.9, portalA).login(4.99, 2).use(9.9).end(10, trace.CloseRSTSent)
			t.dial(10.1, portalA).login(10.2, 3)
		}, saw{lost: 0.001, first: 0.1, back: 0.201, attempts: 1, logout: -1, verdicts: []scenarios.Verdict{warn}}},
		{"two sessions, each back under its own name", func(t *tape) {
			t.dial(1, portalB).login(1.1, 1).use(9.8).end(10, trace.CloseRSTSent)
			t.dial(2, portalA).login(2.1, 2).use(9.9).end(10.001, trace.CloseRSTSent)
			t.dial(12.5, portalB).login(12.6, 1)
			t.dial(13.001, portalA).login(13.1, 2)
		}, saw{lost: 0.002, first: 3, back: 3.1, attempts: 1, same: true, waited: true, logout: -1, verdicts: []scenarios.Verdict{pass}}},
		{"no session", func(t *tape) { t.dial(1, portalA).end(2, trace.CloseFINReceived) },
			saw{lost: -1, first: -1, back: -1, logout: -1, unclear: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var played tape
			c.play(&played)
			m := played.read()
			if got := seen(m); !reflect.DeepEqual(got, c.want) {
				t.Errorf("measured %+v\nwant     %+v\n%+v", got, c.want, m.Findings)
			}
		})
	}
}

// TestTable prints what was measured, and what broke a law or could not be measured.
func TestTable(t *testing.T) {
	var back, refused tape
	back.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
	back.dial(10.1, portalA).login(10.2, 2)
	refused.dial(1, portalA).login(1.1, 1).use(9.9).end(10, trace.CloseRSTSent)
	for i := range 8 {
		refused.dial(12+2*float64(i), portalA).end(12.1+2*float64(i), trace.CloseRSTSent)
	}
	report := &Report{Measurements: []*Measurement{back.read(), refused.read(), {Kind: "fin", Unclear: "it never came so far", Program: "exit status 1"}}}
	report.Measurements[1].Kind = "refuse"
	var b strings.Builder
	if err := WriteTable(&b, report); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`reset +0\.00 s +0\.10 s +1 +- +0\.20 s +2 s, not waited +another +0x0000 +- +- `,
		`refuse +0\.00 s +2\.00 s +8 +2\.00 2\.00 2\.00 2\.00 2\.00 2\.00 \.\.\. +- +2 s, waited +- +- +- +- `,
		`fin: not measured: it never came so far`,
		`reset: warn: DefaultTime2Wait: the first attempt 100ms after it\.`,
	} {
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("no line like %s in\n%s", want, b.String())
		}
	}
}
