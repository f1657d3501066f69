package simtarget

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var updateDoc = flag.Bool("update", false, "write docs/profiles.md anew")

const docFile = "../docs/profiles.md"

// docs/profiles.md says what the profiles and the comments of the knobs say. "go test ./simtarget -run ProfilesDoc -update" writes it.
func TestProfilesDocIsCurrent(t *testing.T) {
	want := profilesDoc(t)
	if *updateDoc {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/profiles.md is not what the profiles say: run go test ./simtarget -run ProfilesDoc -update")
	}
}

const docHead = `# Profiles of arrays

<!-- Written by go test ./simtarget -run ProfilesDoc -update, from the profiles and from the comments in simtarget/profile*.go. -->

A profile describes a simulated array as data. ` + "`iscsispec list --profiles`" + ` lists those that are shipped, ` + "`iscsispec explain NAME`" + ` tells what one
models and every knob that it turns, ` + "`iscsispec serve NAME`" + ` puts it on TCP, and ` + "`iscsispec check target --profile NAME`" + ` runs the target suite
against it in virtual time. Everywhere a name stands, the path of a YAML file may stand too.

What a file leaves out has its default. An unknown key, a value out of its range and knobs that contradict each other are errors that name the
line, the field and, for misspelt words, the nearest right one.

Failover is a script: a list of steps, each due at an instant after the start, with the n-th Normal session, or when it is called
(` + "`simtarget.Action{Call: ...}`" + `, over Array.Apply or the control requests of ` + "`iscsispec serve`" + `). What a step does are Actions, the same that a
program gives to a running array: portals vanish, answer nothing or come back, addresses move, targets change their owner, sessions get
Asynchronous Messages or are dropped, logins are suspended, logical units and their identity change, access states change.

| behaviour | in a script |
|---|---|
| a portal vanishes without a word | ` + "`portal: {name: A, up: false, silent: true, drop: silent}`" + ` |
| a portal is out of service, and connections are reset | ` + "`portal: {name: A, up: false, drop: rst}`" + ` |
| it comes back | ` + "`portal: {name: A, up: true}`" + ` |
| an address is taken over after 12 s of silence, and old connections are reset | ` + "`move: {from: A, silence: 12s, then: rst}`" + ` |
| an address is answered by another portal | ` + "`move: {from: A, to: B, silence: 6s, then: rst}`" + ` |
| redirects lead elsewhere | ` + "`owner: {target: iqn..., portal: B, drop: fin}`" + `, or a destination goes out of service |
| logout is asked for, with a deadline | ` + "`async: {event: 1, parameter3: 10}`" + ` |
| a connection or session is dropped with notice | ` + "`async: {event: 2, then: fin}`" + `, event 3 for the session |
| the logical unit inventory changes | ` + "`lun: {add: [...], remove: [...], report: both}`" + ` |
| a unit gets another identity (VPD 80 and 83) | ` + "`lun: {number: 0, serial: other}`" + ` |
| an access state changes | ` + "`alua: {group: 1, state: unavailable}`" + ` |
| logins are refused for a time | ` + "`suspend: {for: 14s}`" + `, or with a status of its own |

The script of a profile is left out when the target suite judges the profile.

`

func profilesDoc(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(docHead)
	b.WriteString("## The profiles\n\n")
	for _, name := range Builtins() {
		p, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n", name, p.Description)
		docList(&b, "Known:", p.Facts)
		docList(&b, "Guessed:", p.Guesses)
		docList(&b, "Defects:", p.Defects)
		var rows []string
		for _, d := range p.Differs {
			rows = append(rows, fmt.Sprintf("`%s`: %s", d.Row, d.Why))
		}
		docList(&b, "Rows of the target catalogue that it answers otherwise than a sound array:", rows)
		var steps []string
		for _, s := range p.Failover.Script {
			steps = append(steps, fmt.Sprintf("`%s` %s", s.Name, s.Moment()))
		}
		docList(&b, "Script:", steps)
		b.WriteString("\n")
	}
	b.WriteString("## The knobs\n\n")
	for _, k := range Knobs() {
		fallback := ""
		if k.Default != "" {
			fallback = fmt.Sprintf(" (default %s)", k.Default)
		}
		fmt.Fprintf(&b, "- `%s`%s: %s\n", k.Path, fallback, k.Doc)
		for _, w := range k.Words {
			fmt.Fprintf(&b, "  - %s\n", w)
		}
	}
	return b.String()
}

func docList(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n\n", title)
	for _, item := range items {
		fmt.Fprintf(b, "- %s\n", item)
	}
}

// Each knob is documented, and each word that a knob takes is known.
func TestKnobsAreDocumented(t *testing.T) {
	for _, k := range Knobs() {
		if k.Doc == "" {
			t.Errorf("%s has no documentation", k.Path)
		}
	}
	if n := len(Knobs()); n < 80 {
		t.Errorf("%d knobs were found, want those of all groups", n)
	}
}
