package pdu

import "bytes"

// Direction says which way bytes travel on a connection.
type Direction int

// The two directions of a connection.
const (
	ToTarget    Direction = iota // what the initiator sends
	ToInitiator                  // what the target sends
)

// String gives "to-target" or "to-initiator".
func (d Direction) String() string {
	if d == ToInitiator {
		return "to-initiator"
	}
	return "to-target"
}

// Reverse gives the other direction.
func (d Direction) Reverse() Direction { return 1 - d }

// Dialogue follows both directions of one connection from its first byte. It watches the login for the digests that the two sides agree
// on, and expects them from the PDU after the Login Response that ends the login. RFC 7143, Section 6.3.
//
// The bytes of both directions must be fed in an order in which they can have happened: no PDU before the one that it answers.
type Dialogue struct {
	side         [2]*Splitter
	text         [2][]byte // login text of an unfinished continuation
	headerDigest agreement
	dataDigest   agreement
	digests      Digests
	ended        bool // the login is over
}

// maxLoginText bounds the text that is kept while a continuation lasts, in bytes.
const maxLoginText = 64 << 10

// NewDialogue returns a Dialogue at the start of a connection.
func NewDialogue(l Limits) *Dialogue {
	return &Dialogue{side: [2]*Splitter{NewSplitter(l), NewSplitter(l)}}
}

// Feed takes the next bytes of one direction, which are copied, and hands out the pieces that they complete.
func (d *Dialogue) Feed(dir Direction, b []byte) []Piece {
	s := d.side[dir]
	s.Feed(b)
	var pieces []Piece
	for {
		p, ok := s.Next()
		if !ok {
			return pieces
		}
		pieces = append(pieces, p)
		if p.Frame != nil && !d.ended {
			d.watch(dir, p.Frame)
		}
	}
}

// Flush hands out the unfinished rest of one direction, when it has ended.
func (d *Dialogue) Flush(dir Direction) (Piece, bool) { return d.side[dir].Flush() }

// Pending gives how many bytes of an unfinished PDU one direction holds.
func (d *Dialogue) Pending(dir Direction) int { return d.side[dir].Pending() }

// Need gives how many bytes one direction lacks until the PDU at hand is whole, as far as its header tells; 0 when it is out of step.
func (d *Dialogue) Need(dir Direction) int { return d.side[dir].Need() }

// Digests gives the digests in force.
func (d *Dialogue) Digests() Digests { return d.digests }

// FullFeature reports whether the login has ended well.
func (d *Dialogue) FullFeature() bool { return d.ended }

func (d *Dialogue) watch(dir Direction, f *Frame) {
	op := f.Opcode()
	if op != OpLoginRequest && op != OpLoginResponse {
		return
	}
	if len(d.text[dir])+len(f.Data) <= maxLoginText {
		d.text[dir] = append(d.text[dir], f.Data...)
	}
	if f.BHS[1]&bitContinue != 0 {
		return
	}
	for pair := range bytes.SplitSeq(d.text[dir], []byte{0}) {
		key, value, _ := bytes.Cut(pair, []byte("="))
		switch string(key) {
		case "HeaderDigest":
			d.headerDigest.say(dir, string(value))
		case "DataDigest":
			d.dataDigest.say(dir, string(value))
		}
	}
	d.text[dir] = nil
	var r LoginResponse
	if r.DecodeBHS(&f.BHS) == nil && r.StatusClass == 0 && r.Transit && r.NSG == StageFullFeature {
		d.ended = true
		d.digests = Digests{Header: d.headerDigest.crc32c, Data: d.dataDigest.crc32c}
		d.side[ToTarget].SetDigests(d.digests)
		d.side[ToInitiator].SetDigests(d.digests)
	}
}

// agreement follows one key: who offers first, and what the other side picks.
type agreement struct {
	offered bool
	by      Direction
	crc32c  bool
}

func (a *agreement) say(dir Direction, value string) {
	if !a.offered {
		a.offered, a.by = true, dir
		return
	}
	if dir != a.by {
		a.crc32c = value == "CRC32C"
	}
}
