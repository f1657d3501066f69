package initiator

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// textChecks are those of the group text.
func textChecks() []Check {
	return []Check{
		{ID: "text.no-repeat-of-login-only-keys", Run: noLoginKeysInText},
		{ID: "text.negotiation-reset", Run: rejectedText},
		{ID: "text.one-at-a-time", Run: oneTextAtATime},
		{ID: "text.response-wrong-itt", Run: foreignTextResponse},
		{ID: "text.mrdsl-change", Run: changedSegmentLength},
		{ID: "text.target-unknown-key", Run: unknownKeyInText},
		{ID: "text.cbit-excludes-fbit", Base: smallSegments, Run: longText},
		{ID: "text.final-bit-kept", Run: finalBitKept},
		{ID: "text.repeated-key-resets", Run: repeatedKey},
		{ID: "text.ends-with-connection", Run: textEndsWithConnection},
		{ID: "text.target-limit-respected", Base: smallSegments, Run: textLimit},
	}
}

// declared is a text that an initiator may send in full feature phase.
var declared = text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: "8192"}}

func smallSegments(b *Base) { b.Params.MaxRecvDataSegmentLength = 512 }

// negotiating gets a Text Request out of an initiator in full feature phase: the own one is asked for it, another one told by event 4.
func (t *T) negotiating(c *Conn, pairs text.Pairs) (op *Pending, r *pdu.TextRequest, e probe.Event) {
	if t.Own() {
		op = t.Start(SendText{Pairs: pairs})
	} else {
		c.Async(pdu.AsyncNegotiation, func(p *pdu.AsyncMessage) { p.Parameter3 = 3 })
	}
	r, e = c.TextRequest()
	return op, r, e
}

// TextRequest waits for the next Text Request.
func (c *Conn) TextRequest() (*pdu.TextRequest, probe.Event) {
	e := c.Next(pdu.OpTextRequest)
	r, _ := probe.As[*pdu.TextRequest](e)
	return r, e
}

// More answers a Text Request with pairs and F=0 under a new tag, which it returns.
func (c *Conn) More(r *pdu.TextRequest, pairs text.Pairs, changes ...func(*pdu.TextResponse)) uint32 {
	p := &pdu.TextResponse{ITT: r.ITT, TTT: c.Tag(), LUN: r.LUN, Data: pairs.Append(nil)}
	send(c, p, changes)
	return p.TTT
}

// Continued waits for the request that goes on with an exchange, and fails unless it has the ITT and the I bit of the first one and the
// tag that was given.
func (c *Conn) Continued(first *pdu.TextRequest, ttt uint32) (*pdu.TextRequest, probe.Event) {
	r, e := c.TextRequest()
	if r.ITT != first.ITT || r.TTT != ttt || r.Immediate != first.Immediate {
		c.t.Fail(e, fmt.Sprintf("a Text Request with ITT 0x%x, TTT 0x%x and I %v", first.ITT, ttt, first.Immediate))
	}
	return r, e
}

// endsWell waits for an operation that the check started; nil is none.
func (t *T) endsWell(op *Pending) {
	if op == nil {
		return
	}
	if r := op.Wait(); !r.Good() {
		t.Fail(fmt.Sprintf("%s: %v", op.Op.OpName(), r), "success")
	}
}

func noLoginKeysInText(t *T) {
	c := t.Session()
	look := func(r *pdu.TextRequest, e probe.Event) {
		pairs, err := text.Parse(r.Data)
		t.Check(err == nil, e, "key=value text")
		for _, p := range pairs {
			key, known := text.Lookup(p.Key)
			if known && key.Use != text.AnyPhase && key.Use != text.FullFeatureOnly || p.Key == text.KeyTargetAddress {
				t.Fail(fmt.Sprintf("a Text Request with %v", p), "keys that may be sent in full feature phase")
			}
		}
	}
	c.Async(pdu.AsyncNegotiation, func(p *pdu.AsyncMessage) { p.Parameter3 = 3 })
	r, e := c.TextRequest()
	look(r, e)
	c.Text(r, nil)
	if !t.Own() {
		t.Probe()
		return
	}
	for _, pairs := range []text.Pairs{declared, {{Key: text.KeyMaxBurstLength, Value: "8192"}}, {{Key: text.KeyHeaderDigest, Value: "None"}}} {
		op := t.Start(SendText{Pairs: pairs})
		if e := c.TryNext(time.Second, pdu.OpTextRequest); e.Kind == probe.Arrived {
			r, _ := probe.As[*pdu.TextRequest](e)
			look(r, e)
			c.Text(r, nil)
		}
		op.Wait()
	}
	t.Probe()
}

