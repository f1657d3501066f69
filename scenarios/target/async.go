package target

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// asyncChecks are those of the group async that need an action outside the wire.
func asyncChecks() []Check {
	return []Check{
		{ID: "async.format.fields", Run: asyncFields},
		{ID: "async.scsi-event.sense-data", Run: asyncSense},
		{ID: "async.logout-request.parameter", Run: asyncLogout},
		{ID: "async.drop-connection.parameters", Run: asyncDrop},
		{ID: "async.negotiation-request.answerable", Run: asyncNegotiation},
	}
}

// asyncOf brings about an Asynchronous Message and returns it; the part is skipped when another one comes, or none.
func (t *T) asyncOf(c *probe.Conn, m simtarget.Async) (*pdu.AsyncMessage, probe.Event) {
	t.Hook(asyncHooks[byte(m.Event)], c, simtarget.Action{Async: &m})
	within := t.Options().QuietTime
	if !t.Embedded() {
		within = t.Options().AnswerTimeout // the command may have ended before the target does as told
	}
	for until := time.Now().Add(within); ; {
		e := c.NextOfAll(time.Until(until))
		if p, is := probe.As[*pdu.AsyncMessage](e); is && p.Event == m.Event {
			return p, e
		}
		if e.Kind != probe.Arrived {
			t.Skip("The target does not send event %d: %v.", byte(m.Event), e)
		}
	}
}

func asyncFields(t *T) {
	c := t.Open(probe.Login{})
	next := c.ExpStatSN
	seen := false
	sense := simtarget.SenseCode{Key: 6, Code: 0x2a, Qualifier: 9}
	for _, m := range []simtarget.Async{
		{Event: pdu.AsyncSCSI, Sense: sense}, {Event: pdu.AsyncNegotiation}, {Event: pdu.AsyncVendor, VendorCode: 7, Data: []byte{0, 0, 1, 2}},
		{Event: pdu.AsyncLogoutRequest},
	} {
		if !t.hookable(asyncHooks[byte(m.Event)]) {
			continue
		}
		seen = true
		p, e := t.asyncOf(c, m)
		t.soundAsync(e, p)
		if p.StatSN != next {
			t.Fail(fmt.Sprintf("an Asynchronous Message with StatSN 0x%x", p.StatSN), fmt.Sprintf("StatSN 0x%x", next))
		}
		next++
	}
	if !seen {
		t.Hook(HookAsyncLogout, c) // which says that there is none
	}
	t.StatSNInOrder()
}

// soundAsync ends the part when an Asynchronous Message is malformed.
func (t *T) soundAsync(e probe.Event, p *pdu.AsyncMessage) {
	h := &e.Frame.BHS
	switch {
	case h.ITT() != pdu.ReservedTag:
		t.Fail(fmt.Sprintf("an Asynchronous Message with 0x%08x in the place of the tag", h.ITT()), "0xffffffff")
	case !h.Final():
		t.Fail("an Asynchronous Message with F=0", "F=1")
	case p.Event > pdu.AsyncTasksTerminated && p.Event < 248:
		t.Fail(fmt.Sprintf("event %d", byte(p.Event)), "event 0 to 5, or 248 to 255")
	case len(p.Data) == 0:
	case len(p.Data) < 2 || 2+int(binary.BigEndian.Uint16(p.Data)) > len(p.Data):
		t.Fail(fmt.Sprintf("a data segment of %d bytes whose SenseLength does not fit", len(p.Data)), "a SenseLength that fits")
	case p.Event != pdu.AsyncSCSI && binary.BigEndian.Uint16(p.Data) != 0:
		t.Fail(fmt.Sprintf("event %d with SenseLength %d", byte(p.Event), binary.BigEndian.Uint16(p.Data)), "SenseLength 0")
	}
}

func asyncSense(t *T) {
	c := t.Open(probe.Login{})
	p, _ := t.asyncOf(c, simtarget.Async{Event: pdu.AsyncSCSI, Sense: simtarget.SenseCode{Key: 6, Code: 0x2a, Qualifier: 9}})
	want := "sense data with its length, and the LUN that changed"
	if len(p.Data) < 3 {
		t.Fail(fmt.Sprintf("event 0 with %d bytes of data", len(p.Data)), want)
	}
	switch length := int(binary.BigEndian.Uint16(p.Data)); {
	case length == 0 || 2+length > len(p.Data):
		t.Fail(fmt.Sprintf("SenseLength %d in %d bytes", length, len(p.Data)), want)
	case p.Data[2]&0x7f < 0x70 || p.Data[2]&0x7f > 0x73:
		t.Fail(fmt.Sprintf("sense data with response code 0x%02x", p.Data[2]&0x7f), want)
	case p.LUN != t.Options().LUN:
		t.Fail(fmt.Sprintf("LUN 0x%016x", p.LUN), fmt.Sprintf("LUN 0x%016x", t.Options().LUN))
	}
	t.Survives(c, "the session")
}

func asyncLogout(t *T) {
	c := t.Open(probe.Login{})
	p, e := t.asyncOf(c, simtarget.Async{Event: pdu.AsyncLogoutRequest})
	within := time.Duration(p.Parameter3) * time.Second
	if p.Parameter3 > 3600 {
		t.Warn("The logout may take more than an hour.", e, "Parameter3 of 3600 or less")
		return
	}
	if within <= time.Second {
		return
	}
	for until := e.At.Add(within - time.Second); time.Now().Before(until); {
		if e := c.Next(time.Until(until)); e.Ended() {
			t.Warn("The target drops the connection before the time that it has announced.", e, fmt.Sprintf("a connection that stays for %v", within))
			return
		}
	}
}

func asyncDrop(t *T) {
	c := t.Open(probe.Login{})
	p, _ := t.asyncOf(c, simtarget.Async{Event: pdu.AsyncConnectionDrop, Then: simtarget.EndFIN})
	if p.Parameter1 != c.CID {
		t.Fail(fmt.Sprintf("the drop of CID %d", p.Parameter1), fmt.Sprintf("CID %d", c.CID))
	}
	t.Dropped(c, "after event 2")
	if !t.Pause(time.Duration(p.Parameter2) * time.Second) {
		t.Unclear("The check's own time was over.")
	}
	t.Survives(t.Granted(t.Login(probe.Login{ISID: &c.Session.ISID})), "a session after Time2Wait")
}

func asyncNegotiation(t *T) {
	c := t.Open(probe.Login{})
	t.asyncOf(c, simtarget.Async{Event: pdu.AsyncNegotiation})
	r := c.Text(nil)
	if !r.Complete {
		t.FailFirmly(r.Event, "a Text Response")
	}
}
