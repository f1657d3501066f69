package initiator

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func registry(t *testing.T) *scenarios.Registry {
	t.Helper()
	r, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), Suite())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every check passes the sound initiator and catches each of its deviations.
func TestChecksProveThemselves(t *testing.T) {
	runner := &scenarios.Runner{T: t, Seed: 1}
	for _, e := range registry(t).Entries() {
		t.Run(e.ID, func(t *testing.T) {
			proof := runner.Prove(t.Context(), e)
			if proof.Sound.Verdict != scenarios.Pass {
				t.Errorf("the sound initiator: %v: %s", proof.Sound.Verdict, proof.Sound.Reason)
				tell(t, proof.Sound)
			}
			if len(proof.Caught) == 0 {
				t.Error("the check has no deviation to prove itself by")
			}
			for _, c := range proof.Caught {
				if !c.Sighted() {
					t.Errorf("%s is not caught: %v: %s", c.Deviation, c.Result.Verdict, c.Result.Reason)
					tell(t, c.Result)
				}
			}
		})
	}
}

// tell prints what a check said, for whoever has to find out why.
func tell(t *testing.T, r *scenarios.Result) {
	t.Helper()
	t.Log(r.Actual)
	for _, f := range r.Findings {
		t.Logf("%v %s %s; got: %s; want: %v", f.Verdict, f.Part, f.Reason, f.Actual, f.Expected)
	}
	if testing.Verbose() {
		for e, p := range trace.Events(r.Trace).OfNode(trace.NodeTarget).PDUs() {
			t.Logf("%v %s %s %T %+v", e.At, e.Conn, e.Kind, p, p)
		}
	}
}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	runner := &scenarios.Runner{T: t, Seed: 7}
	for _, e := range registry(t).Entries() {
		first := jsonl(t, runner.One(t.Context(), e, nil))
		for range 3 {
			if !bytes.Equal(first, jsonl(t, runner.One(t.Context(), e, nil))) {
				t.Errorf("%s: one seed left two traces", e.ID)
				break
			}
		}
	}
}

func jsonl(t *testing.T, r *scenarios.Result) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := trace.WriteJSONL(&text, r.Trace); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// No deviation has the name of another one, since reports know them by name.
func TestDeviationsHaveNames(t *testing.T) {
	for _, c := range Checks() {
		for _, d := range c.scenario().Deviations {
			if d.Name == "" {
				t.Errorf("%s: a deviation that sets nothing", c.ID)
			}
		}
	}
}
