package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows reconnect.cadence.*: how the attempts after a loss are spaced.

// defaultInterval is the spacing that the guideline recommends. It is the judges' own: a default that is wrong must not excuse itself.
const defaultInterval = 5 * time.Second

func reconnectCadenceChecks() []Check {
	return []Check{{
		ID:      "reconnect.cadence.five-seconds",
		Accepts: []string{"attempts 5.0 s apart, 11 to 13 of them in 60 s"},
		Runs:    []Plan{{Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(75)}},
		Judge:   judgeCadence,
		Defects: []Defect{
			{Name: "Reconnect.ExponentialBackoff", Set: func(d *initiator.Deviations) { d.Reconnect.ExponentialBackoff = true }},
		},
	}, {
		ID:      "reconnect.cadence.configurable",
		Accepts: []string{"gaps equal to the configured interval; a change made during the outage in force after the timer that is armed"},
		Runs: []Plan{
			spaced("1 s", seconds(1)), spaced("5 s", seconds(5)), spaced("30 s", seconds(30)),
			{Name: "changed to 2 s during the outage", Until: seconds(60), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "set", After: "cut", At: seconds(12), Do: Set{Settings: Settings{Interval: seconds(2)}}},
			})},
		},
		Judge: judgeConfigurable,
		Defects: []Defect{
			{Name: "Reconnect.IntervalReadOnce", Set: func(d *initiator.Deviations) { d.Reconnect.IntervalReadOnce = true }},
		},
	}, {
		ID:      "reconnect.cadence.slow-failure-no-overlap",
		Accepts: []string{"never two connections open at a time; the next attempt at once when one has outlasted the interval"},
		Runs: []Plan{{Until: seconds(80), Initiator: Initiator{Login: LoginSettings{LoginTimeout: seconds(15)}}, Steps: slices.Concat(established(), []Step{
			nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, Silence: true}),
			{Label: "cut", At: seconds(10), Do: Sever{}},
		})}},
		Judge: judgeNoOverlap,
		Defects: []Defect{
			{Name: "Reconnect.OverlapAttempts", Set: func(d *initiator.Deviations) { d.Reconnect.OverlapAttempts = true }},
		},
	}, {
		ID:      "reconnect.cadence.per-session",
		Accepts: []string{"each session's attempts 5 s apart in a phase of its own, and the healed one back within 5 s"},
		Runs: []Plan{{Arrays: []Array{{Portals: 3}}, Until: seconds(60), Steps: []Step{
			{Label: "s1", Do: Login{Portal: "A"}},
			{Label: "s2", Do: Login{Portal: "B"}},
			{Label: "s3", Do: Login{Portal: "C"}},
			{At: seconds(10), Do: Blackhole{Link{Portal: "A"}}},
			{Label: "cut1", Do: Sever{Link{Portal: "A"}}},
			{At: seconds(11), Do: Refuse{Link{Portal: "B"}}},
			{Label: "cut2", Do: Sever{Link{Portal: "B"}}},
			{At: seconds(12.5), Do: Refuse{Link{Portal: "C"}}},
			{Label: "cut3", Do: Sever{Link{Portal: "C"}}},
			{Label: "heal", At: seconds(18), Do: Heal{Link{Portal: "B"}}},
		}}},
		Judge: judgePerSession,
		Defects: []Defect{
			{Name: "Reconnect.OneWorker", Set: func(d *initiator.Deviations) { d.Reconnect.OneWorker = true }},
		},
	}}
}

// spaced is an outage under a configured interval.
func spaced(name string, interval time.Duration) Plan {
	return Plan{Name: name, Initiator: Initiator{Settings: Settings{Interval: interval}}, Until: seconds(40) + max(seconds(30), 3*interval),
		Steps: slices.Concat(established(), outage(seconds(35)))}
}

// judgeGaps expects attempts, in order, to begin exactly so far apart. It says so once for all gaps that are right.
func judgeGaps(j *Judge, attempts []Dial, interval time.Duration) bool {
	return judgeJittered(j, attempts, interval, 0)
}

