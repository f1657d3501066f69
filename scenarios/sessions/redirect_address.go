package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group redirect: the forms of TargetAddress (RFC 7143, Section 13.8).

// The second portal's address in IPv6, with the default port and with another.
const (
	portalIPv6      = "[fd00::2]:3260"
	portalIPv6Other = "[fd00::2]:4000"
)

// movedTo is a plan whose first login at A is redirected to the addresses.
func movedTo(name string, a Array, to ...string) Plan {
	return Plan{Name: name, Arrays: []Array{a}, Until: seconds(40), Steps: []Step{
		redirectTo(simtarget.Times{}, to...),
		{Label: "s", Do: Login{}, Deadline: seconds(30)},
	}}
}

func redirectAddressChecks() []Check {
	return []Check{{
		ID:      "redirect.address.default-port",
		Accepts: []string{"a connection to port 3260 of the address, and a login there"},
		Runs:    []Plan{movedTo("", Array{Portals: 2, Addresses: []string{"10.0.0.1:5000"}}, "10.0.0.2")},
		Judge:   func(j *Judge, runs []*Run) { judgeReached(j, runs[0], "B") },
		Defects: []Defect{
			{Name: "Redirect.PortZero", Set: func(d *initiator.Deviations) { d.Redirect.PortZero = true }},
		},
	}, {
		ID:      "redirect.address.ipv6",
		Accepts: []string{"a login at the bracketed address, with a port and without one"},
		Runs: []Plan{
			movedTo("with a port", Array{Portals: 2, Addresses: []string{"", portalIPv6Other}}, portalIPv6Other),
			movedTo("without a port", Array{Portals: 2, Addresses: []string{"", portalIPv6}}, "[fd00::2]"),
		},
		Judge: func(j *Judge, runs []*Run) {
			judgeReached(j, runs[0], portalIPv6Other)
			judgeReached(j, runs[1], portalIPv6)
		},
		Defects: []Defect{
			{Name: "Redirect.SplitFirstColon", Set: func(d *initiator.Deviations) { d.Redirect.SplitFirstColon = true }},
		},
	}, {
		ID:      "redirect.address.missing",
		Accepts: []string{"the login fails with an error; an established session tries again at A on its cadence"},
		Runs: []Plan{
			astray("no TargetAddress, at the first login"),
			astray("an empty TargetAddress, at the first login", ""),
			astrayAgain("no TargetAddress, at a re-login"),
			astrayAgain("an empty TargetAddress, at a re-login", ""),
		},
		Judge: judgeAstray,
		Defects: []Defect{
			{Name: "Redirect.MissingAddressRetries", Set: func(d *initiator.Deviations) { d.Redirect.MissingAddressRetries = true }},
		},
	}, {
		ID:      "redirect.address.malformed",
		Accepts: []string{"the login fails with an error, nothing else is connected to, and the session keeps its configured portal"},
		Runs:    malformed(),
		Judge:   judgeAstray,
		Defects: []Defect{
			{Name: "Redirect.TruncatePort", Set: func(d *initiator.Deviations) { d.Redirect.TruncatePort = true }},
		},
	}, {
		ID:      "redirect.address.several",
		Accepts: []string{"one or more of the addresses tried, and a login at the one that answers, now or at the next attempt"},
		Runs:    []Plan{several("the first refuses", "B"), several("the second refuses", "C")},
		Judge:   judgeSeveral,
		Defects: []Defect{
			{Name: "Redirect.LastAddressOnly", Set: func(d *initiator.Deviations) { d.Redirect.LastAddressOnly = true }},
		},
	}}
}

func judgeReached(j *Judge, r *Run, portal string) {
	j.In(r).Outcome(r.Op("s"), OK)
	there := r.Dials(DialledTo(portal))
	if j.Count("connections to "+PortalAddress(portal), len(there), 1, 1, DialEvents(there)...) {
		j.Want(LoggedIn(there[0]), "the login there", "full feature phase", Describe(there[0]), there[0].Event)
	}
	all := r.Dials()
	j.Count("connections in all", len(all), 2, 2, DialEvents(all)...)
}

