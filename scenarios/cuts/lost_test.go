package cuts

import (
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// What is sent into a connection that was reset before is no place of a fault, since no carrier counts it.
func TestWhatIsSentIntoAResetIsNoPlace(t *testing.T) {
	sent := func(at time.Duration, conn string) trace.Event {
		return trace.Event{At: at, Kind: trace.KindPDUSent, Node: trace.NodeInitiator, Conn: conn, PDU: trace.PDUOf(pdu.FrameOf(&pdu.SCSICommand{Final: true}), 0)}
	}
	cut := func(at time.Duration, conn, how string) trace.Event {
		return trace.Event{At: at, Kind: trace.KindLink, Conn: conn, State: trace.LinkCut, Reason: how}
	}
	events := trace.Events{
		sent(1, "a#1"), cut(2, "a#1", string(faults.Reset)), sent(2, "a#1"), sent(3, "a#1"), // of one instant with the cut: it may be the one that was struck
		sent(4, "a#2"), cut(5, "a#3", string(faults.Fin)), sent(6, "a#3"),
	}
	kept := withoutLost(events)
	if len(kept) != len(events)-1 {
		t.Errorf("%d events of %d are left: want all but the command at 3 ns", len(kept), len(events))
	}
	for _, p := range placesWithin(events, 0, 10) {
		if p.Nth > 4 {
			t.Errorf("a place in PDU %d: a carrier counts 4", p.Nth)
		}
	}
}
