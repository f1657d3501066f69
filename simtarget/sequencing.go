package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// request is a PDU of the initiator that waits for its turn or has it.
type request struct {
	bhs  pdu.BHS
	ahs  []byte
	data []byte
	task *task       // of a SCSI Command
	conn *connection // of a request that waits: where it came, and where its answers go

	buffer *buffer // memory of data, where the request waits for its CmdSN
}

// release gives up the memory of a request that has waited.
func (r *request) release() {
	r.buffer.release()
	r.buffer, r.data = nil, nil
}

func (r *request) cmdSN() uint32 { return word(&r.bhs, 24) }

func word(h *pdu.BHS, at int) uint32 {
	return uint32(h[at])<<24 | uint32(h[at+1])<<16 | uint32(h[at+2])<<8 | uint32(h[at+3])
}

// ordering is the command numbering of a session: what comes next, how far the initiator may go, and what waits beyond a gap (RFC 7143,
// Section 4.2.2.1). It knows neither connections nor time. The session's lock guards it.
type ordering struct {
	exp       uint32 // ExpCmdSN
	top       uint32 // MaxCmdSN as advertised last: it never goes back
	window    int    // commands that may be open
	fixed     int    // a window that a scenario set, whatever is open; -1 when there is none
	open      int    // non-immediate commands that were delivered and are not finished
	immediate int    // immediate commands that are not finished
	waiting   map[uint32]*request

	shift uint32 // a deviation: ExpCmdSN is told too high by this much
	told  int    // a deviation: how often the numbers were told
	first uint32 // a deviation: the MaxCmdSN that was told first
}

// openMax bounds the open commands of a session whose window a scenario has set.
const openMax = 4096

func newOrdering(cmdSN uint32, window, fixed int) ordering {
	o := ordering{exp: cmdSN, window: window, fixed: fixed, waiting: map[uint32]*request{}}
	o.top = cmdSN - 1
	return o
}

// advertise gives ExpCmdSN and MaxCmdSN for the next PDU. MaxCmdSN grows with ExpCmdSN and with every command that finishes.
func (o *ordering) advertise(a *Array) (exp, top uint32) {
	want := o.exp - 1
	if o.fixed >= 0 {
		want += uint32(max(0, min(o.fixed, openMax-o.open)))
	} else {
		want += uint32(max(0, o.window-o.open))
	}
	o.top = iscsi.SNMax(o.top, want)
	if o.told++; o.told == 1 {
		o.first = o.top
	}
	if a.dev.Sequencing.ClosesForEver {
		o.top = o.first
	}
	if a.dev.Sequencing.AcknowledgesPastGap {
		return o.highest(), o.top
	}
	if a.dev.Sequencing.InvertedWindow && o.told%4 == 0 {
		return o.exp, o.exp - 2
	}
	return o.exp + o.shift, iscsi.SNMax(o.top, o.exp+o.shift-1)
}

// admits reports whether a non-immediate request with this CmdSN is new and within the window. What it does not admit is ignored without a
// word.
func (o *ordering) admits(a *Array, cmdSN uint32) bool {
	if o.waiting[cmdSN] != nil || !iscsi.SNLessEq(o.exp, cmdSN) || !iscsi.SNLessEq(cmdSN, o.top) {
		return false
	}
	if a.dev.LoginWho.old(o, cmdSN) {
		return false
	}
	return !a.dev.Sequencing.DropLastInWindow || cmdSN != o.top && cmdSN != o.first
}

// isNext reports whether an admitted request is the next one, and counts it as received if so.
func (o *ordering) isNext(cmdSN uint32) bool {
	if cmdSN != o.exp {
		return false
	}
	o.exp++
	return true
}

// keep takes an admitted request until it is the next one.
func (o *ordering) keep(r *request) { o.waiting[r.cmdSN()] = r }

// next hands out the request that has become the next one, or nil.
func (o *ordering) next() *request {
	r := o.waiting[o.exp]
	if r != nil {
		delete(o.waiting, o.exp)
		o.exp++
	}
	return r
}

// plug counts a CmdSN as received that will not come any more, and reports whether it was missing (RFC 7143, Section 11.6.1).
func (o *ordering) plug(cmdSN, before uint32) bool {
	if o.waiting[cmdSN] != nil || !iscsi.SNLessEq(o.exp, cmdSN) || !iscsi.SNLessEq(cmdSN, o.top) || !iscsi.SNLess(cmdSN, before) {
		return false
	}
	if cmdSN == o.exp {
		o.exp++
		return true
	}
	o.waiting[cmdSN] = &request{}
	return true
}

// forget takes out what waits of one connection, which is gone: it counts as never received, and may come again over another one (RFC 7143,
// Section 7.2.1).
func (o *ordering) forget(c *connection) {
	for cmdSN, r := range o.waiting {
		if r.conn == c {
			r.release()
			delete(o.waiting, cmdSN)
		}
	}
}

// drop forgets everything: the session ends.
func (o *ordering) drop() {
	for _, r := range o.waiting {
		r.release()
	}
	clear(o.waiting)
	o.open, o.immediate = 0, 0
}
