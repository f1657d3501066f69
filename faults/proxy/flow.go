package proxy

import (
	"sync/atomic"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

const (
	// chunkBytes is how much is read at once from one end of a connection.
	chunkBytes = 128 << 10
	// heldMax bounds what is kept back of a PDU until it can be told what becomes of it: whether a fault strikes it, and where; or until its
	// text has come as a whole. What is longer passes as it comes.
	heldMax = 1 << 20
)

// flow is one direction of a connection: it follows the PDUs in what one end sends, lets faults strike them, and hands the rest to a carrier.
// All of it but the counters belongs to the goroutine that reads.
//
// A PDU passes as it comes, unless it carries text, which has to be whole before addresses in it can be replaced, or a fault may strike it.
type flow struct {
	conn    *conn
	dir     faults.Direction
	way     pdu.Direction
	carrier *carrier
	track   track

	bytes, pdus atomic.Uint64 // that have come

	heard  bool // the end of the stream has come; guarded by conn.mu
	spoken bool // and was passed on; guarded by conn.mu

	// Of the PDU under way.
	begun   bool
	texts   bool        // it is a login or text PDU
	need    faults.Need // of it, as far as list asks
	list    []*rule     // faults that may strike it; nil once they were asked
	hits    []struck    // those that do
	holding bool        // it waits in pending until it can be told what becomes of it
	pending []byte
	header  []byte // what faults see of the header
	passed  int    // bytes of it that were handed on or struck
}

// accept takes bytes as they have come. They are free for other use when it returns.
func (f *flow) accept(b []byte) {
	f.bytes.Add(uint64(len(b)))
	run := 0 // from here on bytes pass as they are and are not handed on yet
	for done := 0; done < len(b) && !f.carrier.over(); {
		if !f.begun {
			f.begin(b[done])
		}
		n, whole := f.track.next(b[done:])
		part, from := b[done:done+n], done
		done += n
		if f.holding || len(f.hits) > 0 {
			f.carrier.send(b[run:from])
			f.take(part, whole)
			run = done
		}
		if whole {
			f.finish()
			if f.carrier.shaped.Load() { // what shapes deliveries counts PDUs
				f.carrier.send(b[run:done])
				run = done
			}
		}
	}
	f.carrier.send(b[run:])
}

// begin looks at the first byte of a PDU.
func (f *flow) begin(first byte) {
	op := pdu.Opcode(first & 0x3f)
	f.begun, f.header, f.passed = true, nil, 0
	f.track.digests = f.conn.digests()
	f.list, f.need = f.conn.proxy.candidates(f.conn, f.dir, op)
	switch op {
	case pdu.OpLoginRequest, pdu.OpTextRequest:
		f.texts = f.way == pdu.ToTarget
	case pdu.OpLoginResponse, pdu.OpTextResponse:
		f.texts = f.way == pdu.ToInitiator
	}
	f.holding = f.texts || len(f.list) > 0
}

// finish ends a PDU that has come as a whole.
func (f *flow) finish() {
	f.pdus.Add(1)
	f.begun, f.texts, f.holding, f.list, f.hits = false, false, false, nil, nil
}

// flush lets go of what the end of the stream leaves unfinished.
func (f *flow) flush() {
	if f.holding && len(f.pending) > 0 {
		f.decide(false)
	}
}

// take collects a part of a PDU until it can be told what becomes of it, or passes it by the faults that strike the PDU.
func (f *flow) take(part []byte, whole bool) {
	if !f.holding {
		f.apply(part, whole)
		return
	}
	f.pending = append(f.pending, part...)
	known := len(f.pending) >= pdu.BHSLength && !f.texts && f.need < faults.NeedData
	if whole || known || f.track.lost || len(f.pending) >= heldMax {
		f.decide(whole)
	}
}

// decide asks the faults about a PDU of which enough is there, and lets it pass.
func (f *flow) decide(whole bool) {
	b := f.pending
	f.pending, f.holding = nil, false
	var data []byte
	if whole {
		frame := frameOf(b, f.track.digests)
		if f.texts && f.conn.follow(f.way, frame, b) {
			b = frame.Append(nil, f.track.digests)
		}
		data = frame.Data
	}
	f.header = b[:min(len(b), pdu.BHSLength)]
	for _, r := range f.conn.proxy.strikes(f.list, f.header, data) {
		if at, known := r.fault.Byte.Locate(f.header, f.track.digests, len(b), whole); known {
			f.hits = append(f.hits, struck{&faults.Strike{Armed: r.armed, At: at}, r})
		}
	}
	f.list = nil
	f.apply(b, whole)
}

// struck is a fault that strikes the PDU under way.
type struck struct {
	*faults.Strike
	rule *rule
}

// apply carries faults out on the next bytes of their PDU.
func (f *flow) apply(b []byte, whole bool) {
	strikes := make([]*faults.Strike, len(f.hits))
	for i, h := range f.hits {
		strikes[i] = h.Strike
	}
	carved := faults.Carve(strikes, b, f.passed, whole)
	f.passed += len(b)
	for _, s := range carved.Effects { // told before anybody can see what they do
		f.conn.proxy.struck(f.ruleOf(s), f.conn)
	}
	how := load{apart: len(carved.Segments) > 1, delay: carved.Slow}
	for i, segment := range carved.Segments {
		if carved.Wait != nil && i == len(carved.Segments)-1 {
			how.with = f.ruleOf(carved.Wait)
		}
		f.carrier.sendLoad(segment, how)
		how.delay, how.pause = 0, carved.Pause
	}
	if carved.End == nil {
		return
	}
	if r := f.ruleOf(carved.End); r.fault.Verb == faults.Silence {
		f.carrier.behind(func() { f.conn.proxy.holdFrom(f.conn, r) })
		f.carrier.sendLoad(carved.Rest, load{})
	} else {
		f.conn.cutHere(f, r.fault.Verb)
	}
}

func (f *flow) ruleOf(s *faults.Strike) *rule {
	for _, h := range f.hits {
		if h.Strike == s {
			return h.rule
		}
	}
	return nil
}