func rejectedText(t *T) {
	run := func(reason pdu.RejectReason, after func(c *Conn, r *pdu.TextRequest, e probe.Event), closes func(e any)) {
		c := t.Session()
		op, r, e := t.negotiating(c, declared)
		after(c, r, e)
		e = c.TryNext(2*time.Second, pdu.OpTextRequest, pdu.OpLogoutRequest)
		switch again, is := probe.As[*pdu.TextRequest](e); {
		case is && again.TTT != pdu.ReservedTag:
			t.Fail(e, "a new Text Request with TTT 0xffffffff, or none")
		case is:
			c.Text(again, nil)
		case e.Kind == probe.Arrived || e.Ended():
			closes(e)
			return
		}
		if op != nil {
			op.Wait()
		}
		largest := t.largestSegment(c, 128)
		if t.Own() && largest <= 512 {
			t.Fail(fmt.Sprintf("data segments of at most %d bytes", largest), "the limit that held before")
		}
		t.RIgnore(c)
	}
	atOnce := func(reason pdu.RejectReason) func(*Conn, *pdu.TextRequest, probe.Event) {
		return func(c *Conn, _ *pdu.TextRequest, e probe.Event) { c.Reject(e, reason) }
	}
	warn := func(e any) {
		t.Warn("The connection is ended although only the negotiation was rejected.", e, "a session that goes on")
	}
	t.Part("protocol error", func() { run(pdu.RejectProtocolError, atOnce(pdu.RejectProtocolError), warn) })
	t.Part("after a part of the answer", func() {
		run(pdu.RejectProtocolError, func(c *Conn, r *pdu.TextRequest, _ probe.Event) {
			ttt := c.More(r, text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: "512"}})
			_, e := c.Continued(r, ttt)
			c.Reject(e, pdu.RejectProtocolError)
		}, warn)
	})
	t.Part("negotiation reset", func() { run(pdu.RejectNegotiationReset, atOnce(pdu.RejectNegotiationReset), func(any) {}) })
}

// largestSegment has the initiator write blocks, and returns the length of the longest data segment that it sent for that.
func (t *T) largestSegment(c *Conn, blocks int) int {
	op := t.Start(Write{LBA: 64, Blocks: blocks})
	task := c.WriteCommand()
	largest := len(task.PDU.Data)
	take := func(s Sequence) {
		if s.End != nil {
			t.Fail(s.End, "Data-Out up to the F bit")
		}
		for _, p := range s.PDUs {
			largest = max(largest, len(p.Data))
		}
	}
	if task.open {
		task.open = false
		take(c.DataOut(task, pdu.ReservedTag))
	}
	for task.got < task.Length() {
		r2t := c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
		take(c.DataOut(task, r2t.TTT))
	}
	c.Good(task)
	t.endsWell(op)
	return largest
}

func oneTextAtATime(t *T) {
	c := t.Session()
	op, r, _ := t.negotiating(c, declared)
	c.Async(pdu.AsyncNegotiation, func(p *pdu.AsyncMessage) { p.Parameter3 = 10 })
	var second *Pending
	if t.Own() {
		second = t.Start(SendText{Pairs: declared})
	}
	if e := c.TryNext(2*time.Second, pdu.OpTextRequest); e.Kind == probe.Arrived {
		t.Fail(e, "no second Text Request before the first one is answered")
	}
	c.Text(r, nil)
	t.endsWell(op)
	if second == nil {
		t.Probe()
		return
	}
	again, e := c.TextRequest()
	t.Check(again.TTT == pdu.ReservedTag, e, "a new Text Request")
	c.Text(again, nil)
	t.endsWell(second)
	t.Probe()
}

