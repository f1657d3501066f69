package target

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// textChecks are those of the group text that are about single requests.
func textChecks() []Check {
	return []Check{
		{ID: "text.response.basic", Run: func(t *T) {
			t.Part("Normal session", func() { t.basicText(t.Open(probe.Login{}), text.Pair{Key: unknownKey, Value: "1"}) })
			t.Part("Discovery session", func() {
				t.basicText(t.discovers(), text.Pair{Key: text.KeySendTargets, Value: "All"})
			})
		}},
		{ID: "text.response.ttt-and-f-consistent", Run: openListing},
		{ID: "text.f-bit.not-set-for-open-request", Run: func(t *T) {
			c := t.discovers()
			t.staysOpen(c, Keys("SendTargets=All"))
		}},
		{ID: "text.f-bit.not-set-for-open-negotiation", Run: texting(func(t *T) {
			t.staysOpen(t.Open(probe.Login{}), Keys("MaxRecvDataSegmentLength=4096"))
		})},
		{ID: "text.f-bit.one-carries-no-open-question", Run: noOpenQuestion},
		{ID: "text.cmdsn.non-immediate-counts", Run: texting(textCounts)},
		{ID: "text.empty.request-answered", Run: texting(emptyText)},
		{ID: "text.unknown-key.notunderstood", Run: unknownKeyAnswered},
		{ID: "text.invalid-ttt.rejected", Run: unknownTTT},
		{ID: "text.parallel.one-at-a-time", Run: texting(parallelText)},
		{ID: "text.oversized.data-segment", Run: oversizedText},
	}
}

// unknownKey is a key that no target knows.
const unknownKey = "X-com.example.iscsispec.q"

// texting makes a check skip where the target takes no part in text in full feature phase, as text.unknown-key.notunderstood shows.
func texting(run func(t *T)) func(t *T) {
	return func(t *T) {
		c := t.Open(probe.Login{})
		r := c.Text(Keys(unknownKey + "=1"))
		if value, _ := r.Pairs.Get(unknownKey); value != text.NotUnderstood {
			t.Skip("The target does not answer unknown keys in full feature phase: %v.", r.Event)
		}
		t.Leave(c)
		run(t)
	}
}

// discovers opens a Discovery session; the part is skipped where the target has none.
func (t *T) discovers() *probe.Conn {
	r := t.Login(probe.Login{Discovery: true})
	if r.Refused() {
		t.Skip("The target grants no Discovery session: %v.", r)
	}
	return t.Granted(r)
}

// openText makes a Text Request that leaves the exchange open (F=0), without sending it.
func openText(c *probe.Conn, keys text.Pairs) *pdu.TextRequest {
	request := c.TextRequest(keys)
	request.Final = false
	return request
}

// continued makes the Text Request that goes on with an exchange, without sending it.
func continued(c *probe.Conn, request *pdu.TextRequest, response *pdu.TextResponse, keys text.Pairs) *pdu.TextRequest {
	next := c.TextRequest(keys)
	next.ITT, next.TTT, next.LUN = request.ITT, response.TTT, response.LUN
	return next
}

// texted sends a Text Request and returns its Text Response, or nil with what came instead.
func (t *T) texted(c *probe.Conn, request *pdu.TextRequest) (*pdu.TextResponse, probe.Event) {
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.AnswerTo(request.ITT)
	response, _ := probe.As[*pdu.TextResponse](e)
	return response, e
}

// declinedText tells whether a Text Request was rejected with one of the reasons for which a target may: too few resources, or no such command.
func declinedText(e probe.Event) bool {
	reject, is := probe.As[*pdu.Reject](e)
	return is && (reject.Reason == pdu.RejectLongOperation || reject.Reason == pdu.RejectCommandNotSupported)
}

