package faults

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var sameFault = cmpopts.EquateComparable(netip.AddrPort{})

func TestTextFormsOfFaults(t *testing.T) {
	for _, text := range []string{
		"reset:portal=10.0.0.1:3260,at=12s",
		"reset:pdu=login-response,nth=3,byte=20",
		"reset:pdu=data-in,byte=data-digest+2",
		"fin:conn=10.0.0.1:3260#2,pdu=any,byte=end",
		"refuse:at=0s,for=1m0s",
		"silence:dir=to-initiator,at=3s",
		"blackhole:host=array,at=1.5s",
		"delay:dir=to-target,at=1s,by=30ms",
		"drop:portal=[::1]:3260,pdu=scsi-response",
		"corrupt:pdu=login-request,byte=ahs+1,at=4s",
		"heal:at=1m0s",
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.String(); got != text {
			t.Errorf("%s prints as %s", text, got)
		}
	}
}

func TestOtherSpellingsAreTaken(t *testing.T) {
	for text, want := range map[string]string{
		"refuse:portal=*,at=0s,for=60s":   "refuse:at=0s,for=1m0s",
		"reset:nth=1,pdu=nop-in,byte=0":   "reset:pdu=nop-in",
		" heal:at=60s ":                   "heal:at=1m0s",
		"silence:dir=both,at=3s":          "silence:at=3s",
		"reset:pdu=data-in,byte=data+0":   "reset:pdu=data-in,byte=data",
		"drop:host=*,pdu=any":             "",
		"reset":                           "",
		"reset:":                          "",
		"explode:at=1s":                   "",
		"reset:at=1s,at=2s":               "",
		"reset:at=-1s":                    "",
		"reset:pdu=hello":                 "",
		"reset:nth=2,at=1s":               "",
		"reset:pdu=nop-in,nth=0":          "",
		"reset:pdu=nop-in,byte=end+1":     "",
		"reset:pdu=nop-in,byte=99999999":  "",
		"reset:pdu=nop-in,byte=middle":    "",
		"refuse:pdu=login-request":        "",
		"drop:at=1s":                      "",
		"reset:at=1s,for=2s":              "",
		"reset:at=1s,by=2s":               "",
		"delay:at=1s":                     "",
		"refuse:at=1s,dir=to-target":      "",
		"silence:dir=up,at=1s":            "",
		"reset:portal=somewhere,at=1s":    "",
		"reset:portal=1.1.1.1:1,conn=a#1": "",
		"reset:colour=red":                "",
	} {
		f, err := Parse(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s was taken, as %s", text, f)
			}
			continue
		}
		if err != nil || f.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, f, err, want)
		}
	}
}

func drawFault(t *rapid.T) Fault {
	f := Fault{
		Verb: rapid.SampledFrom([]Verb{Reset, Fin, Silence, Refuse, Blackhole, Delay, Drop, Corrupt, Heal}).Draw(t, "verb"),
		Scope: rapid.SampledFrom([]Scope{Everything, {Portal: netip.MustParseAddrPort(portalA)}, {Conn: portalA + "#7"},
			{Host: "array"}, {Portal: netip.MustParseAddrPort("[fd00::2]:860")}}).Draw(t, "scope"),
		At: time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "at")),
	}
	if rapid.Bool().Draw(t, "placed") {
		f.PDU = rapid.SampledFrom(append(PDUNames(), anyPDU)).Draw(t, "pdu")
		f.Nth = rapid.SampledFrom([]int{0, 2, 3, 1000}).Draw(t, "nth")
		f.Byte.Region = rapid.SampledFrom([]Region{FromStart, FromAHS, HeaderDigest, FromData, DataDigest, AtEnd}).Draw(t, "region")
		if f.Byte.Region != AtEnd {
			f.Byte.Offset = rapid.IntRange(0, 1<<24-1).Draw(t, "offset")
		}
	}
	f.For = time.Duration(rapid.SampledFrom([]int64{0, int64(time.Minute)}).Draw(t, "for"))
	f.By = time.Duration(rapid.SampledFrom([]int64{0, int64(time.Millisecond)}).Draw(t, "by"))
	f.Dir = rapid.SampledFrom([]Direction{Both, ToInitiator, ToTarget}).Draw(t, "dir")
	return f
}

func TestEveryValidFaultReadsBackAsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFault(t)
		if f.Validate() != nil {
			t.Skip("not a fault")
		}
		back, err := Parse(f.String())
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if diff := cmp.Diff(f, back, sameFault); diff != "" {
			t.Fatalf("%s came back different:\n%s", f, diff)
		}
	})
}

func TestAPlanReadsBackAsItself(t *testing.T) {
	text := "reset:portal=10.0.0.1:3260,at=12s\nrefuse:at=12s,for=1m0s\n"
	p, err := ParsePlan("# an outage\n\n" + text)
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != text {
		t.Errorf("got %q", p)
	}
	if p.Last() != 72*time.Second {
		t.Errorf("it lasts until %v, want 72 s", p.Last())
	}
	if _, err := ParsePlan("heal:at=1s\nnonsense"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v does not name line 2", err)
	}
}
