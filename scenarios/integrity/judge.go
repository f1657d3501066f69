package integrity

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// accessesMax bounds the history of one block: a longer one is not judged.
const accessesMax = 2000

// The rules that a run can break.
const (
	// RuleOrder is that some order of the requests explains what was read of a block.
	RuleOrder = "what is read of a block is what an order of the writes explains"
	// RuleAnswer is that every request ends.
	RuleAnswer = "no request is forgotten"
	// RuleOnce is that it does so once.
	RuleOnce = "no request is answered twice"
	// RuleDoubt is that what overlaps a write whose connection was lost before the answer is not sent until that write has ended.
	RuleDoubt = "what overlaps a write of unknown outcome waits for its end"
	// RuleLength is that a read which ends well brings all its blocks.
	RuleLength = "a read that ends with GOOD brings all that was asked for"
	// RuleWire is that the initiator does on the wire what is lawful whatever happens, as monitors see it.
	RuleWire = "what goes over the wire is lawful"
)

// Violation is one rule broken.
type Violation struct {
	// Rule is one of the constants.
	Rule string
	// What tells what came, and of which block or request.
	What string
	// Accesses are the history of the block, for RuleOrder.
	Accesses []Access
}

// Report is what a judge found. It is plain data but for the pictures.
type Report struct {
	// Requests counts the reads and writes that the initiator took, Acknowledged those of them that ended with GOOD, Blocks the blocks.
	Requests, Acknowledged, Blocks int
	// Again counts the writes that were sent again after a loss. Overtaken lists the blocks whose history has an order only because one of
	// them was executed twice, the second time behind another write that was with the target at the loss, or after it was given up.
	Again     int
	Overtaken []Block
	// Violations are what is wrong; Unclear is what could not be judged, and why.
	Violations []Violation
	Unclear    []string

	history *history
	ended   time.Duration
	limit   time.Duration
}

// Judge holds a run to the rules. limit bounds the wall clock's time for each block; 0 means none. A block whose history takes longer is Unclear.
func Judge(run *sessions.Run, limit time.Duration) *Report {
	h := historyOf(run)
	r := &Report{Requests: h.requests, Acknowledged: h.known, Blocks: len(h.blocks), Again: h.again, history: h, ended: run.Ended, limit: limit}
	r.answers(run)
	for _, b := range h.blocks {
		accesses := h.accesses[b]
		if len(accesses) > accessesMax {
			r.Unclear = append(r.Unclear, fmt.Sprintf("%v: %d accesses, at most %d are judged", b, len(accesses), accessesMax))
			continue
		}
		r.doubts(b, accesses)
		switch check(accesses, run.Ended, false, limit) {
		case porcupine.Ok:
			if slices.ContainsFunc(accesses, func(a Access) bool { return a.Write && a.Again() > 0 }) && check(accesses, run.Ended, true, limit) == porcupine.Illegal {
				r.Overtaken = append(r.Overtaken, b)
			}
		case porcupine.Illegal:
			r.Violations = append(r.Violations, Violation{Rule: RuleOrder, What: h.explain(b), Accesses: accesses})
		case porcupine.Unknown:
			r.Unclear = append(r.Unclear, fmt.Sprintf("%v: %d accesses could not be judged within %v", b, len(accesses), limit))
		}
	}
	for _, f := range wire(run.Events) {
		r.violate(RuleWire, "%s: %s", f.Row, f.Reason)
	}
	return r
}

// wire holds what the initiator puts on the wire against the rules that are true of any traffic.
var wire = monitor.OfSessions()

// doubts holds the initiator to RuleDoubt. What was under way before the loss was known could not wait, and a request that comes back keeps its place.
func (r *Report) doubts(b Block, accesses []Access) {
	for _, w := range accesses {
		from, ok := w.Doubt()
		if !ok {
			continue
		}
		for _, a := range accesses {
			if len(a.Sendings) == 0 || a.Request == w.Request {
				continue
			}
			if at := a.Sendings[0].At; at > from && at < w.End {
				r.violate(RuleDoubt, "%v: %s was sent at %v, although the outcome of %s was unknown from %v to %v", b, a.Request, at, w.Request, from, w.End)
			}
		}
	}
}

// check asks porcupine about one block.
func check(accesses []Access, ended time.Duration, strict bool, limit time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model(), operations(accesses, ended, strict), limit)
}

