package integrity

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The times of a random plan. Requesters and faults begin in the window; then everything is healed, whoever can comes back, and the final
// reads look at what is left.
const (
	windowFrom = 1 * time.Second
	windowTo   = 20 * time.Second
	healedAt   = 22*time.Second + 50*time.Millisecond
	settledAt  = 40 * time.Second // by then an attempt has been made after the healing, and whatever waited has ended
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
		p.Steps = append(p.Steps, sessions.Step{Async: true, Do: sessions.Repeat{Times: 1, Steps: h}})
	}
	p.Faults = rapid.SliceOfN(rapid.Custom(d.fault), 0, 4).Draw(t, "faults")
	p.Steps = append(p.Steps, d.ending()...)
	return d
}

// profiles are shipped arrays that let the initiator in as it is, of every kind that shapes how sessions come and go.
var profiles = []string{"cluster-vip-gateway", "discovery-ip-balanced", "gateway-pair", "group-ip-redirect", "ha-ip-takeover", "multi-portal",
	"perm-redirect-tpgt", "plain", "portal-group-redirect", "second-session-kills-oldest", "second-session-refused-0301", "single-host-lock",
	"single-port-redirect-permanent", "single-port-redirect-temporary", "single-session", "svm-multi-tpgt", "vrrp-gateway"}

// drawPeers draws what the array and the initiator are.
func (d *drawn) drawPeers(t *rapid.T) {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	d.dual, d.crcs = rapid.Bool().Draw(t, "two paths"), rapid.Bool().Draw(t, "digests")
	array := sessions.Array{}
	if !d.dual && rapid.Bool().Draw(t, "shipped") {
		array.Profile = pick("profile", profiles...)
	}
	array.Change = pick("array", "", "data: {initial_r2t: true}", "data: {initial_r2t: true, immediate_data: false}",
		"data: {initial_r2t: true, immediate_data: false, max_burst_length: 512, first_burst_length: 512, max_recv_data_segment_length: 512}")
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
		a.pause = time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, 200, 1000, 3000, 6000}).Draw(t, "pause")) * time.Millisecond
		a.n = rapid.IntRange(1, blocks-a.first).Draw(t, "blocks")
		a.sync = rapid.IntRange(0, 9).Draw(t, "sync") == 9
		a.patience = rapid.SampledFrom([]time.Duration{0, 0, 0, 0, time.Second}).Draw(t, "patience")
		return a
	}), 1, 8).Draw(t, "requests")
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
	array := func(a simtarget.Action) []sessions.Step {
		return []sessions.Step{{At: at, Do: sessions.ArrayOp{Action: a}}}
	}
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		return []sessions.Step{{At: at, Do: sessions.Logout{Session: session}}, {Do: sessions.Wait{For: 500 * time.Millisecond}},
			{Label: session, Do: sessions.Login{Portal: portal}}}
	case 1:
		return array(simtarget.Action{Restart: &simtarget.Restart{}})
	case 2:
		return array(simtarget.Action{Async: &simtarget.Async{Event: 1, Parameter3: new(uint16(1))}})
	case 3:
		return array(simtarget.Action{Async: &simtarget.Async{Event: 2, Parameter2: new(uint16(1)), Then: simtarget.EndFIN}})
	case 4:
		return array(simtarget.Action{Command: &simtarget.CommandRule{HoldResponse: true, Times: simtarget.Times{Next: 2}}})
	}
	return array(simtarget.Action{Drop: &simtarget.Drop{How: simtarget.EndFIN}})
}

// instant is one in the window, mostly at whole tenths of seconds so that it shrinks to a round one.
func instant(t *rapid.T) time.Duration {
	return windowFrom + time.Duration(rapid.IntRange(0, int((windowTo-windowFrom)/(100*time.Millisecond))).Draw(t, "tenths"))*100*time.Millisecond
}

// ending heals everything, waits, logs everybody off and reads what is left through a session of its own.
func (d *drawn) ending() []sessions.Step {
	steps := []sessions.Step{{At: healedAt, Do: sessions.Heal{}}, {At: settledAt, Async: true, Do: sessions.Logout{Session: "s"}}}
	if d.dual {
		steps = append(steps, sessions.Step{At: settledAt, Async: true, Do: sessions.Logout{Session: "t"}})
	}
	last := sessions.Step{Label: "left", Deadline: 10 * time.Second, Do: sessions.Read{Session: "last", LBA: firstBlock, Blocks: blocks, Content: true}}
	return append(steps,
		sessions.Step{At: settledAt + 4*time.Second, Label: "last", Do: sessions.Login{}},
		last, last, // A fault that waited until now may strike the first.
		sessions.Step{Do: sessions.Logout{Session: "last"}},
	)
}

