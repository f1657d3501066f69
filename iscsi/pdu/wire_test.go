package pdu

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wireCase is a PDU and its bytes, written down by hand field by field from the RFC's diagrams and not by calling the codec.
type wireCase struct {
	name string
	pdu  PDU
	wire string // hexadecimal; blanks and what follows a # up to the end of its line do not count
}

// each four-byte row of the diagrams is one line here, with the offset in the RFC's diagram behind it.
var wireCases = []wireCase{
	{"NOP-Out", &NOPOut{Immediate: true, LUN: 0x0001000000000000, ITT: ReservedTag, TTT: 0x11223344, CmdSN: 7, ExpStatSN: 9, Data: []byte("ping!")}, `
		40 80 0000  # 0  I, F
		00 000005   # 4  no AHS, 5 bytes of data
		00010000 00000000 ffffffff 11223344 00000007 00000009
		00000000 00000000 00000000 00000000
		70696e67 21 000000`},
	{"NOP-In", &NOPIn{LUN: 2, ITT: 5, TTT: ReservedTag, StatSN: 0x1001, ExpCmdSN: 8, MaxCmdSN: 39, Data: []byte{1, 2, 3, 4}}, `
		20 80 0000  00 000004  00000000 00000002 00000005 ffffffff
		00001001    # 24 StatSN
		00000008 00000027 00000000 00000000 00000000
		01020304`},
	{"SCSI Command with extended CDB", &SCSICommand{
		Final: true, Read: true, Write: true, Attr: AttrOrdered, LUN: 0x4001000000000000, ITT: 0xa1, ExpectedDataTransferLength: 0x200,
		CmdSN: 3, ExpStatSN: 4, CDB: [16]byte{0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		AHS:  []byte{0x00, 0x03, 0x01, 0x00, 0x10, 0x11, 0x00, 0x00, 0x00, 0x05, 0x02, 0x00, 0x00, 0x00, 0x04, 0x00},
		Data: []byte{0xff},
	}, `
		01 e2 0000  # 0  F, R, W, ordered
		04 000001   # 4  four words of AHS, one byte of data
		40010000 00000000 000000a1 00000200 00000003 00000004
		7f010203 04050607 08090a0b 0c0d0e0f
		0003 01 00 1011 0000            # extended CDB: length 3 = reserved byte and two of CDB, then padding
		0005 02 00 00000400             # bidirectional read length
		ff 000000`},
	{"SCSI Response", &SCSIResponse{
		BidiOverflow: true, Underflow: true, Response: ResponseTargetFailure, Status: 2, ITT: 6, SNACKTag: 7, StatSN: 8, ExpCmdSN: 9,
		MaxCmdSN: 10, ExpDataSN: 11, BidiReadResidualCount: 12, ResidualCount: 13, Data: []byte{0, 2, 0x70, 0},
	}, `
		21 92 01 02  # 0  o and U
		00 000004 00000000 00000000 00000006
		00000007     # 20 SNACK Tag
		00000008 00000009 0000000a
		0000000b     # 36 ExpDataSN
		0000000c     # 40 bidirectional read residual
		0000000d     # 44 residual
		00027000`},
	{"Task Management Request", &TaskManagementRequest{
		Immediate: true, Function: FunctionAbortTask, LUN: 1, ITT: 2, ReferencedTaskTag: 3, CmdSN: 4, ExpStatSN: 5, RefCmdSN: 6, ExpDataSN: 7,
	}, `42 81 0000 00 000000 00000000 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000000 00000000`},
	{"Task Management Response", &TaskManagementResponse{Response: TaskResponseRejected, ITT: 2, StatSN: 3, ExpCmdSN: 4, MaxCmdSN: 5},
		`22 80 ff 00 00 000000 00000000 00000000 00000002 00000000 00000003 00000004 00000005 00000000 00000000 00000000`},
	{"Data-Out", &DataOut{Final: true, LUN: 1, ITT: 2, TTT: 3, ExpStatSN: 4, DataSN: 5, BufferOffset: 0x1000, Data: []byte{9, 8}}, `
		05 80 0000 00 000002 00000000 00000001 00000002 00000003
		00000000     # 24 reserved
		00000004     # 28 ExpStatSN
		00000000     # 32 reserved
		00000005     # 36 DataSN
		00001000     # 40 buffer offset
		00000000 09080000`},
	{"Data-In", &DataIn{
		Final: true, Acknowledge: true, Overflow: true, StatusPresent: true, Status: 8, LUN: 1, ITT: 2, TTT: 3, StatSN: 4, ExpCmdSN: 5,
		MaxCmdSN: 6, DataSN: 7, BufferOffset: 8, ResidualCount: 9, Data: []byte{1, 2, 3},
	}, `
		25 c5 00 08  # 0  F, A, O, S; status in byte 3
		00 000003 00000000 00000001 00000002 00000003
		00000004 00000005 00000006 00000007 00000008 00000009 01020300`},
	{"R2T", &R2T{LUN: 1, ITT: 2, TTT: 3, StatSN: 4, ExpCmdSN: 5, MaxCmdSN: 6, R2TSN: 7, BufferOffset: 8, DesiredDataTransferLength: 9},
		`31 80 0000 00 000000 00000000 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009`},
	{"Async Message", &AsyncMessage{
		LUN: 1, StatSN: 2, ExpCmdSN: 3, MaxCmdSN: 4, Event: AsyncSessionDrop, VendorCode: 5, Parameter1: 6, Parameter2: 7, Parameter3: 8,
	}, `
		32 80 0000 00 000000 00000000 00000001
		ffffffff     # 16 always
		00000000 00000002 00000003 00000004
		03 05 0006   # 36 event, vendor code, parameter 1
		0007 0008 00000000`},
	{"Text Request", &TextRequest{Immediate: true, Continue: true, LUN: 1, ITT: 2, TTT: ReservedTag, CmdSN: 3, ExpStatSN: 4, Data: []byte("A=b\x00")},
		`44 40 0000 00 000004 00000000 00000001 00000002 ffffffff 00000003 00000004 00000000 00000000 00000000 00000000 413d6200`},
	{"Text Response", &TextResponse{Final: true, LUN: 1, ITT: 2, TTT: 3, StatSN: 4, ExpCmdSN: 5, MaxCmdSN: 6, Data: []byte("A=b\x00")},
		`24 80 0000 00 000004 00000000 00000001 00000002 00000003 00000004 00000005 00000006 00000000 00000000 00000000 413d6200`},
	{"Login Request", &LoginRequest{
		Transit: true, CSG: StageOperational, NSG: StageFullFeature, VersionMax: 1, VersionMin: 2, ISID: [6]byte{0x80, 1, 2, 3, 4, 5},
		TSIH: 0x0607, ITT: 8, CID: 9, CmdSN: 10, ExpStatSN: 11, Data: []byte("A=b\x00"),
	}, `
		43 87 01 02  # 0  I; T, CSG 1, NSG 3; versions
		00 000004
		80010203 0405 0607  # 8 ISID, TSIH
		00000008
		0009 0000    # 20 CID
		0000000a 0000000b 00000000 00000000 00000000 00000000 413d6200`},
	{"Login Response", &LoginResponse{
		Continue: true, CSG: StageSecurity, NSG: StageOperational, VersionMax: 1, VersionActive: 2, ISID: [6]byte{0x80, 1, 2, 3, 4, 5},
		TSIH: 0x0607, ITT: 8, StatSN: 9, ExpCmdSN: 10, MaxCmdSN: 11, StatusClass: 1, StatusDetail: 2,
	}, `
		23 41 01 02 00 000000 80010203 0405 0607 00000008 00000000 00000009 0000000a 0000000b
		01 02 0000   # 36 status class and detail
		00000000 00000000`},
	{"Logout Request", &LogoutRequest{Immediate: true, Reason: LogoutRemoveForRecovery, ITT: 1, CID: 2, CmdSN: 3, ExpStatSN: 4},
		`46 82 0000 00 000000 00000000 00000000 00000001 0002 0000 00000003 00000004 00000000 00000000 00000000 00000000`},
	{"Logout Response", &LogoutResponse{Response: LogoutCIDNotFound, ITT: 1, StatSN: 2, ExpCmdSN: 3, MaxCmdSN: 4, Time2Wait: 5, Time2Retain: 6},
		`26 80 01 00 00 000000 00000000 00000000 00000001 00000000 00000002 00000003 00000004 00000000 0005 0006 00000000`},
	{"SNACK Request", &SNACKRequest{Type: SNACKRData, LUN: 1, ITT: 2, TTT: 3, ExpStatSN: 4, BegRun: 5, RunLength: 6},
		`10 83 0000 00 000000 00000000 00000001 00000002 00000003 00000000 00000004 00000000 00000000 00000005 00000006`},
	{"Reject", &Reject{Reason: RejectProtocolError, StatSN: 1, ExpCmdSN: 2, MaxCmdSN: 3, DataSN: 4, Data: []byte{1, 2, 3, 4}},
		`3f 80 04 00 00 000004 00000000 00000000 ffffffff 00000000 00000001 00000002 00000003 00000004 00000000 00000000 01020304`},
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryPDUHasItsBytes(t *testing.T) {
	seen := map[Opcode]bool{}
	for _, c := range wireCases {
		t.Run(c.name, func(t *testing.T) {
			seen[c.pdu.Opcode()] = true
			want := fromHex(t, c.wire)
			if diff := cmp.Diff(want, Encode(nil, c.pdu, Digests{})); diff != "" {
				t.Errorf("encoding (-want +got):\n%s", diff)
			}
			if n := FrameOf(c.pdu).WireLength(Digests{}); n != len(want) {
				t.Errorf("WireLength is %d, want %d", n, len(want))
			}
			f, err := NewReader(bytes.NewReader(want), Limits{}).Read()
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Decode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.pdu, got); diff != "" {
				t.Errorf("decoding (-want +got):\n%s", diff)
			}
		})
	}
	for op := range Opcode(64) {
		if op.Known() != seen[op] {
			t.Errorf("%s: a case by hand is missing or too many", op)
		}
		if op.Known() != (New(op) != nil) {
			t.Errorf("New(%s) does not know what String knows", op)
		}
	}
}

func TestDigestsOnTheWire(t *testing.T) {
	for _, c := range wireCases {
		d := Digests{Header: true, Data: true}
		f := FrameOf(c.pdu)
		wire := f.Append([]byte("before"), d)[len("before"):]
		if len(wire) != f.WireLength(d) {
			t.Errorf("%s: %d bytes, WireLength says %d", c.name, len(wire), f.WireLength(d))
		}
		r := NewReader(bytes.NewReader(wire), Limits{})
		r.SetDigests(d)
		back, err := r.Read()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if back.HeaderDigest == nil || (back.DataDigest == nil) != (len(f.Data) == 0) {
			t.Errorf("%s: digests as received are missing", c.name)
		}
		if again := back.Append(nil, d); !bytes.Equal(again, wire) {
			t.Errorf("%s: a frame that was read is written differently", c.name)
		}
	}
}

func TestEveryProperPrefixIsAnError(t *testing.T) {
	for _, c := range wireCases {
		for _, d := range []Digests{{}, {Header: true, Data: true}} {
			wire := Encode(nil, c.pdu, d)
			for n := range wire {
				r := NewReader(bytes.NewReader(wire[:n]), Limits{})
				r.SetDigests(d)
				_, err := r.Read()
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				if !errors.Is(err, want) {
					t.Errorf("%s: %d of %d bytes give %v, want %v", c.name, n, len(wire), err, want)
				}
			}
		}
	}
}

// The vectors of RFC 3720, Appendix B.4, in the order in which the bytes go over the wire.
func TestChecksumVectors(t *testing.T) {
	ascending, descending := make([]byte, 32), make([]byte, 32)
	for i := range ascending {
		ascending[i], descending[31-i] = byte(i), byte(i)
	}
	read := fromHex(t, `01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000`)
	for _, v := range []struct {
		name string
		over []byte
		wire string
	}{
		{"zeros", make([]byte, 32), "aa36918a"},
		{"ones", bytes.Repeat([]byte{0xff}, 32), "43aba862"},
		{"ascending", ascending, "4e79dd46"},
		{"descending", descending, "5cdb3f11"},
		{"a read command", read, "563a96d9"},
	} {
		wire := appendDigest(nil, nil, v.over)
		if got := hex.EncodeToString(wire); got != v.wire {
			t.Errorf("%s: %s, want %s", v.name, got, v.wire)
		}
	}
}

func TestWhatIsForcedIsWritten(t *testing.T) {
	f := FrameOf(&NOPOut{Data: []byte{1, 2, 3, 4, 5}})
	f.Pad = []byte{0xee, 0xee, 0xee}
	f.HeaderDigest, f.DataDigest = new(uint32(0x01020304)), new(uint32(0x05060708))
	f.BHS.SetDataSegmentLength(99)
	wire := f.Append(nil, Digests{Header: true, Data: true})
	want := append(append(f.BHS[:], 4, 3, 2, 1, 1, 2, 3, 4, 5), 0xee, 0xee, 0xee, 8, 7, 6, 5)
	if diff := cmp.Diff(want, wire); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.BHS.DataSegmentLength() != 99 {
		t.Error("a length that was forced has been computed anew")
	}
	f.Pad = []byte{}
	if n := len(f.Append(nil, Digests{})); n != BHSLength+5 {
		t.Errorf("%d bytes with padding left out, want %d", n, BHSLength+5)
	}
}

func TestDecodeRefusesOtherOpcodes(t *testing.T) {
	for _, c := range wireCases {
		var h BHS
		h.SetOpcode(c.pdu.Opcode() ^ 1)
		err := New(c.pdu.Opcode()).DecodeBHS(&h)
		var format *FormatError
		if !errors.As(err, &format) || format.Field != "Opcode" {
			t.Errorf("%s: %v, want a FormatError about the opcode", c.name, err)
		}
	}
	f := &Frame{}
	f.BHS.SetOpcode(0x1f)
	if _, err := f.Decode(); err == nil || !strings.Contains(err.Error(), "opcode 0x1f") {
		t.Errorf("%v, want a FormatError that names the opcode", err)
	}
}

func TestHeaderAccessors(t *testing.T) {
	var h BHS
	h.SetOpcode(OpTextRequest)
	h.SetImmediate(true)
	h.SetFinal(true)
	h.SetTotalAHSLength(5)
	h.SetDataSegmentLength(0x123456)
	h.SetLUN(0x0102030405060708)
	h.SetITT(0x090a0b0c)
	want := fromHex(t, "44800000 02123456 01020304 05060708 090a0b0c")
	if !bytes.Equal(h[:20], want) {
		t.Errorf("% x, want % x", h[:20], want)
	}
	h.SetImmediate(false)
	h.SetFinal(false)
	if h.Immediate() || h.Final() || h.Opcode() != OpTextRequest || h.TotalAHSLength() != 8 {
		t.Errorf("% x after clearing I and F", h[:8])
	}
}
