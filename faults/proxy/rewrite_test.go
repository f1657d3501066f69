package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// rewriting gives a rewriter that knows the addresses of one map, by their normal form.
func rewriting(known map[string]string, kept *[]string) *rewriter {
	return &rewriter{
		front: func(named iscsi.Address) (iscsi.Address, bool) {
			other, ok := known[normal(named).HostPort()]
			a, err := iscsi.ParseAddress(other)
			return a, ok && err == nil
		},
		kept: func(named string) { *kept = append(*kept, named) },
	}
}

func textResponse(more bool, data []byte) *pdu.Frame {
	return pdu.FrameOf(&pdu.TextResponse{Final: !more, Continue: more, ITT: 1, TTT: pdu.ReservedTag, Data: data})
}

func TestAddressesAreReplacedInEveryForm(t *testing.T) {
	known := map[string]string{"10.0.0.1:3260": "127.0.0.1:40001", "[2001:db8::1]:3261": "[::1]:40002", "array.example.com:3260": "127.0.0.1:40003"}
	for in, want := range map[string]string{
		"TargetAddress=10.0.0.1:3260,1":             "TargetAddress=127.0.0.1:40001,1",
		"TargetAddress=10.0.0.1,65535":              "TargetAddress=127.0.0.1:40001,65535",
		"TargetAddress=10.0.0.1":                    "TargetAddress=127.0.0.1:40001",
		"TargetAddress=[2001:db8:0::1]:3261,2":      "TargetAddress=[::1]:40002,2",
		"TargetAddress=Array.Example.COM.:3260,1":   "TargetAddress=127.0.0.1:40003,1",
		"TargetAddress=10.0.0.9:3260,1":             "TargetAddress=10.0.0.9:3260,1",
		"TargetAddress=2001:db8::1,1":               "TargetAddress=2001:db8::1,1",
		"TargetAddress=":                            "TargetAddress=",
		"X-TargetAddress=10.0.0.1":                  "X-TargetAddress=10.0.0.1",
		"TargetAlias=TargetAddress=10.0.0.1":        "TargetAlias=TargetAddress=10.0.0.1",
		"TargetAddress=10.0.0.1" + "\x00\x00X=\x00": "TargetAddress=127.0.0.1:40001" + "\x00\x00X=\x00",
	} {
		for _, d := range []pdu.Digests{{}, {Header: true, Data: true}} {
			var kept []string
			frame := frameOf(textResponse(false, []byte(in+"\x00")).Append(nil, d), d)
			changed := rewriting(known, &kept).rewrite(frame)
			again := frameOf(frame.Append(nil, d), d)
			if string(again.Data) != want+"\x00" || changed != (in != want) || again.HeaderDigestError() != nil || again.DataDigestError() != nil || kept != nil {
				t.Errorf("%q becomes %q (changed %t), want %q; %v %v", in, again.Data, changed, want, again.HeaderDigestError(), again.DataDigestError())
			}
		}
	}
}

func TestAWrongDigestIsNotMended(t *testing.T) {
	d := pdu.Digests{Header: true, Data: true}
	var kept []string
	wire := textResponse(false, []byte("TargetAddress=10.0.0.1\x00")).Append(nil, d)
	wire[len(wire)-1] ^= 1
	frame := frameOf(wire, d)
	if rewriting(map[string]string{"10.0.0.1:3260": "127.0.0.1:1"}, &kept).rewrite(frame) || !bytes.Equal(frame.Append(nil, d), wire) {
		t.Errorf("it has become %s", frame)
	}
}

func TestAnAddressStaysWhereThereIsNoRoom(t *testing.T) {
	var kept []string
	r := rewriting(map[string]string{"10.0.0.1:3260": "192.168.100.100:40001"}, &kept)
	pair := "TargetAddress=10.0.0.1:3260,1\x00"
	const number = 253
	in := strings.Repeat(pair, number)
	frame := textResponse(false, []byte(in))
	if !r.rewrite(frame) || len(frame.Data) > segmentDefault || len(kept) == 0 || !bytes.HasPrefix(frame.Data, []byte("TargetAddress=192.168.100.100:40001,1\x00")) {
		t.Errorf("%d bytes, %d kept", len(frame.Data), len(kept))
	}
	if got := len(kept) + bytes.Count(frame.Data, []byte("=192.")); got != number {
		t.Errorf("%d addresses of %d", got, number)
	}
	// In full feature phase the initiator's own word counts.
	kept = nil
	r.watch(pdu.FrameOf(&pdu.LoginRequest{Transit: true, Data: []byte("MaxRecvDataSegmentLength=262144\x00")}))
	r.full = true
	frame = textResponse(false, []byte(in))
	if !r.rewrite(frame) || kept != nil || bytes.Contains(frame.Data, []byte("=10.")) {
		t.Errorf("%d bytes, %d kept", len(frame.Data), len(kept))
	}
}

