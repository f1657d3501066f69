package cuts

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// The instants of every plan. A connection is lost for good at the latest 20 s after its link fell silent (10 s without a word, 10 s for the answer to a
// ping), a login 15 s after its last byte, a command 25 s and one of the enumeration 30 s after; a lost session is back before later begins, and what an
// array keeps of it is gone before the end. No array that moves sessions on a schedule does so in between more than once.
const (
	subject  = 6 * time.Second  // when the subject of a scenario begins that needs a session: it is then older than the interval between logins
	window   = 5 * time.Second  // for so long the subject may take without a cut; nothing else happens meanwhile
	healing  = 40 * time.Second // how long a silence lasts
	patient  = 25 * time.Second // how long a SCSI command may go without an answer
	later    = 70 * time.Second // when all is asked for once more
	last     = 76 * time.Second // when the session that is there is used once more
	recovery = 20 * time.Second // between the two last reads: an ABORT TASK goes 15 s without an answer before the connection is given up
	quiet    = 30 * time.Second // from the logoff to when nothing may be left, neither here nor at the array
)

// The labels of the steps that judges ask for.
const (
	first   = "first"   // the session beside the one at stake
	stake   = "s"       // the session at stake
	act     = "act"     // the subject, where that is not the login
	back    = "back"    // reads what was written
	probe   = "probe"   // a read through the session, once the subject is over
	again   = "again"   // the subject, or the login, once more
	against = "against" // SendTargets once more
	awake   = "awake"   // a read through the session that is there
	alive   = "alive"   // another one in the end
	listing = "list"    // before the logoff
	off     = "off"     // the logoff
	rest    = "rest"    // the logoff of the others, some of which may be gone
	left    = "left"    // the listing at the very end
)

// Scenario is one story during which a link is cut.
type Scenario struct {
	// Name is one of Names.
	Name string
	// Story says in one line what is cut.
	Story string

	begin time.Duration // the subject's first instant
	steps func(s Station) []sessions.Step
	judge func(l *laws, r *sessions.Run)
	// fits tells from the trace of a run without cuts whether the story came about; the text says why not.
	fits func(r *sessions.Run) (why string)
}

// Scenarios are the seven stories.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "login", Story: "the first login, and the reading of the units behind it", steps: loginSteps, judge: judgeLogin},
		{Name: "discovery", Story: "a discovery session: login, SendTargets, logout", steps: discoverySteps, judge: judgeDiscovery},
		{Name: "read", Story: "a read that takes several Data-In PDUs", begin: subject, steps: readSteps, judge: judgeRead},
		{Name: "write", Story: "a write with immediate data and several R2Ts", begin: subject, steps: writeSteps, judge: judgeWrite},
		{Name: "logout", Story: "a logout while a read is under way", begin: subject, steps: logoutSteps, judge: judgeLogout},
		{Name: "clone", Story: "a second session beside the first: its login, or its refusal", begin: subject, steps: cloneSteps, judge: judgeClone, fits: beside},
		{Name: "redirect", Story: "the login after a loss, which is sent on to another portal", begin: subject, steps: redirectSteps,
			judge: judgeRead, fits: redirected},
	}
}

// Named finds a scenario.
func Named(name string) (Scenario, bool) {
	all := Scenarios()
	if i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name }); i >= 0 {
		return all[i], true
	}
	return Scenario{}, false
}

// Plan is the scenario before one array, with the faults that it meets.
func (s Scenario) Plan(at Station, planned ...faults.Fault) sessions.Plan {
	return sessions.Plan{
		Name: at.Profile + " " + s.Name, Arrays: []sessions.Array{{Profile: at.Profile}}, Steps: s.steps(at), Faults: planned,
	}
}

// Places are the places of the subject: all of those at which the run without cuts sent a PDU while the subject lasted.
func (s Scenario) Places(clean *sessions.Run) []faults.Place {
	return placesWithin(clean.Events, s.begin, s.begin+window)
}

// placesWithin lists the places of the PDUs that were sent from one instant on and before another. They are counted over the whole run.
func placesWithin(events trace.Events, from, to time.Duration) []faults.Place {
	events = withoutLost(events)
	sent := map[string][]time.Duration{}
	for _, e := range events {
		if e.Kind == trace.KindPDUSent && e.PDU != nil {
			name := faults.PDUName(e.PDU.Opcode())
			sent[name] = append(sent[name], e.At)
		}
	}
	return slices.DeleteFunc(faults.Places(events), func(p faults.Place) bool {
		at := sent[p.PDU][p.Nth-1]
		return at < from || at >= to
	})
}

// withoutLost leaves out what is sent into a connection that a reset has ended, before its sender sees that: it goes nowhere, and no fault counts it.
func withoutLost(events trace.Events) trace.Events {
	ended := map[string]time.Duration{}
	return events.Where(func(e *trace.Event) bool {
		if e.Kind == trace.KindLink && e.State == trace.LinkCut && e.Reason == string(faults.Reset) && e.Conn != "" {
			ended[e.Conn] = e.At
		}
		at, is := ended[e.Conn]
		return !is || e.Kind != trace.KindPDUSent || e.At <= at
	})
}

