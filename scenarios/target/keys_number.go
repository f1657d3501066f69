package target

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// keyNumberChecks are those of the group keys about the results of numeric and listed keys.
func keyNumberChecks() []Check {
	return []Check{
		{ID: "keys.max-connections.minimum-of-both", Run: func(t *T) {
			t.results(text.KeyMaxConnections, result{"1", 1, 1}, result{"65535", 1, 65535})
		}},
		{ID: "keys.time2wait.range-and-max", Run: func(t *T) {
			t.results(text.KeyDefaultTime2Wait, result{"0", 0, 3600}, result{"3600", 3600, 3600})
		}},
		{ID: "keys.time2retain.range-and-min", Run: func(t *T) {
			t.results(text.KeyDefaultTime2Retain, result{"0", 0, 0}, result{"3600", 0, 3600})
		}},
		{ID: "keys.max-outstanding-r2t.min-and-range", Run: func(t *T) {
			t.results(text.KeyMaxOutstandingR2T, result{"1", 1, 1}, result{"65535", 1, 65535})
		}},
		{ID: "keys.max-outstanding-r2t.one-with-recovery-and-order", Array: recoveringEight, Run: oneOutstanding},
		{ID: "keys.error-recovery-level.min-function", Run: func(t *T) {
			t.results(text.KeyErrorRecoveryLevel, result{"0", 0, 0}, result{"1", 0, 1}, result{"2", 0, 2})
		}},
		{ID: "keys.error-recovery-level.discovery-is-zero", Run: func(t *T) {
			r := t.discovering("ErrorRecoveryLevel=2")
			switch answer, answered := r.Answer(text.KeyErrorRecoveryLevel); {
			case answer == "0":
			case answer == text.Irrelevant || answer == text.Reject:
				t.Warn("The default of 0 holds, and 0 is the answer that is due.", "ErrorRecoveryLevel="+answer, "ErrorRecoveryLevel=0")
			case !answered:
				t.Fail("no answer to ErrorRecoveryLevel=2", "ErrorRecoveryLevel=0")
			default:
				t.Fail("ErrorRecoveryLevel="+answer, "ErrorRecoveryLevel=0")
			}
		}},
		{ID: "keys.task-reporting.legal-answer", Run: taskReporting},
		{ID: "keys.task-reporting.fastabort-supported", Run: func(t *T) {
			const list = "FastAbort,ResponseFence,RFC3720"
			r := t.Offering("TaskReporting=" + list)
			t.Granted(r)
			switch answer, _ := r.Answer(text.KeyTaskReporting); answer {
			case "FastAbort":
			case "ResponseFence", "RFC3720", text.Reject, text.NotUnderstood, "":
				t.Warn("The target does not support FastAbort.", "TaskReporting="+answer, "TaskReporting=FastAbort")
			default:
				t.FailFirmly("TaskReporting="+answer, "one of "+list)
			}
		}},
		{ID: "keys.protocol-level.min-function", Run: func(t *T) {
			for _, level := range []int{2, 1} {
				t.Part(fmt.Sprintf("level %d", level), func() {
					r := t.Offering(fmt.Sprintf("iSCSIProtocolLevel=%d", level))
					t.Granted(r)
					if t.Given(r, text.KeyISCSIProtocolLevel) == text.NotUnderstood {
						t.Warn("Targets from before 2014 do not know the key; level 1 holds.", "iSCSIProtocolLevel=NotUnderstood", fmt.Sprintf("0 to %d", level))
						return
					}
					t.Between(r, text.KeyISCSIProtocolLevel, 0, level)
				})
			}
		}},
		{ID: "keys.protocol-level.inquiry-version-descriptor", Run: versionDescriptors},
		{ID: "keys.discovery.session-wide-keys-irrelevant", Run: irrelevantInDiscovery},
	}
}

// result is an offer and what its answer may be.
type result struct {
	offer     string
	low, high int
}

// results judges the answers to several offers of a key, in a session each.
func (t *T) results(key string, results ...result) {
	for _, want := range results {
		t.Part(key+"="+want.offer, func() {
			r := t.Offering(key + "=" + want.offer)
			t.Granted(r)
			t.Between(r, key, want.low, want.high)
		})
	}
}

// discovering opens a Discovery session with keys, and skips the part where the target has none.
func (t *T) discovering(pairs ...string) *probe.LoginResult {
	r := t.Login(probe.Login{Discovery: true, Keys: Keys(pairs...)})
	if !r.Granted() {
		if bare := t.Login(probe.Login{Discovery: true}); !bare.Granted() {
			t.Skip("No Discovery session is granted: %v.", bare)
		}
		t.FailFirmly(r, "a granted login")
	}
	return r
}

// recoveringEight makes the array agree to recovery and to several R2Ts at a time.
func recoveringEight(p *simtarget.Profile) {
	recovering(p)
	p.Data.MaxOutstandingR2T = 8
}

