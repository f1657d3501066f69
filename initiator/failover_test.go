package initiator

import (
	"errors"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

// TestPortalsTakeTurns checks where the attempts of an outage begin: at the permanent portal, at the configured one, and then at the others of
// the portal group, each once in a round.
func TestPortalsTakeTurns(t *testing.T) {
	a, b, c := iscsi.Address{Host: "192.0.2.1"}, iscsi.Address{Host: "192.0.2.2"}, iscsi.Address{Host: "192.0.2.3", Port: 3260}
	for _, test := range []struct {
		name      string
		permanent iscsi.Address
		others    []iscsi.Address
		want      []iscsi.Address
	}{
		{"alone", iscsi.Address{}, nil, []iscsi.Address{a, a, a}},
		{"a group", iscsi.Address{}, []iscsi.Address{a, b, c}, []iscsi.Address{a, b, c, a, b}},
		{"a permanent portal in the group", c, []iscsi.Address{a, b, {Host: c.Host}}, []iscsi.Address{c, a, b, c}},
	} {
		m := redirectMemory{configured: a, permanent: test.permanent}
		var got []iscsi.Address
		for range test.want {
			got = append(got, m.next(test.others...))
			m.attemptFailed(iscsi.Address{}, &sound)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: attempts at %v, want %v", test.name, got, test.want)
		}
	}
}

// TestOtherPortalIsNotRemembered checks that a permanent redirect of another portal of the group leaves the configured one alone.
func TestOtherPortalIsNotRemembered(t *testing.T) {
	a, b, c := iscsi.Address{Host: "192.0.2.1"}, iscsi.Address{Host: "192.0.2.2"}, iscsi.Address{Host: "192.0.2.3"}
	m := redirectMemory{configured: a, failed: 1}
	m.loggedIn(b, []Redirect{{Status: iscsi.StatusMovedPermanently, From: b, To: c}}, &sound)
	if got := m.next(); got != a {
		t.Errorf("the next attempt is at %v, want the configured portal %v", got, a)
	}
}

// TestPathsTakeTurns checks both path policies, with paths that are blocked.
func TestPathsTakeTurns(t *testing.T) {
	for _, test := range []struct {
		policy  PathPolicy
		blocked []bool
		want    []uint64
	}{
		{FirstPath, []bool{false, false, false}, []uint64{0, 0, 0}},
		{FirstPath, []bool{true, false, false}, []uint64{1, 1, 1}},
		{RoundRobin, []bool{false, false, false}, []uint64{0, 1, 2, 0, 1}},
		{RoundRobin, []bool{false, true, false}, []uint64{0, 2, 0, 2}},
		{RoundRobin, []bool{true, true, true}, []uint64{0, 0}},
	} {
		dev := device{name: "naa.1"}
		for i, blocked := range test.blocked {
			dev.paths = append(dev.paths, devicePath{lun: uint64(i), blocked: blocked})
		}
		stack := deviceStack{devices: []*device{&dev}, policy: test.policy}
		var got []uint64
		for range test.want {
			_, lun, _ := stack.path(dev.name)
			got = append(got, lun)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v, blocked %v: paths %v, want %v", test.policy, test.blocked, got, test.want)
		}
		again, err := ParsePathPolicy(test.policy.String())
		if err != nil || again != test.policy {
			t.Errorf("%v reads back as %v, %v", test.policy, again, err)
		}
	}
	var refused *SettingError
	if _, err := ParsePathPolicy("third-path"); !errors.As(err, &refused) {
		t.Errorf("a policy that does not exist: %v, want *SettingError", err)
	}
}
