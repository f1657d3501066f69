package faults

import (
	"errors"
	"strings"
	"testing"
	"time"
)

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
		"reset:at=5s,every=10s,times=20",
		"refuse:portal=10.0.0.1:3260,at=0s,for=2s,every=10s",
		"jitter:at=0s,by=3ms",
		"throttle:dir=to-target,at=1s,for=5s,rate=64000",
		"split:at=0s,by=1ms,size=1",
		"split:pdu=login-response,byte=data+3",
		"coalesce:pdu=data-in,each=2,by=2ms,size=8192",
		"corrupt:pdu=data-in,nth=2,byte=data-digest+3,bit=7",
		"corrupt:pdu=data-in,byte=padding,mask=0x81",
		"truncate:dir=to-target,pdu=any,chance=0.01,byte=40,times=3",
		"stall:dir=to-initiator,at=2s,after=4096",
		"move:portal=10.0.0.1:3260,at=2s,to=10.0.0.2:3260",
		"silence:dir=to-target,pdu=login-response,byte=20,for=3s",
		"reset:pdu=login-request,if=csg=1&nsg=3&transit&key.HeaderDigest=CRC32C%2cNone,nth=2",
		"drop:pdu=any,if=!final&lun=3&length>=512,each=3,times=4",
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

		"corrupt:pdu=any,mask=0xff":          "corrupt:pdu=any",
		"corrupt:pdu=any,mask=16":            "corrupt:pdu=any,bit=3",
		"drop:pdu=any,if=ITT=1":              "",
		"drop:pdu=any,if=itt=17&cmdsn<0x10":  "drop:pdu=any,if=itt=0x11&cmdsn<16",
		"drop:pdu=r2t,if=csg=1":              "",
		"drop:pdu=r2t,if=key.A":              "",
		"drop:pdu=any,if=final=1":            "",
		"drop:pdu=any,if=cmdsn":              "",
		"drop:pdu=any,if=!cmdsn=1":           "",
		"drop:pdu=any,if=":                   "",
		"drop:pdu=any,if=final&":             "",
		"drop:pdu=any,if=key.=1":             "",
		"drop:pdu=any,if=key.A<1":            "",
		"drop:pdu=any,if=key.A=%z1":          "",
		"drop:at=1s,if=final":                "",
		"corrupt:pdu=any,bit=8":              "",
		"corrupt:pdu=any,bit=1,mask=3":       "",
		"corrupt:pdu=any,mask=0":             "",
		"corrupt:pdu=any,byte=end":           "",
		"reset:pdu=any,times=2":              "",
		"reset:at=0s,times=2":                "",
		"reset:pdu=any,every=2s":             "",
		"reset:pdu=any,each=2,chance=0.5":    "",
		"reset:pdu=any,chance=0":             "",
		"reset:pdu=any,chance=1.5":           "",
		"reset:pdu=any,chance=NaN":           "",
		"refuse:at=0s,every=2s":              "",
		"refuse:at=0s,for=3s,every=2s":       "",
		"throttle:at=0s":                     "",
		"throttle:at=0s,rate=0":              "",
		"jitter:at=0s":                       "",
		"jitter:pdu=any,by=1s":               "",
		"coalesce:at=0s,size=5":              "",
		"split:at=0s":                        "",
		"split:pdu=any,byte=4,size=4":        "",
		"reset:at=0s,size=4":                 "",
		"move:at=0s,to=10.0.0.2:3260":        "",
		"move:portal=10.0.0.1:1,at=0s":       "",
		"move:portal=1.1.1.1:1,to=1.1.1.1:1": "",
		"truncate:at=1s":                     "",
		"stall:at=0s,after=-1":               "",
		"delay:pdu=any,byte=3,by=1s":         "",
	} {
		f, err := Parse(text)
		if want == "" {
			var e *Error
			if err == nil {
				t.Errorf("%s was taken, as %s", text, f)
			} else if !errors.As(err, &e) || e.Want == "" {
				t.Errorf("%s: %v does not say what was wanted", text, err)
			}
			continue
		}
		if err != nil || f.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, f, err, want)
		}
	}
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
