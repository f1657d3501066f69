package reports

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scenarios"
)

// withVerdicts is a run whose checks are named and came out as given, "id verdict [standing]" each; "monitored" marks what monitors found.
func withVerdicts(t *testing.T, lines ...string) Run {
	t.Helper()
	var run Run
	for _, line := range lines {
		words := strings.Fields(line)
		v, err := scenarios.ParseVerdict(words[1])
		if err != nil {
			t.Fatal(err)
		}
		r := &scenarios.Result{Kind: "result", ID: words[0], Suite: "target", Verdict: v}
		for _, w := range words[2:] {
			switch w {
			case "monitored":
				r.Monitored = &scenarios.Monitored{Check: "x"}
			case "known":
				r.Standing = scenarios.Known
			default:
				r.Reason = w
			}
		}
		run.Results = append(run.Results, r)
	}
	return run
}

func TestDiff(t *testing.T) {
	before := withVerdicts(t, "same pass", "breaks pass", "breaks-known pass", "mended fail", "mended-warn broken", "doubt pass", "worse pass", "skipped fail",
		"reason fail old", "stays fail one", "gone pass", "noticed fail monitored", "known fail", "listed fail known", "warns warn", "pass-reason pass old")
	after := withVerdicts(t, "same pass", "breaks fail because", "breaks-known fail known", "mended pass", "mended-warn warn", "doubt inconclusive", "worse warn",
		"skipped skip", "reason fail new", "stays fail one", "added pass", "added-bad fail", "added-known fail known", "same-monitored fail monitored", "known fail known",
		"listed fail", "warns fail", "pass-reason pass new")
	d := DiffRuns(before, after)
	got := map[string]string{}
	for _, part := range d.parts() {
		for _, c := range part.changes {
			got[c.ID] = part.title + ": " + c.verdicts()
		}
	}
	want := map[string]string{
		"breaks": "Newly failing: pass -> fail", "added-bad": "Newly failing: fail", "same-monitored": "Newly failing: fail", "warns": "Newly failing: warn -> fail",
		"mended": "Mended: fail -> pass", "mended-warn": "Mended: broken -> warn", "noticed": "Mended: was fail",
		"doubt": "Newly inconclusive: pass -> inconclusive", "worse": "Another verdict: pass -> warn", "skipped": "Another verdict: fail -> skip",
		"breaks-known": "Another verdict: pass -> fail (known)", "known": "Another verdict: fail -> fail (known)", "listed": "Another verdict: fail (known) -> fail",
		"reason": "The same verdict for another reason: fail", "gone": "Only in the old run: was pass", "added": "Only in the new run: pass",
		"added-known": "Only in the new run: fail (known)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Same != 3 {
		t.Errorf("%d are the same, want 3", d.Same)
	}
	if nothing := DiffRuns(after, after); len(nothing.NewFails)+len(nothing.Mended)+len(nothing.Doubtful)+len(nothing.Changed)+len(nothing.Reasons)+len(nothing.Gone)+
		len(nothing.Added)+len(nothing.Notes) != 0 || nothing.Same != len(after.Results) {
		t.Errorf("a run differs from itself: %s", nothing.Summary())
	}
}

func TestDiffIsTold(t *testing.T) {
	before, after := withVerdicts(t, "one pass", "two pass"), withVerdicts(t, "one fail <b>|x", "two pass")
	before.Header.Seed, after.Header.Seed = 1, 2
	before.Header.Abilities = scenarios.Abilities{"chap": {Present: true}, "bidi": {}, "erl1": {Present: true}}
	after.Header.Abilities = scenarios.Abilities{"chap": {}, "bidi": {Present: true}, "erl1": {Present: true}, "hook": {}}
	d := DiffRuns(before, after)
	var text, markdown strings.Builder
	if err := errors.Join(d.WriteText(&text), d.WriteMarkdown(&markdown)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"note: The runs differ in the seed: \"1\" before, \"2\" now.", "note: The peer has bidi now, and had not before.\nnote: The peer lacks chap now, and did not before.\n\n", "Newly failing: 1\n  one (target)  pass -> fail\n      <b>|x\n", "1 newly failing, 0 mended", "1 the same"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	for _, want := range []string{"### Newly failing: 1", "| `one` (target) | pass -> fail | &lt;b&gt;\\|x |"} {
		if !strings.Contains(markdown.String(), want) {
			t.Errorf("%q is not in\n%s", want, markdown.String())
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "no-run": "{}\n", "newer": `{"kind":"run","schema":99}` + "\n", "two-runs": `{"kind":"run","schema":1}` + "\n" + `{"kind":"run","schema":1}` + "\n",
		"torn": `{"kind":"run","schema":1}` + "\n" + `{"kind":` + "\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Load(path, true); !errors.Is(err, ErrRecords) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{folder, filepath.Join(folder, "absent")} {
		if _, _, err := Load(path, true); !errors.Is(err, ErrRecords) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
