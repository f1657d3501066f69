package trace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// PDU is a protocol data unit as an event keeps it: the bytes that were on the wire, undecoded.
type PDU struct {
	Header       pdu.BHS
	AHS, Data    []byte
	Pad          []byte  // nil when it was what it should be: zeros up to a multiple of four bytes
	HeaderDigest *uint32 // nil when header digests were off
	DataDigest   *uint32 // nil when data digests were off
	Cut          int     // bytes at the end of the data segment that were not kept
}

// PDUOf keeps a frame, with at most maxData bytes of its data segment. Slices are shared with f.
func PDUOf(f *pdu.Frame, maxData int) *PDU {
	p := &PDU{Header: f.BHS, AHS: f.AHS, Data: f.Data, HeaderDigest: f.HeaderDigest, DataDigest: f.DataDigest}
	if len(f.AHS) == 0 {
		p.AHS = nil
	}
	if len(f.Data) == 0 {
		p.Data = nil
	}
	if !bytes.Equal(f.Pad, rightPad(len(f.Data))) {
		p.Pad = append([]byte{}, f.Pad...) // not nil, even when padding is missing
	}
	if len(f.Data) > maxData {
		p.Data, p.Cut = append([]byte(nil), f.Data[:maxData]...), len(f.Data)-maxData
	}
	return p
}

// Opcode gives the header's operation code.
func (p *PDU) Opcode() pdu.Opcode { return p.Header.Opcode() }

// Frame gives the frame as it was on the wire. Where data was not kept, zeros stand in its place. Slices are shared with p.
func (p *PDU) Frame() *pdu.Frame {
	f := &pdu.Frame{BHS: p.Header, AHS: p.AHS, Data: p.Data, Pad: p.Pad, HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest}
	if p.Cut > 0 {
		f.Data = append(append([]byte(nil), p.Data...), make([]byte, p.Cut)...)
	}
	return f
}

// Digests tells which digests the PDU carried, as far as it shows: a PDU without data carries no data digest.
func (p *PDU) Digests() pdu.Digests {
	return pdu.Digests{Header: p.HeaderDigest != nil, Data: p.DataDigest != nil}
}

// Decode gives the decoded PDU. Its segments are shared with p.
func (p *PDU) Decode() (pdu.PDU, error) { return p.Frame().Decode() }

// String gives the PDU in one line.
func (p *PDU) String() string {
	if p.Cut > 0 {
		return fmt.Sprintf("%s (%d bytes of data not kept)", p.Frame(), p.Cut)
	}
	return p.Frame().String()
}

// pduJSON is the form in JSON. Header, AHS and padding are hexadecimal since people read them; data is base64, and the zero bytes at its end
// are only counted, since much of what disks hold is zeros.
type pduJSON struct {
	Header       string  `json:"header"`
	AHS          string  `json:"ahs,omitempty"`
	Data         []byte  `json:"data,omitempty"`
	Zeros        int     `json:"zeros,omitempty"`
	Pad          *string `json:"pad,omitempty"`
	HeaderDigest *uint32 `json:"header_digest,omitempty"`
	DataDigest   *uint32 `json:"data_digest,omitempty"`
	Cut          int     `json:"cut,omitempty"`
}

// MarshalJSON gives an object with the fields header, ahs, data, zeros, pad, header_digest, data_digest and cut.
func (p *PDU) MarshalJSON() ([]byte, error) {
	data := bytes.TrimRight(p.Data, "\x00")
	j := pduJSON{
		Header: hex.EncodeToString(p.Header[:]), AHS: hex.EncodeToString(p.AHS), Data: data, Zeros: len(p.Data) - len(data),
		HeaderDigest: p.HeaderDigest, DataDigest: p.DataDigest, Cut: p.Cut,
	}
	if p.Pad != nil {
		j.Pad = new(hex.EncodeToString(p.Pad))
	}
	return json.Marshal(j)
}

// UnmarshalJSON takes what MarshalJSON gives.
func (p *PDU) UnmarshalJSON(b []byte) error {
	var j pduJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	header, err := hex.DecodeString(j.Header)
	if err != nil || len(header) != pdu.BHSLength {
		return fmt.Errorf("trace: PDU header %.100q, want %d bytes in hexadecimal", j.Header, pdu.BHSLength)
	}
	if j.Zeros < 0 || j.Zeros > pdu.MaxDataSegmentLength || j.Cut < 0 || j.Cut > pdu.MaxDataSegmentLength {
		return fmt.Errorf("trace: PDU with zeros %d and cut %d, want 0 to %d", j.Zeros, j.Cut, pdu.MaxDataSegmentLength)
	}
	*p = PDU{Header: pdu.BHS(header), HeaderDigest: j.HeaderDigest, DataDigest: j.DataDigest, Cut: j.Cut}
	if p.AHS, err = unhex(j.AHS); err != nil {
		return err
	}
	if n := len(j.Data) + j.Zeros; n > 0 {
		p.Data = append(make([]byte, 0, n), j.Data...)[:n]
	}
	if j.Pad != nil {
		if p.Pad, err = hex.DecodeString(*j.Pad); err != nil {
			return fmt.Errorf("trace: PDU padding: %w", err)
		}
	}
	return nil
}

func unhex(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("trace: AHS: %w", err)
	}
	return b, nil
}

// rightPad gives the padding that belongs behind n bytes. RFC 7143, Section 11.1.
func rightPad(n int) []byte { return make([]byte, -n&3) }
