package sessions

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/faults"
)

// Link is what a link op touches. The zero value is every link; otherwise exactly one field is set.
type Link struct {
	// Portal is a letter (see [Portals]) or an address.
	Portal string `yaml:"portal,omitempty"`
	// Session is the label of a session: its present connection.
	Session string `yaml:"session,omitempty"`
	// Port is the number of an initiator port, from 1.
	Port int `yaml:"port,omitempty"`
}

func (l Link) labels() []string { return []string{l.Session} }

// Sever resets connections: both ends see a TCP reset. New connections are not touched.
type Sever struct {
	Link `yaml:",inline"`
}

// OpName is "sever".
func (Sever) OpName() string { return "sever" }

// Fin ends connections in order: both ends see the end of the stream. For a close by the array itself see ArrayOp.
type Fin struct {
	Link `yaml:",inline"`
}

// OpName is "fin".
func (Fin) OpName() string { return "fin" }

// Refuse refuses every new connection until healed.
type Refuse struct {
	Link `yaml:",inline"`
}

// OpName is "refuse".
func (Refuse) OpName() string { return "refuse" }

// Blackhole lets nothing pass until healed, in connections and for new ones.
type Blackhole struct {
	Link `yaml:",inline"`
}

// OpName is "blackhole".
func (Blackhole) OpName() string { return "blackhole" }

// Silence holds back what is sent in one direction until healed.
type Silence struct {
	Link      `yaml:",inline"`
	Direction faults.Direction `yaml:"dir,omitempty"`
}

// OpName is "silence".
func (Silence) OpName() string { return "silence" }

// Delay makes every delivery take longer until healed.
type Delay struct {
	Link      `yaml:",inline"`
	Direction faults.Direction `yaml:"dir,omitempty"`
	By        time.Duration    `yaml:"by"`
}

// OpName is "delay".
func (Delay) OpName() string { return "delay" }

// Heal ends whatever is in force on links.
type Heal struct {
	Link `yaml:",inline"`
}

// OpName is "heal".
func (Heal) OpName() string { return "heal" }

// Inject puts any fault into force, counted from the step; see package faults for its text form. A placed fault has to fire before the run
// ends, else a pass is inconclusive.
type Inject struct {
	Fault faults.Fault `yaml:"fault"`
}

// OpName is "inject".
func (Inject) OpName() string { return "inject" }

// breaks is for ops that put one fault into force on links.
type breaks interface {
	action
	fault() (Link, faults.Fault)
}

func (o Sever) fault() (Link, faults.Fault)     { return o.Link, faults.Fault{Verb: faults.Reset} }
func (o Fin) fault() (Link, faults.Fault)       { return o.Link, faults.Fault{Verb: faults.Fin} }
func (o Refuse) fault() (Link, faults.Fault)    { return o.Link, faults.Fault{Verb: faults.Refuse} }
func (o Blackhole) fault() (Link, faults.Fault) { return o.Link, faults.Fault{Verb: faults.Blackhole} }
func (o Heal) fault() (Link, faults.Fault)      { return o.Link, faults.Fault{Verb: faults.Heal} }
func (o Silence) fault() (Link, faults.Fault) {
	return o.Link, faults.Fault{Verb: faults.Silence, Dir: o.Direction}
}
func (o Delay) fault() (Link, faults.Fault) {
	return o.Link, faults.Fault{Verb: faults.Delay, Dir: o.Direction, By: o.By}
}

func (o Sever) perform(x *execution, _ *call) outcome     { return x.cut(o) }
func (o Fin) perform(x *execution, _ *call) outcome       { return x.cut(o) }
func (o Refuse) perform(x *execution, _ *call) outcome    { return x.cut(o) }
func (o Blackhole) perform(x *execution, _ *call) outcome { return x.cut(o) }
func (o Heal) perform(x *execution, _ *call) outcome      { return x.cut(o) }
func (o Silence) perform(x *execution, _ *call) outcome   { return x.cut(o) }
func (o Delay) perform(x *execution, _ *call) outcome     { return x.cut(o) }
func (o Inject) perform(x *execution, _ *call) outcome    { return x.inject(o.Fault) }

// cut puts the fault of a link op into force.
func (x *execution) cut(o breaks) outcome {
	link, f := o.fault()
	scope, err := x.scope(link)
	if err != nil {
		return x.impossible(err)
	}
	f.Scope = scope
	return x.inject(f)
}

// inject puts faults into force, those of one instant in their order; a cut or a placed fault then has to fire before the run ends.
func (x *execution) inject(list ...faults.Fault) outcome {
	injection, err := x.network.Run(list)
	if err != nil {
		return x.impossible(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.planned = append(x.planned, injection)
	return outcome{name: OK}
}

// scope is what a link op touches, in the network's words.
func (x *execution) scope(l Link) (faults.Scope, error) {
	switch {
	case l.Session != "":
		status, err := x.manager.Session(x.session(l.Session))
		if err != nil {
			return faults.Scope{}, err
		}
		conn := x.network.ConnFrom(status.LocalAddress)
		if conn == "" {
			return faults.Scope{}, fmt.Errorf("session %s has no connection", l.Session)
		}
		return faults.Scope{Conn: conn}, nil
	case l.Portal != "":
		_, address := x.at(l.Portal)
		return faults.AtPortal(address)
	case l.Port > 0:
		return faults.Scope{Host: PortAddress(l.Port)}, nil
	}
	return faults.Everything, nil
}
