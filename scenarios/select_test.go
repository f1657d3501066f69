package scenarios

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// passing is a check of a row that always passes.
func passing(id string) Check {
	return Check{ID: id, Run: func(context.Context, *Env) Outcome { return Passed("as it should be") }}
}

// registry makes a registry of one suite.
func registry(t *testing.T, suite Suite) *Registry {
	t.Helper()
	r, err := NewRegistry(LoadCatalogue(), suite)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ids(entries []Entry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.ID)
	}
	return list
}

const (
	rowDirect   = "login.basic.direct-operational"
	rowThree    = "login.basic.security-then-operational"
	rowStraight = "login.basic.security-direct-to-ffp"
	rowStandard = "login.standard"
)

func sample(t *testing.T) []Entry {
	return registry(t, Suite{Name: "sample", Checks: []Check{passing(rowStandard), passing(rowStraight), passing(rowDirect), passing(rowThree)}}).Entries()
}

func TestRegistrySortsByCatalogue(t *testing.T) {
	if diff := cmp.Diff([]string{rowDirect, rowThree, rowStraight, rowStandard}, ids(sample(t))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRegistryRefuses(t *testing.T) {
	for name, checks := range map[string][]Check{
		"unknown row":        {passing("no.such.row")},
		"twice":              {passing(rowDirect), passing(rowDirect)},
		"no run":             {{ID: rowDirect}},
		"nameless deviation": {{ID: rowDirect, Run: passing(rowDirect).Run, Deviations: []Deviation{{}}}},
	} {
		if _, err := NewRegistry(LoadCatalogue(), Suite{Name: "s", Checks: checks}); !errors.Is(err, ErrRegistry) {
			t.Errorf("%s: %v, want ErrRegistry", name, err)
		}
	}
}

func TestSelection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some")
	if err := os.WriteFile(file, []byte("# a comment\n"+rowThree+" # why\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		only, skip []string
		want       []string
	}{
		{nil, nil, []string{rowDirect, rowThree, rowStraight, rowStandard}},
		{[]string{"login.basic.*"}, nil, []string{rowDirect, rowThree, rowStraight}},
		{[]string{"login.basic.*"}, []string{rowThree}, []string{rowDirect, rowStraight}},
		{[]string{rowThree + "," + rowStandard}, nil, []string{rowThree, rowStandard}},
		{[]string{"@" + file}, nil, []string{rowThree}},
		{nil, []string{"rfc7143/11"}, []string{rowThree, rowStandard}},
	} {
		got, err := Selection{Only: c.only, Skip: c.skip}.Pick(sample(t))
		if err != nil {
			t.Errorf("only %v skip %v: %v", c.only, c.skip, err)
			continue
		}
		if diff := cmp.Diff(c.want, ids(got)); diff != "" {
			t.Errorf("only %v skip %v: (-want +got)\n%s", c.only, c.skip, diff)
		}
	}
}

func TestSelectionThatMatchesNothingNamesTheNearest(t *testing.T) {
	_, err := Selection{Only: []string{"login.basic.direct-operatoinal"}}.Pick(sample(t))
	var empty *EmptyError
	if !errors.As(err, &empty) || len(empty.Nearest) == 0 || empty.Nearest[0] != rowDirect {
		t.Errorf("got %v", err)
	}
	if _, err := (Selection{Only: []string{"login"}, Skip: []string{"login.*"}}).Pick(sample(t)); !errors.As(err, &empty) {
		t.Errorf("all skipped: got %v", err)
	}
	if _, err := (Selection{Skip: []string{"nonsense"}}).Pick(sample(t)); !errors.As(err, &empty) {
		t.Errorf("skip that matches nothing: got %v", err)
	}
}

func TestSelectionThatCannotBeRead(t *testing.T) {
	for _, pattern := range []string{"", "a,,b", "[", "@/no/such/file"} {
		if _, err := (Selection{Only: []string{pattern}}).Pick(sample(t)); !errors.Is(err, ErrSelection) {
			t.Errorf("%q: %v, want ErrSelection", pattern, err)
		}
	}
}

func TestShardsShareTheList(t *testing.T) {
	var together []string
	for i := 1; i <= 3; i++ {
		part, err := Selection{Shard: Shard{Index: i, Count: 3}}.Pick(sample(t))
		if err != nil {
			t.Fatal(err)
		}
		together = append(together, ids(part)...)
	}
	if len(together) != 4 {
		t.Errorf("three parts hold %v", together)
	}
	for _, text := range []string{"", "1", "0/2", "3/2", "1/0", "a/b", "1/1001"} {
		if _, err := ParseShard(text); !errors.Is(err, ErrSelection) {
			t.Errorf("%q: %v, want ErrSelection", text, err)
		}
	}
}
