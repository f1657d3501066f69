package initiator

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Name is what the command line calls the suite.
const Name = "initiator"

// Suite is the list of all checks over the project's own initiator, in bubbles.
func Suite() scenarios.Suite {
	suite := scenarios.Suite{Name: Name, Virtual: true, Own: true, Embedded: true, Peer: "the project's own initiator, before a scripted array"}
	byID := map[string]Check{}
	for _, c := range Checks() {
		byID[c.ID] = c
		suite.Checks = append(suite.Checks, c.scenario())
	}
	suite.Stage = inBubbles(byID)
	return suite
}

// rig is the Peer.Control of a check: where the array listens, and the initiator that it is to face.
type rig interface {
	// listen opens a portal of that letter.
	listen(letter string) (*portal, error)
	// driver puts up an initiator for the check, or for a part of it.
	driver(t *T, s *Settings) (Driver, error)
	// tap records what passes on a connection that was taken, where the network does not.
	tap(raw net.Conn, number int) net.Conn
	// links are the network's ways to fail; nil for real sockets.
	links() *faults.Network
}

// inBubbles is the stage of checks of the own initiator: a bubble, an in-memory network, and an initiator that has the deviation.
func inBubbles(checks map[string]Check) scenarios.Stage {
	return func(_ context.Context, env *scenarios.Env, run func(context.Context, *scenarios.Env) scenarios.Outcome) scenarios.Outcome {
		var outcome scenarios.Outcome
		err := scenarios.Bubble(env.T, env.Limits.Run, func(ctx context.Context) {
			env.Log = trace.NewLog()
			network := faults.NewNetwork(env.Seed, env.Log, faults.Options{})
			defer network.Close()
			e := &embedded{network: network, seed: env.Seed, log: env.Log,
				array: network.Host(trace.NodeTarget, "10.0.2.1"), initiator: network.Host(trace.NodeInitiator, "10.0.9.1")}
			if env.Deviation != nil {
				set, ok := env.Deviation.Apply.(func(*ini.Deviations))
				if !ok {
					outcome = scenarios.Outcome{Verdict: scenarios.Broken, Reason: "The deviation is not one of this suite."}
					return
				}
				e.deviations = new(ini.Deviations)
				set(e.deviations)
			}
			env.Peer = &scenarios.Peer{Control: e}
			outcome = run(ctx, env)
			outcome.Trace, outcome.Duration = e.story(env.Log.Events()), env.Log.Now()
		})
		if err != nil {
			o := scenarios.BubbleOutcome(err)
			o.Trace, o.Duration = env.Log.Events(), outcome.Duration
			return o
		}
		return outcome
	}
}

// embedded is the rig of a bubble.
type embedded struct {
	network          *faults.Network
	array, initiator *faults.Host
	seed             uint64
	log              *trace.Log
	deviations       *ini.Deviations
	torn             []time.Duration // when an initiator was taken down
}

// story leaves out what the session manager tells of its own teardown: nobody asked for that, and in which order its connections notice is
// a matter of chance.
func (e *embedded) story(events trace.Events) trace.Events {
	return events.Where(func(event *trace.Event) bool {
		told := event.Node == trace.NodeInitiator && event.Is(trace.KindSession, trace.KindDevice, trace.KindRequest)
		return !told || !slices.Contains(e.torn, event.At)
	})
}

func (e *embedded) tap(raw net.Conn, _ int) net.Conn { return raw }

func (e *embedded) links() *faults.Network { return e.network }

func (e *embedded) driver(t *T, s *Settings) (Driver, error) {
	s.Ports = []ini.Port{{Name: "port-1", Dialer: e.initiator}}
	s.Seed, s.Log, s.Deviations = e.seed, e.log, e.deviations
	if s.InitiatorName == "" {
		s.InitiatorName = InitiatorName
	}
	m, err := ini.NewManager(s.ManagerConfig)
	if err != nil {
		return nil, err
	}
	return &own{t: t, manager: m}, nil
}
