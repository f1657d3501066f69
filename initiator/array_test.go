package initiator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// world is a Manager before a simulated array over the in-memory network.
type world struct {
	t       *testing.T
	net     *faults.Network
	array   *simtarget.Array
	manager *initiator.Manager
	log     *trace.Log
	target  string
}

// inWorld runs f in a bubble and returns the trace as bytes.
func inWorld(t *testing.T, seed uint64, profile string, f func(*world)) []byte {
	var lines bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		network := faults.NewNetwork(seed, log, faults.Options{})
		p, err := simtarget.Builtin(profile)
		if err != nil {
			t.Fatal(err)
		}
		array, err := simtarget.New(p, simtarget.Options{Log: log, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		host := network.Host("target", "10.0.9.9")
		if err := array.Start(func(address string) (net.Listener, error) { return host.Listen(address) }); err != nil {
			t.Fatal(err)
		}
		manager, err := initiator.NewManager(initiator.ManagerConfig{
			InitiatorName: "iqn.2026-01.org.example:host", Seed: seed, Log: log,
			Ports: []initiator.Port{
				{Name: "one", Dialer: network.Host(trace.NodeInitiator, "10.0.1.1")},
				{Name: "two", Dialer: network.Host(trace.NodeInitiator, "10.0.1.2")},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		f(&world{t: t, net: network, array: array, manager: manager, log: log, target: p.Targets[0].Name})
		manager.Close()
		time.Sleep(time.Second) // Until the array has seen the ends.
		if err := array.Close(); err != nil {
			t.Error(err)
		}
		network.Close()
		synctest.Wait()
		if err := trace.WriteJSONL(&lines, log.Events()); err != nil {
			t.Error(err)
		}
	})
	return lines.Bytes()
}

// wait lets time pass until s seconds after the start of the run.
func (w *world) wait(s float64) {
	time.Sleep(time.Until(w.log.Start().Add(time.Duration(s * float64(time.Second)))))
	synctest.Wait()
}

// must fails the test on an error of the network's verbs.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// load keeps n writes under way until an instant of the run, each followed at once by the next, and counts.
func (w *world) load(id initiator.SessionID, n int, until time.Duration) *loadCount {
	c := &loadCount{byOutcome: map[string]int{}}
	for i := range n {
		r := &initiator.Request{CDB: scsi.Write(uint64(8*i), 1), Write: bytes.Repeat([]byte{byte(i)}, 512)}
		r.Done = func(r *initiator.Request) {
			c.byOutcome[r.Outcome()]++
			c.open--
			if r.Err == nil && time.Since(w.log.Start()) < until {
				c.open++
				w.must(w.manager.Submit(id, r, time.Time{}))
			}
		}
		c.open++
		w.must(w.manager.Submit(id, r, time.Time{}))
	}
	return c
}

// loadCount is kept by the session's own goroutine, and read when everything waits.
type loadCount struct {
	byOutcome map[string]int
	open      int
}

// everything is a run with a bit of all: default sessions over two ports, a clone, load, cuts, refusal, silence, a restart of the
// array, changed units, a restart of the initiator.
func everything(w *world) {
	m := w.manager
	results, err := m.LoginAll(w.t.Context(), iscsi.Address{Host: "10.0.0.1", Port: 3260})
	w.must(err)
	clone, err := m.AddSession(w.t.Context(), initiator.AddSpec{Clone: results[0].ID})
	w.must(err)
	w.wait(10)
	c := w.load(results[0].ID, 8, 10020*time.Millisecond)
	w.wait(10.01)
	w.must(w.net.Sever(faults.Everything))
	w.must(w.net.Refuse(faults.Everything))
	w.wait(22)
	w.must(w.net.Heal(faults.Everything))
	w.wait(40)
	w.must(w.array.Apply(simtarget.Action{Restart: &simtarget.Restart{}}))
	w.wait(60)
	blackholed := w.load(results[1].ID, 8, 60*time.Second)
	w.must(w.net.Blackhole(faults.Everything))
	w.wait(90)
	w.must(w.net.Heal(faults.Everything))
	w.must(m.Set(func(s *initiator.Settings) { s.ReconnectInterval = time.Second }))
	w.wait(120)
	w.must(m.Logout(w.t.Context(), clone))
	for _, c := range []*loadCount{c, blackholed} {
		if c.open != 0 || c.byOutcome["GOOD"] < 8 || len(c.byOutcome) != 1 {
			w.t.Errorf("%d requests open, outcomes %v", c.open, c.byOutcome)
		}
	}
	_, err = m.Restart(w.t.Context(), 3*time.Second)
	w.must(err)
	w.wait(130)
	for _, s := range m.Sessions() {
		if s.State != initiator.StateConnected {
			w.t.Errorf("session %v is %v at the end: %v", s.ID, s.State, s.LastError)
		}
	}
}

// TestSameSeedSameTrace runs everything again and again: the trace is the same, byte for byte.
func TestSameSeedSameTrace(t *testing.T) {
	first := inWorld(t, 1, "multi-portal", everything)
	if len(first) < 10_000 {
		t.Fatalf("a trace of %d bytes", len(first))
	}
	for i := range 10 {
		again := inWorld(t, 1, "multi-portal", everything)
		if !bytes.Equal(first, again) {
			t.Fatalf("run %d differs: %s", i+2, firstDifference(first, again))
		}
	}
	if other := inWorld(t, 2, "multi-portal", everything); bytes.Equal(first, other) {
		t.Error("another seed leaves the same trace")
	}
}

// firstDifference shows the first line in which two traces differ.
func firstDifference(a, b []byte) string {
	one, two := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			return fmt.Sprintf("line %d:\n%s\n%s", i+1, one[i], two[i])
		}
	}
	return fmt.Sprintf("%d lines and %d lines", len(one), len(two))
}

// deviceSteps lists the device events of a run as "state at second".
func deviceSteps(events trace.Events) []string {
	var steps []string
	for _, e := range events {
		if e.Kind == trace.KindDevice {
			steps = append(steps, fmt.Sprintf("%s lun %d at %d", e.State, *e.LUN, e.At/time.Second))
		}
	}
	return steps
}

// TestRemovalOverTheNetwork follows a data session through an outage longer than the latency, in the trace alone.
func TestRemovalOverTheNetwork(t *testing.T) {
	inWorld(t, 1, "plain", func(w *world) {
		id, err := w.manager.Login(w.t.Context(), initiator.LoginSpec{
			Kind: initiator.Data, Target: w.target, Portal: iscsi.Address{Host: "10.0.0.1", Port: 3260},
		})
		w.must(err)
		w.wait(10)
		w.must(w.net.Sever(faults.Everything))
		w.must(w.net.Refuse(faults.Everything))
		w.wait(20)
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
		defer cancel()
		r := &initiator.Request{CDB: scsi.TestUnitReady()}
		if err := w.manager.Do(ctx, id, r); !errors.Is(err, initiator.ErrDeviceRemoved) {
			w.t.Errorf("a request over the removal: %v", err)
		}
		w.wait(100)
		w.must(w.net.Heal(faults.Everything))
		w.wait(120)
		var steps []string
		for _, s := range deviceSteps(w.log.Events()) {
			if strings.Contains(s, "lun 0") {
				steps = append(steps, s)
			}
		}
		want := []string{"arrived lun 0 at 0", "blocked lun 0 at 10", "removed lun 0 at 70", "arrived lun 0 at 100"}
		if !slices.Equal(steps, want) {
			w.t.Errorf("device steps %v, want %v", steps, want)
		}
	})
}
