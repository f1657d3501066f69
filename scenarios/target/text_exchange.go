package target

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// abandonedTime is how long a text exchange is left alone, unless the target gives it up before.
const abandonedTime = 30 * time.Second

// textExchangeChecks are those of the group text that are about exchanges of several PDUs, and when what they say takes effect.
func textExchangeChecks() []Check {
	return []Check{
		{ID: "text.cbit.empty-response-and-reassembly", Run: texting(cutText)},
		{ID: "text.cbit.with-f-bit-has-no-effect", Run: texting(cutAndFinal)},
		{ID: "text.cbit.value-split-takes-effect", Run: texting(cutKey)},
		{ID: "text.itt.changed-mid-negotiation", Run: texting(changedTag)},
		{ID: "text.negotiate-once.second-offer-rejected", Run: texting(declaredTwice)},
		{ID: "text.reset.ttt-reserved-restarts", Run: texting(restartedText)},
		{ID: "text.failure.abandoned-has-no-effect", Run: texting(abandonedText)},
		{ID: "text.failure.illegal-value-has-no-effect", Run: texting(illegalValue)},
	}
}

// largest gives the longest data segment of the Data-In PDUs that bring a READ of n bytes.
func (t *T) largest(c *probe.Conn, n int) int {
	most := 0
	for _, p := range t.Done(c, t.Read(c, 0, t.room(c, 0, n)), "a READ").Task.DataIns {
		most = max(most, len(p.Data))
	}
	return most
}

// receives are the keys that declare how long a data segment may be.
func receives(n int) text.Pairs { return Keys(fmt.Sprintf("MaxRecvDataSegmentLength=%d", n)) }

// cut makes a Text Request whose text goes on in the next one (C=1, F=0), without sending it.
func cut(c *probe.Conn, data string) *pdu.TextRequest {
	request := c.TextRequest(nil)
	request.Final, request.Continue, request.Data = false, true, []byte(data)
	return request
}

// emptyAnswer sends a request with C=1 and ends the part unless an empty response answers it; nil when the target takes no such text.
func (t *T) emptyAnswer(c *probe.Conn, request *pdu.TextRequest) *pdu.TextResponse {
	response, e := t.texted(c, request)
	switch {
	case declinedText(e):
		return nil
	case response == nil:
		t.Fail(e, "an empty Text Response")
	case len(response.Data) > 0 || response.Final || response.TTT == pdu.ReservedTag:
		t.Fail(fmt.Sprintf("a Text Response with %d bytes, F=%t, TTT 0x%08x", len(response.Data), response.Final, response.TTT),
			"no data, F=0 and another TTT than 0xffffffff")
	}
	return response
}

func cutText(t *T) {
	c := t.Open(probe.Login{Keys: receives(512)})
	one, two := "X-com.example.iscsispec.one", "X-com.example.iscsispec.two"
	whole := "InitiatorAlias=" + strings.Repeat("a", 240) + "\x00" + one + "=1\x00" + two + "=2\x00"
	at := len(whole) - 10
	request := cut(c, whole[:at])
	response := t.emptyAnswer(c, request)
	if response == nil {
		t.Warn("The target takes no text of several PDUs.", "a Reject", "an empty Text Response")
		return
	}
	next := continued(c, request, response, nil)
	next.Data = []byte(whole[at:])
	r := c.FollowText(next)
	for _, key := range []string{one, two} {
		if value, _ := r.Pairs.Get(key); !r.Complete || value != text.NotUnderstood {
			t.Fail(fmt.Sprintf("%v with %q", r.Event, r.Pairs), one+"=NotUnderstood and "+two+"=NotUnderstood")
		}
	}
}

func cutAndFinal(t *T) {
	c := t.Open(probe.Login{Keys: receives(1024)})
	before := t.largest(c, 2048)
	request := c.TextRequest(receives(512))
	request.Continue = true
	response, e := t.texted(c, request)
	want := []string{"a Reject with reason 0x04 or 0x09", "a drop", "an empty Text Response"}
	switch {
	case e.Ended():
		return
	case response != nil && len(response.Data) > 0:
		t.Warn("A Text Request with C=1 and F=1 is answered with data.", e, want...)
		return
	case response == nil:
		reject, is := probe.As[*pdu.Reject](e)
		if !is || reject.Reason != pdu.RejectProtocolError && reject.Reason != pdu.RejectInvalidPDUField {
			t.Warn("A Text Request with C=1 and F=1 is answered otherwise.", e, want...)
			return
		}
		c.Session.CmdSN = c.Session.ExpCmdSN // what is rejected does not count, or does: the target shows it
	}
	if after := t.largest(c, 2048); before > 512 && after <= 512 {
		t.Warn("What an illegal request declares takes effect.", fmt.Sprintf("segments of %d bytes", after), fmt.Sprintf("segments of %d bytes", before))
	}
}

func cutKey(t *T) {
	c := t.Open(probe.Login{Keys: receives(1024)})
	t.largest(c, 2048)
	request := cut(c, "MaxRecvDataSegment")
	response := t.emptyAnswer(c, request)
	if response == nil {
		t.Skip("The target takes no text of several PDUs.")
	}
	next := continued(c, request, response, nil)
	next.Data = []byte("Length=512\x00")
	if r := c.FollowText(next); !r.Complete {
		t.Fail(r.Event, "the end of the exchange")
	}
	if got := t.largest(c, 2048); got > 512 {
		t.Fail(fmt.Sprintf("segments of %d bytes", got), "segments of 512 bytes or fewer")
	}
}

