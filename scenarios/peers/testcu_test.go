package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// cuTests is how many tests iscsi-test-cu 1.19 has.
const cuTests = 230

// cuWrong are the tests of iscsi-test-cu that a sound disk does not pass, each with the reason.
var cuWrong = map[string]string{
	// The same test for WRITE SAME(16) gives a block of zeros.
	"WriteSame10.UnmapUntilEnd": "it asks to unmap with a block of FFh bytes and wants zeros read back; where LBPRZ is 1 a block of anything but zeros is written (SBC-3, Section 5.44)",
}

// cuSkips are the tests that are not run to their end, each with the reason.
var cuSkips = map[string]string{
	"Sanitize.Reset": "it wants SANITIZE to take longer than three seconds and five resets; a disk may be done at once (SBC-3, Section 5.22)",
}

// cuLeave are the tests that are not given leave to sanitize.
var cuLeave = []string{"Sanitize.Reset"}

// cuArrays are the logical units that tests ask for, by the beginning of their names; the longest that fits holds. Two portals make two
// paths to the unit.
var cuArrays = map[string]string{
	"":                                   "",
	"PreventAllow.":                      "removable: true",
	"NoMedia.":                           "removable: true",
	"StartStopUnit.":                     "removable: true",
	"StartStopUnit.NoLoej":               "", // on removable media it wants a stopped unit to be ready; SBC-3, Section 4.20 has it not ready
	"ReadOnly.":                          "read_only: true",
	"CompareAndWrite.InvalidDataOutSize": "physical_exponent: 3",
	"WriteSame10.UnmapUnaligned":         "physical_exponent: 3",
	"WriteSame10.InvalidDataOutSize":     "physical_exponent: 3",
	"WriteSame16.UnmapUnaligned":         "physical_exponent: 3",
	"WriteSame16.InvalidDataOutSize":     "physical_exponent: 3",
}

// cuArray is a clean array for one test: what an earlier one reserved, ejected or left on the medium is not there.
func cuArray(test, store string) string {
	fits, settings := "", ""
	for name, s := range cuArrays {
		if strings.HasPrefix(test, name) && len(name) >= len(fits) {
			fits, settings = name, s
		}
	}
	return fmt.Sprintf(`
name: conformance
description: One disk on two portals.
portals:
  - {name: A, address: "10.0.0.1:3260", tag: 1}
  - {name: B, address: "10.0.0.2:3260", tag: 2}
targets:
  - name: iqn.2026-01.io.iscsispec:conformance
    luns:
      - {number: 0, size: 64MiB, blank: true, %s}
`, strings.Trim(strings.Join([]string{settings, store}, ", "), ", "))
}

// cuTogether are the families whose tests run one behind the other: alone, LUNResetSimpleAsync looks for the answer to its reset before it
// lets one come.
var cuTogether = []string{"iSCSITMF"}

// cuRuns makes runs out of tests: each test alone, but for the families of cuTogether.
func cuRuns(tests []string) []string {
	var runs []string
	for _, test := range tests {
		if family := test[:strings.Index(test, ".")]; slices.Contains(cuTogether, family) {
			test = family
		}
		if !slices.Contains(runs, test) {
			runs = append(runs, test)
		}
	}
	return runs
}

// cuAtOnce is how many tests run at once: most of their time goes into what they wait for.
const cuAtOnce = 12

// cuResults runs the tests, each run on an array of its own.
func cuResults(t *testing.T, tests []string, store func(test string) string) map[string]cuResult {
	t.Helper()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		results = map[string]cuResult{}
		free    = make(chan struct{}, cuAtOnce)
	)
	for _, test := range cuRuns(tests) {
		urls := serve(t, cuArray(test, store(test)))
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			ran := runCU(t.Context(), test, urls)
			mu.Lock()
			defer mu.Unlock()
			for _, result := range ran {
				results[result.Name] = result
			}
		})
	}
	wg.Wait()
	return results
}

func runCU(ctx context.Context, test string, urls []string) []cuResult {
	sanitize := strings.HasPrefix(test, "Sanitize.") && !slices.Contains(cuLeave, test)
	output, err := TestCU(ctx, "ALL."+test, sanitize, urls...)
	if ran := cuVerdicts(output); len(ran) > 0 {
		return ran
	}
	return []cuResult{{Name: test, Verdict: cuFailed, Reason: fmt.Sprintf("no verdict: %v\n%s", err, output)}}
}

