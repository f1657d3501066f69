package monitor_test

import (
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
)

// byHand are rows that no deviation of the project's own peers breaks in a way that monitors see: a connection for each, lawful up to its
// last PDUs.
var byHand = []struct {
	row  string
	side scenarios.Role
	goes func(l *talk)
}{
	{"async.format.fields", scenarios.RoleTarget, func(l *talk) {
		l.comes(&pdu.AsyncMessage{Event: 9, StatSN: 101, ExpCmdSN: 1, MaxCmdSN: 32})
	}},
	{"logout.close-session.response-and-close", scenarios.RoleTarget, func(l *talk) {
		l.comes(&pdu.LogoutResponse{ITT: 3, StatSN: 101, ExpCmdSN: 1, MaxCmdSN: 32})
	}},
	{"negotiation.reserved-words.only-as-answers", scenarios.RoleTarget, func(l *talk) {
		*l = *login(nil, keys("MaxConnections", "Irrelevant"))
	}},
	{"nop.ping.multiple-outstanding", scenarios.RoleTarget, func(l *talk) {
		l.sends(&pdu.NOPOut{Immediate: true, ITT: 3, TTT: pdu.ReservedTag, CmdSN: 1, ExpStatSN: 101})
		for i := range uint32(2) {
			l.comes(&pdu.NOPIn{ITT: 3, TTT: pdu.ReservedTag, StatSN: 101 + i, ExpCmdSN: 1, MaxCmdSN: 32})
		}
	}},
	{"nop.unsolicited.format", scenarios.RoleTarget, func(l *talk) {
		l.comes(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 5, StatSN: 101, ExpCmdSN: 1, MaxCmdSN: 32, Data: []byte("why?")})
	}},
	{"tmf.response.format", scenarios.RoleTarget, func(l *talk) {
		l.sends(&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionLogicalUnitReset, ITT: 3, ReferencedTaskTag: pdu.ReservedTag, CmdSN: 1, ExpStatSN: 101})
		l.comes(&pdu.TaskManagementResponse{ITT: 3, Response: 9, StatSN: 101, ExpCmdSN: 1, MaxCmdSN: 32})
	}},
	{"cmd.rw-bits-and-edtl", scenarios.RoleInitiator, func(l *talk) {
		l.sends(&pdu.SCSICommand{Final: true, ITT: 1, CmdSN: 1, ExpStatSN: 101, ExpectedDataTransferLength: 8})
	}},
	{"dataout.buffer-offset", scenarios.RoleInitiator, func(l *talk) {
		l.sends(&pdu.SCSICommand{Final: true, Write: true, ITT: 1, CmdSN: 1, ExpStatSN: 101, ExpectedDataTransferLength: 1024, CDB: [16]byte{0x2a}})
		l.comes(&pdu.R2T{ITT: 1, TTT: 9, StatSN: 101, ExpCmdSN: 2, MaxCmdSN: 33, DesiredDataTransferLength: 1024})
		l.sends(&pdu.DataOut{ITT: 1, TTT: 9, ExpStatSN: 101, BufferOffset: 512, Data: make([]byte, 512)})
	}},
	{"login.tbit-usage", scenarios.RoleInitiator, func(l *talk) {
		l.events = l.events[:1]
		l.sends(&pdu.LoginRequest{Transit: true, Continue: true, CSG: 1, NSG: 3, ITT: 7, CmdSN: 1, Data: keys("InitiatorName", "iqn.a")})
	}},
	{"logout.no-requests-after", scenarios.RoleInitiator, func(l *talk) {
		l.sends(&pdu.LogoutRequest{ITT: 1, CmdSN: 1, ExpStatSN: 101})
		l.sends(command(2, 2, 101))
	}},
}