// Verbs that do no harm which TCP would not do, and those that only digests can notice.
var (
	lawful   = []faults.Verb{faults.Reset, faults.Fin, faults.Silence, faults.Refuse, faults.Blackhole, faults.Stall, faults.Delay, faults.Jitter, faults.Throttle, faults.Split, faults.Coalesce, faults.Drop}
	afar     = append(slices.Clone(lawful), faults.Move) // where there is another portal to move to
	unlawful = []faults.Verb{faults.Corrupt, faults.Truncate}
	// wounded are the PDUs that placed faults strike: those of full feature phase have digests.
	wounded = []string{"scsi-command", "scsi-response", "data-in", "data-out", "r2t"}
	others  = []string{"login-request", "login-response", "nop-out", "nop-in", "logout-request", "logout-response"}
)

// fault draws one of the vocabulary.
func (d *drawn) fault(t *rapid.T) faults.Fault {
	verbs := lawful
	if d.dual {
		verbs = afar
	}
	if d.crcs {
		verbs = append(slices.Clone(verbs), unlawful...)
	}
	f := faults.Fault{Verb: rapid.SampledFrom(verbs).Draw(t, "verb"), At: instant(t)}
	if d.dual {
		if portal := rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "portal"); portal != "" {
			f.Scope, _ = faults.AtPortal(sessions.PortalAddress(portal))
		}
	}
	if must := f.Verb == faults.Corrupt || f.Verb == faults.Truncate || f.Verb == faults.Drop; must || mayBePlaced(f.Verb) && rapid.Bool().Draw(t, "placed") {
		d.place(t, &f)
		return f
	}
	d.shape(t, &f)
	return f
}

func mayBePlaced(v faults.Verb) bool {
	switch v {
	case faults.Reset, faults.Fin, faults.Silence, faults.Delay, faults.Split, faults.Coalesce:
		return true
	}
	return false
}

// place puts a fault at a PDU that is sent from its instant on.
func (d *drawn) place(t *rapid.T, f *faults.Fault) {
	names := wounded
	if f.Verb != faults.Corrupt && f.Verb != faults.Truncate && f.Verb != faults.Drop {
		names = append(slices.Clone(wounded), others...)
	}
	f.PDU = rapid.SampledFrom(names).Draw(t, "pdu")
	f.Nth = rapid.SampledFrom([]int{0, 2, 3, 4}).Draw(t, "nth") // 0 is the first
	switch rapid.IntRange(0, 7).Draw(t, "which") {
	case 5:
		f.Each, f.Times = 2, 3
	case 6:
		f.Chance, f.Times = 0.3, 5
	case 7:
		f.If = rapid.SampledFrom([]faults.Predicate{"length=0", "length>0", "length>=512"}).Draw(t, "if")
	}
	at := rapid.SampledFrom([]faults.Position{{}, {Offset: 20}, {Offset: 48}, {Region: faults.FromData, Offset: 1}, {Region: faults.AtEnd}}).Draw(t, "byte")
	switch f.Verb {
	case faults.Reset, faults.Fin:
		f.Byte = at
	case faults.Silence:
		f.Byte, f.For = at, lasting(t)
	case faults.Truncate:
		f.Byte = faults.Position{Offset: rapid.IntRange(0, 47).Draw(t, "offset")}
	case faults.Corrupt:
		f.Byte = faults.Position{Offset: rapid.IntRange(0, 100).Draw(t, "offset")}
		f.Mask = 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case faults.Delay, faults.Coalesce:
		f.By = time.Duration(rapid.IntRange(1, 3000).Draw(t, "by")) * time.Millisecond
	case faults.Split:
		f.Byte, f.By = faults.Position{Offset: 20}, 100*time.Millisecond
	}
}

// shape draws what a timed fault needs.
func (d *drawn) shape(t *rapid.T, f *faults.Fault) {
	switch f.Verb {
	case faults.Reset, faults.Fin:
		if rapid.IntRange(0, 3).Draw(t, "again") == 3 {
			f.Every, f.Times = time.Duration(rapid.IntRange(1, 6).Draw(t, "every"))*time.Second, 3
		}
		return
	case faults.Silence:
		f.Dir = rapid.SampledFrom([]faults.Direction{faults.Both, faults.ToInitiator, faults.ToTarget}).Draw(t, "dir")
	case faults.Move:
		from, to := "A", "B"
		if rapid.Bool().Draw(t, "back") {
			from, to = to, from
		}
		f.Scope, _ = faults.AtPortal(sessions.PortalAddress(from)) // they are addresses
		f.To = netip.MustParseAddrPort(sessions.PortalAddress(to))
	case faults.Stall:
		f.After = rapid.IntRange(0, 4000).Draw(t, "after")
	case faults.Delay, faults.Jitter:
		f.By = time.Duration(rapid.IntRange(1, 3000).Draw(t, "by")) * time.Millisecond
	case faults.Coalesce:
		f.By = 10 * time.Millisecond
	case faults.Throttle:
		f.Rate = rapid.IntRange(100, 20000).Draw(t, "rate")
	case faults.Split:
		f.Size = rapid.IntRange(1, 100).Draw(t, "size")
	}
	f.For = lasting(t)
}

// lasting is how long a fault is in force.
func lasting(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 9 * time.Second}).Draw(t, "for")
}
