package target

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// negotiationChecks are those of the group negotiation.
func negotiationChecks() []Check {
	return slices.Concat(negotiationBasicChecks(), negotiationKeyChecks(), negotiationValueChecks(), negotiationTextChecks(), negotiationExchangeChecks())
}

func negotiationBasicChecks() []Check {
	return []Check{
		{ID: "negotiation.unknown-key.notunderstood", Run: func(t *T) {
			for _, key := range []string{"X-com.example.iscsispec.probe", "X-" + strings.Repeat("k", 61)} {
				t.Part(fmt.Sprintf("a key of %d bytes", len(key)), func() {
					r := t.Login(probe.Login{Keys: text.Pairs{{Key: key, Value: "1"}}})
					t.Granted(r)
					if answers := r.Walk.Received().Values(key); !slices.Equal(answers, []string{text.NotUnderstood}) {
						t.Fail(fmt.Sprintf("the answers %q", answers), key+"=NotUnderstood, once")
					}
				})
			}
		}},
		{ID: "negotiation.answer.every-offered-key-answered", Run: everyKeyAnswered},
		{ID: "negotiation.list.first-supported-chosen", Run: func(t *T) {
			t.Part(text.KeyHeaderDigest, func() { firstSupportedChosen(t, text.KeyHeaderDigest) })
			t.Part(text.KeyDataDigest, func() { firstSupportedChosen(t, text.KeyDataDigest) })
		}},
		{ID: "negotiation.partial.failed-login-leaves-nothing", Run: failedLoginLeavesNothing},
	}
}

func everyKeyAnswered(t *T) {
	offers := t.Digests("MaxConnections=1", "InitialR2T=No", "ImmediateData=Yes", "MaxBurstLength=262144", "FirstBurstLength=65536",
		"DefaultTime2Wait=2", "DefaultTime2Retain=20", "MaxOutstandingR2T=1", "DataPDUInOrder=No", "DataSequenceInOrder=No", "ErrorRecoveryLevel=0")
	r := t.Login(probe.Login{Keys: offers})
	t.Granted(r)
	received := r.Walk.Received()
	for _, offer := range offers {
		if answers := received.Values(offer.Key); len(answers) != 1 {
			t.Fault(fmt.Sprintf("%d answers to %s: %q", len(answers), offer, answers), "one answer to "+offer.Key)
		}
	}
}

func firstSupportedChosen(t *T, key string) {
	r := t.Login(probe.Login{Keys: Keys(key + "=None,CRC32C")})
	t.Granted(r)
	answer, _ := r.Answer(key)
	t.Leave(r.Conn)
	if answer == "CRC32C" {
		if none := t.Login(probe.Login{Keys: Keys(key + "=None")}); !none.Granted() {
			t.Skip("The target requires %s: %v.", key, none)
		}
	}
	if answer != "None" {
		t.Fail(fmt.Sprintf("%s=%s in answer to None,CRC32C", key, answer), key+"=None")
	}
	r = t.Login(probe.Login{Keys: Keys(key + "=CRC32C,None")})
	t.Granted(r)
	if answer, _ = r.Answer(key); answer != "CRC32C" && answer != "None" {
		t.Fail(fmt.Sprintf("%s=%s in answer to CRC32C,None", key, answer), key+"=CRC32C", key+"=None")
	}
}

// comeback is how long a target may take until it lets in again an initiator whose login was broken off.
const comeback = 5 * time.Second

func failedLoginLeavesNothing(t *T) {
	c := t.Connect()
	w := c.Walk(probe.Login{})
	isid := w.ISID
	t.Accepted(w.Exchange(probe.Step{CSG: pdu.StageOperational,
		Keys: append(t.Names(probe.Login{}), t.Digests("MaxBurstLength=512", "FirstBurstLength=512")...)}))
	// Closing is the stimulus; the target sees the end in any case.
	_ = c.Close()
	r := t.Login(probe.Login{ISID: &isid})
	for waited := time.Duration(0); !r.Granted() && waited < comeback; waited += time.Second {
		t.Pause(time.Second)
		r = t.Login(probe.Login{ISID: &isid})
	}
	c = t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	read := t.Good(c.Execute(t.Read(c, 0, 4096)), "READ of 4096 bytes")
	if len(read.Data) < 4096 {
		t.Fail(fmt.Sprintf("%d bytes", len(read.Data)), "4096 bytes")
	}
}