func TestRowsThatNoDeviationBreaks(t *testing.T) {
	for _, b := range byHand {
		t.Run(b.row, func(t *testing.T) {
			l := login(nil, nil)
			b.goes(l)
			found := rows(t, l.events, b.side)
			if len(found) != 1 || found[b.row].Times != 1 {
				t.Errorf("%v", found)
			}
			before := l.events[:len(l.events)-1]
			if found := rows(t, before, b.side); len(found) > 0 {
				t.Errorf("before the last PDU: %v", found)
			}
		})
	}
}

// A rule is not about what somebody broke before: each of these is lawful after what the other side has done.
func TestWhatIsLawfulBehindABreach(t *testing.T) {
	for name, goes := range map[string]func(l *talk){
		"answers behind a number that was skipped": func(l *talk) {
			l.sends(command(1, 5, 101))
			l.comes(&pdu.SCSIResponse{ITT: 1, StatSN: 101, ExpCmdSN: 6, MaxCmdSN: 40})
			l.comes(&pdu.SCSIResponse{ITT: 1, StatSN: 102, ExpCmdSN: 6, MaxCmdSN: 40})
		},
		"R2Ts behind data that nobody asked for": func(l *talk) {
			l.sends(&pdu.SCSICommand{Final: true, Write: true, ITT: 1, CmdSN: 1, ExpStatSN: 101, ExpectedDataTransferLength: 1024})
			l.sends(&pdu.DataOut{Final: true, ITT: 1, TTT: pdu.ReservedTag, ExpStatSN: 101, Data: make([]byte, 512)})
			for i := range uint32(2) {
				l.comes(&pdu.R2T{ITT: 1, TTT: 9, R2TSN: 3 * i, StatSN: 101, ExpCmdSN: 2, MaxCmdSN: 33, DesiredDataTransferLength: 1024})
			}
		},
		"anything behind a PDU with a stray header segment": func(l *talk) {
			l.frame("pdu-sent", &pdu.Frame{BHS: pdu.BHS{0x40, 0x80, 4: 2}, AHS: make([]byte, 8)})
			l.comes(&pdu.SCSIResponse{ITT: 77, StatSN: 7, ExpCmdSN: 100, MaxCmdSN: 3})
		},
		"Data-In twice behind a SNACK": func(l *talk) {
			l.sends(command(1, 1, 101))
			l.comes(&pdu.DataIn{Final: true, ITT: 1, TTT: pdu.ReservedTag, ExpCmdSN: 2, MaxCmdSN: 33, Data: make([]byte, 512)})
			l.sends(&pdu.SNACKRequest{ITT: 1, TTT: pdu.ReservedTag, ExpStatSN: 101})
			l.comes(&pdu.DataIn{Final: true, ITT: 1, TTT: pdu.ReservedTag, ExpCmdSN: 2, MaxCmdSN: 33, Data: make([]byte, 512)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := login(nil, nil)
			goes(l)
			if found := rows(t, l.events, scenarios.RoleTarget); len(found) > 0 {
				t.Errorf("%v", found)
			}
		})
	}
}

// Judging takes no end of a trace and no order of its events for granted.
func FuzzJudge(f *testing.F) {
	for i := range byHand {
		f.Add(uint8(i), uint16(0), byte(0), uint8(0))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, value byte, swap uint8) {
		l := login(keys("HeaderDigest", "CRC32C,None", "MaxBurstLength", "8192"), keys("HeaderDigest", "None", "MaxBurstLength", "8192"))
		byHand[int(which)%len(byHand)].goes(l)
		events := slices.Clone(l.events)
		if n := len(events); n > 1 {
			i := 1 + int(at)/48%(n-1)
			if p := events[i].PDU; p != nil {
				changed := *p
				changed.Header[at%48] ^= value
				events[i].PDU = &changed
			}
			j := 1 + int(swap)%(n-1)
			events[i], events[j] = events[j], events[i]
		}
		for _, side := range []scenarios.Role{scenarios.RoleInitiator, scenarios.RoleTarget, ""} {
			if side != "" {
				rows(t, events, side)
			}
		}
	})
}
