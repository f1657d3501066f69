package proxy

import (
	"os"
	"time"

	"github.com/iscsispec/iscsispec/faults"
)

// StatusSchema is the value of Status.Schema. Fields may be added under one schema; none is taken away or changes its meaning.
const StatusSchema = "iscsispec.proxy.status/1"

// Status is what status.json holds. Times are RFC 3339, durations are seconds, lengths are bytes.
type Status struct {
	Schema        string          `json:"schema"`
	PID           int             `json:"pid"`
	Started       time.Time       `json:"started"`
	UptimeSeconds float64         `json:"uptime_seconds"`
	Seed          uint64          `json:"seed"`
	Portals       []PortalStatus  `json:"portals"`
	Faults        []FaultStatus   `json:"faults"`   // planned and injected, in that order
	InForce       []string        `json:"in_force"` // what lasts until it heals, the oldest first
	Counters      Counters        `json:"counters"`
	Connections   []ConnectionNow `json:"connections"` // the open ones, the oldest first
}

// PortalStatus is a portal in a Status.
type PortalStatus struct {
	Array    string `json:"array"`   // as it is dialled
	Address  string `json:"address"` // where the proxy stands for it
	Service  string `json:"service"` // "heal" as it should be, "refuse", or "silent"
	Accepted int    `json:"accepted"`
}

// FaultStatus is a fault in a Status.
type FaultStatus struct {
	Fault string `json:"fault"` // its text form
	Fired int    `json:"fired"`
	Bites int    `json:"bites"` // connections that it has refused or left unanswered, as far as they can be seen
}

// Counters count from the start of the proxy.
type Counters struct {
	Connections uint64 `json:"connections"` // that initiators have asked for
	Refused     uint64 `json:"refused"`     // by a fault, as far as they can be seen
	Crowded     uint64 `json:"crowded"`     // refused since too many were open
	Unreached   uint64 `json:"unreached"`   // reset since the array did not answer
}

// ConnectionNow is an open connection in a Status.
type ConnectionNow struct {
	Name         string    `json:"name"`
	Portal       string    `json:"portal"`
	Initiator    string    `json:"initiator"`
	Array        string    `json:"array,omitempty"` // where it was reached
	Opened       time.Time `json:"opened"`
	Stage        string    `json:"stage"` // "held" before the array is dialled, "dialling", "login" or "full feature"
	HeaderDigest string    `json:"HeaderDigest"`
	DataDigest   string    `json:"DataDigest"`
	ToTarget     Traffic   `json:"to_target"`
	ToInitiator  Traffic   `json:"to_initiator"`
}

// Traffic counts what has come in one direction, whatever became of it.
type Traffic struct {
	Bytes   uint64 `json:"bytes"`
	PDUs    uint64 `json:"pdus"`    // whole ones
	Waiting int    `json:"waiting"` // bytes that are held back now
	Held    bool   `json:"held"`    // by a fault
}

var stages = []string{stageHeld: "held", stageDialling: "dialling", stageLogin: "login", stageFullFeature: "full feature"}

// Status tells how the proxy stands.
func (p *Proxy) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		Schema: StatusSchema, PID: os.Getpid(), Started: p.started, UptimeSeconds: time.Since(p.started).Seconds(), Seed: p.options.Seed,
		Portals: []PortalStatus{}, Faults: []FaultStatus{}, InForce: []string{}, Connections: []ConnectionNow{},
		Counters: Counters{Connections: p.serial, Refused: p.refused.Load(), Crowded: p.crowded.Load(), Unreached: p.unreached.Load()},
	}
	for _, f := range p.fronts {
		s.Portals = append(s.Portals, PortalStatus{Array: f.key, Address: f.listens.String(), Service: f.state, Accepted: f.accepted})
	}
	for _, r := range p.told {
		s.Faults = append(s.Faults, FaultStatus{Fault: r.fault.String(), Fired: r.fired, Bites: r.bites})
	}
	for _, r := range p.inForce {
		s.InForce = append(s.InForce, r.fault.String())
	}
	for _, c := range p.sorted() {
		s.Connections = append(s.Connections, c.status())
	}
	return s
}

func (c *conn) status() ConnectionNow {
	c.mu.Lock()
	array := c.array
	c.mu.Unlock()
	d := c.digests()
	return ConnectionNow{
		Name: c.name, Portal: c.front.key, Initiator: c.initiator.String(), Array: array, Opened: c.opened, Stage: stages[c.stage.Load()],
		HeaderDigest: digest(d.Header), DataDigest: digest(d.Data), ToTarget: c.out.status(), ToInitiator: c.in.status(),
	}
}

func (f *flow) status() Traffic {
	f.carrier.mu.Lock()
	defer f.carrier.mu.Unlock()
	return Traffic{
		Bytes: f.bytes.Load(), PDUs: f.pdus.Load(), Waiting: f.carrier.waiting,
		Held: f.carrier.shape.held || f.carrier.allowed() == 0,
	}
}

func digest(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}

// Counts tells for each fault, in the order in which they were planned or injected, how often it has taken effect. Connections that a closed
// listener refuses are not seen, and so not among the Bites.
func (p *Proxy) Counts() []faults.Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make([]faults.Count, len(p.told))
	for i, r := range p.told {
		counts[i] = faults.Count{Fault: r.fault, Fired: r.fired, Bites: r.bites}
	}
	return counts
}

// Unfired lists the faults that have had no effect so far. A run that ends with any has proved nothing about them.
func (p *Proxy) Unfired() []faults.Fault {
	var idle []faults.Fault
	for _, c := range p.Counts() {
		if c.Fired == 0 {
			idle = append(idle, c.Fault)
		}
	}
	return idle
}
