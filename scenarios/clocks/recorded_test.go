package clocks

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// The files in testdata are traces as `iscsispec proxy --record` and `iscsispec serve --record` write them, of one run each: an initiator logs in to
// an array through the proxy, which resets the connection after 10 s and after 22 s, and refuses others from 10 s to 14 s:
//
//	iscsispec serve plain --lun 0=null,size=64MiB --listen 127.0.0.1:PORT --record array/
//	iscsispec proxy --to 127.0.0.1:PORT --refuse reset --record wire/ --fault reset:at=10s --fault refuse:at=10s,for=4s --fault reset:at=22s
//	iscsispec sessions URL --watch [--as userlib-like]
//
// own is this project's initiator. userlib is it with the manners of a library that takes a new ISID for each login and tries every second.

// recorded reads a file of testdata.
func recorded(t *testing.T, name string) trace.Events {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	events, err := trace.ReadJSONL(file)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// onTheWallClock are the terms of a real run.
func onTheWallClock() Terms {
	terms := Guideline()
	terms.Tolerance = 250 * time.Millisecond
	return terms
}

// TestRecordedSessions puts together what recordings tell: one session with two losses, and the attempts that came as far as the recorder.
func TestRecordedSessions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		attempts []int // in each outage
		waits    []time.Duration
		far      bool
	}{
		{"own-proxy", []int{2, 1}, []time.Duration{0, 0}, false},
		{"own-serve", []int{1, 1}, []time.Duration{0, 0}, true},
		{"userlib-proxy", []int{3, 1}, []time.Duration{at(2), at(2)}, false},
		{"userlib-serve", []int{1, 1}, []time.Duration{at(2), at(2)}, true},
	} {
		sessions := Sessions(recorded(t, c.name))
		if len(sessions) != 1 || sessions[0].Local() || sessions[0].Left < 0 {
			t.Errorf("%s: %d sessions: want one that its user left, known by its nexus", c.name, len(sessions))
			continue
		}
		s := sessions[0]
		var attempts []int
		var waits []time.Duration
		for _, o := range s.Outages {
			attempts, waits = append(attempts, len(o.Attempts)), append(waits, o.Wait)
			if o.Far != c.far || o.Back < o.Lost || len(o.Attempts) == 0 || !o.Attempts[len(o.Attempts)-1].LoggedIn {
				t.Errorf("%s: the outage at %v: far %v, back at %v, %d attempts", c.name, o.Lost, o.Far, o.Back, len(o.Attempts))
			}
		}
		if !slices.Equal(attempts, c.attempts) || !slices.Equal(waits, c.waits) {
			t.Errorf("%s: attempts %v after waits %v, want %v after %v", c.name, attempts, waits, c.attempts, c.waits)
		}
		if s.Target != "iqn.2026-01.io.iscsispec:plain" || s.Initiator != "iqn.2026-01.org.iscsispec:tool" {
			t.Errorf("%s: a session of %s with %s", c.name, s.Initiator, s.Target)
		}
	}
}

// TestRecordedClocks judges recordings: this project's initiator keeps the clocks, from either end, and the other one keeps none that it does not have.
func TestRecordedClocks(t *testing.T) {
	t.Parallel()
	eager := onTheWallClock()
	eager.Interval = at(4)
	fresh := onTheWallClock()
	fresh.FreshISID = true
	strict := onTheWallClock()
	strict.Tolerance = time.Microsecond
	for _, c := range []struct {
		about, name string
		terms       Terms
		faults      []string // what each of them says, in order
	}{
		{"sound, at the proxy", "own-proxy", onTheWallClock(), nil},
		{"sound, at the array, which did not see the attempt that was refused", "own-serve", onTheWallClock(), nil},
		{"sound, held to another interval", "own-proxy", eager, []string{`the start of attempt 2: expected 14\.\d+s, .* got 15\.`}},
		{"sound, with a tolerance that no machine keeps", "own-proxy", strict, []string{`the start of attempt 2: `, `the start of attempt 1: `}},
		{"another cadence and other ISIDs, at the proxy", "userlib-proxy", onTheWallClock(),
			[]string{`the start of attempt 2: expected 17\.\d+s, .* got 13\.`, `the start of attempt 1: expected 24\.0`, `ISID: expected 80`}},
		{"the same, where a new ISID is what is wanted", "userlib-proxy", fresh, []string{`the start of attempt 2: `, `the start of attempt 1: `}},
		{"the same, at the array", "userlib-serve", onTheWallClock(),
			[]string{`the start of attempt 1: expected 12\.7`, `the start of attempt 1: expected 24\.7`, `ISID: expected 80`}},
	} {
		findings := Judge(recorded(t, c.name), c.terms)
		faults := Faults(findings)
		if len(findings) < 3 {
			t.Errorf("%s: %d findings: want one for each loss, and one for the identity", c.about, len(findings))
		}
		said := slices.EqualFunc(faults, c.faults, func(f scenarios.Finding, want string) bool { return regexp.MustCompile(want).MatchString(f.Reason) })
		if !said {
			t.Errorf("%s: %q, want %q", c.about, verdict(findings), c.faults)
		}
		for _, f := range faults {
			if len(f.Evidence) == 0 && f.Verdict == scenarios.Fail {
				t.Errorf("%s: %s: no evidence", c.about, f.Reason)
			}
		}
	}
}
