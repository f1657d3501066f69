package simtarget_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// scene is an array of a profile with initiators before it, in a bubble.
type scene struct {
	*testing.T
	profile *simtarget.Profile
	network *faults.Network
	array   *simtarget.Array
	log     *trace.Log
	began   time.Time
	hosts   map[string]*faults.Host
	isids   uint16
}

// onScene stands up an array of a shipped profile for as long as f runs, and returns what was recorded.
func onScene(t *testing.T, profile string, f func(s *scene)) *trace.Log {
	t.Helper()
	var log *trace.Log
	synctest.Test(t, func(t *testing.T) {
		p, err := simtarget.Builtin(profile)
		if err != nil {
			t.Fatal(err)
		}
		log = trace.NewLog()
		s := &scene{T: t, profile: p, log: log, network: faults.NewNetwork(1, log, faults.Options{}), began: time.Now(),
			hosts: map[string]*faults.Host{}}
		defer s.network.Close()
		if s.array, err = simtarget.New(p, simtarget.Options{Log: log, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		defer s.array.Close()
		if err := s.array.Start(s.network.Host("array", "10.0.8.1").Listen); err != nil {
			t.Fatal(err)
		}
		f(s)
	})
	return log
}

// host is a machine of the scene, by its address.
func (s *scene) host(address string) *faults.Host {
	if s.hosts[address] == nil {
		s.hosts[address] = s.network.Host("host-"+address, address)
	}
	return s.hosts[address]
}

const hostName, otherName = "iqn.2026-01.com.example:host", "iqn.2026-01.com.example:other"

// login logs in to a target of the profile, counted from 0, at a portal, with an ISID that no other login has.
func (s *scene) login(target int, portal string, change ...func(*initiator.LoginConfig)) (*initiator.Session, error) {
	s.Helper()
	return s.loginFrom("10.0.9.1", target, portal, change...)
}

func (s *scene) loginFrom(address string, target int, portal string, change ...func(*initiator.LoginConfig)) (*initiator.Session, error) {
	s.Helper()
	s.isids++
	cfg := initiator.LoginConfig{InitiatorName: hostName, TargetName: s.profile.Targets[target].Name, ISID: iscsi.RandomISID(7, s.isids),
		Portal: s.portal(portal), PingInterval: initiator.Never}
	for _, f := range change {
		f(&cfg)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	session, err := initiator.Login(ctx, s.host(address), cfg)
	if err == nil {
		s.Cleanup(session.Close)
	}
	return session, err
}

func (s *scene) portal(name string) iscsi.Address {
	a, err := iscsi.ParseAddress(s.array.Address(name))
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// granted is login where that has to succeed.
func (s *scene) granted(target int, portal string, change ...func(*initiator.LoginConfig)) *initiator.Session {
	s.Helper()
	session, err := s.login(target, portal, change...)
	if err != nil {
		s.Fatalf("the login at %s: %v, want it granted", portal, err)
	}
	return session
}

// refused is login where that has to be refused with a status.
func (s *scene) refused(status iscsi.Status, target int, portal string, change ...func(*initiator.LoginConfig)) {
	s.Helper()
	_, err := s.login(target, portal, change...)
	s.refusal(err, status)
}

func (s *scene) refusal(err error, status iscsi.Status) {
	s.Helper()
	var no *initiator.LoginError
	if !errors.As(err, &no) || no.Status != status {
		s.Errorf("the login: %v, want it refused with %v", err, status)
	}
}

// landed holds a session to the portal where it has to be, and to the redirect that led there; status 0 is none.
func (s *scene) landed(session *initiator.Session, portal string, status iscsi.Status) {
	s.Helper()
	info := session.Info()
	if want := s.portal(portal); info.Current != want {
		s.Errorf("the session is at %v, want %v", info.Current, want)
	}
	switch {
	case status == 0 && len(info.Redirects) > 0:
		s.Errorf("redirects %v, want none", info.Redirects)
	case status != 0 && (len(info.Redirects) != 1 || info.Redirects[0].Status != status):
		s.Errorf("redirects %v, want one with %v", info.Redirects, status)
	}
}

// over reports whether a session has ended.
func over(session *initiator.Session) bool {
	synctest.Wait()
	select {
	case <-session.Done():
		return true
	default:
		return false
	}
}

// call makes a step of the profile's script happen.
func (s *scene) call(step string) {
	s.Helper()
	s.apply(simtarget.Action{Call: &simtarget.StepCall{Step: step}})
}

func (s *scene) apply(actions ...simtarget.Action) {
	s.Helper()
	if err := s.array.Apply(actions...); err != nil {
		s.Fatal(err)
	}
}

// sent counts the PDUs on the wire that hold a text.
func (s *scene) sent(text string) int {
	n := 0
	for _, e := range s.log.Events() {
		if e.PDU != nil && e.Is(trace.KindPDUSent) && bytes.Contains(e.PDU.Data, []byte(text)) {
			n++
		}
	}
	return n
}

// at waits until so much time has passed since the array was started.
func (s *scene) at(d time.Duration) {
	time.Sleep(time.Until(s.began.Add(d)))
	synctest.Wait()
}

// keeper is a session manager with a data session.
type keeper struct {
	*initiator.Manager
	id initiator.SessionID
	s  *scene
}

// kept has the session manager log in.
func (s *scene) kept(target int, portal string) *keeper {
	s.Helper()
	m, err := initiator.NewManager(initiator.ManagerConfig{InitiatorName: hostName, Seed: 1,
		Ports: []initiator.Port{{Name: "eth0", Dialer: s.host("10.0.9.1")}}})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(m.Close)
	id, err := m.Login(s.Context(), initiator.LoginSpec{Kind: initiator.Data, Target: s.profile.Targets[target].Name, Portal: s.portal(portal)})
	if err != nil {
		s.Fatal(err)
	}
	return &keeper{m, id, s}
}

// is holds the session to its state, the number of its logins and devices, and where it is; an empty portal is anywhere.
func (k *keeper) is(state initiator.State, logins, devices int, portal string) {
	k.s.Helper()
	synctest.Wait()
	status, err := k.Session(k.id)
	if err != nil {
		k.s.Fatalf("the session has lost its ID: %v", err)
	}
	if status.State != state || status.Logins != logins || len(k.Devices()) != devices {
		k.s.Errorf("after %v: %v with %d logins and %d devices (%v), want %v, %d and %d", time.Since(k.s.began), status.State, status.Logins,
			len(k.Devices()), status.LastError, state, logins, devices)
	}
	if portal != "" && status.Current != k.s.portal(portal) {
		k.s.Errorf("after %v the session is at %v, want %v", time.Since(k.s.began), status.Current, k.s.portal(portal))
	}
}

// told is what SendTargets tells at a portal, one line for each address.
func (s *scene) told(portal string, change ...func(*initiator.LoginConfig)) ([]string, error) {
	s.Helper()
	session, err := s.login(0, portal, append([]func(*initiator.LoginConfig){func(c *initiator.LoginConfig) {
		c.Type, c.TargetName = initiator.DiscoverySession, ""
	}}, change...)...)
	if err != nil {
		return nil, err
	}
	targets, err := session.SendTargets(s.Context(), "All")
	var lines []string
	for _, t := range targets {
		for _, a := range t.Addresses {
			lines = append(lines, fmt.Sprintf("%s %v", t.Name, a))
		}
	}
	session.Close()
	return lines, err
}

// tells holds SendTargets to what it has to tell.
func (s *scene) tells(portal string, want ...string) {
	s.Helper()
	got, err := s.told(portal)
	if err != nil || !slices.Equal(got, want) {
		s.Errorf("SendTargets tells %q, %v, want %q", got, err, want)
	}
}
