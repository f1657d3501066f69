package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

func textLadder(t *testing.T, events []trace.Event, limit int) string {
	t.Helper()
	var b strings.Builder
	if err := WriteLadder(&b, events, limit); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextLadder(t *testing.T) {
	s := newStory()
	s.add(trace.Event{Kind: trace.KindOp, Node: "driver", Op: "login", State: trace.OpBegin, Request: 1})
	s.refused()
	s.accepted()
	s.ping()
	s.add(trace.Event{Kind: trace.KindBytes, Node: "host", Conn: s.conn, State: trace.Received, Raw: []byte("HTTP/1.1")})
	s.add(trace.Event{Kind: trace.KindFault, Node: "network", Conn: s.conn, State: "reset:at=1s"})
	s.session("reconnecting", "connected", "transport lost")
	s.closed("array", trace.CloseRSTReceived)
	s.closed("host", trace.CloseRSTReceived)
	s.request(3, "READ(10)", "submitted", "")
	s.request(3, "READ(10)", "queued", "")
	s.request(3, "READ(10)", "completed", "DEVICE-REMOVED")
	want := `
     0.000     · login begin
     0.000  -->  #1 connect
     0.000  x--  #1 no connection: connect: connection refused
     0.000     · session 1: attempt failed [connection refused]
     0.001  -->  #2 connect
     0.001  -->  #2 NOP-Out I ITT=0x900 CmdSN=1 ExpStatSN=4096 [4 bytes]
     0.001  <--  #2 NOP-In ITT=0x900 StatSN=4096 ExpCmdSN=1 MaxCmdSN=32 [4 bytes]
     0.002  x--  #2 8 bytes that are no whole PDU
     0.002   !   fault fired: reset:at=1s
     0.002     · session 1: connected → reconnecting, transport lost
     0.002  <--  #2 RST
     0.002     · request 3 READ(10): queued
     0.002     · request 3 READ(10): completed, DEVICE-REMOVED
`
	if diff := cmp.Diff(want, "\n"+textLadder(t, s.events, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLadderNamesPortalsWhereThereAreSeveral(t *testing.T) {
	s := newStory()
	s.login(pdu.Digests{})
	s.server, s.dials = "10.0.0.2:3260", 1
	s.login(pdu.Digests{})
	text := textLadder(t, s.events, 0)
	for _, want := range []string{"-->  10.0.0.1:3260 #1 Login Request", "<--  10.0.0.2:3260 #2 Login Response"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestLadderFromTheTargetsEnd(t *testing.T) {
	s := newStory()
	s.login(pdu.Digests{})
	s.closed("array", trace.CloseRSTSent)
	var only []trace.Event
	for _, e := range s.events {
		if e.Node == "array" {
			only = append(only, e)
		}
	}
	text := textLadder(t, only, 0)
	for _, want := range []string{"-->  Login Request", "<--  Login Response", "<--  RST"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestLadderFolds(t *testing.T) {
	s := reconnecting(pdu.Digests{}, 300*time.Second)
	text := textLadder(t, s.events, 0)
	if !strings.Contains(text, " :   ") || strings.Count(text, "connection refused") > 20 {
		t.Errorf("an outage of five minutes is not folded:\n%s", text)
	}
	if n := strings.Count(textLadder(t, s.events, 12), "\n"); n != 12 {
		t.Errorf("%d lines, limit 12", n)
	}
}