// astray redirects the first login to something that is no address.
func astray(name string, to ...string) Plan {
	p := movedTo(name, Array{}, to...)
	p.Steps = append(p.Steps, Step{Label: "list", At: seconds(39), Do: ListSessions{}})
	return p
}

// astrayAgain redirects the logins of the half minute after a loss to something that is no address.
func astrayAgain(name string, to ...string) Plan {
	return Plan{Name: name, Until: seconds(60), Steps: slices.Concat(established(), []Step{
		// More than six attempts on the cadence, and few enough for the run of an initiator without any to end.
		redirectTo(simtarget.Times{Next: 100}, to...),
		{Label: "cut", At: seconds(10), Do: Sever{}},
		{Label: "heal", At: seconds(38), Do: ArrayOp{Action: simtarget.Action{Clear: &simtarget.Clear{}}}},
	})}
}

// The name is longer than a DNS name may be (RFC 1035, Section 3.1).
const longNameLength = 300

func malformed() []Plan {
	long := make([]byte, longNameLength)
	for i := range long {
		long[i] = 'a'
	}
	var plans []Plan
	for _, to := range []struct{ name, address string }{
		{"an IPv4 address out of range", "999.1.1.1"}, {"an open bracket", "[::1"}, {"no host", ":3260"},
		{"a port out of range", "10.0.0.1:68796"}, {"a name of 300 bytes", string(long)},
	} {
		plans = append(plans, astray(to.name+", at the first login", to.address), astrayAgain(to.name+", at a re-login", to.address))
	}
	return plans
}

// judgeAstray expects that a login is not led anywhere: a first login fails and leaves nothing, an established session goes on at A.
func judgeAstray(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r)
		all := r.Dials()
		elsewhere := r.Dials(func(d Dial) bool { return d.Portal != PortalAddress("A") && d.Up >= 0 })
		j.None("connections elsewhere", "none", DialEvents(elsewhere))
		if r.Op("list").Outcome == OK {
			o := r.Op("s")
			j.Want(!o.Is(OK, Pending), "outcome of the login", "an error", o.Outcome, o.Evidence()...)
			j.Count("connections to A", len(r.Dials(DialledTo("A"))), 1, 1, DialEvents(all)...)
			j.Count("sessions listed after it", len(r.Op("list").Sessions()), 0, 0, r.Op("list").Evidence()...)
			continue
		}
		j.Outcome(r.Op("s"), OK)
		cut, heal := r.At("cut"), r.At("heal")
		attempts := r.Dials(DialledTo("A"), DialledFrom(cut), DialledBefore(heal))
		j.Count("attempts at A while it redirects", len(attempts), 5, 6, DialEvents(attempts)...)
		judgeGaps(j, attempts, defaultInterval)
		after := r.Dials(DialledTo("A"), DialledFrom(heal), LoggedIn)
		j.Count("logins at A once it redirects no more", len(after), 1, 1, DialEvents(after)...)
	}
}

// several redirects to B and C, one of which refuses.
func several(name, dead string) Plan {
	p := movedTo(name, Array{Portals: 3}, "B", "C")
	p.Steps = slices.Concat([]Step{{Do: Refuse{Link: Link{Portal: dead}}}}, p.Steps, []Step{
		{Label: "again", At: seconds(10), Do: Login{Target: TargetName(1), Portal: "A"}, Deadline: seconds(20)},
	})
	return p
}

func judgeSeveral(j *Judge, runs []*Run) {
	for i, live := range []string{"C", "B"} {
		r := runs[i]
		j.In(r)
		tried := r.Dials(func(d Dial) bool { return d.Portal == PortalAddress("B") || d.Portal == PortalAddress("C") })
		j.Count("connections to the addresses given", len(tried), 1, 4, DialEvents(tried)...)
		in := r.Dials(DialledTo(live), LoggedIn)
		j.Count("logins at the address that answers", len(in), 1, 1, DialEvents(in)...)
		j.Outcome(r.Op("s"), OK)
	}
}
