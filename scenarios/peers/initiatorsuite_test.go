package peers

import (
	"context"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
)

// libiscsiRows are those that iscsi-inq, which logs in, asks for INQUIRY data and logs out, says something about within seconds.
var libiscsiRows = []string{
	"login.standard", "login.pdu-fields", "login.isid-format", "login.first-request-names", "login.tbit-unrequested", "login.stage-mismatch",
	"login.statsn-nonzero-start", "login.cbit-from-target", "login.version-active-unsupported", "negotiation.offer-once",
	"negotiation.duplicate-in-same-pdu", "negotiation.list-answer-not-offered", "negotiation.boolean-illegal-value",
	"negotiation.unknown-key-notunderstood", "async.event4.renegotiate", "async.event255.vendor", "async.unknown-event", "logout.fields",
	"login.tsih-zero-final-response", "login.statsn-jump", "login.cbit-target-answers-nonempty", "login.reject-negotiation-reset",
	"login.one-key-per-exchange", "negotiation.case-sensitive", "negotiation.accepts-8192-bytes", "keys.sessiontype",
	"keys.markers-obsolete", "statsn.expstatsn-tracks", "nop.ping-invalid-lun",
}

// What the suite of wire checks finds in libiscsi is known.
func TestInitiatorSuiteAgainstLibiscsi(t *testing.T) {
	t.Parallel()
	Need(t, "iscsi-inq")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	suite, seen, err := initiator.Against(ctx, initiator.Foreign{Command: []string{"iscsi-inq"}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s sent %v", seen.Name, seen.Commands)
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		t.Fatal(err)
	}
	runner := &scenarios.Runner{T: t, Seed: 1}
	if runner.Baseline, err = scenarios.LoadBaseline("../../baselines/libiscsi.yaml", registry, time.Now()); err != nil {
		t.Fatal(err)
	}
	entries, err := scenarios.Selection{Only: libiscsiRows}.Pick(registry.Entries())
	if err != nil {
		t.Fatal(err)
	}
	results, err := runner.Run(ctx, entries)
	if err != nil {
		t.Fatal(err)
	}
	report(t, results)
	passed := 0
	for _, r := range results {
		if r.Verdict == scenarios.Pass {
			passed++
		}
	}
	if passed == 0 {
		t.Error("not one check passed: libiscsi's logins are sound")
	}
}
