package scenarios

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestBaseline(t *testing.T) {
	reg := registry(t, Suite{Name: "s", Checks: []Check{passing(rowDirect), passing(rowThree), passing(rowStraight)}})
	today := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	good := "known:\n- id: " + rowDirect + "\n  verdict: fail\n  reason: The array has always done so, see ticket.\n"
	b, err := ParseBaseline([]byte(good), reg, today)
	if err != nil {
		t.Fatal(err)
	}
	for verdict, want := range map[Verdict]Standing{Fail: Known, Pass: Fixed, Warn: Differs, Inconclusive: Differs, Skip: ""} {
		r := &Result{ID: rowDirect, Verdict: verdict}
		b.Judge(r)
		if r.Standing != want {
			t.Errorf("%v: %q, want %q", verdict, r.Standing, want)
		}
		if expected := want == Known || want == ""; r.Expected() != expected {
			t.Errorf("%v: expected is %v", verdict, r.Expected())
		}
	}
	for text, complaint := range map[string]string{
		strings.Replace(good, "The array has always done so, see ticket.", "no", 1): "reason",
		strings.Replace(good, "verdict: fail", "verdict: pass", 1):                  "needs no entry",
		strings.Replace(good, "verdict: fail", "verdict: bad", 1):                   "unknown verdict",
		strings.Replace(good, rowDirect, "login.basic.direct", 1):                   "nearest: login.basic.direct-operational",
		good + "  until: 2029-12-31\n":                                              "good until 2029-12-31",
		good + "  since: yesterday\n":                                               "not of the form",
		good + "  colour: red\n":                                                    "unknown field",
		strings.Replace(good, rowDirect, "'login.basic.*'", 1):                      "matches 3 checks",
		good + strings.TrimPrefix(good, "known:\n"):                                 "explained twice",
	} {
		_, err := ParseBaseline([]byte(text), reg, today)
		if !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), complaint) {
			t.Errorf("want a complaint about %q, got %v", complaint, err)
		}
	}
	if _, err := ParseBaseline([]byte(strings.Replace(good, rowDirect, "'login.basic.*'\n  count: 3", 1)), reg, today); err != nil {
		t.Error(err)
	}
}

func TestASuggestedBaselineLacksOnlyItsReasons(t *testing.T) {
	reg := registry(t, Suite{Name: "s", Checks: []Check{passing(rowDirect), passing(rowThree)}})
	text := SuggestBaseline([]*Result{{ID: rowDirect, Verdict: Fail, Clause: "RFC 7143 §6.3", Actual: "a: \"b\" # c\nd"}, {ID: rowThree, Verdict: Pass}})
	if _, err := ParseBaseline(text, reg, time.Now()); !errors.Is(err, ErrBaseline) || !strings.Contains(err.Error(), "reason") {
		t.Errorf("as it is: %v\n%s", err, text)
	}
	filled := strings.Replace(string(text), `reason: ""`, `reason: "The array has always done so."`, 1)
	b, err := ParseBaseline([]byte(filled), reg, time.Now())
	if err != nil {
		t.Fatalf("%v\n%s", err, filled)
	}
	r := &Result{ID: rowDirect, Verdict: Fail}
	if b.Judge(r); r.Standing != Known {
		t.Errorf("standing %q", r.Standing)
	}
	if text := SuggestBaseline([]*Result{{ID: rowThree, Verdict: Pass}}); text != nil {
		t.Errorf("nothing to explain, yet: %s", text)
	}
}