// opened leaves an exchange with the keys open, and returns the request with its response. The part is skipped where none stays open.
func (t *T) opened(c *probe.Conn, keys text.Pairs) (*pdu.TextRequest, *pdu.TextResponse) {
	request := openText(c, keys)
	response, e := t.texted(c, request)
	if response == nil || response.Final {
		t.Skip("No text exchange stays open: %v.", e)
	}
	return request, response
}

func changedTag(t *T) {
	c := t.Open(probe.Login{})
	request, response := t.opened(c, receives(4096))
	other := continued(c, request, response, Keys("InitiatorAlias=x"))
	other.ITT = c.NewTag()
	// A failed write shows in the next event.
	_ = c.Send(other)
	e := c.Answer()
	if m, is := probe.As[*pdu.AsyncMessage](e); is && m.Event != pdu.AsyncSCSI {
		e = c.Answer()
	}
	if answer, is := probe.As[*pdu.TextResponse](e); is {
		if answer.ITT != other.ITT {
			t.Fail(fmt.Sprintf("a Text Response with ITT 0x%08x", answer.ITT), "a Reject", "a drop")
		}
		t.Warn("A request with another ITT goes on with the exchange.", e, "a Reject", "a drop")
		return
	}
	if reject := t.Rejected(e, true, pdu.RejectProtocolError, pdu.RejectInvalidPDUField); reject != nil {
		t.soundReject(e, reject, pdu.FrameOf(other))
	}
}

func declaredTwice(t *T) {
	c := t.Open(probe.Login{})
	request, response := t.opened(c, receives(512))
	again := continued(c, request, response, receives(512))
	again.Final = false
	second, e := t.texted(c, again)
	want := "a Reject with reason 0x04"
	switch reject, is := probe.As[*pdu.Reject](e); {
	case e.Ended():
		return
	case second != nil:
		t.Warn("A key that is declared a second time in an exchange is taken, with the same value.", e, want)
		return
	case !is:
		t.Fail(e, want)
	case reject.Reason != pdu.RejectProtocolError:
		t.Warn("The Reject has another reason.", e, want)
	}
	c.Session.CmdSN = c.Session.ExpCmdSN // what is rejected does not count
	request, response = t.opened(c, receives(512))
	if third, e := t.texted(c, continued(c, request, response, nil)); third == nil || !third.Final {
		t.Fail(e, "a Text Response with F=1")
	}
	if got := t.largest(c, 2048); got > 512 {
		t.Fail(fmt.Sprintf("segments of %d bytes", got), "segments of 512 bytes or fewer")
	}
}

func restartedText(t *T) {
	c := t.Open(probe.Login{})
	request, _ := t.opened(c, receives(512))
	restart := openText(c, receives(1024))
	restart.ITT = request.ITT
	response, e := t.texted(c, restart)
	if response == nil {
		t.Fail(e, "a Text Response that begins the exchange anew")
	}
	if end, e := t.texted(c, continued(c, restart, response, nil)); end == nil || !end.Final {
		t.Fail(e, "a Text Response with F=1")
	}
	if got := t.largest(c, 4096); got > 1024 {
		t.Fail(fmt.Sprintf("segments of %d bytes", got), "segments of 1024 bytes or fewer")
	}
}

func abandonedText(t *T) {
	c := t.Open(probe.Login{Keys: receives(1024)})
	t.opened(c, receives(512))
	e := c.Next(t.patient(abandonedTime))
	_, rejected := probe.As[*pdu.Reject](e)
	if e.Ended() {
		t.Skip("The target drops the connection when it gives the exchange up: %v.", e)
	}
	if got := t.largest(c, 4096); got <= 512 {
		if !rejected {
			// The exchange may still be open, but its values count only at its end.
			t.Warn("A value takes effect before the exchange has ended.", fmt.Sprintf("segments of %d bytes", got), "segments above 512 bytes")
			return
		}
		t.Fail(fmt.Sprintf("segments of %d bytes", got), "segments above 512 bytes")
	}
}

func illegalValue(t *T) {
	c := t.Open(probe.Login{})
	r := c.Text(receives(511))
	_, rejected := probe.As[*pdu.Reject](r.Event)
	value, _ := r.Pairs.Get(text.KeyMaxRecvDataSegmentLength)
	switch {
	case r.Event.Ended():
		return
	case rejected:
		if p, _ := probe.As[*pdu.Reject](r.Event); p.Reason == pdu.RejectNegotiationReset {
			t.Warn("The Reject has the withdrawn reason 0x0b.", r.Event, "another reason")
		}
		c.Session.CmdSN = c.Session.ExpCmdSN // what is rejected does not count
	case !r.Complete || value != text.Reject:
		t.Fault(fmt.Sprintf("%v with %q", r.Event, r.Pairs), "a Reject", "MaxRecvDataSegmentLength=Reject", "a drop")
	}
	if got := t.largest(c, 2048); got == 511 {
		t.Fail("segments of 511 bytes", "the old value stays")
	}
	if r = c.Text(receives(512)); !r.Complete {
		t.Fail(r.Event, "a Text Response with F=1")
	}
	if got := t.largest(c, 2048); got > 512 {
		t.Fail(fmt.Sprintf("segments of %d bytes", got), "segments of 512 bytes or fewer")
	}
}
