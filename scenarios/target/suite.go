package target

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Name is what the command line calls the suite.
const Name = "target"

// Lengthy are the ids of the checks that take a minute or more on the wall clock, as globs: they wait for what must not happen meanwhile.
func Lengthy() []string {
	return []string{
		"recovery.session-continuation.after-retain-expired", "robustness.length.huge-declared-never-sent",
		"robustness.framing.random-bytes-before-login", "robustness.framing.mutated-pdu-fuzz", "robustness.login.half-open-timeout",
		"robustness.login.connection-flood", "robustness.ffp.peer-stops-reading", "robustness.ffp.half-close", "robustness.pdu.write-with-no-data-ever",
	}
}

// Suite is the list of all checks over the simulated array, in bubbles.
func Suite() scenarios.Suite {
	suite := scenarios.Suite{Name: Name, Virtual: true, Embedded: true, Peer: "the simulated array"}
	byID := map[string]Check{}
	for _, c := range Checks() {
		byID[c.ID] = c
		suite.Checks = append(suite.Checks, c.scenario())
	}
	suite.Stage = onArrays(byID)
	return suite
}

// Foreign says which target on the network is judged.
type Foreign struct {
	// URL names the portal, the target, the logical unit and the credentials. Without a target the first one that discovery lists
	// is judged; without a logical unit it is LUN 0.
	URL iscsi.URL
	// InitiatorName is the name to log in with; empty means the probe's own.
	InitiatorName string
	// Dial opens connections; nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Fresh, where not nil, is called before each check and puts the target on its feet again when an earlier check has felled it. It
	// returns the URL where the target is now.
	Fresh func(ctx context.Context) (iscsi.URL, error)
	// QuietTime, CloseTimeout and AnswerTimeout are how long the checks wait for nothing, for a drop and for an answer; 0 means what
	// probe.Options says. Shorter ones are for targets that are known to be quick.
	QuietTime, CloseTimeout, AnswerTimeout time.Duration
	// Patience is the longest that a check waits for what ought not to happen, such as an answer to what asks for none; 0 means as long as its
	// row says. A short one weakens what a pass proves, and never makes a sound target fail.
	Patience time.Duration
	// Hooks are shell commands by the names of Hooks: they bring about what the wire cannot. Each has 30 s.
	Hooks map[string]string
	// Told takes the place of what is learned.
	Told Told
	// Seed keys what is learned, so that two runs of one seed draw the same ISIDs.
	Seed uint64
}

// Against learns once what a target can do, and returns the suite that judges it. The abilities are for whoever wants to print
// them. An error means that nothing can be judged: no connection, or no login; it is a *probe.Mismatch or a *probe.DialError.
func Against(ctx context.Context, f Foreign) (scenarios.Suite, *probe.Abilities, error) {
	if f.Dial == nil {
		f.Dial = new(net.Dialer).DialContext
	}
	if f.URL.Target == "" {
		if err := f.pick(ctx); err != nil {
			return scenarios.Suite{}, nil, err
		}
	}
	abilities, err := f.learn(ctx)
	if err != nil {
		return scenarios.Suite{}, nil, err
	}
	suite := Suite()
	suite.Virtual, suite.Embedded = false, false
	suite.Abilities, suite.Peer = f.Told.apply(abilities), f.URL.String()
	if f.Fresh == nil {
		// A target that may have to be put on its feet again falls with all checks that run at that time.
		suite.Sessions, suite.Ranges = abilities.Sessions, rangesOf(abilities.Unit)
	}
	if !abilities.AuthRequired && !abilities.CHAP {
		// The target is open and does not take the credentials: with them each login would fail, and tell nothing about the target.
		f.URL.User, f.URL.Password, f.URL.TargetUser, f.URL.TargetPassword = "", "", "", ""
	}
	suite.Stage = f.stage(learned(f.URL.Portal, abilities), abilities)
	return suite, abilities, nil
}

// pick chooses the first target that discovery lists.
func (f *Foreign) pick(ctx context.Context) error {
	abilities, err := f.learn(ctx)
	if err != nil {
		return err
	}
	if len(abilities.Targets) == 0 {
		return &probe.Mismatch{Want: []string{"a target in the answer to SendTargets=All"}, Got: "none"}
	}
	f.URL.Target = abilities.Targets[0].Name
	return nil
}

func (f *Foreign) learn(ctx context.Context) (abilities *probe.Abilities, err error) {
	opts := optionsFor(f.URL)
	opts.InitiatorName, opts.Dialer, opts.Seed, opts.Name = f.InitiatorName, probe.DialFunc(f.Dial), f.Seed, "learn"
	opts.Sessions = f.Told.Sessions
	p := probe.New(ctx, opts)
	// What closing says does not matter beside what was learned.
	defer func() { _ = p.Close() }()
	return p.Learn()
}

// optionsFor takes over what a URL says.
func optionsFor(u iscsi.URL) probe.Options {
	opts := probe.Options{Portal: u.Portal, Target: u.Target, LUN: uint64(scsi.LUNOf(uint32(u.LUN))),
		CHAP: chap.Credentials{Name: u.User, Secret: u.Password}}
	if opts.CHAP.Name != "" && u.TargetUser != "" {
		opts.Mutual = chap.Credentials{Name: u.TargetUser, Secret: u.TargetPassword}
	}
	return opts
}

// foreign is the Peer.Control of a target on the network.
type foreign struct {
	facts  Facts
	asked  Foreign
	tapped bool // connections are recorded already
	// Offered by logins that do not say otherwise; empty means None.
	headerDigest, dataDigest string
}

// demanded is what logins have to offer of a digest that the target demands; empty where it does not.
func demanded(is bool) string {
	if is {
		return "CRC32C,None"
	}
	return ""
}

// stage puts a log before each check; the target is there already.
func (f Foreign) stage(facts Facts, a *probe.Abilities) scenarios.Stage {
	return func(ctx context.Context, env *scenarios.Env, run func(context.Context, *scenarios.Env) scenarios.Outcome) scenarios.Outcome {
		env.Log = trace.NewLog()
		url, now := f.URL, facts
		if f.Fresh != nil {
			fresh, err := f.Fresh(ctx)
			if err != nil {
				return scenarios.Unclear(fmt.Sprintf("The target cannot be put on its feet again: %v.", err))
			}
			url.Portal, now = fresh.Portal, facts.moved(fresh.Portal)
		}
		env.Peer = &scenarios.Peer{URL: url, Dial: f.Dial, Control: &foreign{facts: now, asked: f,
			headerDigest: demanded(a.DemandsHeaderDigest), dataDigest: demanded(a.DemandsDataDigest)}}
		o := run(ctx, env)
		o.Trace, o.Duration = env.Log.Events(), env.Log.Now()
		return o
	}
}