func (t *T) basicText(c *probe.Conn, pair text.Pair) {
	request := c.TextRequest(text.Pairs{pair})
	request.ITT = 3
	next := c.ExpStatSN
	response, e := t.texted(c, request)
	if reject, is := probe.As[*pdu.Reject](e); is {
		t.Warn("The target takes no part in text.", fmt.Sprintf("a Reject with reason 0x%02x", byte(reject.Reason)), "a Text Response")
		return
	}
	if response == nil {
		t.Fail(e, "a Text Response")
	}
	switch {
	case !response.Final || response.Continue || response.TTT != pdu.ReservedTag:
		t.Fail(fmt.Sprintf("a Text Response with F=%t, C=%t, TTT 0x%08x", response.Final, response.Continue, response.TTT), "F=1, C=0, TTT 0xffffffff")
	case response.StatSN != next:
		t.Fail(fmt.Sprintf("StatSN 0x%x", response.StatSN), fmt.Sprintf("StatSN 0x%x", next))
	case len(response.Data) == 0:
		t.Fail("an empty Text Response", "the answer")
	}
}

func openListing(t *T) {
	c := t.discovers()
	request := openText(c, Keys("SendTargets=All"))
	response, e := t.texted(c, request)
	switch {
	case declinedText(e):
		t.Warn("The target does not keep a text exchange open.", e, "a Text Response with F=0")
		return
	case response == nil:
		t.Fail(e, "a Text Response")
	case response.Final && response.TTT == pdu.ReservedTag:
		t.Skip("The target ends the exchange that was left open.")
	}
	for range 64 {
		if response.Final != (response.TTT == pdu.ReservedTag) {
			t.Fail(fmt.Sprintf("a Text Response with F=%t and TTT 0x%08x", response.Final, response.TTT), "TTT 0xffffffff with F=1 only")
		}
		if most := c.Params.MaxRecvDataSegmentLength; len(response.Data) > most {
			t.Fail(fmt.Sprintf("a Text Response with %d bytes", len(response.Data)), fmt.Sprintf("%d bytes or fewer", most))
		}
		if response.Final {
			return
		}
		if response, e = t.texted(c, continued(c, request, response, nil)); response == nil {
			t.Fail(e, "a Text Response")
		}
	}
	t.Fail("an exchange without an end", "a Text Response with F=1")
}

// staysOpen leaves an exchange open, and ends the part when the target ends it.
func (t *T) staysOpen(c *probe.Conn, keys text.Pairs) {
	response, e := t.texted(c, openText(c, keys))
	switch {
	case declinedText(e):
		t.Warn("The target does not keep a text exchange open.", e, "a Text Response with F=0")
	case response == nil:
		t.Fail(e, "a Text Response")
	case response.Final || response.TTT == pdu.ReservedTag:
		t.Fail(fmt.Sprintf("a Text Response with F=%t and TTT 0x%08x", response.Final, response.TTT), "F=0 and another TTT than 0xffffffff")
	}
}

func noOpenQuestion(t *T) {
	c := t.discovers()
	r := c.Text(Keys("SendTargets=All"))
	if !r.Complete {
		t.Skip("No answer to SendTargets=All comes to its end: %v.", r.Event)
	}
	t.noQuestions(r.Pairs, nil)
	c = t.Open(probe.Login{})
	asked := Keys("SendTargets=", unknownKey+"=1")
	if r = c.Text(asked); r.Complete {
		t.noQuestions(r.Pairs, asked)
	}
}

// noQuestions ends the part when a key of a final answer wants an answer: a key that nobody has asked for and that is no declaration.
func (t *T) noQuestions(pairs, asked text.Pairs) {
	for _, pair := range pairs {
		key, known := text.Lookup(pair.Key)
		_, answer := asked.Get(pair.Key)
		if !answer && (!known || key.Negotiated()) {
			t.Fail(fmt.Sprintf("%s in a Text Response with F=1", pair), "answers, declarations and target records only")
		}
	}
}

