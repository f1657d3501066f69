package capture

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// half is one direction of a stream that is taken up in its middle.
type half struct {
	known   bool // the digests
	digests pdu.Digests
	split   *pdu.Splitter // once in step
	held    []byte        // bytes in which a PDU's beginning is sought
	starts  []int         // where packets began in them: PDUs begin there more often than elsewhere
	skipped int64
}

const (
	// chain is how many whole PDUs must follow each other before a place counts as the beginning of one; with header digests one is enough.
	chain = 4
	// maxHeld bounds the bytes that are searched.
	maxHeld = 1 << 18
	// maxPlausible bounds the data segment of a header that is believed without a digest, in bytes.
	maxPlausible = 1 << 20
)

// feed takes the next bytes and returns the PDUs in them, once their borders are sure.
func (h *half) feed(dir pdu.Direction, b []byte) []pdu.Piece {
	if h.split == nil {
		h.starts = append(h.starts, len(h.held))
		h.held = append(h.held, b...)
		if !h.find(dir) {
			h.trim()
			return nil
		}
		b = nil
	}
	h.split.Feed(b)
	var pieces []pdu.Piece
	for {
		p, ok := h.split.Next()
		if !ok {
			return pieces
		}
		if p.Frame == nil { // out of step again
			h.split = nil
			return append(pieces, p)
		}
		pieces = append(pieces, p)
	}
}

// find looks for a place where PDUs begin, and starts there.
func (h *half) find(dir pdu.Direction) bool {
	candidates := []pdu.Digests{{}, {Header: true}, {Data: true}, {Header: true, Data: true}}
	if h.known {
		candidates = []pdu.Digests{h.digests}
	}
	for _, start := range h.starts {
		for _, d := range candidates {
			if !inStep(h.held[start:], dir, d) {
				continue
			}
			h.known, h.digests = true, d
			h.split = pdu.NewSplitter(pdu.Limits{MaxDataSegmentLength: pdu.MaxDataSegmentLength})
			h.split.SetDigests(d)
			h.split.Feed(h.held[start:])
			h.skipped += int64(start)
			h.held, h.starts = nil, nil
			return true
		}
	}
	return false
}

// trim lets go of the oldest bytes.
func (h *half) trim() {
	for len(h.held) > maxHeld && len(h.starts) > 1 {
		cut := h.starts[1]
		h.held = append(h.held[:0], h.held[cut:]...)
		h.skipped += int64(cut)
		h.starts = h.starts[1:]
		for i := range h.starts {
			h.starts[i] -= cut
		}
	}
	if len(h.held) > 4*maxHeld { // one packet that is longer than any
		h.skipped += int64(len(h.held))
		h.held, h.starts = nil, nil
	}
}

// inStep tells whether PDUs of one direction follow each other from the first byte on.
func inStep(b []byte, dir pdu.Direction, d pdu.Digests) bool {
	s := pdu.NewSplitter(pdu.Limits{MaxDataSegmentLength: maxPlausible})
	s.SetDigests(d)
	s.Feed(b)
	for n := 1; ; n++ {
		p, ok := s.Next()
		if !ok || p.Frame == nil || !plausible(p.Frame, dir) {
			return false
		}
		if p.Frame.HeaderDigestError() != nil || p.Frame.DataDigestError() != nil {
			return false
		}
		if n == chain || d.Header {
			return true
		}
	}
}

// plausible tells whether a header may be one of its direction.
func plausible(f *pdu.Frame, dir pdu.Direction) bool {
	op := f.Opcode()
	if !op.Known() || op.FromTarget() != (dir == pdu.ToInitiator) || f.BHS[0]&0x80 != 0 || op.FromTarget() && f.BHS[0]&0x40 != 0 {
		return false
	}
	return f.BHS.TotalAHSLength() == 0 || op == pdu.OpSCSICommand
}
