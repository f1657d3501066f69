package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// hostileLoginChecks are those of the group robustness about logins that do not end.
func hostileLoginChecks() []Check {
	long := scenarios.Limits{Run: 10 * time.Minute, Wall: 12 * time.Minute}
	return []Check{
		{ID: "robustness.login.half-open-timeout", Run: halfOpen, Limits: long},
		{ID: "robustness.login.connection-flood", Run: flood, Limits: long},
		{ID: "robustness.login.endless-cbit", Run: endlessText, Limits: long},
		{ID: "robustness.login.endless-rounds", Run: endlessRounds, Limits: long},
	}
}

// halfOpenTime is how long a target may keep a login that does not go on.
const halfOpenTime = 180 * time.Second

func halfOpen(t *T) {
	other := t.Open(probe.Login{})
	began := time.Now()
	silent, half, part := t.Connect(), t.Connect(), t.Connect()
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	half.Walk(probe.Login{}).Exchange(probe.Step{CSG: pdu.StageOperational, Keys: keys})
	request := part.Walk(probe.Login{}).Request(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: keys})
	// A failed write shows in the next event.
	_ = part.SendRaw(pdu.Encode(nil, request, pdu.Digests{})[:24])
	open := []*halfOpened{{silent, "a connection on which nothing was sent"}, {half, "a login that stops after the first exchange"},
		{part, "half of a Login Request"}}
	for time.Since(began) < halfOpenTime && len(open) > 0 {
		other.Await(time.Second, func(probe.Event) bool { return false }) // and answer pings, which a target may want sooner
		if err := other.Ping(nil); err != nil {
			t.FailFirmly(fmt.Sprintf("the session beside half-open logins: %v", err), "a session that works")
		}
		open = slices.DeleteFunc(open, func(c *halfOpened) bool { return over(c.Conn) })
	}
	for _, c := range open {
		t.Fault(fmt.Sprintf("%s is still open after %v", c.what, halfOpenTime), "a drop within 180 s")
	}
}

// halfOpened is a connection whose login does not go on.
type halfOpened struct {
	*probe.Conn
	what string
}

// over tells whether the target has ended a connection of which nothing else is wanted.
func over(c *probe.Conn) bool {
	for range 16 {
		if e := c.NextOfAll(time.Millisecond); e.Kind != probe.Arrived {
			return e.Ended()
		}
	}
	return false
}

// floodTime is how long silent connections stay, unless the target drops them before.
const floodTime = 60 * time.Second

func flood(t *T) {
	a := t.Open(probe.Login{})
	var silent []*probe.Conn
	refused, began := 0, time.Now()
	for i := range 500 {
		c, err := t.Dial()
		if err != nil {
			refused++ // lawful during the flood
			continue
		}
		silent = append(silent, c)
		if i%50 == 0 {
			t.Survives(a, "the session beside a flood of connections")
		}
	}
	// Once the target has dropped all of them there is no flood any more.
	for left := slices.Clone(silent); len(left) > 0 && time.Since(began) < t.patient(floodTime); left = slices.DeleteFunc(left, over) {
		if !t.Pause(t.patient(5 * time.Second)) {
			return
		}
		t.Survives(a, "the session beside a flood of connections")
	}
	for _, c := range silent {
		_ = c.Close()
	}
	t.Note("%d of 500 connections were refused", refused)
	t.Survives(t.Granted(t.LoginWithin(probe.Login{}, time.Minute)), "a session after the flood")
}

func endlessText(t *T) {
	other := t.Open(probe.Login{})
	c := t.Connect()
	w := c.Walk(probe.Login{})
	text := append(t.Names(probe.Login{}), t.Digests()...).Append(nil)
	text = append(text, "X-org.iscsispec.endless="...)
	taken, stopped := 0, false
	for taken < 4<<20 {
		for len(text) < 8192 {
			text = append(text, "a text without an end "...)
		}
		a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Continue: true, Data: text[:8192]})
		text = nil
		if !a.OK() {
			if a.Event.Kind == probe.TimedOut {
				t.Note("no answer after %d bytes of text", taken)
			}
			stopped = true
			break
		}
		if len(a.Response.Data) > 0 {
			t.Fail(a.Event, "an empty response while the text goes on")
		}
		taken += 8192
	}
	if !stopped {
		t.Warn("A text of 4 MiB is taken.", fmt.Sprintf("%d bytes", taken), "a refusal or a drop before the end")
	}
	t.Survives(other, "the session beside an endless text")
	_ = c.Close()
	t.serves("a session after an endless text")
}

func endlessRounds(t *T) {
	c := t.Connect()
	w := c.Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	for i := range 1000 {
		a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: keys})
		keys = nil
		if !a.OK() {
			if a.Event.Kind == probe.TimedOut {
				t.Fault(fmt.Sprintf("exchange %d: %v", i+1, a.Event), "an answer, a refusal or a drop")
			}
			break
		}
	}
	_ = c.Close()
	r := t.Prober.Login(probe.Login{})
	for began := time.Now(); !r.Granted() && time.Since(began) < retryTime && t.Pause(time.Second); {
		r = t.Prober.Login(probe.Login{})
	}
	if r.AuthRequired() {
		t.Granted(r)
	}
	if !r.Granted() {
		t.FailFirmly(fmt.Sprintf("after a login of many exchanges: %v", r), "a new session")
	}
}
