package sessions

import (
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// Limits of what a plan can ask for.
const (
	portsMax   = 16
	portalsMax = 26 // letters
	targetsMax = 64
)

// Array is one simulated array of a plan. The zero value is the catalogue's BASE: one portal, one target, LUN 0 of 64 MiB.
//
// Portals and targets are counted through over all arrays of a plan: the first portal of the first array is A, and so on, and the
// targets are TargetName(1), TargetName(2) ...
type Array struct {
	// Profile is the name of an embedded profile instead of BASE. Its portals keep their properties and get the addresses of their letters.
	Profile string `yaml:"profile,omitempty"`
	// Portals is how many portals BASE has, with portal group tags 1, 2, ...; 0 means 1. Hidden ones among them, given by letter, are left
	// out of SendTargets.
	Portals int      `yaml:"portals,omitempty"`
	Hidden  []string `yaml:"hidden,flow,omitempty"`
	// Addresses replace those of the portals' letters, in order; "" keeps the letter's. They are for IPv6 and for other ports than 3260. In
	// steps the letters still name the portals; judges use the addresses.
	Addresses []string `yaml:"addresses,flow,omitempty"`
	// Targets is how many targets BASE has; 0 means 1. All have the same units.
	Targets int `yaml:"targets,omitempty"`
	// LUNs are the numbers of the units of each target of BASE, 64 MiB each; none means LUN 0 alone.
	LUNs []uint32 `yaml:"luns,flow,omitempty"`
	// Change is YAML that is laid over the profile: what it names is replaced, in the words of simtarget.Profile: "session: {max_per_initiator: 1}". A
	// list is replaced as a whole.
	Change string `yaml:"change,omitempty"`
}

// InitiatorName is the initiator's iSCSI name unless the plan gives another.
const InitiatorName = "iqn.2026-01.org.iscsispec:initiator"

// TargetName is the name of the n-th target of a plan, counted from 1 over all arrays of BASE.
func TargetName(n int) string { return fmt.Sprintf("iqn.2026-01.org.iscsispec:disk-%d", n) }

// PortalAddress gives the address of a portal by its letter: A is 10.0.0.1:3260, B is 10.0.0.2:3260 ... Anything else is an address already.
func PortalAddress(portal string) string {
	if len(portal) == 1 && portal[0] >= 'A' && portal[0] <= 'Z' {
		return fmt.Sprintf("10.0.0.%d:3260", portal[0]-'A'+1)
	}
	return portal
}

// PortAddress is the IP address of the i-th initiator port, counted from 1.
func PortAddress(i int) string { return fmt.Sprintf("10.0.1.%d", i) }

// portName is the name of the i-th initiator port, counted from 1.
func portName(i int) string { return fmt.Sprintf("port-%d", i) }

// station is a running array and where it stands.
type station struct {
	array   *simtarget.Array
	profile *simtarget.Profile
	host    *faults.Host
	letters []string // of its portals, in order
}

// target is the name of the first target.
func (s *station) target() string { return s.profile.Targets[0].Name }

// numbering counts portals and targets over all arrays.
type numbering struct{ portals, targets int }

// profile makes the profile of an array, and gives the letters of its portals.
func (a Array) profile(count *numbering) (*simtarget.Profile, []string, error) {
	p, err := a.known(*count)
	if err != nil {
		return nil, nil, err
	}
	var letters []string
	for range p.Portals {
		letters = append(letters, letter(count.portals))
		count.portals++
	}
	count.targets += len(p.Targets)
	if count.portals > portalsMax {
		return nil, nil, fmt.Errorf("%d portals: want at most %d", count.portals, portalsMax)
	}
	return p, letters, nil
}

// letter names the i-th portal, counted from 0.
func letter(i int) string { return string(rune('A' + i)) }

// embedded keeps the embedded profiles that runs have asked for, by a key of what makes them differ: reading YAML takes longer than many a run. Nobody changes
// a profile that is in it. There are no more of them than plans name.
var embedded sync.Map

// known is the profile, from earlier runs where it is an embedded one.
func (a Array) known(count numbering) (*simtarget.Profile, error) {
	if a.Profile == "" {
		return a.changed(count)
	}
	key := fmt.Sprintf("%s\x00%d\x00%s", a.Profile, count.portals, a.Change)
	if p, is := embedded.Load(key); is {
		return p.(*simtarget.Profile), nil
	}
	p, err := a.changed(count)
	if err == nil {
		embedded.Store(key, p)
	}
	return p, err
}

// changed is the profile as the plan has it.
func (a Array) changed(count numbering) (*simtarget.Profile, error) {
	p, err := a.base(count)
	if err == nil && a.Change != "" {
		if err := yaml.UnmarshalWithOptions([]byte(a.Change), p, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("change of the profile: %w", err)
		}
	}
	return p, err
}

// base is the profile before it is changed.
func (a Array) base(count numbering) (*simtarget.Profile, error) {
	if a.Portals < 0 || a.Portals > portalsMax || a.Targets < 0 || a.Targets > targetsMax {
		return nil, fmt.Errorf("%d portals and %d targets: want at most %d and %d", a.Portals, a.Targets, portalsMax, targetsMax)
	}
	if a.Profile != "" {
		p, err := simtarget.Builtin(a.Profile)
		if err != nil {
			return nil, err
		}
		for i := range p.Portals {
			p.Portals[i].Address = PortalAddress(letter(count.portals + i))
		}
		return p, nil
	}
	p := simtarget.NewProfile()
	p.Name, p.Description = "base", "The catalogue's BASE."
	for i := range max(a.Portals, 1) {
		name := letter(count.portals + i)
		address := PortalAddress(name)
		if i < len(a.Addresses) && a.Addresses[i] != "" {
			address = a.Addresses[i]
		}
		p.Portals = append(p.Portals, simtarget.Portal{Name: name, Address: address, Tag: uint16(i + 1), Hidden: contains(a.Hidden, name)})
	}
	for i := range max(a.Targets, 1) {
		t := simtarget.Target{Name: TargetName(count.targets + i + 1)}
		for _, n := range a.luns() {
			t.LUNs = append(t.LUNs, simtarget.LUN{Number: n, Size: 64 << 20})
		}
		p.Targets = append(p.Targets, t)
	}
	return p, nil
}

func (a Array) luns() []uint32 {
	if len(a.LUNs) == 0 {
		return []uint32{0}
	}
	return a.LUNs
}

// stand puts up all arrays of the plan.
func (x *execution) stand() error {
	arrays := x.plan.Arrays
	if len(arrays) == 0 {
		arrays = []Array{{}}
	}
	var count numbering
	for i, a := range arrays {
		p, letters, err := a.profile(&count)
		if err != nil {
			return fmt.Errorf("array %d: %w", i+1, err)
		}
		node, name := trace.NodeTarget, "array"
		if i > 0 {
			node, name = fmt.Sprintf("target-%d", i+1), fmt.Sprintf("array-%d", i+1)
		}
		s := &station{profile: p, letters: letters, host: x.network.Host(node, fmt.Sprintf("10.0.2.%d", i+1))}
		s.array, err = simtarget.New(p, simtarget.Options{Log: x.log, Node: name, Seed: scenarios.SeedFor(x.opts.Seed, name)})
		if err != nil {
			return fmt.Errorf("array %d: %w", i+1, err)
		}
		x.arrays = append(x.arrays, s)
		if err := s.array.Start(s.host.Listen); err != nil {
			return fmt.Errorf("array %d: %w", i+1, err)
		}
	}
	for _, n := range x.plan.Names {
		if err := x.network.Name(n.Name, n.Address); err != nil {
			return err
		}
	}
	return nil
}

// at finds the array that has a portal, the first one for a portal that none has, and the portal's address.
func (x *execution) at(portal string) (*station, string) {
	for _, s := range x.arrays {
		for i, p := range s.profile.Portals {
			if s.letters[i] == portal || p.Address == portal {
				return s, p.Address
			}
		}
	}
	return x.arrays[0], PortalAddress(portal)
}

// ArrayOp does something to a running array, in the words of simtarget.Action: answers the next logins otherwise, holds commands, sends an
// Asynchronous Message, closes the command window, changes units, forgets everything. Exactly one field of the action is set.
type ArrayOp struct {
	// Array is which one, counted from 1; 0 means the first.
	Array int `yaml:"array,omitempty"`
	// Session, when set, is the label of a session: the action is about that one alone. It fills in the action's selection by
	// initiator name, target and ISID.
	Session          string `yaml:"session,omitempty"`
	simtarget.Action `yaml:",inline"`
}

// OpName is "array".
func (ArrayOp) OpName() string { return "array" }

func (o ArrayOp) labels() []string { return []string{o.Session} }

func (o ArrayOp) perform(x *execution, _ *call) outcome {
	if o.Array < 0 || o.Array > len(x.arrays) {
		return x.impossible(fmt.Errorf("no array %d", o.Array))
	}
	action := o.Action
	if o.Session != "" {
		which, err := x.which(o.Session)
		if err != nil {
			return x.impossible(err)
		}
		if !narrow(&action, which) {
			return x.impossible(fmt.Errorf("the action is not about a session"))
		}
	}
	if err := x.arrays[max(o.Array, 1)-1].array.Apply(action); err != nil {
		return x.impossible(err)
	}
	return outcome{name: OK}
}

// which selects a session at the array as the initiator sees it.
func (x *execution) which(label string) (simtarget.Which, error) {
	status, err := x.manager.Session(x.session(label))
	if err != nil {
		return simtarget.Which{}, err
	}
	return simtarget.Which{Target: status.TargetName, Initiator: status.InitiatorName, ISID: status.ISID.String()}, nil
}

// narrow makes an action be about one session. The rules are copied: plans are not changed by running them.
func narrow(a *simtarget.Action, w simtarget.Which) bool {
	switch {
	case a.Login != nil:
		a.Login = new(*a.Login)
		a.Login.Which = w
	case a.Command != nil:
		a.Command = new(*a.Command)
		a.Command.Which = w
	case a.Text != nil:
		a.Text = new(*a.Text)
		a.Text.Which = w
	case a.Alter != nil:
		a.Alter = new(*a.Alter)
		a.Alter.Which = w
	case a.Release != nil:
		a.Release = new(*a.Release)
		a.Release.Which = w
	case a.Async != nil:
		a.Async = new(*a.Async)
		a.Async.Which = w
	case a.Ping != nil:
		a.Ping = new(*a.Ping)
		a.Ping.Which = w
	case a.Drop != nil:
		a.Drop = new(*a.Drop)
		a.Drop.Which = w
	case a.Window != nil:
		a.Window = new(*a.Window)
		a.Window.Which = w
	case a.Logout != nil:
		a.Logout = new(*a.Logout)
		a.Logout.Which = w
	default:
		return false
	}
	return true
}
