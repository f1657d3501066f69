package integrity

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The times of a random plan. Requesters and faults begin in the window; then everything is healed, whoever can comes back, and the final
// reads look at what is left.
const (
	windowFrom = 1 * time.Second
	windowTo   = 12 * time.Second
	healedAt   = 16*time.Second + 50*time.Millisecond
	settledAt  = 30 * time.Second // by then an attempt has been made after the healing, and whatever waited has ended
)

// Blocks that requesters share: so few that their requests meet.
const (
	firstBlock = 1000
	blocks     = 3
)

// drawn is a random plan and the seed to run it with.
type drawn struct {
	plan sessions.Plan
	seed uint64
	dual bool // two sessions to the same device
	crcs bool // digests: damage on the wire is noticed
	// What the array's settings let onto the wire: R2Ts, and Data-Out.
	asks, sends bool
}

// draw makes a plan: an array, an initiator, requesters, happenings and faults.
func draw(t *rapid.T) drawn {
	d := drawn{seed: uint64(rapid.IntRange(1, 8).Draw(t, "seed"))}
	d.drawPeers(t)
	p := &d.plan
	p.Steps = append(p.Steps, sessions.Step{Label: "s", Do: sessions.Login{}})
	if d.dual {
		p.Steps = append(p.Steps, sessions.Step{Label: "t", Do: sessions.Login{Portal: "B"}})
	}
	for i, r := range rapid.SliceOfN(rapid.Custom(d.requester), 1, 4).Draw(t, "requesters") {
		steps := r.steps(fmt.Sprintf("r%d", i+1))
		p.Steps = append(p.Steps, sessions.Step{At: windowFrom + time.Duration(i)*10*time.Millisecond, Async: true, Do: sessions.Repeat{Times: 1, Steps: steps}})
	}
	for _, h := range rapid.SliceOfN(rapid.Custom(d.happening), 0, 2).Draw(t, "happenings") {
		d.beside(h)
	}
	for _, c := range rapid.SliceOfN(rapid.Custom(d.composition), 1, 3).Draw(t, "faults") {
		p.Faults = append(p.Faults, c.faults...)
		d.beside(c.steps)
	}
	p.Steps = append(p.Steps, d.ending()...)
	return d
}

// beside lets steps happen beside all others.
func (d *drawn) beside(steps []sessions.Step) {
	if len(steps) > 0 {
		d.plan.Steps = append(d.plan.Steps, sessions.Step{Async: true, Do: sessions.Repeat{Times: 1, Steps: steps}})
	}
}

// profiles are shipped arrays that let the initiator in as it is, of every kind that shapes how sessions come and go. Two kinds are not among them,
// where what is on its way on a lost connection may be executed behind the session that replaced it, so that no initiator can keep order: arrays that
// reinstate no session (single-host-lock), and those that send a session that comes back to another portal group, which is another I_T nexus
// (vrrp-gateway).
var profiles = []string{"cluster-vip-gateway", "discovery-ip-balanced", "gateway-pair", "group-ip-redirect", "ha-ip-takeover", "multi-portal",
	"perm-redirect-tpgt", "plain", "portal-group-redirect", "second-session-kills-oldest", "second-session-refused-0301",
	"single-port-redirect-permanent", "single-port-redirect-temporary", "single-session", "svm-multi-tpgt"}

// drawPeers draws what the array and the initiator are.
func (d *drawn) drawPeers(t *rapid.T) {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	d.dual, d.crcs = rapid.Bool().Draw(t, "two paths"), rapid.Bool().Draw(t, "digests")
	array := sessions.Array{}
	if !d.dual && rapid.Bool().Draw(t, "shipped") {
		array.Profile = pick("profile", profiles...)
	}
	array.Change = pick("array", "", "data: {initial_r2t: true}", "data: {initial_r2t: true, immediate_data: false}",
		"data: {initial_r2t: true, immediate_data: false, max_burst_length: 512, first_burst_length: 512, max_recv_data_segment_length: 512}",
		"data: {initial_r2t: false, immediate_data: false}")
	d.asks = strings.Contains(array.Change, "initial_r2t: true, immediate_data: false")
	d.sends = strings.Contains(array.Change, "immediate_data: false")
	if d.dual {
		array.Portals = 2
	}
	if d.dual || array.Change+array.Profile != "" {
		d.plan.Arrays = []sessions.Array{array}
	}
	i := &d.plan.Initiator
	i.Removal = pick("removal", "", "2s", "0s", "6s", "never")
	i.Interval = rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "interval")
	i.QueueEntries = rapid.SampledFrom([]int{0, 2}).Draw(t, "queue")
	i.Login = sessions.LoginSettings{LoginTimeout: 3 * time.Second, PingInterval: 2 * time.Second, PingTimeout: 2 * time.Second, LogoutTimeout: 2 * time.Second}
	if d.dual {
		i.PathPolicy = pick("policy", "", "round-robin")
	}
	if d.crcs {
		i.Login.HeaderDigest, i.Login.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
	}
}

// requester is who reads and writes, one request after the other.
type requester struct {
	session  string
	device   bool
	requests []asked
}

