package sessions

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Wire is one PDU as it passed one end of a connection.
type Wire = clocks.Wire

// Filter picks PDUs.
type Filter func(w Wire) bool

// From picks what was at the wire at t or later.
func From(t time.Duration) Filter { return func(w Wire) bool { return w.At >= t } }

// Before picks what was at the wire earlier than t.
func Before(t time.Duration) Filter { return func(w Wire) bool { return w.At < t } }

// OnConn picks one connection.
func OnConn(name string) Filter { return func(w Wire) bool { return w.Conn == name } }

// Opcode picks by operation code.
func Opcode(codes ...pdu.Opcode) Filter {
	return func(w Wire) bool {
		for _, c := range codes {
			if w.Opcode() == c {
				return true
			}
		}
		return false
	}
}

// FromInitiator picks what the initiator sent.
func FromInitiator(w Wire) bool { return w.FromInitiator }

// FromTarget picks what an array sent.
func FromTarget(w Wire) bool { return !w.FromInitiator }

// Not reverses a filter.
func Not(f Filter) Filter { return func(w Wire) bool { return !f(w) } }

func all(w Wire, filters []Filter) bool {
	for _, f := range filters {
		if !f(w) {
			return false
		}
	}
	return true
}

// PDUs gives the PDUs at the initiator's end that pass all filters: what it sent, when it sent it, and what it received, when
// it received it.
func (r *Run) PDUs(filters ...Filter) []Wire {
	return r.wire(func(node string) bool { return node == trace.NodeInitiator }, filters)
}

// ArrayPDUs gives the PDUs at the arrays' ends: what really arrived there, and what they sent whether or not it arrived.
func (r *Run) ArrayPDUs(filters ...Filter) []Wire {
	return r.wire(func(node string) bool { return node != trace.NodeInitiator }, filters)
}

func (r *Run) wire(node func(string) bool, filters []Filter) []Wire {
	var found []Wire
	for i := range r.Events {
		e := &r.Events[i]
		if e.PDU == nil || !e.Is(trace.KindPDUSent, trace.KindPDUReceived) || !node(e.Node) {
			continue
		}
		if w := clocks.WireOf(*e); all(w, filters) {
			found = append(found, w)
		}
	}
	return found
}

// Events turns PDUs into evidence.
func Events(ws []Wire) []trace.Event {
	var events []trace.Event
	for _, w := range ws {
		events = append(events, w.Event)
	}
	return events
}

// Command is a SCSI Command PDU with its CDB parsed.
type Command struct {
	Wire
	SCSI *pdu.SCSICommand
	// LUN is the unit's number, -1 where the LUN has none.
	LUN int
	// CDB is parsed; its Opcode is set even where the rest is unknown.
	CDB scsi.Command
}

// CmdSN is the command's.
func (c Command) CmdSN() uint32 { return c.SCSI.CmdSN }

// String is a line for people.
func (c Command) String() string {
	return fmt.Sprintf("%v LUN %d LBA %d CmdSN %d ITT 0x%x at %v on %s", c.CDB.Opcode, c.LUN, c.CDB.LBA, c.SCSI.CmdSN, c.SCSI.ITT, c.At, c.Conn)
}

// Commands gives the SCSI Commands that the initiator sent and that pass all filters, in the order in which they went out.
func (r *Run) Commands(filters ...Filter) []Command {
	var commands []Command
	for _, w := range r.PDUs(append([]Filter{FromInitiator, Opcode(pdu.OpSCSICommand)}, filters...)...) {
		p, ok := w.PDU.(*pdu.SCSICommand)
		if !ok {
			continue
		}
		c := Command{Wire: w, SCSI: p, LUN: -1}
		if n, ok := scsi.LUN(p.LUN).Number(); ok {
			c.LUN = int(n)
		}
		c.CDB, _ = scsi.ParseCommand(p.CDB[:])
		c.CDB.Opcode = scsi.Opcode(p.CDB[0])
		commands = append(commands, c)
	}
	return commands
}

// Picked gives the commands with one of the operation codes, for one unit or, with lun -1, for any.
func Picked(commands []Command, lun int, codes ...scsi.Opcode) []Command {
	var found []Command
	for _, c := range commands {
		for _, code := range codes {
			if c.CDB.Opcode == code && (lun < 0 || c.LUN == lun) {
				found = append(found, c)
			}
		}
	}
	return found
}

// CommandEvents turns commands into evidence.
func CommandEvents(commands []Command) []trace.Event {
	var events []trace.Event
	for _, c := range commands {
		events = append(events, c.Event)
	}
	return events
}

// BeyondWindow gives the non-immediate commands that passed all filters and carried a CmdSN above the MaxCmdSN that the initiator had
// received last on the connection (RFC 7143, Section 4.2.2.1).
func (r *Run) BeyondWindow(filters ...Filter) []Wire {
	limit := map[string]uint32{}
	var beyond []Wire
	for _, w := range r.PDUs() {
		header := w.Frame.BHS
		if !w.FromInitiator {
			if top := binary.BigEndian.Uint32(header[32:]); moves(limit, w.Conn, top) {
				limit[w.Conn] = top
			}
			continue
		}
		numbered := w.Opcode() == pdu.OpSCSICommand || w.Opcode() == pdu.OpTextRequest || w.Opcode() == pdu.OpTaskManagementRequest
		top, told := limit[w.Conn]
		if numbered && !header.Immediate() && told && iscsi.SNLess(top, binary.BigEndian.Uint32(header[24:])) && all(w, filters) {
			beyond = append(beyond, w)
		}
	}
	return beyond
}

// moves tells whether a MaxCmdSN moves the window on: one that is lower than an earlier one is not heeded.
func moves(limit map[string]uint32, conn string, top uint32) bool {
	before, told := limit[conn]
	return !told || iscsi.SNLess(before, top)
}

// containsKey tells whether the data segment, as text, has a key.
func containsKey(w Wire, key string) bool {
	pairs, err := text.Parse(w.Frame.Data)
	if err != nil {
		return false
	}
	_, ok := pairs.Get(key)
	return ok
}
