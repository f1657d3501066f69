package proxy

import (
	"os"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
)

// What the manual shows can be typed.
func TestTheManualsExamplesParse(t *testing.T) {
	text, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	shown, controls := 0, 0
	for i, block := range strings.Split(string(text), "```") {
		if i%2 == 0 {
			continue
		}
		kind, body, _ := strings.Cut(block, "\n")
		for line := range strings.Lines(body) {
			if kind == "json" {
				controls++
				c, err := ParseControl([]byte(line))
				if err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				for _, a := range c.Actions {
					if _, err := a.fault(); err != nil {
						t.Errorf("%v: %s", err, line)
					}
				}
			}
			for _, word := range strings.Split(line, "--fault ")[1:] {
				shown++
				if f, _, _ := strings.Cut(strings.TrimSpace(word), " "); !strings.HasPrefix(f, "@") {
					if _, err := faults.Parse(f); err != nil {
						t.Errorf("%v: %s", err, line)
					}
				}
			}
		}
	}
	if shown < 4 || controls < 3 {
		t.Errorf("%d faults and %d controls are shown", shown, controls)
	}
	if _, err := faults.Parse("reset:pdu=login-request,nth=3,byte=data+4,if=csg=1&nsg=3,each=2"); err != nil {
		t.Error(err)
	}
}