func foreignTextResponse(t *T) {
	c := t.Session()
	op, r, _ := t.negotiating(c, declared)
	wrong, right := text.Pairs{{Key: text.KeyTargetAlias, Value: "wrong"}}, text.Pairs{{Key: text.KeyTargetAlias, Value: "right"}}
	c.Text(r, wrong, func(p *pdu.TextResponse) { p.ITT ^= 0x5a5a0000 })
	t.Wait(time.Second)
	if e, ended := c.Ended(); ended {
		if !e.Ended() {
			t.Fail(e, "a session that goes on, or the end of the connection")
		}
		return
	}
	if op != nil && op.Ended() {
		t.Fail("an operation that ended with another task's answer", "an operation that waits for its own answer")
	}
	c.Text(r, right)
	t.endsWell(op)
	if op != nil {
		if alias, _ := op.result.Pairs.Get(text.KeyTargetAlias); alias != "right" {
			t.Fail(fmt.Sprintf("the answer %v", op.result.Pairs), "the answer of its own task")
		}
	}
	t.RIgnore(c)
}

func changedSegmentLength(t *T) {
	small := text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: "512"}}
	run := func(answer func(c *Conn, r *pdu.TextRequest)) {
		c := t.Session()
		op, r, _ := t.negotiating(c, declared)
		answer(c, r)
		t.endsWell(op)
		t.Wait(time.Second)
		if largest := t.largestSegment(c, 128); largest > 512 {
			t.Fail(fmt.Sprintf("a data segment of %d bytes", largest), "segments of at most 512 bytes")
		}
		t.Probe()
	}
	t.Part("F=1", func() { run(func(c *Conn, r *pdu.TextRequest) { c.Text(r, small) }) })
	t.Part("F=0 first", func() {
		run(func(c *Conn, r *pdu.TextRequest) {
			ttt := c.More(r, small)
			again, _ := c.Continued(r, ttt)
			c.Text(again, nil)
		})
	})
}

func unknownKeyInText(t *T) {
	c := t.Session()
	op, r, _ := t.negotiating(c, declared)
	ttt := c.More(r, text.Pairs{{Key: "X-com.example.t", Value: "1"}})
	again := c.TryNext(AnswerTime, pdu.OpTextRequest, pdu.OpLogoutRequest)
	next, is := probe.As[*pdu.TextRequest](again)
	if !is {
		t.Warn("The connection is ended at a key that is not known.", again, "X-com.example.t=NotUnderstood")
		return
	}
	if next.ITT != r.ITT || next.TTT != ttt {
		t.Fail(again, "a Text Request that goes on with the exchange")
	}
	pairs, _ := text.Parse(next.Data)
	if value, _ := pairs.Get("X-com.example.t"); value != text.NotUnderstood {
		t.Fail(fmt.Sprintf("a Text Request with %q", pairs), "X-com.example.t=NotUnderstood")
	}
	c.Text(next, nil)
	t.endsWell(op)
	t.Probe()
}

// longPairs are private keys of n bytes in all.
func longPairs(n int) (pairs text.Pairs) {
	for i := 0; pairs.Length() < n; i++ {
		pairs.Add(fmt.Sprintf("X-com.example.long%d", i), strings.Repeat("v", min(200, n)))
	}
	return pairs
}

// receiveText takes a text in that may come in several requests, and answers all but the last as a sound array does. It looks at the
// rules of the C bit on the way.
func (t *T) receiveText(c *Conn, first *pdu.TextRequest, e probe.Event, limit int) (last *pdu.TextRequest, parts int, whole text.Pairs) {
	var data []byte
	for r := first; ; {
		parts++
		data = append(data, r.Data...)
		switch {
		case len(r.Data) > limit:
			t.Fail(fmt.Sprintf("a Text Request with %d bytes", len(r.Data)), fmt.Sprintf("at most %d bytes", limit))
		case r.Continue && r.Final:
			t.Fail(e, "F=0 with C=1")
		}
		if !r.Continue {
			pairs, err := text.Parse(data)
			t.Check(err == nil, fmt.Sprintf("text that cannot be read: %v", err), "key=value text")
			return r, parts, pairs
		}
		if early := c.TryNext(time.Second, pdu.OpTextRequest); early.Kind == probe.Arrived {
			t.Fail(early, "no further part before the answer to the one before")
		}
		r, e = c.Continued(first, c.More(r, nil))
	}
}

