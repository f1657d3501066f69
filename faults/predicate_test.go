package faults

import (
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func TestPredicatesReadTheFieldsThatTheCodecWrites(t *testing.T) {
	cdb := [16]byte{0x8a}
	for _, tt := range []struct {
		pdu   pdu.PDU
		holds string // conditions, each of which holds; with another number none does
		fails string // conditions, none of which holds
	}{
		{&pdu.SCSICommand{Final: true, Write: true, LUN: 0x0003 << 48, ITT: 0xabcd, ExpectedDataTransferLength: 4096, CmdSN: 7, ExpStatSN: 9, CDB: cdb, Data: []byte("abc")},
			"final&!immediate&!read&write&lun=3&itt=0xabcd&transfer=4096&cmdsn=7&expstatsn=9&cdb=0x8a&length=3&ahs-words=0",
			"immediate&read&!final&statsn=0&csg=0&!transit&key.a&!key.a"},
		{&pdu.SCSICommand{Immediate: true, Read: true, LUN: 0x4102 << 48, AHS: make([]byte, 8)}, "immediate&read&lun=258&ahs-words=2", "write"},
		{&pdu.SCSIResponse{Response: 1, Status: 2, ITT: 3, StatSN: 4, ExpCmdSN: 5, MaxCmdSN: 6, ExpDataSN: 7, ResidualCount: 8},
			"response=1&status=0x2&itt=0x3&statsn=4&expcmdsn=5&maxcmdsn=6&expdatasn=7&residual=8", "cmdsn=4&lun=0&reason=1"},
		{&pdu.DataIn{Final: true, Acknowledge: true, StatusPresent: true, Status: 8, LUN: 1 << 56, ITT: 2, TTT: 3, StatSN: 4, ExpCmdSN: 5, MaxCmdSN: 6, DataSN: 7,
			BufferOffset: 512, ResidualCount: 9, Data: make([]byte, 600)},
			"final&acknowledge&status-present&status=0x8&lun=72057594037927936&itt=0x2&ttt=0x3&statsn=4&expcmdsn=5&maxcmdsn=6&datasn=7&offset=512&residual=9&length=600", "continue&r2tsn=7"},
		{&pdu.DataOut{LUN: 5 << 48, ITT: 2, TTT: 3, ExpStatSN: 4, DataSN: 5, BufferOffset: 6}, "!final&lun=5&itt=0x2&ttt=0x3&expstatsn=4&datasn=5&offset=6", "final&cmdsn=0&!immediate"},
		{&pdu.R2T{LUN: 1 << 48, ITT: 2, TTT: 3, StatSN: 4, ExpCmdSN: 5, MaxCmdSN: 6, R2TSN: 7, BufferOffset: 8, DesiredDataTransferLength: 9},
			"lun=1&itt=0x2&ttt=0x3&statsn=4&expcmdsn=5&maxcmdsn=6&r2tsn=7&offset=8&transfer=9&final", "datasn=7"},
		{&pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: [6]byte{0x80, 0, 0, 1, 2, 3}, TSIH: 4, ITT: 5, CID: 6, CmdSN: 7, ExpStatSN: 8,
			Data: []byte("A=b\x00HeaderDigest=CRC32C,None\x00")},
			"transit&!continue&immediate&csg=1&nsg=3&isid=0x800000010203&tsih=4&itt=0x5&cid=6&cmdsn=7&expstatsn=8&key.A=b&key.HeaderDigest=CRC32C%2cNone&key.A&!key.B",
			"continue&key.A=c&key.A!=b&!key.A&key.B&key.B!=c&final&!final"},
		{&pdu.LoginResponse{Continue: true, CSG: pdu.StageSecurity, NSG: pdu.StageOperational, TSIH: 4, ITT: 5, StatSN: 6, ExpCmdSN: 7, MaxCmdSN: 8, StatusClass: 2, StatusDetail: 3},
			"!transit&continue&csg=0&nsg=1&tsih=4&itt=0x5&statsn=6&expcmdsn=7&maxcmdsn=8&status=0x203", "cid=0&immediate"},
		{&pdu.LogoutRequest{Reason: 1, ITT: 2, CID: 3, CmdSN: 4, ExpStatSN: 5}, "reason=1&itt=0x2&cid=3&cmdsn=4&expstatsn=5", "response=0"},
		{&pdu.LogoutResponse{Response: 2, ITT: 3, StatSN: 4}, "response=2&itt=0x3&statsn=4", "reason=2"},
		{&pdu.TaskManagementRequest{Function: 5, LUN: 1 << 48, ITT: 2, ReferencedTaskTag: 3, CmdSN: 4}, "function=5&lun=1&itt=0x2&referenced-tag=0x3&cmdsn=4", "ttt=3"},
		{&pdu.Reject{Reason: 4, StatSN: 5}, "reason=4&statsn=5", "function=4"},
		{&pdu.AsyncMessage{Event: 3, LUN: 2 << 48}, "event=3&lun=2", "reason=3"},
		{&pdu.SNACKRequest{Type: 2, LUN: 1 << 48, ITT: 3, TTT: 4, ExpStatSN: 5}, "snack-type=2&lun=1&itt=0x3&ttt=0x4&expstatsn=5", "cmdsn=0"},
		{&pdu.TextRequest{Final: true, LUN: 4 << 48, ITT: 1, TTT: 2, CmdSN: 3, ExpStatSN: 4, Data: []byte("SendTargets=All\x00")}, "final&lun=4&ttt=0x2&cmdsn=3&key.SendTargets=All", "transit"},
	} {
		frame := pdu.FrameOf(tt.pdu)
		check := func(text string, want bool) {
			t.Helper()
			conditions, err := parseConditions(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range conditions {
				if got := c.holds(&frame.BHS, frame.Data); got != want {
					t.Errorf("%s: %s is %t, want %t", frame, c, got, want)
				}
				if c.value++; want && c.op == "=" && !strings.HasPrefix(c.field, keyPrefix) && c.holds(&frame.BHS, frame.Data) {
					t.Errorf("%s: %s holds too", frame, c)
				}
			}
		}
		check(tt.holds, true)
		check(tt.fails, false)
	}
}

func TestComparisonsOfPredicates(t *testing.T) {
	h := &pdu.FrameOf(&pdu.NOPOut{ITT: 1, CmdSN: 10}).BHS
	for text, want := range map[string]bool{
		"cmdsn=10": true, "cmdsn!=10": false, "cmdsn<10": false, "cmdsn<=10": true, "cmdsn>9": true, "cmdsn>10": false, "cmdsn>=10": true, "cmdsn>=0xb": false,
		"cmdsn!=11": true, "cmdsn<11": true, "cmdsn<=9": false,
	} {
		conditions, err := parseConditions(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := conditions[0].holds(h, nil); got != want {
			t.Errorf("%s is %t for CmdSN 10", text, got)
		}
	}
}

func TestPredicatesAreBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("final&", conditionsMax) + "final", "key." + strings.Repeat("x", predicateMax)} {
		if _, err := ParsePredicate(text); err == nil {
			t.Errorf("%d bytes and %d conditions were taken", len(text), strings.Count(text, "&")+1)
		}
	}
}