// All tests of iscsi-test-cu against a simulated array, each on a clean one with the logical unit that it asks for.
func TestLibiscsisOwnTestsAgainstASimulatedArray(t *testing.T) {
	Need(t, "iscsi-test-cu")
	tests, err := TestCUList(t.Context())
	if err != nil || len(tests) != cuTests {
		t.Fatalf("%d tests, want %d: %v", len(tests), cuTests, err)
	}
	if testing.Short() {
		tests = slices.DeleteFunc(tests, func(name string) bool { return !slices.Contains(cuShort, name[:strings.Index(name, ".")]) })
	}
	holdCU(t, cuResults(t, tests, func(string) string { return "" }), tests)
}

// cuShort are the families of a short run.
var cuShort = []string{"Read10", "Write10", "Unmap", "Inquiry", "iSCSIdatasn"}

// The families that move data, against a disk in a sparse file.
func TestLibiscsisOwnTestsAgainstADiskInAFile(t *testing.T) {
	Need(t, "iscsi-test-cu")
	tests, err := TestCUList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	families := regexp.MustCompile(`^(CompareAndWrite|ExtendedCopy|GetLBAStatus|OrWrite|Read1|Read6|Unmap|Verify1|Write1|WriteAtomic|WriteSame|WriteVerify)`)
	tests = slices.DeleteFunc(tests, func(name string) bool {
		return !families.MatchString(name) || testing.Short() && !strings.HasPrefix(name, "Unmap")
	})
	dir := t.TempDir()
	holdCU(t, cuResults(t, tests, func(test string) string { return fmt.Sprintf("store: file, path: %q", dir+"/"+test) }), tests)
}

// holdCU wants every test passed but those that are known to be wrong or skipped.
func holdCU(t *testing.T, results map[string]cuResult, tests []string) {
	t.Helper()
	counts := map[cuVerdict]int{}
	for _, name := range tests {
		result, want := results[name], cuPassed
		if cuWrong[name] != "" {
			want = cuFailed
		} else if cuSkips[name] != "" {
			want = cuSkipped
		}
		counts[result.Verdict]++
		if result.Verdict != want {
			t.Errorf("%s is %s, want %s: %s", name, result.Verdict, want, result.Reason)
		}
	}
	t.Logf("%d tests: %d passed, %d skipped, %d failed", len(tests), counts[cuPassed], counts[cuSkipped], counts[cuFailed])
}

type cuVerdict string

const (
	cuPassed  cuVerdict = "passed"
	cuSkipped cuVerdict = "skipped"
	cuFailed  cuVerdict = "failed"
)

// cuResult is what CUnit reports of one test.
type cuResult struct {
	Name    string // suite and test
	Verdict cuVerdict
	Reason  string
}

var suiteLine, testLine = regexp.MustCompile(`^Suite: (\S+)`), regexp.MustCompile(`^  Test: (\S+) \.\.\.(.*)`)

// cuVerdicts reads CUnit's report: a test's verdict stands behind its name, or begins or ends one of the lines below when it says more. A test
// that says that it skips passes for CUnit.
func cuVerdicts(report string) []cuResult {
	var done []cuResult
	suite, open := "", (*cuResult)(nil)
	for lines := bufio.NewScanner(strings.NewReader(report)); lines.Scan(); {
		line := lines.Text()
		if m := suiteLine.FindStringSubmatch(line); m != nil {
			suite = m[1]
		} else if m := testLine.FindStringSubmatch(line); m != nil {
			open, line = &cuResult{Name: suite + "." + m[1]}, m[2]
		}
		if open == nil {
			continue
		}
		if at := strings.Index(line, "["); at >= 0 && open.Reason == "" {
			open.Reason = line[at:]
		}
		switch {
		case strings.HasPrefix(line, "passed"):
			open.Verdict = cuPassed
			if strings.HasPrefix(open.Reason, "[SKIPPED]") {
				open.Verdict = cuSkipped
			}
		case strings.HasSuffix(line, "FAILED"):
			open.Verdict = cuFailed
		default:
			continue
		}
		done, open = append(done, *open), nil
	}
	return done
}

func TestVerdictsOfCUnit(t *testing.T) {
	report := "Suite: A\n  Test: One ...passed    [FAILED] PRIN\n  Test: Two ...FAILED\n    1. x.c:1\nSuite: B\n" +
		"  Test: Three ...    [SKIPPED] no\nFAILED\n  Test: Four ...    [SKIPPED] lbppb\npassed\n  Test: Five ...    [FAILED] x\npassed\n"
	var got []string
	for _, r := range cuVerdicts(report) {
		got = append(got, r.Name+" "+string(r.Verdict))
	}
	want := "A.One passed, A.Two failed, B.Three failed, B.Four skipped, B.Five passed"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCUListNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var missing *MissingError
	if _, err := TestCUList(t.Context()); err != nil && !errors.As(err, &missing) {
		t.Errorf("got %v, want a MissingError", err)
	}
}
