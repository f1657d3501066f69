package initiator

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi"
)

// testPorts are two initiator ports without a way out.
var testPorts = []Port{{Name: "p1"}, {Name: "p2"}}

// table returns an empty place table.
func table() *placeTable {
	return &placeTable{makeISID: isidMaker("iqn.2026-01.org.example:host", testPorts), dev: &sound}
}

// seat asks for a place at the n-th portal, with a tag if it is above 0.
func seat(port, portal, tag int, kind Kind, added bool) *place {
	return &place{
		port: port, target: "iqn.2026-01.org.example:disk", kind: kind, added: added, hasTag: tag > 0, tag: uint16(tag),
		portal: iscsi.Address{Host: "192.0.2.1", Port: uint16(3260 + portal)},
	}
}

// TestPlaces checks which places count as taken, and which ISIDs are shared.
func TestPlaces(t *testing.T) {
	tt := table()
	first := seat(0, 0, 1, Data, false)
	first.id = 7
	if err := tt.join(first); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		p     *place
		taken bool
		same  bool
	}{
		{"the same place", seat(0, 0, 1, Data, false), true, false},
		{"boot counts as data", seat(0, 0, 1, Boot, false), true, false},
		{"another address of the group", seat(0, 1, 1, Data, false), true, false},
		{"the same address, tag unknown", seat(0, 0, 0, Data, false), true, false},
		{"informational", seat(0, 0, 1, Informational, false), false, false},
		{"another group", seat(0, 1, 2, Data, false), false, true},
		{"another address, tag unknown", seat(0, 1, 0, Data, false), false, false},
		{"another initiator port", seat(1, 0, 1, Data, false), false, false},
		{"another group, added", seat(0, 1, 2, Data, true), false, false},
		{"discovery", seat(0, 0, 0, Discovery, false), false, false},
	} {
		id, taken := tt.taken(c.p)
		if taken != c.taken || taken && id != 7 {
			t.Errorf("%s: taken %v by %v, want %v by 7", c.name, taken, id, c.taken)
		}
		if err := tt.join(c.p); err != nil {
			t.Fatal(err)
		}
		if same := c.p.isid == first.isid; same != c.same {
			t.Errorf("%s: ISID %v beside %v, want them the same: %v", c.name, c.p.isid, first.isid, c.same)
		}
		tt.leave(c.p)
	}
	tt.leave(first)
	if _, taken := tt.taken(seat(0, 0, 1, Data, false)); taken {
		t.Error("the place is still taken after its session left")
	}
}

// TestISIDsNeverCollide adds and removes sessions at random and checks that no two that could meet at a portal group share an ISID.
func TestISIDsNeverCollide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tt := table()
		var live []*place
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(t, "remove") {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				tt.leave(live[i])
				live = append(live[:i], live[i+1:]...)
				continue
			}
			tag := rapid.IntRange(0, 2).Draw(t, "tag")
			p := seat(rapid.IntRange(0, 1).Draw(t, "port"), rapid.IntRange(0, 2).Draw(t, "portal"), tag,
				rapid.SampledFrom(Kinds()).Draw(t, "kind"), rapid.Bool().Draw(t, "added"))
			if err := tt.join(p); err != nil {
				t.Fatal(err)
			}
			live = append(live, p)
		}
		for i, a := range live {
			for _, b := range live[:i] {
				apart := a.hasTag && b.hasTag && a.tag != b.tag
				if a.isid == b.isid && !apart {
					t.Fatalf("two live sessions share %v: %+v and %+v", a.isid, a, b)
				}
			}
		}
	})
}

// TestISIDsAreStable checks that the ISIDs of ports depend on names only, are of the random format, and differ between ports.
func TestISIDsAreStable(t *testing.T) {
	one, two := isidMaker("iqn.a", testPorts), isidMaker("iqn.a", testPorts)
	if one(0, 0) != two(0, 0) || one(1, 0) != two(1, 0) {
		t.Error("the same names made different ISIDs")
	}
	if one(0, 0) == one(1, 0) || one(0, 0) == isidMaker("iqn.b", testPorts)(0, 0) {
		t.Error("different names made the same ISID")
	}
	if one(0, 0)[0]>>6 != 2 {
		t.Errorf("ISID %v, want format 10b", one(0, 0))
	}
	twins := isidMaker("iqn.a", []Port{{Name: "x"}, {Name: "x"}})
	if twins(0, 0) == twins(1, 0) {
		t.Error("two ports of one name share an ISID")
	}
}

// TestReinstatementGuard checks that a redirect to where the same ISID is in use is noticed.
func TestReinstatementGuard(t *testing.T) {
	tt := table()
	a, b := seat(0, 0, 1, Data, false), seat(0, 1, 2, Data, false)
	a.id, b.id = 1, 2
	for _, p := range []*place{a, b} {
		if err := tt.join(p); err != nil {
			t.Fatal(err)
		}
	}
	at := func(SessionID) (iscsi.Address, bool) { return b.portal, true }
	if id, found := tt.reinstates(a, b.portal, at); !found || id != 2 {
		t.Errorf("got %v %v, want session 2", id, found)
	}
	if _, found := tt.reinstates(a, a.portal, at); found {
		t.Error("another portal was refused")
	}
	down := func(SessionID) (iscsi.Address, bool) { return iscsi.Address{}, false }
	if _, found := tt.reinstates(a, b.portal, down); found {
		t.Error("a session that is down was protected")
	}
}

// TestKinds checks that kinds read back and that nothing else is one.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if back, err := ParseKind(k.String()); err != nil || back != k || !k.Valid() {
			t.Errorf("%v reads back as %v, %v", k, back, err)
		}
	}
	if _, err := ParseKind("mirror"); !errors.Is(err, ErrNotSupported) {
		t.Errorf("an unknown kind: %v, want ErrNotSupported", err)
	}
	if Kind(0).Valid() || Kind(5).Valid() {
		t.Error("a kind that is none is valid")
	}
}
