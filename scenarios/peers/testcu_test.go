package peers

import (
	"bufio"
	"regexp"
	"strings"
	"testing"
)

// knownFailures are the tests of libiscsi 1.19 that a sound array does not pass, each with the reason.
var knownFailures = map[string]string{
	"WriteSame10.UnmapUntilEnd": "it asks to unmap with a block of FFh bytes and wants zeros read back; SBC-3 has the block written then",
}

// Most of the time goes into what libiscsi itself waits for, resets and silence, so the families run beside each other.
func TestLibiscsisOwnTestsAgainstASimulatedArray(t *testing.T) {
	Need(t, "iscsi-test-cu")
	for family, atLeast := range map[string]int{"SCSI": 200, "iSCSI": 10} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			output, err := TestCU(t.Context(), serve(t, threeDisks)[1], family)
			failures, ran := failedTests(output)
			if ran < atLeast {
				t.Fatalf("%d tests ran, want at least %d: %v\n%s", ran, atLeast, err, output)
			}
			for _, name := range failures {
				if knownFailures[name] == "" {
					t.Errorf("%s fails; iscsi-test-cu -V --test=... tells more", name)
				}
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

var suiteLine, testLine = regexp.MustCompile(`^Suite: (\S+)`), regexp.MustCompile(`^  Test: (\S+) \.\.\.`)

// failedTests reads CUnit's report: a test's verdict stands at the end of its line, or on one of the lines below when it says more.
func failedTests(report string) (failed []string, ran int) {
	suite, test := "", ""
	for lines := bufio.NewScanner(strings.NewReader(report)); lines.Scan(); {
		line := lines.Text()
		if m := suiteLine.FindStringSubmatch(line); m != nil {
			suite = m[1]
		} else if m := testLine.FindStringSubmatch(line); m != nil {
			test = m[1]
			ran++
		}
		if test != "" && strings.HasSuffix(line, "FAILED") {
			failed = append(failed, suite+"."+test)
			test = ""
		}
	}
	return failed, ran
}

func TestFailedTestsReadsCUnit(t *testing.T) {
	report := "Suite: A\n  Test: One ...passed\n  Test: Two ...FAILED\n    1. x.c:1\nSuite: B\n  Test: Three ...    [SKIPPED] no\nFAILED\n  Test: Four ...    x\npassed\n"
	failed, ran := failedTests(report)
	if ran != 4 || strings.Join(failed, " ") != "A.Two B.Three" {
		t.Errorf("%d ran, failed %v", ran, failed)
	}
}
