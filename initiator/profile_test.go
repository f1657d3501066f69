package initiator_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// profileHost is a simulated array on an in-memory network, and a manager that is like a profile. It lives in a bubble.
type profileHost struct {
	log   *trace.Log
	array *simtarget.Array
	m     *initiator.Manager
}

// asProfile runs f with a manager like an initiator's profile before an array of a target's profile.
func asProfile(t *testing.T, name, array string, f func(t *testing.T, h *profileHost)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		network := faults.NewNetwork(1, log, faults.Options{})
		defer network.Close()
		a := startArray(t, network, log, array)
		defer a.Close()
		m := newLike(t, name, network.Host(trace.NodeInitiator, "10.0.1.1"), log, array)
		defer m.Close()
		f(t, &profileHost{log: log, array: a, m: m})
	})
}

func startArray(t *testing.T, network *faults.Network, log *trace.Log, profile string) *simtarget.Array {
	t.Helper()
	p, err := simtarget.Builtin(profile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := simtarget.New(p, simtarget.Options{Seed: 1, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(network.Host(trace.NodeTarget, "10.0.2.1").Listen); err != nil {
		t.Fatal(err)
	}
	return a
}

// newLike returns a manager with the settings of a profile, and the credentials and digests that the array asks for.
func newLike(t *testing.T, name string, d initiator.Dialer, log *trace.Log, array string) *initiator.Manager {
	t.Helper()
	p, err := initiator.BuiltinProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := initiator.ManagerConfig{Ports: []initiator.Port{{Name: "p1", Dialer: d}}, Seed: 1, Log: log}
	if p.InitiatorName == "" {
		cfg.InitiatorName = "iqn.2026-01.org.iscsispec:host"
	}
	switch array {
	case "chap":
		cfg.Defaults.CHAP = &initiator.CHAP{Name: "iscsispec", Secret: "iscsispec-secret"}
	case "cloud-32", "digest-required":
		cfg.Defaults.HeaderDigest, cfg.Defaults.DataDigest = []string{"CRC32C", "None"}, []string{"CRC32C", "None"}
	}
	if cfg, err = p.Manager(cfg); err != nil {
		t.Fatal(err)
	}
	m, err := initiator.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestProfilesReadBack checks that every shipped profile has the name of its file, and prints to what reads back to the same.
func TestProfilesReadBack(t *testing.T) {
	want := []string{"bsd-like", "clone-twin", "hypervisor-like", "linux-iscsid", "strict-spec", "userlib-like", "windows-like"}
	if got := initiator.Profiles(); !reflect.DeepEqual(got, want) {
		t.Errorf("the profiles are %v, want %v", got, want)
	}
	for _, name := range initiator.Profiles() {
		p, err := initiator.BuiltinProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Description == "" {
			t.Errorf("the file %s holds profile %q, described as %q", name, p.Name, p.Description)
		}
		again, err := initiator.ParseProfile([]byte(p.String()))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s: %v\n%s", name, err, p)
		}
	}
}

// TestProfilesAreChecked checks that nonsense in a profile is refused by the name of the setting.
func TestProfilesAreChecked(t *testing.T) {
	for text, setting := range map[string]string{
		"{name: two words, isid: {format: random}}":                                               "name",
		"{name: x, isid: {format: short}}":                                                        "isid.format",
		"{name: x, isid: {format: oui, number: '0x1000000'}}":                                     "isid.number",
		"{name: x, isid: {format: oui, number: '0x1', fresh: true}}":                              "isid.fresh",
		"{name: x, isid: {format: random}, login: {normal: [MaxConnections]}}":                    "login.normal",
		"{name: x, isid: {format: random}, login: {attempts: 1000}}":                              "Manners.Attempts",
		"{name: x, isid: {format: random}, redirect: {limit: 33}}":                                "Manners.RedirectLimit",
		"{name: x, isid: {format: random}, session: {ping: soon}}":                                "session.ping",
		"{name: x, isid: {format: random}, devices: {hold: long}}":                                "devices.hold",
		"{name: x, isid: {format: random}, devices: {paths: third}}":                              "PathPolicy",
		"{name: x, isid: {format: random}, departures: [Reconnect.NoSuchThing]}":                  "departures",
		"{name: x, isid: {format: random}, departures: [Reconnect.AttemptsAtMost, Paths.NoSuch]}": "departures",
	} {
		_, err := initiator.ParseProfile([]byte(text))
		var refused *initiator.SettingError
		if !errors.As(err, &refused) || refused.Setting != setting {
			t.Errorf("%s: %v, want a *SettingError about %s", text, err, setting)
		}
	}
	for _, bad := range []string{"", "{name: x, isid: {format: random}, colour: red}", "[]"} {
		if _, err := initiator.ParseProfile([]byte(bad)); err == nil {
			t.Errorf("%q is a profile", bad)
		}
	}
	if _, err := initiator.BuiltinProfile("nobody"); !errors.Is(err, initiator.ErrUnknownProfile) {
		t.Errorf("a profile that does not exist: %v", err)
	}
}

// requestsOf writes down the Login Requests of a run: the header, and the keys in order.
func requestsOf(log *trace.Log, random bool) string {
	var b strings.Builder
	for e, p := range log.Events().OfNode(trace.NodeInitiator).PDUs() {
		r, is := p.(*pdu.LoginRequest)
		if !is || e.Kind != trace.KindPDUSent {
			continue
		}
		numbers := fmt.Sprintf("ITT 0x%08x, CmdSN %d", r.ITT, r.CmdSN)
		if random {
			numbers = "ITT and CmdSN random"
		}
		transit := ""
		if r.Transit {
			transit = fmt.Sprintf(" to %v", r.NSG)
		}
		fmt.Fprintf(&b, "  %v%s, ISID %v, TSIH %d, CID %d, %s\n", r.CSG, transit, iscsi.ISID(r.ISID), r.TSIH, r.CID, numbers)
		pairs, err := text.Parse(r.Data)
		if err != nil {
			fmt.Fprintf(&b, "    %v\n", err)
		}
		for _, pair := range pairs {
			value := pair.Value
			if pair.Key == "CHAP_R" {
				value = "(the response)"
			}
			fmt.Fprintf(&b, "    %s=%s\n", pair.Key, value)
		}
	}
	return b.String()
}

// TestProfilesLogInAsTold holds the Login Requests of every profile, to their last key, against a golden file: of a discovery session, of a
// normal one, and of one with credentials.
func TestProfilesLogInAsTold(t *testing.T) {
	var got strings.Builder
	for _, name := range initiator.Profiles() {
		p, err := initiator.BuiltinProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what, array string
			kind        initiator.Kind
		}{{"discovery", "plain", initiator.Discovery}, {"data", "plain", initiator.Data}, {"data with credentials", "chap", initiator.Data}} {
			asProfile(t, name, c.array, func(t *testing.T, h *profileHost) {
				if _, err := h.m.Login(t.Context(), h.spec(t, c.kind)); err != nil {
					t.Errorf("%s, %s: %v", name, c.what, err)
				}
				fmt.Fprintf(&got, "%s, %s:\n%s\n", name, c.what, requestsOf(h.log, p.Login.RandomNumbers))
			})
		}
	}
	path := filepath.Join("testdata", "profiles.golden")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the logins are not those of %s; run go test ./initiator -run ProfilesLogIn -update and look at the difference:\n%s", path, got.String())
	}
}

// spec is a login to the array's first target.
func (h *profileHost) spec(t *testing.T, kind initiator.Kind) initiator.LoginSpec {
	t.Helper()
	url := h.array.URLs()[0]
	spec := initiator.LoginSpec{Kind: kind, Target: url.Target, Portal: url.Portal}
	if kind == initiator.Discovery {
		spec.Target = ""
	}
	return spec
}

// strained are initiators before arrays that they cannot follow, with what their logins end with.
var strained = map[string]string{
	"bsd-like/perm-redirect-tpgt":     "expected no portal group tag in a redirect",
	"userlib-like/perm-redirect-tpgt": "refused with status 0x0102",
}

// TestProfilesFindEveryArray discovers, logs in, and reads the first block, as each profile before each simulated array, but for those that
// cannot follow an array: their logins fail, each for its reason.
func TestProfilesFindEveryArray(t *testing.T) {
	for _, name := range initiator.Profiles() {
		for _, array := range simtarget.Builtins() {
			t.Run(name+"/"+array, func(t *testing.T) {
				asProfile(t, name, array, func(t *testing.T, h *profileHost) {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					results, err := h.m.LoginAll(ctx, h.array.URLs()[0].Portal)
					if err != nil || len(results) == 0 {
						t.Fatalf("%d logins, %v", len(results), err)
					}
					if why, cannot := strained[name+"/"+array]; cannot {
						for _, r := range results {
							if r.Err == nil || !strings.Contains(r.Err.Error(), why) {
								t.Errorf("%s at %s: %v, want an error with %q", r.Target, r.Portal, r.Err, why)
							}
						}
						return
					}
					h.use(ctx, t, results)
				})
			})
		}
	}
}

// use reads from the first session, and logs off.
func (h *profileHost) use(ctx context.Context, t *testing.T, results []initiator.LoginResult) {
	t.Helper()
	var up []initiator.SessionID
	for _, r := range results {
		if r.Err != nil {
			t.Logf("%s at %s: %v", r.Target, r.Portal, r.Err)
			continue
		}
		up = append(up, r.ID)
	}
	if len(up) == 0 {
		t.Fatal("no session")
	}
	devices := h.m.Devices()
	if len(devices) == 0 {
		t.Fatal("no devices")
	}
	r := &initiator.Request{CDB: []byte{0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Read: make([]byte, devices[0].BlockSize)}
	if err := h.m.DoDevice(ctx, devices[0].Name, r); err != nil || r.Status != 0 {
		t.Errorf("READ: %v, status %d", err, r.Status)
	}
	for _, id := range up {
		if err := h.m.Logout(ctx, id); err != nil && !errors.Is(err, initiator.ErrNoSession) {
			t.Errorf("logoff of session %s: %v", id, err)
		}
	}
}

// TestTwinsEndEachOther lets two hosts log in as clone-twin: each login ends the other's session, which comes back and ends the first.
func TestTwinsEndEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := trace.NewLog()
		network := faults.NewNetwork(1, log, faults.Options{})
		defer network.Close()
		a := startArray(t, network, log, "plain")
		defer a.Close()
		h := &profileHost{array: a}
		var twins [2]*initiator.Manager
		for i := range twins {
			host := network.Host(fmt.Sprintf("twin-%d", i+1), fmt.Sprintf("10.0.1.%d", i+1))
			twins[i] = newLike(t, "clone-twin", host, nil, "plain")
			defer twins[i].Close()
			if _, err := twins[i].Login(t.Context(), h.spec(t, initiator.Data)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		for i, m := range twins {
			sessions := m.Sessions()
			if len(sessions) != 1 || sessions[0].Logins < 8 {
				t.Errorf("twin %d: %d sessions, want one that was logged in again at least seven times in a minute: %+v", i+1, len(sessions), sessions)
			}
		}
	})
}
