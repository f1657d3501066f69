package pdu

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// login gives the two PDUs of a login that ends with the digests that answer says.
func login(offer, answer string) (request, response []byte) {
	request = Encode(nil, &LoginRequest{Transit: true, CSG: StageOperational, NSG: StageFullFeature, Data: []byte(offer)}, Digests{})
	response = Encode(nil, &LoginResponse{Transit: true, CSG: StageOperational, NSG: StageFullFeature, Data: []byte(answer)}, Digests{})
	return request, response
}

func TestDialogueSwitchesDigestsOn(t *testing.T) {
	for _, c := range []struct {
		name, offer, answer string
		want                Digests
	}{
		{"both", "HeaderDigest=CRC32C,None\x00DataDigest=CRC32C\x00", "DataDigest=CRC32C\x00HeaderDigest=CRC32C\x00", Digests{true, true}},
		{"header only", "HeaderDigest=CRC32C\x00DataDigest=CRC32C,None\x00", "DataDigest=None\x00HeaderDigest=CRC32C\x00", Digests{Header: true}},
		{"offered and not answered", "HeaderDigest=CRC32C\x00", "", Digests{}},
		{"not offered", "", "", Digests{}},
		{"refused", "DataDigest=CRC32C\x00", "DataDigest=Reject\x00", Digests{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDialogue(Limits{})
			request, response := login(c.offer, c.answer)
			d.Feed(ToTarget, request)
			// The target's first PDU in full feature phase may come in the same bytes as its last Login Response.
			both := Encode(response, &NOPIn{ITT: ReservedTag, TTT: 1, Data: []byte("ping")}, c.want)
			pieces := d.Feed(ToInitiator, both)
			if len(pieces) != 2 || pieces[1].Frame == nil || d.Digests() != c.want || !d.FullFeature() {
				t.Fatalf("%d pieces, digests %v, full feature %t", len(pieces), d.Digests(), d.FullFeature())
			}
			if pieces[1].Frame.HeaderDigestError() != nil || string(pieces[1].Frame.Data) != "ping" {
				t.Errorf("second PDU is %s", pieces[1].Frame)
			}
			up := Encode(nil, &NOPOut{ITT: ReservedTag, TTT: 1}, c.want)
			if pieces := d.Feed(ToTarget, up); len(pieces) != 1 || pieces[0].Offset != int64(len(request)) || pieces[0].Length != len(up) {
				t.Errorf("the answer comes as %v", pieces)
			}
		})
	}
}

func TestDialogueFollowsContinuationAndTargetOffers(t *testing.T) {
	d := NewDialogue(Limits{})
	feed := func(dir Direction, p PDU) { d.Feed(dir, Encode(nil, p, Digests{})) }
	feed(ToTarget, &LoginRequest{Continue: true, CSG: StageOperational, Data: []byte("HeaderDig")})
	feed(ToInitiator, &LoginResponse{CSG: StageOperational})
	feed(ToTarget, &LoginRequest{CSG: StageOperational, Data: []byte("est=CRC32C\x00")})
	feed(ToInitiator, &LoginResponse{CSG: StageOperational, Data: []byte("HeaderDigest=CRC32C\x00DataDigest=CRC32C,None\x00")})
	feed(ToTarget, &LoginRequest{Transit: true, CSG: StageOperational, NSG: StageFullFeature, Data: []byte("DataDigest=CRC32C\x00")})
	feed(ToInitiator, &LoginResponse{Transit: true, CSG: StageOperational, NSG: StageFullFeature})
	if want := (Digests{Header: true, Data: true}); d.Digests() != want {
		t.Errorf("%v, want %v", d.Digests(), want)
	}
}

func TestDialogueKeepsDigestsOffAfterRefusal(t *testing.T) {
	d := NewDialogue(Limits{})
	request, _ := login("HeaderDigest=CRC32C\x00", "")
	d.Feed(ToTarget, request)
	d.Feed(ToInitiator, Encode(nil, &LoginResponse{
		Transit: true, NSG: StageFullFeature, StatusClass: 2, StatusDetail: 3, Data: []byte("HeaderDigest=CRC32C\x00"),
	}, Digests{}))
	if d.FullFeature() || d.Digests() != (Digests{}) {
		t.Errorf("full feature %t, digests %v after a refused login", d.FullFeature(), d.Digests())
	}
}

func TestSplitterHandsOutWhatItCannotFrame(t *testing.T) {
	s := NewSplitter(Limits{})
	s.Feed(Encode(nil, &NOPOut{ITT: 1}, Digests{}))
	garbage := bytes.Repeat([]byte("HTTP/1.1 400 Bad Request\r\n"), 4)
	s.Feed(garbage)
	p, ok := s.Next()
	if !ok || p.Frame == nil || p.Offset != 0 || p.Length != BHSLength {
		t.Fatalf("first piece %v", p)
	}
	p, ok = s.Next()
	if !ok || p.Frame != nil || !bytes.Equal(p.Raw, garbage) || p.Offset != BHSLength {
		t.Fatalf("second piece %v", p)
	}
	s.Feed([]byte("more"))
	if p, ok = s.Next(); !ok || string(p.Raw) != "more" || p.Offset != int64(BHSLength+len(garbage)) || s.Need() != 0 {
		t.Errorf("third piece %v", p)
	}
	if p, ok = s.Next(); ok {
		t.Errorf("a piece out of nothing: %v", p)
	}
}