func textCounts(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	shows := func(e probe.Event, want uint32, what string) {
		if exp, _, ok := windowOf(e.PDU); !ok || exp != want {
			t.Fail(fmt.Sprintf("%s: ExpCmdSN 0x%x in %v", what, exp, e), fmt.Sprintf("ExpCmdSN 0x%x", want))
		}
	}
	for _, immediate := range []bool{false, true} {
		request := c.TextRequest(Keys(unknownKey + "=1"))
		if request.Immediate = immediate; immediate {
			c.Session.CmdSN--
		}
		response, e := t.texted(c, request)
		if response == nil {
			t.Fail(e, "a Text Response")
		}
		shows(e, n+1, fmt.Sprintf("after a Text Request with I=%t", immediate))
	}
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	shows(r.Event, n+2, "after a command")
}

func emptyText(t *T) {
	c := t.Open(probe.Login{})
	response, e := t.texted(c, c.TextRequest(nil))
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case rejected:
		t.Warn("An empty Text Request is rejected.", e, "an empty Text Response with F=1")
	case response == nil:
		t.Fail(e, "an empty Text Response with F=1")
	case !response.Final || len(response.Data) > 0:
		t.Fail(fmt.Sprintf("a Text Response with F=%t and %d bytes", response.Final, len(response.Data)), "an empty Text Response with F=1")
	}
}

func unknownKeyAnswered(t *T) {
	c := t.Open(probe.Login{})
	r := c.Text(Keys(unknownKey + "=1"))
	want := unknownKey + "=" + text.NotUnderstood
	if _, rejected := probe.As[*pdu.Reject](r.Event); rejected {
		t.Warn("The target takes no part in text in full feature phase.", r.Event, want)
		return
	}
	if value, _ := r.Pairs.Get(unknownKey); !r.Complete || value != text.NotUnderstood {
		t.Fail(fmt.Sprintf("%v with %q", r.Event, r.Pairs), want)
	}
}

func unknownTTT(t *T) {
	c := t.Open(probe.Login{})
	request := c.TextRequest(nil)
	request.TTT = 0x0badcafe
	response, e := t.texted(c, request)
	if response != nil {
		t.Warn("A TTT that the target has not given is served.", e, "a Reject", "a drop")
		return
	}
	t.Rejected(e, true, pdu.RejectProtocolError, pdu.RejectInvalidPDUField, pdu.RejectLongOperation)
}

func parallelText(t *T) {
	c := t.Open(probe.Login{})
	first := openText(c, Keys("X-com.example.iscsispec.first=1"))
	if response, e := t.texted(c, first); response == nil || response.Final {
		t.Skip("No text exchange stays open: %v.", e)
	}
	second := c.TextRequest(Keys(unknownKey + "=1"))
	// A failed write shows in the next event.
	_ = c.Send(second)
	e := c.Answer()
	if response, is := probe.As[*pdu.TextResponse](e); is {
		if response.ITT != second.ITT || strings.Contains(string(response.Data), "first") {
			t.FailFirmly(fmt.Sprintf("%v with the data %q", e, response.Data), "the answer to the second request")
		}
		return
	}
	if _, is := probe.As[*pdu.Reject](e); !is && !e.Ended() {
		t.FailFirmly(e, "a Text Response", "a Reject", "a drop")
	}
}

func oversizedText(t *T) {
	c := t.Open(probe.Login{})
	n := c.Params.PeerMaxRecvDataSegmentLength + 4
	if n > 1<<20 {
		t.Skip("The target takes %d bytes in a PDU.", n-4)
	}
	key := "X-com.example.iscsispec.long="
	request := c.TextRequest(nil)
	request.Data = append([]byte(key), make([]byte, n-len(key))...)
	for i := len(key); i < n-1; i++ {
		request.Data[i] = 'a'
	}
	response, e := t.texted(c, request)
	if response != nil {
		t.Warn("A Text Request beyond the target's own limit is answered.", e, "a Reject", "a drop")
	} else {
		t.Rejected(e, true, pdu.RejectProtocolError, pdu.RejectInvalidPDUField)
	}
	t.Survives(t.Open(probe.Login{}), "a new session")
}
