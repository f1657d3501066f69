package probe_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// TestAgainstSimulatedArray has the probe learn a sound array, and write and read there with digests.
func TestAgainstSimulatedArray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, array := simulated(t, probe.Options{}, func(*simtarget.Profile) {})
		a, err := p.Learn()
		if err != nil {
			t.Fatal(err)
		}
		if !a.Discovery || len(a.LUNs) != 2 || a.Unit.Blocks == 0 || !a.TextNegotiation || len(a.Notes) > 0 {
			t.Errorf("%v", a)
		}
		c, err := p.Open(probe.Login{Keys: text.Pairs{pair("HeaderDigest", "CRC32C,None"), pair("DataDigest", "CRC32C,None"), pair("InitialR2T", "No"), pair("MaxBurstLength", "8192"),
			pair("MaxRecvDataSegmentLength", "1024")}})
		if err != nil {
			t.Fatal(err)
		}
		want := pattern(100000)
		write, err := c.WriteCommand(7, want)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Execute(write).Err(); err != nil {
			t.Fatal(err)
		}
		read, err := c.ReadCommand(7, len(want))
		if err != nil {
			t.Fatal(err)
		}
		r := c.Execute(read)
		if !r.Good() || !bytes.Equal(r.Data[:len(want)], want) || len(r.Task.DataIns) < 98 {
			t.Errorf("%v, %d Data-In", r, len(r.Task.DataIns))
		}
		if err := c.Ping([]byte("hello")); err != nil {
			t.Error(err)
		}
		if r := p.Login(probe.Login{TargetName: "iqn.2001-04.com.example:absent"}); !r.RefusedWith(iscsi.StatusNotFound) || !r.Conn.AwaitDrop().Dropped {
			t.Errorf("%v", r)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if sessions := array.Sessions(); len(sessions) > 0 {
			t.Errorf("Close leaves %v", sessions)
		}
	})
}

// TestCHAPAgainstSimulatedArray proves both directions, and that a wrong secret is no way in.
func TestCHAPAgainstSimulatedArray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := simulated(t, probe.Options{CHAP: user, Mutual: array}, func(profile *simtarget.Profile) {
			profile.Login.CHAP = simtarget.CHAPPolicy{Users: []simtarget.CHAPUser{{Name: user.Name, Secret: user.Secret.Reveal()}},
				Own: simtarget.CHAPUser{Name: array.Name, Secret: array.Secret.Reveal()}}
		})
		a, err := p.Learn()
		if err != nil {
			t.Fatal(err)
		}
		if !a.AuthRequired || !a.CHAP || !a.MutualCHAP || !a.Discovery {
			t.Errorf("%v", a)
		}
		opts := p.Options()
		opts.CHAP.Secret = "another secret"
		wrong := probe.New(t.Context(), opts)
		if r := wrong.Login(probe.Login{}); !r.RefusedWith(iscsi.StatusAuthenticationFailure) || !r.Conn.AwaitDrop().Dropped {
			t.Errorf("%v", r)
		}
		if err := errors.Join(wrong.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	})
}

// simulated puts up an array with two disks and a probe before it. Both end with the bubble's test.
func simulated(t *testing.T, opts probe.Options, change func(*simtarget.Profile)) (*probe.Prober, *simtarget.Array) {
	t.Helper()
	profile := simtarget.NewProfile()
	profile.Name = "probed"
	profile.Portals = []simtarget.Portal{{Name: "a", Address: portal.HostPort(), Tag: 1}}
	profile.Targets = []simtarget.Target{{Name: targetName, LUNs: []simtarget.LUN{{Number: 0, Size: 1 << 20}, {Number: 1, Size: 1 << 20}}}}
	change(profile)
	network := faults.NewNetwork(1, trace.NewLog(), faults.Options{})
	t.Cleanup(network.Close)
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := array.Start(network.Host("target", portal.Host).Listen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := array.Close(); err != nil {
			t.Error(err)
		}
	})
	opts.Portal, opts.Target, opts.Dialer = portal, targetName, network.Host("probe", "10.0.0.9")
	return probe.New(t.Context(), opts), array
}
