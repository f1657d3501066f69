package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// configure makes the session manager as the plan has it. What the plan leaves zero is left to the manager.
func (x *execution) configure() error {
	p := x.plan.Initiator
	login, err := p.Login.settings()
	if err != nil {
		return err
	}
	var s initiator.Settings
	if err := p.apply(&s); err != nil {
		return err
	}
	deviations, err := p.deviations(x.opts.Deviations)
	if err != nil {
		return err
	}
	cfg := initiator.ManagerConfig{
		InitiatorName: p.Name, Defaults: login, ReconnectInterval: s.ReconnectInterval, RemovalLatency: s.RemovalLatency,
		BootRemovalLatency: s.BootRemovalLatency, QueueBound: s.QueueBound, ReconnectJitter: s.ReconnectJitter,
		PortalFailover: s.PortalFailover, PathPolicy: s.PathPolicy, Seed: x.opts.Seed, Log: x.log, Deviations: deviations,
	}
	if p.Seed != 0 {
		cfg.Seed = p.Seed
	}
	if cfg.InitiatorName == "" {
		cfg.InitiatorName = InitiatorName
	}
	for i := range max(p.Ports, 1) {
		host := x.network.Host(trace.NodeInitiator, PortAddress(i+1))
		cfg.Ports = append(cfg.Ports, initiator.Port{Name: portName(i + 1), Dialer: host})
	}
	x.manager, err = initiator.NewManager(cfg)
	return err
}