// asked is one request.
type asked struct {
	pause    time.Duration // before it
	write    bool
	sync     bool
	first, n int
	patience time.Duration
}

func (d *drawn) requester(t *rapid.T) requester {
	r := requester{session: "s"}
	if d.dual {
		r.session = rapid.SampledFrom([]string{"s", "t"}).Draw(t, "session")
		r.device = rapid.Bool().Draw(t, "to the device")
	}
	r.requests = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) asked {
		a := asked{write: rapid.Bool().Draw(t, "write"), first: rapid.IntRange(0, blocks-1).Draw(t, "block")}
		a.pause = time.Duration(rapid.SampledFrom([]int{0, 0, 1, 50, 300, 1000, 2000, 4000}).Draw(t, "pause")) * time.Millisecond
		a.n = rapid.IntRange(1, blocks-a.first).Draw(t, "blocks")
		a.sync = rapid.IntRange(0, 9).Draw(t, "sync") == 9
		a.patience = rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 0, 0, time.Second, 4 * time.Second}).Draw(t, "patience")
		return a
	}), 2, 10).Draw(t, "requests")
	return r
}

func (r requester) steps(label string) []sessions.Step {
	var steps []sessions.Step
	for _, a := range r.requests {
		if a.pause > 0 {
			steps = append(steps, sessions.Step{Do: sessions.Wait{For: a.pause}})
		}
		s := sessions.Step{Label: label, Deadline: a.patience}
		lba := uint64(firstBlock + a.first)
		switch {
		case a.sync:
			s.Do = sessions.SynchronizeCache{Session: r.session}
		case a.write:
			s.Do = sessions.Write{Session: r.session, LBA: lba, Blocks: a.n, Device: r.device}
		default:
			s.Do = sessions.Read{Session: r.session, LBA: lba, Blocks: a.n, Device: r.device, Content: true}
		}
		steps = append(steps, s)
	}
	return steps
}

// happening is what users and arrays do meanwhile.
func (d *drawn) happening(t *rapid.T) []sessions.Step {
	at := instant(t)
	session := "s"
	portal := "A"
	if d.dual && rapid.Bool().Draw(t, "second") {
		session, portal = "t", "B"
	}
	which := simtarget.Which{}
	if d.dual {
		which.Portal = portal
	}
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		return []sessions.Step{{At: at, Do: sessions.Logout{Session: session}}, {Do: sessions.Wait{For: 500 * time.Millisecond}},
			{Label: session, Do: sessions.Login{Portal: portal}}}
	case 1:
		return array(at, simtarget.Action{Restart: &simtarget.Restart{How: broken(t)}})
	case 2:
		return array(at, simtarget.Action{Async: &simtarget.Async{Event: 1, Parameter3: new(uint16(1))}})
	case 3:
		return array(at, simtarget.Action{Async: &simtarget.Async{Event: 2, Parameter2: new(uint16(1)), Then: simtarget.EndFIN}})
	case 4:
		return array(at, simtarget.Action{Command: &simtarget.CommandRule{Which: which, Delay: time.Duration(rapid.IntRange(1, 3000).Draw(t, "delay")) * time.Millisecond,
			Times: simtarget.Times{Next: 4}}})
	case 5:
		return array(at, simtarget.Action{Window: &simtarget.Window{Which: which, Size: rapid.IntRange(1, 2).Draw(t, "window"), Tell: true}})
	}
	return array(at, simtarget.Action{Drop: &simtarget.Drop{Which: which, How: simtarget.EndFIN}})
}

// array lets the array do something at an instant.
func array(at time.Duration, a simtarget.Action) []sessions.Step {
	return []sessions.Step{{At: at, Do: sessions.ArrayOp{Action: a}}}
}

// broken is how an array ends connections when it restarts.
func broken(t *rapid.T) simtarget.Ending {
	return rapid.SampledFrom([]simtarget.Ending{"", simtarget.EndFIN, simtarget.EndSilent}).Draw(t, "how")
}

// instant is one in the window, mostly at whole tenths of seconds so that it shrinks to a round one.
func instant(t *rapid.T) time.Duration {
	return windowFrom + time.Duration(rapid.IntRange(0, int((windowTo-windowFrom)/(100*time.Millisecond))).Draw(t, "tenths"))*100*time.Millisecond
}

// lastRead labels the reads of what is left.
const lastRead = "left"

// ending heals everything, waits, logs everybody off and reads what is left through a session of its own.
func (d *drawn) ending() []sessions.Step {
	steps := []sessions.Step{{At: healedAt, Do: sessions.Heal{}}, {At: settledAt, Async: true, Do: sessions.Logout{Session: "s"}}}
	if d.dual {
		steps = append(steps, sessions.Step{At: settledAt, Async: true, Do: sessions.Logout{Session: "t"}})
	}
	last := sessions.Step{Label: lastRead, Deadline: 10 * time.Second, Do: sessions.Read{Session: "last", LBA: firstBlock, Blocks: blocks, Content: true}}
	return append(steps,
		sessions.Step{At: settledAt + 4*time.Second, Label: "last", Do: sessions.Login{}},
		last, last, // A fault that waited until now may strike the first.
		sessions.Step{Do: sessions.Logout{Session: "last"}},
	)
}