// explain says what is odd about a block's history, as far as one look tells; the picture tells the rest.
func (h *history) explain(b Block) string {
	for _, a := range h.accesses[b] {
		if w, known := h.written(b, a.Value); a.Write || !known {
			continue
		} else if a.Return < w.Call {
			return fmt.Sprintf("%v: %s brought %s before it was written", b, a.Request, a.Value)
		}
	}
	return fmt.Sprintf("%v: no order of its %d accesses explains what was read", b, len(h.accesses[b]))
}

// answers holds every request to its end.
func (r *Report) answers(run *sessions.Run) {
	ends := map[uint64]int{}
	for _, e := range run.Events {
		if e.Kind == trace.KindOp && e.State == trace.OpEnd {
			ends[e.Request]++
		}
	}
	closed := closings(run)
	for _, op := range run.AllOps() {
		if op.LUN < 0 { // no command
			continue
		}
		name := fmt.Sprintf("%s.%d %s, begun at %v", op.Label, op.N, op.Name, op.Begin)
		if n := ends[op.Began.Request]; n > 1 {
			r.violate(RuleOnce, "%s: answered %d times", name, n)
		}
		if why := closed.forgotten(op); op.Is(sessions.Pending) && why != "" {
			r.violate(RuleAnswer, "%s: no answer, although %s", name, why)
		}
		if want := len(op.Content); op.Is(sessions.Good) && want > 0 && want != op.Blocks {
			r.violate(RuleLength, "%s: %d blocks, want %d", name, want, op.Blocks)
		}
	}
}

func (r *Report) violate(rule, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{Rule: rule, What: fmt.Sprintf(format, args...)})
}

// ending is a moment at which all that waits is to be answered.
type ending struct {
	at      time.Duration
	session uint64
	lun     int // -1 for all units
	what    string
}

// endings are those of a run, in their order, and whether any session was left at its end.
type endings struct {
	list []ending
	left map[uint64]bool
}

// closings finds the endings in a trace.
func closings(run *sessions.Run) endings {
	c := endings{left: map[uint64]bool{}}
	for _, e := range run.Events {
		if e.Node != trace.NodeInitiator {
			continue
		}
		switch {
		case e.Kind == trace.KindSession && e.State == sessions.StateClosed:
			delete(c.left, e.Session)
			c.list = append(c.list, ending{e.At, e.Session, -1, fmt.Sprintf("session %d ended at %v", e.Session, e.At)})
		case e.Kind == trace.KindSession && e.State == sessions.StateConnected:
			c.left[e.Session] = true
		case e.Kind == trace.KindDevice && e.State == sessions.DeviceGone && e.LUN != nil:
			c.list = append(c.list, ending{e.At, e.Session, int(*e.LUN), fmt.Sprintf("its device left session %d at %v", e.Session, e.At)})
		}
	}
	return c
}

// forgotten tells why a request without an answer should have had one, or "". A request to a device may be on any path of it: only the end
// of all sessions ends it.
func (c endings) forgotten(op sessions.OpRun) string {
	if op.Device != "" {
		if len(c.left) == 0 && len(c.list) > 0 {
			return "every session has ended"
		}
		return ""
	}
	for _, e := range c.list {
		if e.session == op.Session && (e.lun < 0 || e.lun == op.LUN) && e.at >= op.Begin {
			return e.what
		}
	}
	return ""
}

// Violated reports whether any rule was broken.
func (r *Report) Violated() bool { return len(r.Violations) > 0 }

// String is the report for a reader: a line of numbers, and the violations with the histories of their blocks.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests to %d blocks, %d acknowledged, %d writes sent again: %d violations\n", r.Requests, r.Blocks, r.Acknowledged, r.Again, len(r.Violations))
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "violated: %s\n  %s\n", v.Rule, v.What)
		for _, a := range v.Accesses {
			fmt.Fprintf(&b, "    %v\n", a)
		}
	}
	for _, block := range r.Overtaken {
		fmt.Fprintf(&b, "note: %v: a write that was sent again overtook one that was under way beside it, or came after its requester gave it up\n", block)
	}
	for _, u := range r.Unclear {
		fmt.Fprintf(&b, "not judged: %s\n", u)
	}
	return b.String()
}

// Picture writes the history of all blocks with porcupine's own visualisation, a page for a browser.
func (r *Report) Picture(w io.Writer) error {
	var all []Access
	for _, b := range r.history.blocks {
		all = append(all, r.history.accesses[b]...)
	}
	_, info := porcupine.CheckOperationsVerbose(model(), operations(all, r.ended, false), r.limit)
	return porcupine.Visualize(model(), info, w)
}