func TestSplitterNeedAndFlush(t *testing.T) {
	wire := Encode(nil, &NOPOut{ITT: 1, Data: []byte("abcde")}, Digests{})
	s := NewSplitter(Limits{})
	for i := range wire {
		if i == BHSLength && s.Need() != 8 || i < BHSLength && s.Need() != BHSLength-i || s.Pending() != i {
			t.Errorf("after %d bytes %d are pending and %d needed", i, s.Pending(), s.Need())
		}
		if _, ok := s.Next(); ok {
			t.Fatalf("a piece after %d bytes", i)
		}
		s.Feed(wire[i : i+1])
	}
	if p, ok := s.Next(); !ok || p.Frame == nil || len(p.Frame.Pad) != 3 {
		t.Errorf("piece %v, %t", p, ok)
	}
	s.Feed(wire[:50])
	if p, ok := s.Flush(); !ok || !bytes.Equal(p.Raw, wire[:50]) || p.Offset != int64(len(wire)) {
		t.Errorf("flushed %v, %t", p, ok)
	}
}

func TestSummaries(t *testing.T) {
	login, _ := login("InitiatorName=iqn.2026-01.org.example:a\x00HeaderDigest=None\x00X=\x01\xff\x00", "")
	frame, err := NewReader(bytes.NewReader(login), Limits{}).Read()
	if err != nil {
		t.Fatal(err)
	}
	bad := FrameOf(&NOPIn{ITT: 1, TTT: ReservedTag})
	bad.HeaderDigest = new(uint32(0xdead))
	lying := FrameOf(&NOPIn{ITT: 1, TTT: 2})
	lying.BHS.SetDataSegmentLength(9)
	vendor := &Frame{}
	vendor.BHS.SetOpcode(0x1c)
	rejected := FrameOf(&LogoutRequest{ITT: 9}).BHS
	got := []string{
		frame.String(), bad.String(), lying.String(), vendor.String(),
		FrameOf(&SCSICommand{Final: true, Read: true, Attr: AttrSimple, LUN: 0x0003 << 48, ITT: 1, CmdSN: 5, ExpStatSN: 2, ExpectedDataTransferLength: 4096,
			CDB: [16]byte{0x28, 0, 0, 0, 1, 0, 0, 0, 8}}).String(),
		FrameOf(&SCSICommand{Final: true, ITT: 1, LUN: 0x4123 << 48, CDB: [16]byte{0x12, 1, 0x83}}).String(),
		FrameOf(&SCSIResponse{Status: 2, ITT: 1, StatSN: 3, ExpCmdSN: 6, MaxCmdSN: 37, Data: SenseSegment([]byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 1}), Underflow: true, ResidualCount: 4}).String(),
		FrameOf(&LoginResponse{StatusClass: 1, StatusDetail: 1, TSIH: 1, Data: []byte("TargetAddress=10.0.0.2:3260,1\x00")}).String(),
		FrameOf(&Reject{Reason: RejectInvalidPDUField, Data: rejected[:]}).String(),
		FrameOf(&DataIn{Final: true, ITT: 1, TTT: ReservedTag, StatusPresent: true, StatSN: 3, ExpCmdSN: 6, MaxCmdSN: 37, Data: make([]byte, 512)}).String(),
		FrameOf(&AsyncMessage{Event: AsyncLogoutRequest, Parameter3: 5}).String(),
		FrameOf(&TaskManagementRequest{Immediate: true, Function: FunctionLogicalUnitReset, ReferencedTaskTag: ReservedTag, ITT: 2}).String(),
	}
	want := []string{
		`Login Request operational to full feature ISID=000000000000 TSIH=0x0000 CID=0 ITT=0x0 CmdSN=0 ExpStatSN=0 {InitiatorName=iqn.2026-01.org.example:a HeaderDigest=None X=\x01\xff} [63 bytes]`,
		"NOP-In ITT=0x1 StatSN=0 ExpCmdSN=0 MaxCmdSN=0 header digest 0x0000dead!",
		"NOP-In ITT=0x1 TTT=0x2 StatSN=0 ExpCmdSN=0 MaxCmdSN=0 DataSegmentLength=9!",
		"opcode 0x1c ITT=0x0",
		"SCSI Command READ(10) lba=256 blocks=8 LUN=3 ITT=0x1 CmdSN=5 ExpStatSN=2 EDTL=4096 R F",
		"SCSI Command INQUIRY page 0x83 LUN=291 ITT=0x1 CmdSN=0 ExpStatSN=0 EDTL=0 F untagged",
		"SCSI Response CHECK CONDITION sense 6/29/01 ITT=0x1 StatSN=3 ExpCmdSN=6 MaxCmdSN=37 underflow=4 [16 bytes]",
		"Login Response 0x0101 (target moved temporarily) security TSIH=0x0001 ITT=0x0 StatSN=0 ExpCmdSN=0 MaxCmdSN=0 {TargetAddress=10.0.0.2:3260,1} [30 bytes]",
		"Reject invalid PDU field of Logout Request ITT=0x9 StatSN=0 ExpCmdSN=0 MaxCmdSN=0",
		"Data-In F ITT=0x1 DataSN=0 offset=0 GOOD StatSN=3 ExpCmdSN=6 MaxCmdSN=37 [512 bytes]",
		"Async Message logout request LUN=0 parameters=0,0,5 StatSN=0 ExpCmdSN=0 MaxCmdSN=0",
		"Task Management Request LOGICAL UNIT RESET I LUN=0 ITT=0x2 RefTag=none RefCmdSN=0 CmdSN=0 ExpStatSN=0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range wireCases {
		if s := FrameOf(c.pdu).String(); len(s) < 20 {
			t.Errorf("%s: summary %q says nothing", c.name, s)
		}
	}
}
