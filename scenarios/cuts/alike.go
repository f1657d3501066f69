package cuts

import (
	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The classes of places of one PDU at which one run stands for all. A place of another kind has a class of its own: its offset, negated.
const (
	insideHeader = iota + 1 // some of the basic header segment arrives
	insideRest              // all of that and not all of what follows it in the PDU
)

// class tells which places of one PDU are alike for a kind of cut: those with equal classes come to the same, so that one run stands for all of them.
//
// They are alike for all kinds behind which the direction carries nothing more, or nothing but the rest of the same PDU once the link heals. Both peers
// read the 48 bytes of the basic header segment as a whole before they look at any, and act on a PDU when all of it has come; the network hands over what
// stands before the cut in one delivery, whose instant depends on its number and not on its length. So how many of the bytes arrived shows nowhere.
// TestPlacesInsideAPDUAreAlike holds that against the traces. Truncated PDUs are never alike: what follows is read from another offset.
func class(p faults.Place, kind faults.Fault) int {
	switch {
	case kind.Verb == faults.Truncate || p.At == 0 || p.At == p.Size:
		return -p.At
	case p.At < pdu.BHSLength:
		return insideHeader
	}
	return insideRest
}

// likeness is equal for places of a run that are alike.
type likeness struct {
	pdu   string
	nth   int
	class int
}

func likenessOf(p faults.Place, kind faults.Fault) likeness {
	return likeness{p.PDU, p.Nth, class(p, kind)}
}
