package monitor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
)

// Every rule stands in the list, rests on a row of its side, and says what it looks at.
func TestRulesRestOnRows(t *testing.T) {
	listed := map[*rule]bool{}
	for _, r := range rules {
		if listed[r] {
			t.Errorf("%s: %s stands twice", r.row, r.name)
		}
		listed[r] = true
		row := scenarios.LoadCatalogue().Row(r.row)
		want := scenarios.RoleTarget
		if r.side == initiator {
			want = scenarios.RoleInitiator
		}
		if row == nil || row.Role != want {
			t.Errorf("%q is no row of the %s", r.row, want)
		}
		if r.name == "" || !strings.HasPrefix(r.clause, "RFC 714") {
			t.Errorf("%s: %q, %q", r.row, r.name, r.clause)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, is := n.(*ast.CompositeLit); is {
				if name, is := literal.Type.(*ast.Ident); is && name.Name == "rule" {
					declared++
				}
			}
			return true
		})
	}
	if declared != len(rules) {
		t.Errorf("%d rules are declared, and %d listed", declared, len(rules))
	}
}