// However an answer is cut over PDUs, what the initiator puts together is the answer with other addresses, in as many PDUs.
func TestContinuedTextIsFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pairs, want text.Pairs
		known := map[string]string{}
		for i := range rapid.IntRange(1, 60).Draw(t, "pairs") {
			key := rapid.SampledFrom([]string{"TargetName", "TargetAddress", "TargetAddress", "X-long"}).Draw(t, "key")
			value, other := fmt.Sprintf("iqn.2026-01.com.example:t%d", i), ""
			switch key {
			case "TargetAddress":
				value = fmt.Sprintf("10.%d.0.%d:3260", i%7, i)
				known[value] = rapid.SampledFrom([]string{"1.1.1.1:1", "127.0.0.1:40001", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"}).Draw(t, "other")
				other = known[value] + ",1"
				value += ",1"
			case "X-long":
				value = strings.Repeat("TargetAddress=", rapid.IntRange(1, 60).Draw(t, "long"))
			}
			pairs.Add(key, value)
			if other == "" {
				other = value
			}
			want.Add(key, other)
		}
		var kept []string
		r := rewriting(known, &kept)
		r.full = true
		r.limit.Store(1 << 20)
		parts := text.Split(pairs, rapid.IntRange(1, 300).Draw(t, "segment"))
		var got []byte
		for i, part := range parts {
			frame := textResponse(i < len(parts)-1, part)
			was := string(part)
			if changed := r.rewrite(frame); changed == (string(frame.Data) == was) {
				t.Fatalf("changed is %t for %q after %q", changed, frame.Data, was)
			}
			got = append(got, frame.Data...)
		}
		if diff := cmp.Diff(string(want.Append(nil)), string(got)); diff != "" || kept != nil {
			t.Fatalf("kept %v (-want +got):\n%s", kept, diff)
		}
	})
}

// A PDU never becomes longer than the initiator takes, but for the last of a continued answer that has no room for what moved into it.
func TestContinuedTextKeepsToItsRoom(t *testing.T) {
	var kept []string
	r := rewriting(map[string]string{"10.0.0.1:3260": "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"}, &kept)
	var pairs text.Pairs
	for range 1000 {
		pairs.Add("TargetAddress", "10.0.0.1:3260,1")
	}
	parts := append(text.Split(pairs, segmentDefault), make([]byte, 0), make([]byte, 0), make([]byte, 0), make([]byte, 0))
	var got []byte
	for i, part := range parts {
		frame := textResponse(i < len(parts)-1, part)
		r.rewrite(frame)
		if len(frame.Data) > segmentDefault {
			t.Errorf("PDU %d has %d bytes", i, len(frame.Data))
		}
		got = append(got, frame.Data...)
	}
	if n := bytes.Count(got, []byte("ffff]:65535,1\x00")); n != 1000 || kept != nil {
		t.Errorf("%d addresses replaced, %d kept", n, len(kept))
	}
}

// A new question forgets what an answer that was given up has left.
func TestANewTextForgetsTheOld(t *testing.T) {
	var kept []string
	r := rewriting(map[string]string{"10.0.0.1:3260": "127.0.0.1:1"}, &kept)
	r.rewrite(textResponse(true, []byte("TargetName=x\x00TargetAddress=10.0")))
	r.watch(pdu.FrameOf(&pdu.TextRequest{Final: true, ITT: 2, TTT: pdu.ReservedTag, Data: []byte("SendTargets=All\x00")}))
	frame := textResponse(false, []byte("TargetName=y\x00"))
	if r.rewrite(frame) || string(frame.Data) != "TargetName=y\x00" {
		t.Errorf("%q", frame.Data)
	}
}