func longText(t *T) {
	if !t.Own() {
		t.Skip("NOT-TESTABLE: the driver cannot have a long text sent.")
	}
	c := t.Session()
	pairs := longPairs(2000)
	op, r, e := t.negotiating(c, pairs)
	last, parts, whole := t.receiveText(c, r, e, 512)
	t.Check(parts > 1, "one Text Request", "a text that is cut")
	t.Check(last.Final, "F=0 in the last request", "F=1, since nothing is left to say")
	t.Equal("text", whole, pairs)
	c.Text(last, nil)
	t.endsWell(op)
	t.Probe()
}

func finalBitKept(t *T) {
	c := t.Session()
	op, r, e := t.negotiating(c, declared)
	if !r.Final {
		t.Fail(e, "F=1 in a request that has nothing more to say")
	}
	next := r
	for _, key := range []string{"X-com.example.a", "X-com.example.b"} {
		ttt := c.More(next, text.Pairs{{Key: key, Value: "1"}})
		next, e = c.Continued(r, ttt)
		if !next.Final {
			t.Warn("The F bit is taken back.", e, "F=1 as before")
		}
	}
	c.Text(next, nil)
	t.endsWell(op)
	t.Probe()
}

func repeatedKey(t *T) {
	c := t.Session()
	op, r, _ := t.negotiating(c, declared)
	length := func(n int) text.Pairs {
		return text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: fmt.Sprint(n)}}
	}
	next, _ := c.Continued(r, c.More(r, length(4096)))
	ttt := c.More(next, length(2048))
	e := c.TryNext(AnswerTime, pdu.OpTextRequest, pdu.OpLogoutRequest)
	again, is := probe.As[*pdu.TextRequest](e)
	switch {
	case !is && e.Ended():
		return
	case !is && e.Kind == probe.Arrived:
		p, _ := probe.As[*pdu.LogoutRequest](e)
		c.Logout(p, pdu.LogoutSuccess)
		return
	case !is:
		t.Fail(e, "a Text Request with TTT 0xffffffff, or the end of the connection")
	case again.TTT == ttt:
		t.Warn("The exchange goes on although a key came twice.", e, "a Text Request with TTT 0xffffffff")
	case again.TTT != pdu.ReservedTag:
		t.Fail(e, "TTT 0xffffffff")
	}
	c.Text(again, length(1024))
	if op != nil {
		op.Wait()
	}
	t.Wait(time.Second)
	if largest := t.largestSegment(c, 128); largest > 65536 || again.TTT == pdu.ReservedTag && largest > 1024 {
		t.Fail(fmt.Sprintf("a data segment of %d bytes", largest), "segments of at most what was agreed after the reset")
	}
	t.Probe()
}

func textLimit(t *T) {
	if !t.Own() {
		t.Skip("NOT-TESTABLE: the driver cannot have a long text sent.")
	}
	run := func(c *Conn) {
		op := t.Start(SendText{Pairs: longPairs(2000)})
		e := c.TryNext(2*time.Second, pdu.OpTextRequest)
		r, is := probe.As[*pdu.TextRequest](e)
		if !is && op.Ended() && !op.result.Good() {
			t.Skip("NOT-TESTABLE: the text is refused before it is sent: %v.", op.result)
		}
		t.Check(is, e, "a Text Request")
		last, _, _ := t.receiveText(c, r, e, 512)
		c.Text(last, nil)
		t.endsWell(op)
	}
	t.Part("data session", func() { run(t.Session()) })
	t.Part("discovery session", func() { run(t.discoverySession()) })
}

// textEndsWithConnection is text.ends-with-connection.
func textEndsWithConnection(t *T) {
	c := t.Session()
	op, r, _ := t.negotiating(c, declared)
	ttt := c.More(r, nil)
	c.Continued(r, ttt)
	c.Sever()
	if op != nil {
		op.Wait() // how the exchange ended for its requester is the requester's business
	}
	again := t.back(c)
	t.Probe()
	op, r, e := t.negotiating(again, declared)
	if r.TTT != pdu.ReservedTag {
		t.Fail(e, "a Text Request with TTT 0xffffffff, which begins an exchange")
	}
	again.Text(r, nil)
	t.endsWell(op)
	t.Probe()
}