// deviations are what is wrong with the initiator: what the run was told and what the plan names.
func (i Initiator) deviations(told *initiator.Deviations) (*initiator.Deviations, error) {
	if len(i.Defects) == 0 {
		return told, nil
	}
	d := new(initiator.Deviations)
	if told != nil {
		*d = *told
	}
	for _, name := range i.Defects {
		if err := d.Add(name); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// apply changes settings where the plan names them.
func (s Settings) apply(to *initiator.Settings) error {
	if s.Interval != 0 {
		to.ReconnectInterval = s.Interval
	}
	if s.Jitter != 0 {
		to.ReconnectJitter = s.Jitter
	}
	to.PortalFailover = to.PortalFailover || s.PortalFailover
	if s.PathPolicy != "" {
		policy, err := initiator.ParsePathPolicy(s.PathPolicy)
		if err != nil {
			return err
		}
		to.PathPolicy = policy
	}
	for _, l := range []struct {
		text string
		to   *initiator.Latency
	}{{s.Removal, &to.RemovalLatency}, {s.BootRemoval, &to.BootRemovalLatency}} {
		if l.text == "" {
			continue
		}
		latency, err := initiator.ParseLatency(l.text)
		if err != nil {
			return err
		}
		*l.to = latency
	}
	if s.QueueEntries != 0 {
		to.QueueBound.Entries = s.QueueEntries
	}
	if s.QueueBytes != 0 {
		to.QueueBound.Bytes = s.QueueBytes
	}
	return nil
}

// settings are the initiator's form.
func (s LoginSettings) settings() (initiator.LoginSettings, error) {
	out := initiator.LoginSettings{
		HeaderDigest: s.HeaderDigest, DataDigest: s.DataDigest, LoginTimeout: s.LoginTimeout, PingInterval: s.PingInterval,
		PingTimeout: s.PingTimeout, LogoutTimeout: s.LogoutTimeout, CommandTimeout: s.CommandTimeout, FreshISID: s.FreshISID,
	}
	if c := s.CHAP; c != nil {
		out.CHAP = &initiator.CHAP{Name: c.Name, Secret: iscsi.Secret(c.Secret), TargetName: c.TargetName, TargetSecret: iscsi.Secret(c.TargetSecret)}
	}
	for _, o := range s.Offers {
		key, value, found := strings.Cut(o, "=")
		if !found {
			return out, fmt.Errorf("offer %q: want Key=Value", o)
		}
		out.Offers = append(out.Offers, initiator.Offer{Key: key, Value: value})
	}
	return out, nil
}

// session gives the ID behind a label; the latest session for "". It is 0, which no session has, when the label's step made none.
func (x *execution) session(label string) initiator.SessionID {
	x.mu.Lock()
	defer x.mu.Unlock()
	if label == "" {
		return x.latest
	}
	return x.handles[label]
}

// keep makes a session known under the label of its step.
func (x *execution) keep(label string, id initiator.SessionID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.latest = id
	if label != "" {
		x.handles[label] = id
	}
}

// spec turns what a plan says about a login into the manager's form.
func (x *execution) spec(kind, target, portal string, port, bootLUN int, s LoginSettings) (initiator.LoginSpec, error) {
	settings, err := s.settings()
	if err != nil {
		return initiator.LoginSpec{}, err
	}
	spec := initiator.LoginSpec{Settings: settings, BootLUN: uint64(scsi.LUNOf(uint32(bootLUN)))}
	if kind == "" {
		kind = initiator.Data.String()
	}
	if spec.Kind, err = initiator.ParseKind(kind); err != nil {
		spec.Kind = unknownKind // the manager has to refuse it, not the harness
	}
	if port > 0 {
		spec.InitiatorPort = portName(port)
	}
	if portal == "" {
		portal = "A"
	}
	array, address := x.at(portal)
	if portal != "-" {
		if spec.Portal, err = iscsi.ParseAddress(address); err != nil {
			return spec, err
		}
	}
	switch {
	case target == "" && spec.Kind != initiator.Discovery:
		spec.Target = array.target()
	case target != "-":
		spec.Target = target
	}
	return spec, nil
}

// unknownKind is no kind of session.
const unknownKind = initiator.Kind(200)

// opened is the outcome of an op that opens a session.
func (x *execution) opened(c *call, id initiator.SessionID, err error) outcome {
	o := ended(err)
	if err == nil {
		o.session = id
		x.keep(c.step.Label, id)
	}
	return o
}

func (o Login) perform(x *execution, c *call) outcome {
	spec, err := x.spec(o.Kind, o.Target, o.Portal, o.Port, o.BootLUN, o.Settings)
	if err != nil {
		return x.impossible(err)
	}
	id, err := x.manager.Login(c.ctx, spec)
	return x.opened(c, id, err)
}

func (o AddSession) perform(x *execution, c *call) outcome {
	if o.Clone != "" {
		id, err := x.manager.AddSession(c.ctx, initiator.AddSpec{Clone: x.session(o.Clone)})
		return x.opened(c, id, err)
	}
	spec, err := x.spec(o.Kind, o.Target, o.Portal, o.Port, 0, o.Settings)
	if err != nil {
		return x.impossible(err)
	}
	id, err := x.manager.AddSession(c.ctx, initiator.AddSpec{LoginSpec: spec})
	return x.opened(c, id, err)
}

func (o LoginAll) perform(x *execution, c *call) outcome {
	portals := o.Portals
	if len(portals) == 0 {
		portals = []string{"A"}
	}
	var addresses []iscsi.Address
	for _, p := range portals {
		_, address := x.at(p)
		a, err := iscsi.ParseAddress(address)
		if err != nil {
			return x.impossible(err)
		}
		addresses = append(addresses, a)
	}
	results, err := x.manager.LoginAll(c.ctx, addresses...)
	out := ended(err)
	for i, r := range results {
		one := ended(r.Err)
		if r.Err == nil {
			x.keep(fmt.Sprintf("%s.%d", c.step.Label, i+1), r.ID)
		}
		out.rows = append(out.rows, trace.Event{Session: uint64(r.ID), Reason: one.name, Err: trace.ErrorText(r.Err), Attrs: []trace.Attr{
			trace.A("target", r.Target), trace.A("portal", r.Portal.HostPort()), trace.A("port", r.InitiatorPort), trace.A("existed", r.Existed)}})
	}
	return out
}

func (o Logout) perform(x *execution, c *call) outcome {
	id := x.session(o.Session)
	logout := x.manager.Logout
	if o.Force {
		logout = x.manager.ForceLogout
	}
	out := ended(logout(c.ctx, id))
	out.session = id
	return out
}

func (o RemoveSession) perform(x *execution, c *call) outcome {
	id := x.session(o.Session)
	out := ended(x.manager.RemoveSession(c.ctx, id))
	out.session = id
	return out
}

func (o Discover) perform(x *execution, c *call) outcome {
	id := x.session(o.Session)
	targets, err := x.manager.Discover(c.ctx, id)
	out := ended(err)
	out.session = id
	for _, t := range targets {
		var addresses []string
		for _, a := range t.Addresses {
			addresses = append(addresses, a.String())
		}
		out.rows = append(out.rows, trace.Event{Attrs: []trace.Attr{trace.A("target", t.Name), trace.A("addresses", strings.Join(addresses, " "))}})
	}
	return out
}

func (o Ping) perform(x *execution, c *call) outcome {
	id := x.session(o.Session)
	data := make([]byte, o.Size)
	for i := range data {
		data[i] = byte(i)
	}
	back, err := x.manager.Ping(c.ctx, id, data)
	out := ended(err)
	out.session = id
	if err == nil && !slices.Equal(back, data) {
		out.name = Miscompare
	}
	return out
}

func (o SendText) perform(x *execution, c *call) outcome {
	var pairs text.Pairs
	for _, p := range o.Pairs {
		key, value, found := strings.Cut(p, "=")
		if !found {
			return x.impossible(fmt.Errorf("pair %q: want Key=Value", p))
		}
		pairs = append(pairs, text.Pair{Key: key, Value: value})
	}
	id := x.session(o.Session)
	answers, err := x.manager.Text(c.ctx, id, pairs)
	out := ended(err)
	out.session = id
	for _, a := range answers {
		out.rows = append(out.rows, trace.Event{Attrs: []trace.Attr{trace.A("key", a.Key), trace.A("value", a.Value)}})
	}
	return out
}

func (o Set) perform(x *execution, _ *call) outcome {
	var wrong error
	err := x.manager.Set(func(s *initiator.Settings) {
		login, err := o.Login.settings()
		wrong = errors.Join(err, o.apply(s))
		if login.HeaderDigest != nil {
			s.Login.HeaderDigest = login.HeaderDigest
		}
		if login.DataDigest != nil {
			s.Login.DataDigest = login.DataDigest
		}
		if login.CHAP != nil {
			s.Login.CHAP = login.CHAP
		}
		if login.Offers != nil {
			s.Login.Offers = login.Offers
		}
		for _, t := range []struct {
			to   *time.Duration
			from time.Duration
		}{{&s.Login.LoginTimeout, login.LoginTimeout}, {&s.Login.PingInterval, login.PingInterval},
			{&s.Login.PingTimeout, login.PingTimeout}, {&s.Login.LogoutTimeout, login.LogoutTimeout},
			{&s.Login.CommandTimeout, login.CommandTimeout}} {
			if t.from != 0 {
				*t.to = t.from
			}
		}
	})
	if wrong != nil {
		return x.impossible(wrong)
	}
	return ended(err)
}

func (o Restart) perform(x *execution, c *call) outcome {
	ids, err := x.manager.Restart(c.ctx, o.Down)
	out := ended(err)
	for i, id := range ids {
		x.keep(fmt.Sprintf("%s.%d", c.step.Label, i+1), id)
		out.rows = append(out.rows, trace.Event{Session: uint64(id)})
	}
	return out
}

func (o AbortTask) perform(x *execution, c *call) outcome {
	x.mu.Lock()
	requests := x.requests[o.Of]
	x.mu.Unlock()
	nth := max(o.Nth, 1)
	if nth > len(requests) {
		return x.impossible(fmt.Errorf("%s has %d requests, the %d. cannot be aborted", o.Of, len(requests), nth))
	}
	aborted := requests[nth-1]
	return ended(x.manager.Abort(c.ctx, aborted.session, aborted.request))
}

func (o LUNReset) perform(x *execution, c *call) outcome {
	id := x.session(o.Session)
	out := ended(x.manager.ResetLUN(c.ctx, id, uint64(scsi.LUNOf(uint32(o.LUN)))))
	out.session = id
	return out
}

// submission is a request under way or over, with its session.
type submission struct {
	session initiator.SessionID
	request *initiator.Request
}
