package monitor_test

import (
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/trace"
)

// talk writes the trace of a connection as the initiator's end records it.
type talk struct {
	events []trace.Event
	at     time.Duration
}

func (t *talk) frame(kind trace.Kind, f *pdu.Frame) {
	t.at += time.Millisecond
	t.events = append(t.events, trace.Event{At: t.at, Kind: kind, Node: trace.NodeInitiator, Conn: "portal#1", PDU: trace.PDUOf(f, 1<<20)})
}

func (t *talk) sends(p pdu.PDU)   { t.frame(trace.KindPDUSent, pdu.FrameOf(p)) }
func (t *talk) comes(p pdu.PDU)   { t.frame(trace.KindPDUReceived, pdu.FrameOf(p)) }
func keys(pairs ...string) []byte { return pairsOf(pairs...).Append(nil) }

func pairsOf(pairs ...string) text.Pairs {
	var keys text.Pairs
	for i := 0; i < len(pairs); i += 2 {
		keys.Add(pairs[i], pairs[i+1])
	}
	return keys
}

// login is a whole login: CmdSN 1 is next, StatSN 101, and 32 commands may be sent.
func login(offers, answers []byte) *talk {
	t := &talk{}
	t.events = append(t.events, trace.Event{Kind: trace.KindConnUp, Node: trace.NodeInitiator, Conn: "portal#1"})
	t.sends(&pdu.LoginRequest{Transit: true, CSG: 1, NSG: 3, ISID: [6]byte{0x80}, ITT: 7, CID: 1, CmdSN: 1,
		Data: append(keys("InitiatorName", "iqn.a", "TargetName", "iqn.b", "SessionType", "Normal"), offers...)})
	t.comes(&pdu.LoginResponse{Transit: true, CSG: 1, NSG: 3, ISID: [6]byte{0x80}, TSIH: 1, ITT: 7, StatSN: 100, ExpCmdSN: 1, MaxCmdSN: 32, Data: answers})
	return t
}

// rows are what Judge finds about one side.
func rows(t *testing.T, events []trace.Event, side scenarios.Role) map[string]scenarios.Finding {
	t.Helper()
	found := map[string]scenarios.Finding{}
	for _, f := range monitor.Judge(events, monitor.Options{Judge: side}) {
		if row := scenarios.LoadCatalogue().Row(f.Row); row == nil || row.Role != side {
			t.Errorf("the row %q is none of the %s's", f.Row, side)
		}
		found[f.Row] = f
	}
	return found
}

func command(itt, cmdSN, expStatSN uint32) *pdu.SCSICommand {
	return &pdu.SCSICommand{Final: true, Read: true, ITT: itt, CmdSN: cmdSN, ExpStatSN: expStatSN, ExpectedDataTransferLength: 512, CDB: [16]byte{0x28}}
}

func TestALawfulConnectionLeavesNothingToSay(t *testing.T) {
	l := login(keys("HeaderDigest", "None"), keys("HeaderDigest", "None", "TargetPortalGroupTag", "1"))
	l.sends(command(1, 1, 101))
	l.comes(&pdu.DataIn{Final: true, StatusPresent: true, ITT: 1, TTT: pdu.ReservedTag, StatSN: 101, ExpCmdSN: 2, MaxCmdSN: 33, Data: make([]byte, 512)})
	l.sends(&pdu.LogoutRequest{Immediate: true, ITT: 2, CmdSN: 2, ExpStatSN: 102})
	l.comes(&pdu.LogoutResponse{ITT: 2, StatSN: 102, ExpCmdSN: 2, MaxCmdSN: 33})
	for _, side := range []scenarios.Role{scenarios.RoleInitiator, scenarios.RoleTarget} {
		if found := rows(t, l.events, side); len(found) > 0 {
			t.Errorf("%s: %v", side, found)
		}
	}
}

func TestWhatTheOtherSideBreaksSilencesTheRulesThatRestOnIt(t *testing.T) {
	l := login(nil, nil)
	l.sends(command(1, 1, 101))
	l.sends(command(1, 2, 101)) // the tag is in use
	for range 2 {
		l.comes(&pdu.SCSIResponse{ITT: 1, StatSN: 101, ExpCmdSN: 3, MaxCmdSN: 34})
	}
	if found := rows(t, l.events, scenarios.RoleInitiator); len(found) != 1 || found["cmd.itt-unique"].Times != 1 {
		t.Errorf("initiator: %v", found)
	}
	found := rows(t, l.events, scenarios.RoleTarget)
	if f, ok := found["ffp-sequencing.statsn.increments-per-response"]; !ok || len(f.Evidence) == 0 {
		t.Errorf("the StatSN does not rest on tags: %v", found)
	}
	if _, ok := found["ffp-sequencing.order.single-command-response-pairing"]; ok {
		t.Errorf("two commands with one tag may be answered twice: %v", found)
	}
}

func TestASecondStatusIsFound(t *testing.T) {
	l := login(nil, nil)
	l.sends(command(1, 1, 101))
	for i := range uint32(2) {
		l.comes(&pdu.SCSIResponse{ITT: 1, Status: 2, StatSN: 101 + i, ExpCmdSN: 2, MaxCmdSN: 33})
	}
	if found := rows(t, l.events, scenarios.RoleTarget); len(found) != 1 || found["ffp-sequencing.order.single-command-response-pairing"].Times != 1 {
		t.Errorf("%v", found)
	}
}

func TestATraceThatBeginsInTheMiddleIsJudgedAsFarAsItGoes(t *testing.T) {
	l := login(nil, nil)
	l.sends(command(1, 1, 101))
	l.comes(&pdu.SCSIResponse{ITT: 9, StatSN: 500, ExpCmdSN: 90, MaxCmdSN: 80})
	l.comes(&pdu.R2T{ITT: 9, StatSN: 501, ExpCmdSN: 90, MaxCmdSN: 120})
	found := rows(t, l.events[4:], scenarios.RoleTarget)
	if len(found) != 1 || found["ffp-sequencing.maxcmdsn.not-below-expcmdsn-minus-one"].Row == "" {
		t.Errorf("%v", found)
	}
}