// judgeJittered expects gaps that differ by a share of the interval at most.
func judgeJittered(j *Judge, dials []Dial, interval time.Duration, jitter float64) bool {
	var attempts []clocks.Attempt
	for _, d := range dials {
		attempts = append(attempts, clocks.AttemptOf(d))
	}
	return j.Take(clocks.Spaced(attempts, clocks.Terms{Interval: interval, Jitter: jitter}))
}

// judgeClocks holds every session of a run to the cadence, to its identity and to the latency of its devices.
func judgeClocks(j *Judge, r *Run, t clocks.Terms) bool {
	return j.In(r).Take(clocks.Judge(r.Events, t)...)
}

func judgeCadence(j *Judge, runs []*Run) {
	r := runs[0]
	cut := r.At("cut")
	j.Outcome(r.Op("s"), OK)
	attempts := r.Dials(DialledFrom(cut), DialledBefore(cut+seconds(60)))
	j.Count("attempts in the 60 s after the loss", len(attempts), 11, 13, DialEvents(attempts)...)
	judgeGaps(j, attempts, defaultInterval)
	judgeClocks(j, r, clocks.Guideline())
}

func judgeConfigurable(j *Judge, runs []*Run) {
	for i, interval := range []time.Duration{seconds(1), seconds(5), seconds(30)} {
		r := runs[i]
		j.In(r).Outcome(r.Op("s"), OK)
		attempts := r.Dials(DialledFrom(r.At("cut")))
		j.Count("attempts", len(attempts), 3, 41, DialEvents(attempts)...)
		judgeGaps(j, attempts, interval)
	}
	r := runs[3]
	j.In(r).Outcome(r.Op("s"), OK)
	judgeGaps(j, r.Dials(DialledFrom(r.At("cut")), DialledBefore(r.At("set"))), defaultInterval)
	// What was armed when the change came may still fire on the old interval.
	after := r.Dials(DialledFrom(r.At("set")))
	if j.Count("attempts after the change", len(after), 10, 30, DialEvents(after)...) {
		j.Within("the first attempt after the change", after[0].At-r.At("set"), 0, defaultInterval+Slack, after[0].Event)
		judgeGaps(j, after, seconds(2))
	}
}

func judgeNoOverlap(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	attempts := r.Dials(DialledFrom(r.At("cut")))
	j.Count("attempts", len(attempts), 3, 8, DialEvents(attempts)...)
	var both []Dial
	for _, pair := range Overlapping(r.Dials()) {
		both = append(both, pair[0], pair[1])
	}
	j.None("connections open at one time", "never two", DialEvents(both))
	for i := 1; i < len(attempts); i++ {
		before := attempts[i-1]
		if before.Closed >= 0 {
			j.Within(fmt.Sprintf("attempt %d, counted from the end of the one before", i+1), attempts[i].At-before.Closed, 0, defaultInterval+Slack, attempts[i].Event)
		}
	}
}

func judgePerSession(j *Judge, runs []*Run) {
	r := runs[0]
	for i, portal := range []string{"A", "B", "C"} {
		n := fmt.Sprint(i + 1)
		j.Outcome(r.Op("s"+n), OK)
		cut := r.At("cut" + n)
		attempts := r.Dials(DialledTo(portal), DialledFrom(cut))
		if !j.Count("attempts at "+portal, len(attempts), 2, 12, DialEvents(attempts)...) {
			continue
		}
		j.Within("the first attempt at "+portal+", counted from the loss", attempts[0].At-cut, 0, defaultInterval+Slack, attempts[0].Event)
		if portal != "A" { // attempts there hang until they time out
			judgeGaps(j, attempts, defaultInterval)
		}
	}
	back := r.Dials(DialledTo("B"), LoggedIn, DialledFrom(r.At("heal")))
	if j.Count("logins at B once it is healed", len(back), 1, 1, DialEvents(back)...) {
		j.Within("the login at B, counted from the heal", back[0].FullFeature-r.At("heal"), 0, defaultInterval+Slack, back[0].Event)
	}
}
