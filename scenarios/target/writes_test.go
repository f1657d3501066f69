package target

import (
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// writing are the operation codes that change what a logical unit holds.
var writing = map[scsi.Opcode]string{
	0x04: "FORMAT UNIT", 0x0a: "WRITE(6)", scsi.OpWrite10: "WRITE(10)", 0x2e: "WRITE AND VERIFY(10)", 0x3f: "WRITE LONG(10)", 0x41: "WRITE SAME(10)",
	0x42: "UNMAP", 0x50: "XDWRITE(10)", scsi.OpXDWriteRead10: "XDWRITEREAD(10)", 0x51: "XPWRITE(10)", 0x83: "EXTENDED COPY", 0x89: "COMPARE AND WRITE",
	0x8a: "WRITE(16)", 0x8e: "WRITE AND VERIFY(16)", 0x93: "WRITE SAME(16)", 0xaa: "WRITE(12)", 0xae: "WRITE AND VERIFY(12)",
}

// Without --allow writes no command that writes reaches a target outside, in the whole suite; with it some do.
func TestNothingIsWrittenUnlessAllowed(t *testing.T) {
	profile, err := simtarget.Builtin("multi-portal")
	if err != nil {
		t.Fatal(err)
	}
	suite, _, err := OnProfile(t, profile, 1)
	if err != nil {
		t.Fatal(err)
	}
	suite.Embedded = false // judged as a target outside is

	for _, allow := range []scenarios.Risk{scenarios.Safe, scenarios.Writes} {
		commands, writes, ran := 0, 0, 0
		runner := &scenarios.Runner{T: t, Seed: 1, Allow: allow, OnResult: func(r *scenarios.Result) error {
			if r.Monitored != nil {
				return nil
			}
			if r.Verdict != scenarios.Skip {
				ran++
			}
			for e, p := range trace.Events(r.Whole).OfNode(trace.NodeTarget).PDUs() {
				command, is := p.(*pdu.SCSICommand)
				if !is || e.Kind != trace.KindPDUReceived {
					continue
				}
				commands++
				if name := writing[scsi.Opcode(command.CDB[0])]; name != "" {
					writes++
					if allow == scenarios.Safe {
						t.Errorf("%s sends %s", r.ID, name)
					}
				}
			}
			return nil
		}}
		var entries []scenarios.Entry
		for _, e := range prooftest.Registry(t, suite).Entries() {
			if e.ID == "session-management.limit.login-logout-churn" {
				continue // thousands of logins, and TEST UNIT READY
			}
			if allow == scenarios.Safe || e.Risk == scenarios.Writes && e.Row.Group == "data-out" {
				entries = append(entries, e)
			}
		}
		if _, err := runner.Run(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		t.Logf("--allow %v: %d checks ran, %d SCSI commands, %d of which write", allow, ran, commands, writes)
		if commands == 0 || allow == scenarios.Writes && writes == 0 {
			t.Errorf("--allow %v: %d SCSI commands are seen, %d of which write", allow, commands, writes)
		}
	}
}