func oneOutstanding(t *T) {
	for _, level := range []string{"2", "1"} {
		t.Part("level "+level, func() {
			r := t.Offering("ErrorRecoveryLevel="+level, "DataSequenceInOrder=Yes", "MaxOutstandingR2T=8", "MaxBurstLength=8192", "InitialR2T=Yes", "ImmediateData=No")
			if t.TurnedDown(r, false) {
				return
			}
			p := r.Params
			if p.ErrorRecoveryLevel == 0 || !p.DataSequenceInOrder || p.MaxOutstandingR2T <= 1 {
				return
			}
			want := "MaxOutstandingR2T=1 beside a recovery level and ordered sequences"
			if !t.MayWrite() {
				t.Fail(fmt.Sprintf("MaxOutstandingR2T=%d at level %d", p.MaxOutstandingR2T, p.ErrorRecoveryLevel), want)
			}
			t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
			most, _ := t.outstanding(r.Conn, t.room(r.Conn, 0, 1<<20))
			if most > 1 {
				t.Fail(fmt.Sprintf("MaxOutstandingR2T=%d at level %d, and %d R2Ts at a time", p.MaxOutstandingR2T, p.ErrorRecoveryLevel, most), want)
			}
			t.Warn("The value is agreed and not made use of.", fmt.Sprintf("MaxOutstandingR2T=%d at level %d", p.MaxOutstandingR2T, p.ErrorRecoveryLevel), want)
		})
	}
}

func taskReporting(t *T) {
	const list = "FastAbort,ResponseFence,RFC3720"
	t.Part("offered", func() {
		r := t.Offering("TaskReporting=" + list)
		t.Granted(r)
		switch answer := t.Given(r, text.KeyTaskReporting); answer {
		case "FastAbort", "ResponseFence", "RFC3720":
		case text.Reject:
			t.Warn("The target takes none of the list.", "TaskReporting=Reject", "one of "+list)
		case text.NotUnderstood:
			t.Warn("Targets from before RFC 5048 do not know the key; the behaviour of RFC 3720 holds.", "TaskReporting=NotUnderstood", "one of "+list)
		default:
			t.Fail("TaskReporting="+answer, "one of "+list)
		}
	})
	t.Part("proposed", func() {
		r := t.Login(probe.Login{Answers: Keys("TaskReporting=RFC3720")})
		t.Granted(r)
		for _, p := range probe.ProposalsOf(r.Walk.Said) {
			if p.Key == text.KeyTaskReporting && (!strings.Contains(p.Value, "RFC3720") || !strings.Contains(p.Value, "ResponseFence")) {
				t.Fail(p, "a list with RFC3720 and ResponseFence")
			}
		}
	})
}

// noVersion is the version descriptor of iSCSI that claims no version (RFC 7144, Section 4.2); those of levels follow it.
const noVersion, lastVersion = 0x0960, 0x097f

func versionDescriptors(t *T) {
	for _, offer := range []string{"2", "1"} {
		t.Part("level "+offer, func() {
			r := t.Offering("iSCSIProtocolLevel=" + offer)
			if !r.Granted() && t.TurnedDown(r, true) {
				t.Skip("A login with the key is not granted, which is the matter of keys.protocol-level.min-function: %v.", r)
			}
			c := r.Conn
			level, number := text.ParseNumber(t.Given(r, text.KeyISCSIProtocolLevel))
			if !number {
				t.Skip("The target does not agree on a level.")
			}
			t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
			data := t.Done(c, probe.Command{CDB: scsi.Inquiry(96), Read: 96}, "INQUIRY").Data
			if len(data) > 5 {
				data = data[:min(len(data), 5+int(data[4]))]
			}
			for at := 58; at+2 <= min(len(data), 74); at += 2 {
				descriptor := int(data[at])<<8 | int(data[at+1])
				switch want := noVersion + level; {
				case descriptor < noVersion || descriptor > lastVersion || descriptor == want:
				case descriptor == noVersion:
					t.note(scenarios.Warn, false, "The version descriptor claims no version of iSCSI.", "0x0960", []string{fmt.Sprintf("0x%04x", want)})
				default:
					t.Fail(fmt.Sprintf("the version descriptor 0x%04x at level %d", descriptor, level), fmt.Sprintf("0x%04x", want))
				}
			}
		})
	}
}

func irrelevantInDiscovery(t *T) {
	offers := Keys("MaxConnections=1", "InitialR2T=Yes", "ImmediateData=No", "MaxBurstLength=65536", "FirstBurstLength=65536",
		"MaxOutstandingR2T=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes")
	var pairs []string
	for _, offer := range offers {
		pairs = append(pairs, offer.String())
	}
	r := t.discovering(pairs...)
	for _, offer := range offers {
		key, _ := text.Lookup(offer.Key)
		answer, answered := r.Answer(offer.Key)
		if answer == text.NotUnderstood || answered && !text.Reserved(answer) && !key.Admits(answer) {
			t.FailFirmly(offer.Key+"="+answer, offer.Key+"=Irrelevant", "a legal value")
		}
		t.Note("%s=%s", offer.Key, answer)
	}
}

// unsolicitedAllowed makes the array agree to InitialR2T=No.
func unsolicitedAllowed(p *simtarget.Profile) { p.Data.InitialR2T = false }
