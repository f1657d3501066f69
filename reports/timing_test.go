package reports

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// outline tells a plot in words.
func outline(t *timing) []string {
	var out []string
	for _, tr := range t.tracks {
		line := tr.name + ":"
		for _, b := range tr.bands {
			line += fmt.Sprintf(" [%.0f-%.0f %s %s]", b.from.Seconds(), b.to.Seconds(), b.tone, b.label)
		}
		for _, m := range tr.marks {
			line += fmt.Sprintf(" %.0f:%s/%s", m.at.Seconds(), m.shape, m.tone)
		}
		out = append(out, line)
	}
	return out
}

func TestTimingOfAShortOutage(t *testing.T) {
	plot := newTiming(reconnecting(pdu.Digests{}, 40*time.Second).events)
	want := []string{
		"link to 10.0.0.1:3260: [0-12 good up] [12-40 bad refused] [40-40 good up] 12:cross/bad",
		"login attempts: 0:tick/good 12:cross/bad 17:cross/bad 22:cross/bad 27:cross/bad 32:cross/bad 37:cross/bad 40:tick/good",
		"session 1: [0-0 wait connecting] [0-12 good connected] [12-40 bad reconnecting] [40-40 good connected]",
		"device disk0: [0-12 good in the stack] [12-40 wait in the stack, no session] [40-40 good in the stack]",
		"device disk1: [0-12 good in the stack] [12-40 wait in the stack, no session] [40-40 good in the stack]",
		"requests: 17:diamond/good 17:up/wait",
	}
	if diff := cmp.Diff(want, outline(plot)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(plot.faults) != 1 || len(plot.cuts) != 1 || len(plot.omitted) != 0 {
		t.Errorf("%d fault periods, %d cuts, omitted %v", len(plot.faults), len(plot.cuts), plot.omitted)
	}
}

func TestTimingOfALongOutage(t *testing.T) {
	lines := outline(newTiming(reconnecting(pdu.Digests{}, 95*time.Second).events))
	if want := "device disk0: [0-12 good in the stack] [12-72 wait in the stack, no session] [95-95 good in the stack]"; lines[3] != want {
		t.Errorf("%s, want %s", lines[3], want)
	}
	if !strings.HasSuffix(lines[5], " 72:cross/bad") {
		t.Errorf("the request that fails at removal is not marked: %s", lines[5])
	}
}

func TestTimingTellsLoginOutcomes(t *testing.T) {
	s := newStory()
	answer := func(p pdu.LoginResponse) {
		s.at += time.Second
		s.accepted()
		s.pass(&pdu.LoginRequest{Transit: true, NSG: pdu.StageFullFeature})
		s.pass(&p)
	}
	answer(pdu.LoginResponse{StatusClass: 1, StatusDetail: 1})
	answer(pdu.LoginResponse{StatusClass: 3, StatusDetail: 1})
	answer(pdu.LoginResponse{Transit: true, NSG: pdu.StageFullFeature})
	s.at = 4 * time.Second
	s.accepted()
	s.closed("host", trace.CloseRSTReceived)
	s.at = 5 * time.Second
	s.dial()
	s.add(trace.Event{Kind: trace.KindLink, Node: "network", To: "10.0.0.2:3260", State: trace.LinkSilent})
	s.add(trace.Event{Kind: trace.KindSession, Session: 1, Op: "async", State: "connected"})
	for i := range uint64(6) {
		s.device(i, "blocked", "", 1)
	}
	plot := newTiming(s.events)
	var labels []string
	for _, m := range plot.tracks[2].marks {
		labels = append(labels, m.label)
	}
	want := []string{
		"10.0.0.1:3260#1: redirected (0x0101)", "10.0.0.1:3260#2: refused (0x0301)", "10.0.0.1:3260#3: logged in",
		"10.0.0.1:3260#4: connection lost during login", "10.0.0.1:3260#5: no answer",
	}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"device disk4", "device disk5"}, plot.omitted); diff != "" {
		t.Errorf("omitted (-want +got):\n%s", diff)
	}
}

func TestNoTimingWithoutTroubles(t *testing.T) {
	s := newStory()
	s.login(pdu.Digests{})
	s.session("connected", "connecting", "")
	s.device(0, "arrived", "", 1)
	if newTiming(s.events) != nil {
		t.Error("a login alone is worth a timing plot")
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	for name, s := range stories() {
		plot := newTiming(s.events)
		if plot == nil {
			continue
		}
		dec := xml.NewDecoder(strings.NewReader(plot.svg()))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestTickStep(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		time.Millisecond: 100 * time.Microsecond, 75 * time.Second: 10 * time.Second, time.Hour: 500 * time.Second, 2 * time.Second: 200 * time.Millisecond,
	} {
		if got := tickStep(span); got != want {
			t.Errorf("%v: %v, want %v", span, got, want)
		}
	}
	if got := tickLabel(1500*time.Millisecond, 500*time.Millisecond); got != "1.5" {
		t.Errorf("label %q", got)
	}
	if got := exactSeconds(60 * time.Second); got != "60 s" {
		t.Errorf("period %q", got)
	}
	if got := exactSeconds(59999 * time.Millisecond); got != "59.999 s" {
		t.Errorf("period %q", got)
	}
}