// blocks of the read and the write: they take a burst and a half at least, and no block is a probe's.
const (
	ioLBA    = 2048
	ioBlocks = 20
)

func loginSteps(at Station) []sessions.Step {
	return slices.Concat([]sessions.Step{
		{Label: stake, Do: at.session()},
		{Label: again, At: later, Do: at.session()},
	}, farewell(""))
}

func discoverySteps(at Station) []sessions.Step {
	return []sessions.Step{
		{Label: stake, Do: at.discovery()},
		{Label: act, Do: sessions.Discover{Session: stake}},
		{Label: rest, Do: sessions.Logout{Session: stake}},
		{Label: again, At: later, Do: at.discovery()},
		{Label: against, Do: sessions.Discover{Session: again}},
		{Label: listing, Do: sessions.ListSessions{}},
		{Label: off, Do: sessions.Logout{Session: again}},
		{Label: left, After: off, At: quiet, Do: sessions.ListSessions{}},
	}
}

func readSteps(at Station) []sessions.Step {
	return slices.Concat([]sessions.Step{
		{Label: stake, Do: at.session()},
		{Label: act, At: subject, Do: sessions.Read{Session: stake, LBA: ioLBA, Blocks: ioBlocks}},
		{Label: probe, After: act, At: window, Do: sessions.Probe{Session: stake}},
	}, farewell(stake))
}

func writeSteps(at Station) []sessions.Step {
	return slices.Concat([]sessions.Step{
		{Label: stake, Do: at.session()},
		{Label: act, At: subject, Do: sessions.Write{Session: stake, LBA: ioLBA, Blocks: ioBlocks}},
		{Label: back, After: act, At: window, Do: sessions.Read{Session: stake, LBA: ioLBA, Blocks: ioBlocks}},
	}, farewell(stake))
}

func logoutSteps(at Station) []sessions.Step {
	return slices.Concat([]sessions.Step{
		{Label: stake, Do: at.session()},
		{Label: probe, At: subject, Async: true, Do: sessions.Read{Session: stake, LBA: ioLBA, Blocks: ioBlocks}},
		{Label: act, Do: sessions.Logout{Session: stake}},
		{Label: listing, Do: sessions.ListSessions{}},
		{Label: again, At: later, Do: at.session()},
	}, farewell(again))
}

func cloneSteps(at Station) []sessions.Step {
	return slices.Concat([]sessions.Step{
		{Label: first, Do: at.session()},
		{Label: stake, At: subject, Do: sessions.AddSession{Clone: first}},
		{Label: probe, After: stake, At: window, Do: sessions.Probe{Session: first}},
		{Label: again, At: later, Do: sessions.AddSession{Clone: first}},
	}, farewell("", stake, first))
}

// redirectSteps lose the session from outside: its next login begins at the advertised portal again. Where the array keeps an initiator's first session to
// itself, the session at stake is the second one.
func redirectSteps(at Station) []sessions.Step {
	steps := []sessions.Step{{Label: stake, Do: at.session()}}
	if at.keepsFirst {
		steps = []sessions.Step{{Label: first, Do: at.session()}, {Label: stake, Do: sessions.AddSession{Clone: first}}}
	}
	steps = append(steps,
		sessions.Step{Label: "loss", At: subject, Do: sessions.Sever{Link: sessions.Link{Session: stake}}},
		sessions.Step{Label: act, Do: sessions.Read{Session: stake, LBA: ioLBA, Blocks: ioBlocks}},
		sessions.Step{Label: probe, After: act, At: window, Do: sessions.Probe{Session: stake}})
	if at.keepsFirst {
		return append(steps, farewell(stake, first)...)
	}
	return append(steps, farewell(stake)...)
}

// farewell reads through a session twice, lists, logs that one and others off, and looks at what is left. Where bytes vanished unnoticed the first read
// may be what shows it; the second one finds a session that is well.
func farewell(session string, others ...string) []sessions.Step {
	steps := []sessions.Step{
		{Label: awake, At: last, Do: sessions.Probe{Session: session}},
		{Label: alive, After: awake, At: recovery, Do: sessions.Probe{Session: session}},
		{Label: listing, Do: sessions.ListSessions{}},
		{Label: off, After: alive, At: time.Second, Do: sessions.Logout{Session: session}},
	}
	for _, other := range others {
		steps = append(steps, sessions.Step{Label: rest, Do: sessions.Logout{Session: other}})
	}
	return append(steps, sessions.Step{Label: left, After: off, At: quiet, Do: sessions.ListSessions{}})
}

// redirected tells whether a login was sent on after the loss.
func redirected(r *sessions.Run) string {
	for _, e := range r.Array("login-redirected") {
		if e.At >= subject {
			return ""
		}
	}
	return "no login is sent on"
}

// beside tells whether the array lets two sessions of one initiator live side by side, or refuses the second one.
func beside(r *sessions.Run) string {
	for _, s := range r.ArraySessions() {
		if s.Closed >= 0 && s.Closed < last && s.Closed >= subject {
			return "the second session ends the first, which ends the second, and so on"
		}
	}
	return ""
}
