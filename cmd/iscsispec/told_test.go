package main

import (
	"os"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios/target"
)

// The manual has every hook as it is.
func TestHooksAreInTheManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/check-target.md")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(text), "`", "")
	for _, hook := range target.Hooks() {
		if row := "| " + hook[0] + " | " + hook[1] + " |"; !strings.Contains(plain, row) {
			t.Errorf("docs/check-target.md lacks %q", row)
		}
	}
}
