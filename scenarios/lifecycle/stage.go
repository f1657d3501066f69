package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/faults/proxy"
	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// The array has two portals of one group.
const otherPortal = "B"

const profile = `
name: lifecycle
description: Two portals of one portal group, one disk; what an initiator is cut off from.
portals:
  - {name: A, address: "10.0.0.1:3260", tag: 1}
  - {name: B, address: "10.0.0.2:3260", tag: 1}
targets:
  - name: iqn.2026-01.io.iscsispec:lifecycle
    luns: [{number: 0, size: 64MiB}]
`

// grantedWait is the DefaultTime2Wait that the array asks for, in seconds.
const grantedWait = 2

// eventsMax bounds what is kept of one measurement; PDUs of commands and their data are kept up to busyMax events.
const (
	eventsMax = 200_000
	busyMax   = 20_000
)

// recorder keeps events, and tells whoever waits that there are more.
type recorder struct {
	mu     sync.Mutex
	events []trace.Event
	more   chan struct{} // capacity 1
}

// Take implements trace.Sink.
func (r *recorder) Take(e trace.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.events); n >= eventsMax || n >= busyMax && busy(e) {
		return
	}
	r.events = append(r.events, e)
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// AwaitRoom implements trace.Sink.
func (r *recorder) AwaitRoom() {}

// busy tells whether an event is of a kind that a load makes many of.
func busy(e trace.Event) bool {
	if e.PDU == nil {
		return e.Kind == trace.KindTarget && e.State == "command"
	}
	switch e.PDU.Opcode() {
	case pdu.OpSCSICommand, pdu.OpSCSIResponse, pdu.OpDataIn, pdu.OpDataOut, pdu.OpR2T, pdu.OpNOPIn, pdu.OpNOPOut:
		return true
	}
	return false
}

// since gives the events from the n-th on.
func (r *recorder) since(n int) []trace.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[n:len(r.events):len(r.events)]
}

// whole gives all events in canonical order.
func (r *recorder) whole() trace.Events {
	events := append(trace.Events{}, r.since(0)...)
	trace.Sort(events)
	return events
}

// stage is the array with the proxy before it.
type stage struct {
	recorder *recorder
	log      *trace.Log
	array    *simtarget.Array
	proxy    *proxy.Proxy
	dead     *serving.PortHold // the address of a redirection where nobody listens; nil where there is none
}

func newStage() (*stage, error) {
	s := &stage{recorder: &recorder{more: make(chan struct{}, 1)}}
	s.log = trace.NewStreamLog(s.recorder, trace.Limits{})
	p, err := simtarget.ParseProfile("lifecycle", []byte(profile))
	if err != nil {
		return nil, err
	}
	if s.array, err = simtarget.New(p, simtarget.Options{Log: s.log}); err != nil {
		return nil, err
	}
	if err := s.array.Start(simtarget.ListenLoopback); err != nil {
		return nil, err
	}
	// Refused connections are accepted and reset, so that they are counted.
	options := proxy.Options{Log: s.log, RefuseByReset: true}
	for _, portal := range s.array.Portals() {
		address, err := iscsi.ParseAddress(portal.Address)
		if err != nil {
			return nil, errors.Join(err, s.array.Close())
		}
		options.To = append(options.To, proxy.To{Array: address})
	}
	if s.proxy, err = proxy.New(options); err != nil {
		return nil, errors.Join(err, s.array.Close())
	}
	return s, nil
}

func (s *stage) close() error {
	s.dead.Release()
	return errors.Join(s.proxy.Close(), s.array.Close())
}

// url is where the initiator goes.
func (s *stage) url() (iscsi.URL, error) {
	portal, err := iscsi.ParseAddress(s.proxy.Portals()[0].Address)
	return iscsi.URL{Portal: portal, Target: s.array.Targets()[0].Name, HasLUN: true}, err
}

// prepare has the array ask for Time2Wait, redirect the second login where the kind says so, and hold a command.
func (s *stage) prepare(k Kind, held int) error {
	normal := simtarget.Which{Kind: "Normal"}
	login := func(next int, redirect *simtarget.RedirectAnswer) simtarget.Action {
		rule := simtarget.LoginRule{Which: normal, Times: simtarget.Times{Next: next}, Redirect: redirect}
		if redirect == nil {
			rule.Keys = []simtarget.Setting{{Key: "DefaultTime2Wait", Value: fmt.Sprint(grantedWait)}}
		}
		return simtarget.Action{Login: &rule}
	}
	actions := []simtarget.Action{login(1, nil)}
	if k.next != nil {
		to := *k.next
		if k.dead {
			var err error
			if s.dead, err = serving.HoldLoopback(); err != nil {
				return err
			}
			to.To = []string{s.dead.Address().String()}
		}
		actions = append(actions, login(1, &to))
	}
	actions = append(actions, login(simtarget.Always, nil))
	if held > 0 {
		actions = append(actions, simtarget.Action{Command: &simtarget.CommandRule{Which: normal, Times: simtarget.Times{Skip: held - 1}, Hold: true}})
	}
	return s.array.Apply(actions...)
}

// strike does what the kind says.
func (s *stage) strike(k Kind) error {
	if k.action != nil {
		if err := s.array.Apply(*k.action); err != nil {
			return err
		}
	}
	plan, err := faults.ParsePlan(k.faults)
	if err != nil {
		return err
	}
	_, err = s.proxy.Inject(plan)
	return err
}

// await waits until an event comes that is looked for, the program ends, or the time is over; it tells whether the event came.
func (s *stage) await(ctx context.Context, program *initiator.Program, limit time.Duration, is func(trace.Event) bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for seen := 0; ; {
		events := s.recorder.since(seen)
		seen += len(events)
		for _, e := range events {
			if is(e) {
				return true
			}
		}
		select {
		case <-s.recorder.more:
		case <-program.Done():
			return false
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
