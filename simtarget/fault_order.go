package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// This file is what faulty arrays do with numbers.

// executes reports whether a faulty array carries out a request that is not admitted.
func (d *SequencingDeviations) executes(o *ordering, cmdSN uint32) bool {
	return d.ExecutesBeyond && iscsi.SNLess(o.top, cmdSN) || d.ExecutesBelow && iscsi.SNLess(cmdSN, o.exp)
}

// discards reports whether a faulty array drops an immediate command.
func (d *SequencingDeviations) discards(s *session, h *pdu.BHS) bool {
	if !d.DiscardsImmediate || !h.Immediate() {
		return false
	}
	s.faults.immediates++
	return s.faults.immediates > 8
}

// wraps ends the connection where a faulty array compares ExpStatSN without wrapping.
func (d *SequencingDeviations) wraps(s *session, c *connection, h *pdu.BHS) {
	if !d.DropsAfterWrap {
		return
	}
	if now := word(h, 28); now < s.faults.expStatSN {
		c.end(EndFIN)
	} else {
		s.faults.expStatSN = now
	}
}

// closed reports whether the window is closed.
func (o *ordering) closed() bool { return iscsi.SNLess(o.top, o.exp) }

// highest gives the highest CmdSN that has come, plus one.
func (o *ordering) highest() uint32 {
	highest := o.exp
	for n := o.exp; iscsi.SNLessEq(n, o.top); n++ {
		if o.waiting[n] != nil {
			highest = n + 1
		}
	}
	return highest
}
