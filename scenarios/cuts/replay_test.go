package cuts

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/trace"
)

// TestReplay runs the case whose line is in ISCSISPEC_REPLAY, prints its trace, and fails if a law is broken or a fault never fired.
func TestReplay(t *testing.T) {
	text := os.Getenv("ISCSISPEC_REPLAY")
	if text == "" {
		t.Skip("ISCSISPEC_REPLAY holds no line to replay")
	}
	c, err := ParseCase(text)
	if err != nil {
		t.Fatal(err)
	}
	clean := Case{Station: c.Station, Scenario: c.Scenario, Seed: c.Seed}.Do(t, nil, true)
	r := c.Do(t, clean.Run, false)
	for _, e := range r.Run.Events {
		t.Log(line(e))
	}
	tell(t, r)
}

// line shows an event without its bytes.
func line(e trace.Event) string {
	words := []string{e.At.String(), string(e.Kind), e.Node, e.Conn}
	if e.PDU != nil {
		words = append(words, faults.PDUName(e.PDU.Opcode()))
	}
	words = append(words, fmt.Sprintf("session %d request %d", e.Session, e.Request), e.Device, e.Op, e.State, e.Reason, e.Err, fmt.Sprint(e.Attrs))
	return strings.Join(words, " ")
}

// TestWhatOnceWentWrong replays cuts that our own peers did not survive once, or that the judges were wrong about.
func TestWhatOnceWentWrong(t *testing.T) {
	for _, text := range []string{
		// Two cuts took longer to mend than the story leaves to one, and its later steps began late.
		"profile=single-session-nas scenario=read seed=1 faults=reset:pdu=scsi-command,nth=12;truncate:pdu=scsi-command,nth=15,byte=47",
		"profile=single-port-redirect-permanent scenario=clone seed=1 faults=silence:pdu=data-in,nth=8,for=40s;truncate:pdu=data-in,nth=15,byte=data+1",
		// One byte of the answer to a ping made the initiator begin its patience anew, and the request behind it timed out.
		"profile=plain scenario=clone seed=1 faults=silence:pdu=nop-in,byte=1,for=40s",
		// The array ends a write whose data have a wrong digest with CHECK CONDITION, as it may.
		"profile=digest-required scenario=write seed=1 faults=truncate:pdu=data-out,byte=data+4096",
		"profile=cloud-32 scenario=write seed=1 faults=truncate:pdu=data-out,nth=2,byte=data-digest+1",
	} {
		c, err := ParseCase(text)
		if err != nil {
			t.Fatal(err)
		}
		clean := Case{Station: c.Station, Scenario: c.Scenario, Seed: c.Seed}.Do(t, nil, true)
		tell(t, c.Do(t, clean.Run, true))
	}
}

func TestParseCase(t *testing.T) {
	const text = "profile=chap scenario=write seed=7 faults=reset:pdu=data-out,byte=data+1;fin:pdu=login-response,nth=3"
	c, err := ParseCase(text)
	if err != nil || c.String() != text || len(c.Faults) != 2 {
		t.Errorf("%q reads back as %q, %v", text, c, err)
	}
	for _, wrong := range []string{"", "profile=plain", "scenario=read", "profile=none scenario=read", "profile=plain scenario=none", "profile=plain scenario=read seed=x",
		"profile=plain scenario=read faults=reset", "profile=plain scenario=read more=1", "profile=plain scenario=read faults=reset:at=1s;what:at=1s"} {
		if c, err := ParseCase(wrong); err == nil {
			t.Errorf("%q is read as %q: want an error", wrong, c)
		}
	}
}
