package integrity

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// Block is one block of one device.
type Block struct {
	// Device is the device's name in the initiator's stack, or "session S unit N" for a unit that never was a device.
	Device string
	LBA    uint64
}

// String names both.
func (b Block) String() string { return fmt.Sprintf("block %d of %s", b.LBA, b.Device) }

// Access is one block's part of one read or write.
type Access struct {
	Block Block
	// Request is the request as its requester calls it: "r1.3 write".
	Request string
	// Requester is its label, and the instance is from 1.
	Requester string
	Instance  int
	// Write tells what it was, Value what was written or read: a stamp, or a hash of anything else.
	Write bool
	Value string
	// Call and Return are instants of the run. Return means nothing while Known is false: the outcome was never told, and the write may
	// have been executed at any time from Call on, or not at all. Reads are always known.
	Call, Return time.Duration
	Known        bool
	// End is when the requester was told how it ended, the end of the run if never.
	End time.Duration
	// Sendings are the times at which the initiator handed the request to a connection that took it.
	Sendings []Sending
	// Outcome is how the request ended.
	Outcome string
}

// Sending is one of the times that a request was handed to a connection.
type Sending struct {
	// At is when; Lost is when the initiator knew that the connection was lost before the answer, and -1 if that did not happen.
	At, Lost time.Duration
}

// Again is how often the request was sent again because its connection was lost before the answer.
func (a Access) Again() int { return max(0, len(a.Sendings)-1) }

// Doubt is when the initiator first knew that the outcome of a write was unknown to it, and whether it ever was.
func (a Access) Doubt() (from time.Duration, ok bool) {
	if !a.Write || len(a.Sendings) == 0 || a.Sendings[0].Lost < 0 {
		return 0, false
	}
	return a.Sendings[0].Lost, true
}

// underWay is from when to when a sending was with its connection. One whose request was given up may be with the target for ever.
func (a Access) underWay(s Sending) (from, to time.Duration) {
	switch {
	case !a.Known:
		return s.At, math.MaxInt64
	case s.Lost >= 0:
		return s.At, min(s.Lost, a.End)
	}
	return s.At, a.End
}

// history is what a run tells of blocks.
type history struct {
	blocks   []Block // in the order of their first access
	accesses map[Block][]Access
	requests int // reads and writes that were taken
	known    int // of them, acknowledged
	again    int // of them, writes that were sent again
}

// historyOf takes the reads and writes of a run apart into blocks.
func historyOf(run *sessions.Run) *history {
	h := &history{accesses: map[Block][]Access{}}
	device, sent := namesOf(run.Events), sendings(run.Events)
	for _, op := range run.AllOps() {
		write := op.Name == (sessions.Write{}).OpName()
		if !write && op.Name != (sessions.Read{}).OpName() || op.Session == 0 || op.Is(sessions.QueueFull, sessions.NotSupported) {
			continue
		}
		h.requests++
		good := op.Is(sessions.Good)
		if good {
			h.known++
		}
		if !write && (!good || len(op.Content) == 0) {
			continue
		}
		sendings := sent(op)
		if write && len(sendings) > 1 {
			h.again++
		}
		end := op.End
		if op.Is(sessions.Pending) {
			end = run.Ended
		}
		name := op.Device
		if name == "" {
			name = device(op.Session, op.LUN)
		}
		for i := range op.Blocks {
			a := Access{Block: Block{Device: name, LBA: op.LBA + uint64(i)}, Requester: op.Label, Instance: op.N, Write: write,
				Request: fmt.Sprintf("%s.%d %s", op.Label, op.N, op.Name), Call: op.Begin, Return: op.End, Known: good, End: end, Outcome: op.Outcome, Sendings: sendings}
			switch {
			case write:
				a.Value = sessions.Stamp(op.Label, op.N, a.Block.LBA)
			case i < len(op.Content):
				a.Value = op.Content[i]
			default:
				a.Value = "nothing" // A GOOD read that brought too little.
			}
			h.add(a)
		}
	}
	return h
}

func (h *history) add(a Access) {
	if _, there := h.accesses[a.Block]; !there {
		h.blocks = append(h.blocks, a.Block)
	}
	h.accesses[a.Block] = append(h.accesses[a.Block], a)
}

// namesOf tells the device behind a unit of a session: one block is one block over whichever path. Units keep their devices for the length of
// a run as far as plans of this package go.
func namesOf(events trace.Events) func(session uint64, lun int) string {
	type unit struct {
		session uint64
		lun     int
	}
	names := map[unit]string{}
	for _, e := range events {
		if e.Kind != trace.KindDevice || e.State != sessions.DeviceArrived || e.LUN == nil {
			continue
		}
		if u := (unit{e.Session, int(*e.LUN)}); names[u] == "" {
			names[u] = e.Device
		}
	}
	return func(session uint64, lun int) string {
		if name := names[unit{session, lun}]; name != "" {
			return name
		}
		return fmt.Sprintf("session %d unit %d", session, lun)
	}
}

// sendings tells when the initiator handed the request of an op to connections that took it. The initiator takes a request at the instant at which
// its requester begins, and no two requesters begin at one instant, so instant and command tell which one is meant.
func sendings(events trace.Events) func(op sessions.OpRun) []Sending {
	type moment struct {
		at  time.Duration
		cdb string
	}
	type request struct{ session, number uint64 }
	requests, sent := map[moment]request{}, map[request][]Sending{}
	for _, e := range events {
		if e.Kind != trace.KindRequest {
			continue
		}
		r := request{e.Session, e.Request}
		last := len(sent[r]) - 1
		switch e.State {
		case sessions.RequestSubmitted:
			cdb, _ := e.Attr("cdb")
			requests[moment{e.At, cdb}] = r
		case sessions.RequestSent:
			sent[r] = append(sent[r], Sending{At: e.At, Lost: -1})
		case sessions.RequestRequeued:
			if last < 0 {
				continue
			}
			if _, unsent := e.Attr("unsent"); unsent { // It waited for the command window, and never left.
				sent[r] = sent[r][:last]
			} else {
				sent[r][last].Lost = e.At
			}
		}
	}
	return func(op sessions.OpRun) []Sending {
		cdb, _ := op.Began.Attr("cdb")
		r, taken := requests[moment{op.Begin, cdb}]
		if !taken {
			return nil
		}
		return sent[r]
	}
}

// written lists the requests that wrote a value, for explanations.
func (h *history) written(b Block, value string) (Access, bool) {
	i := slices.IndexFunc(h.accesses[b], func(a Access) bool { return a.Write && a.Value == value })
	if i < 0 {
		return Access{}, false
	}
	return h.accesses[b][i], true
}

// String is one line: who did what to the block, and when.
func (a Access) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v to ", a.Call)
	if a.Known {
		fmt.Fprintf(&b, "%v", a.Return)
	} else {
		fmt.Fprintf(&b, "any time (%s at %v)", a.Outcome, a.Return)
	}
	fmt.Fprintf(&b, ": %s: %s", a.Request, a.Value)
	if a.Write && a.Again() > 0 {
		fmt.Fprintf(&b, ", sent %d times, the first of them lost at %v", len(a.Sendings), a.Sendings[0].Lost)
	}
	return b.String()
}
