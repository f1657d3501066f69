package faults

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// unruly is a plan in which every verb has its turn.
const unruly = `
jitter:at=0s,by=700us
throttle:dir=to-target,at=0s,for=5s,rate=200000
split:at=0s,for=90ms,size=31
coalesce:dir=to-initiator,at=100ms,for=4s,by=2ms
delay:at=50ms,for=2s,by=1ms
drop:pdu=nop-out,chance=0.02
corrupt:pdu=nop-in,chance=0.01,byte=16
truncate:pdu=nop-in,if=length>4,nth=200,each=90,byte=data+1
reset:pdu=nop-out,if=length=3,nth=7,each=15,byte=40
fin:pdu=nop-in,nth=100,each=61,byte=end
silence:dir=to-initiator,pdu=nop-out,nth=40,byte=20,for=800ms
stall:conn=10.0.0.1:3260#3,at=10ms,for=1s,after=300
reset:at=300ms,every=500ms,times=3
refuse:at=600ms,for=100ms,every=1s,times=3
blackhole:at=900ms,for=200ms
move:portal=10.0.0.1:3260,at=1s,for=150ms,to=10.0.0.2:3260
heal:at=1800ms
`

// insist keeps asking until it has had its answers, over as many connections as that takes, and gives up at the hundredth.
func insist(t *testing.T, host *Host, number uint32, rounds int) {
	for range 100 {
		if rounds = askOn(t, host, number, rounds); rounds == 0 {
			return
		}
		time.Sleep(time.Duration(7+number) * Grain * 10007)
	}
}

// askOn asks over one connection until it fails, and gives how many rounds are left.
func askOn(t *testing.T, host *Host, number uint32, rounds int) int {
	c, err := host.DialContext(t.Context(), "tcp", portalA)
	if err != nil {
		return rounds
	}
	defer c.Close()
	r := pdu.NewReader(c, pdu.Limits{})
	for ; rounds > 0; rounds-- {
		if err := c.SetDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
			return rounds
		}
		if _, err := c.Write(append(nopOut(number, rounds), nopOut(number, 0)...)); err != nil {
			return rounds
		}
		for range 2 {
			if _, err := r.Read(); err != nil {
				return rounds
			}
		}
		time.Sleep(time.Duration(61+number) * Grain * 10007)
	}
	return 0
}

func TestOneSeedLeavesOneTraceUnderEveryFault(t *testing.T) {
	plan, err := ParsePlan(unruly)
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[Verb]bool{}
	for _, f := range plan {
		verbs[f.Verb] = true
	}
	if len(verbs) != len(Verbs()) {
		t.Errorf("%d of %d verbs have their turn", len(verbs), len(Verbs()))
	}
	first := exchangeUnder(t, 7, plan, insist)
	for run := range 12 {
		if again := exchangeUnder(t, 7, plan, insist); !bytes.Equal(first, again) {
			t.Fatalf("run %d left another trace", run+2)
		}
	}
	if bytes.Equal(first, exchangeUnder(t, 8, plan, insist)) {
		t.Error("another seed left the same trace")
	}
}
