package suite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
)

// verdictEntry is the name of the report entry that carries what a check came to.
const verdictEntry = "verdict"

// lender is the test that bubbles borrow their identity from while the specs run.
var lender *testing.T

// TestChecks is the Ginkgo front: one It for each check, with labels from its fields, for go test and the ginkgo command.
func TestChecks(t *testing.T) {
	prooftest.SkipRepetition(t)
	lender = t
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "iscsispec checks on the embedded peers")
}

var _ = ginkgo.Describe("checks", func() {
	registry, err := Registry()
	if err != nil {
		panic(err)
	}
	for _, s := range registry.Suites() {
		ginkgo.Describe(s.Name, func() {
			for _, e := range registry.Entries(s.Name) {
				ginkgo.It(e.ID+" "+e.Row.Expects, labels(e), func(ctx ginkgo.SpecContext) {
					runner := &scenarios.Runner{T: lender, Seed: 1}
					report(runner.One(ctx, e, nil))
				})
			}
		})
	}
})

// labels are the fields by which the ginkgo command can select.
func labels(e scenarios.Entry) ginkgo.Labels {
	return ginkgo.Label(e.ID, "group:"+e.Row.Group, "level:"+string(e.Row.Level), fmt.Sprintf("tier:%d", e.Row.Tier),
		"suite:"+e.Suite, "risk:"+e.Risk.String())
}

// report turns a result into a spec's: what is neither a pass, a warning nor a skip fails it, a doubt as well.
func report(r *scenarios.Result) {
	ginkgo.AddReportEntry(verdictEntry, r.Verdict.String(), ginkgo.ReportEntryVisibilityFailureOrVerbose)
	text := fmt.Sprintf("%s: %s: %s\nExpected: %s\nActual: %s\nClause: %s", r.ID, r.Verdict, r.Reason,
		strings.Join(r.Accepted, " or "), r.Actual, r.Clause)
	ginkgo.AddReportEntry("reason", text, ginkgo.ReportEntryVisibilityFailureOrVerbose)
	switch r.Verdict {
	case scenarios.Pass, scenarios.Warn:
	case scenarios.Skip:
		ginkgo.Skip(r.Reason)
	case scenarios.Fail, scenarios.Inconclusive, scenarios.Broken:
		ginkgo.Fail(text)
	}
}

// Both fronts have to come to the same verdicts: the report of the specs is held against a run of the own runner.
var _ = ginkgo.ReportAfterSuite("parity with the own runner", func(report ginkgo.Report) {
	seen := map[string]types.SpecReport{}
	for _, spec := range report.SpecReports {
		if spec.LeafNodeType == types.NodeTypeIt && verdictOf(spec) != "" {
			id, _, _ := strings.Cut(spec.LeafNodeText, " ")
			seen[spec.ContainerHierarchyTexts[1]+" "+id] = spec
		}
	}
	registry, err := Registry()
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	var entries []scenarios.Entry
	for _, e := range registry.Entries() {
		if _, ran := seen[e.Suite+" "+e.ID]; ran {
			entries = append(entries, e)
		}
	}
	runner := &scenarios.Runner{T: lender, Seed: 1}
	results, err := runner.Run(lender.Context(), entries)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(results).To(gomega.HaveLen(len(seen)))
	for _, r := range results {
		spec := seen[r.Suite+" "+r.ID]
		gomega.Expect(verdictOf(spec)).To(gomega.Equal(r.Verdict.String()), r.ID)
		gomega.Expect(spec.State).To(gomega.Equal(stateOf(r.Verdict)), r.ID)
	}
})

// verdictOf reads the verdict that a spec reported; empty where it did not run.
func verdictOf(spec types.SpecReport) string {
	for _, entry := range spec.ReportEntries {
		if entry.Name == verdictEntry {
			return entry.StringRepresentation()
		}
	}
	return ""
}

// stateOf is the spec's state that a verdict asks for.
func stateOf(v scenarios.Verdict) types.SpecState {
	switch v {
	case scenarios.Pass, scenarios.Warn:
		return types.SpecStatePassed
	case scenarios.Skip:
		return types.SpecStateSkipped
	case scenarios.Fail, scenarios.Inconclusive, scenarios.Broken:
		return types.SpecStateFailed
	}
	return types.SpecStateInvalid
}
