package pdu

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReaderStaysInStep(t *testing.T) {
	d := Digests{Header: true, Data: true}
	bad := FrameOf(&DataIn{ITT: 1, Data: []byte("five!")})
	bad.DataDigest = new(uint32(1))
	var wire []byte
	wire = bad.Append(wire, d)
	wire = Encode(wire, &DataIn{ITT: 2, Data: make([]byte, 999)}, d) // beyond the limit
	wire = Encode(wire, &DataIn{ITT: 3, Data: []byte("not read")}, d)
	wire = Encode(wire, &NOPIn{ITT: 4}, d)
	r := NewReader(iotest.OneByteReader(bytes.NewReader(wire)), Limits{MaxDataSegmentLength: 998})
	r.SetDigests(d)

	f, err := r.Read()
	var digest *DigestError
	if !errors.As(err, &digest) || digest.Segment != SegmentData || digest.Got != 1 {
		t.Fatalf("%v, want a data digest error", err)
	}
	if string(f.Data) != "five!" || f.DataDigestError() == nil || f.HeaderDigestError() != nil {
		t.Errorf("the frame with the wrong digest is %s with %q", f, f.Data)
	}
	f, err = r.Read()
	var length *LengthError
	if !errors.As(err, &length) || length.Got != 999 || length.Limit != 998 || f.BHS.ITT() != 2 {
		t.Fatalf("%v, want a length error of the second PDU", err)
	}
	var h BHS
	if _, err := r.ReadHeader(&h); err != nil || h.ITT() != 3 {
		t.Fatalf("third header: ITT %d, %v", h.ITT(), err)
	}
	if err := r.ReadData(make([]byte, 3)); !errors.Is(err, ErrDataLength) {
		t.Errorf("%v, want ErrDataLength", err)
	}
	if _, err := r.ReadHeader(&h); err != nil || h.ITT() != 4 {
		t.Fatalf("fourth header: ITT %d, %v", h.ITT(), err)
	}
	if err := r.ReadData(nil); err != nil {
		t.Errorf("reading no data: %v", err)
	}
	if _, err := r.ReadHeader(&h); !errors.Is(err, io.EOF) {
		t.Errorf("%v at the end, want EOF", err)
	}
}

func TestReaderAfterHeaderDigestError(t *testing.T) {
	f := FrameOf(&NOPIn{ITT: 1})
	f.HeaderDigest = new(uint32(7))
	wire := f.Append(nil, Digests{Header: true})
	r := NewReader(bytes.NewReader(append(wire, wire...)), Limits{})
	r.SetDigests(Digests{Header: true})
	got, err := r.Read()
	var digest *DigestError
	if !errors.As(err, &digest) || digest.Segment != SegmentHeader || got.HeaderDigest == nil {
		t.Fatalf("%v, want a header digest error and the frame", err)
	}
	if _, err := r.Read(); err == nil || errors.As(err, &digest) {
		t.Errorf("%v, want that the stream is out of step", err)
	}
}

func TestReaderBoundsAHS(t *testing.T) {
	c := &SCSICommand{Final: true, ITT: 1, Data: []byte("some data")}
	c.SetFullCDB(make([]byte, 40))
	wire := Encode(nil, c, Digests{})
	wire = Encode(wire, &NOPOut{ITT: 2}, Digests{})
	r := NewReader(bytes.NewReader(wire), Limits{MaxAHSLength: 8})
	_, err := r.Read()
	var length *LengthError
	if !errors.As(err, &length) || length.Segment != SegmentAHS || length.Got != 28 {
		t.Fatalf("%v, want a length error of the AHS", err)
	}
	if f, err := r.Read(); err != nil || f.BHS.ITT() != 2 {
		t.Errorf("%v, %v behind the PDU that was skipped", f, err)
	}
}

func TestDiscardSeesTheEnd(t *testing.T) {
	wire := Encode(nil, &NOPOut{Data: make([]byte, 100)}, Digests{})
	r := NewReader(bytes.NewReader(wire[:90]), Limits{})
	var h BHS
	if _, err := r.ReadHeader(&h); err != nil {
		t.Fatal(err)
	}
	if err := r.Discard(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want unexpected EOF", err)
	}
}

func TestAHS(t *testing.T) {
	cdb := make([]byte, 33)
	for i := range cdb {
		cdb[i] = byte(i)
	}
	var c SCSICommand
	c.SetFullCDB(cdb)
	c.SetExpectedReadDataLength(0x12345678)
	got, err := c.FullCDB()
	if diff := cmp.Diff(cdb, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	n, ok, err := c.ExpectedReadDataLength()
	if n != 0x12345678 || !ok || err != nil {
		t.Errorf("read length %#x, %t, %v", n, ok, err)
	}
	if len(c.AHS)%4 != 0 {
		t.Errorf("AHS of %d bytes", len(c.AHS))
	}
	for cut := range c.AHS {
		if cut == 0 || cut == 24 { // the borders between segments
			continue
		}
		if segments, err := ParseAHS(c.AHS[:cut]); err == nil {
			t.Errorf("%d bytes give %v, want an error", cut, segments)
		}
	}
	short := SCSICommand{CDB: [16]byte{1}}
	if got, err := short.FullCDB(); len(got) != 16 || err != nil {
		t.Errorf("CDB of %d bytes without AHS, %v", len(got), err)
	}
	if _, ok, err := short.ExpectedReadDataLength(); ok || err != nil {
		t.Errorf("read length without AHS: %t, %v", ok, err)
	}
	short.AHS = AppendAHS(nil, AHS{Type: AHSBidirectionalReadData, Specific: []byte{0, 1}})
	if _, _, err := short.ExpectedReadDataLength(); err == nil {
		t.Error("a read length of two bytes is no error")
	}
}

func TestSense(t *testing.T) {
	sense := []byte{0x70, 0, 6, 0}
	r := SCSIResponse{Data: SenseSegment(sense)}
	if diff := cmp.Diff(sense, r.Sense()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range [][]byte{nil, {0}, {0, 0}, {0, 5, 1}} {
		r.Data = bad
		if r.Sense() != nil {
			t.Errorf("sense from % x", bad)
		}
	}
}
