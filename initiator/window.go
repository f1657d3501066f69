package initiator

import "github.com/iscsispec/iscsispec/iscsi"

// commandWindow numbers commands and tells how many may be on their way (RFC 7143, Section 4.2.2.1).
type commandWindow struct {
	next     uint32 // CmdSN of the next non-immediate request.
	expected uint32 // The largest ExpCmdSN seen.
	max      uint32 // The largest MaxCmdSN seen.
}

// newWindow starts from the CmdSN of the login and the two numbers of its final response. A window that is not one
// (MaxCmdSN before ExpCmdSN-1) counts as closed.
func newWindow(cmdSN, exp, max uint32) commandWindow {
	w := commandWindow{next: cmdSN, expected: cmdSN, max: cmdSN - 1}
	w.update(exp, max)
	return w
}

// update takes the numbers of one PDU in. Both are ignored when they contradict each other, and each when it
// is older than what is known.
func (w *commandWindow) update(exp, max uint32) {
	if iscsi.SNLess(max, exp-1) {
		return
	}
	if iscsi.SNLess(w.max, max) {
		w.max = max
	}
	if iscsi.SNLess(w.expected, exp) {
		w.expected = exp
	}
}

// open reports whether a non-immediate request may be sent.
func (w *commandWindow) open() bool { return iscsi.SNLessEq(w.next, w.max) }

// take numbers one non-immediate request.
func (w *commandWindow) take() uint32 {
	sn := w.next
	w.next++
	return sn
}
