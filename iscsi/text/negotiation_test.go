package text_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

func target(wants ...text.Want) *text.Negotiation {
	return text.NewNegotiation(text.Target, text.Normal, wants)
}

func initiator(wants ...text.Want) *text.Negotiation {
	return text.NewNegotiation(text.Initiator, text.Normal, wants)
}

func one(key, value string) text.Pairs { return text.Pairs{{Key: key, Value: value}} }

// TestAnswers has a row for each key and each kind of offer.
func TestAnswers(t *testing.T) {
	for _, c := range []struct{ key, limit, offer, want string }{
		{"HeaderDigest", "None", "CRC32C,None", "None"},
		{"HeaderDigest", "CRC32C,None", "CRC32C,None", "CRC32C"},
		{"HeaderDigest", "CRC32C,None", "None,CRC32C", "None"},
		{"HeaderDigest", "CRC32C", "None", "Reject"},
		{"HeaderDigest", "CRC32C,None", "Y-com.example.sum64,None", "None"},
		{"HeaderDigest", "CRC32C,None", "Y-com.example.sum64", "Reject"},
		{"HeaderDigest", "CRC32C,None", "CRC32C, None", "CRC32C"},
		{"HeaderDigest", "CRC32C,None", "", "Reject"},
		{"DataDigest", "", "CRC32C,None", "None"},
		{"MaxConnections", "4", "8", "4"}, {"MaxConnections", "4", "2", "2"}, {"MaxConnections", "", "8", "1"}, {"MaxConnections", "4", "0", "Reject"},
		{"MaxConnections", "4", "65536", "Reject"}, {"MaxConnections", "4", "NotUnderstood", "Reject"}, {"MaxConnections", "4", "1~4", "Reject"},
		{"InitialR2T", "Yes", "No", "Yes"}, {"InitialR2T", "No", "No", "No"}, {"InitialR2T", "No", "Yes", "Yes"}, {"InitialR2T", "", "No", "Yes"},
		{"InitialR2T", "No", "Maybe", "Reject"},
		{"ImmediateData", "Yes", "No", "No"}, {"ImmediateData", "No", "Yes", "No"}, {"ImmediateData", "Yes", "Yes", "Yes"}, {"ImmediateData", "", "Yes", "Yes"},
		{"ImmediateData", "Yes", "yes", "Reject"}, {"ImmediateData", "Yes", "1", "Reject"},
		{"MaxBurstLength", "65536", "0x10000", "65536"}, {"MaxBurstLength", "65536", "512", "512"}, {"MaxBurstLength", "65536", "511", "Reject"},
		{"MaxBurstLength", "65536", "16777216", "Reject"}, {"MaxBurstLength", "65536", "large", "Reject"}, {"MaxBurstLength", "65536", "", "Reject"},
		{"FirstBurstLength", "131072", "0X2000", "8192"}, {"FirstBurstLength", "524288", "16777215", "262144"},
		{"DefaultTime2Wait", "5", "60", "60"}, {"DefaultTime2Wait", "60", "5", "60"}, {"DefaultTime2Wait", "", "0", "2"}, {"DefaultTime2Wait", "2", "3601", "Reject"},
		{"DefaultTime2Retain", "30", "5", "5"}, {"DefaultTime2Retain", "0", "20", "0"}, {"DefaultTime2Retain", "", "3600", "20"},
		{"MaxOutstandingR2T", "8", "16", "8"}, {"MaxOutstandingR2T", "", "16", "1"}, {"MaxOutstandingR2T", "8", "65536", "Reject"},
		{"DataPDUInOrder", "Yes", "No", "Yes"}, {"DataPDUInOrder", "No", "No", "No"},
		{"DataSequenceInOrder", "Yes", "No", "Yes"}, {"DataSequenceInOrder", "No", "Yes", "Yes"},
		{"ErrorRecoveryLevel", "2", "1", "1"}, {"ErrorRecoveryLevel", "", "2", "0"}, {"ErrorRecoveryLevel", "2", "3", "Reject"},
		{"TaskReporting", "RFC3720,ResponseFence", "FastAbort,ResponseFence,RFC3720", "ResponseFence"},
		{"iSCSIProtocolLevel", "1", "2", "1"}, {"iSCSIProtocolLevel", "2", "2", "2"},
		{"IFMarker", "", "No", "Reject"}, {"OFMarker", "", "Yes", "Reject"}, {"IFMarkInt", "", "2048~65535", "Reject"}, {"OFMarkInt", "", "2048", "Reject"},
		{"X-com.example.probe", "", "1", "NotUnderstood"}, {"FutureBurstMode", "", "Yes", "NotUnderstood"}, {"maxburstlength", "", "1024", "NotUnderstood"},
		{"AuthMethod", "None", "CHAP,None", "Reject"}, // It has no place in the operational stage.
		{"InitiatorAlias", "", "tester", ""}, {"MaxRecvDataSegmentLength", "", "65536", ""}, {"SessionType", "", "Normal", ""},
	} {
		n := target(text.Want{Key: c.key, Limit: c.limit})
		answers, err := n.Receive(one(c.key, c.offer))
		if err != nil {
			t.Errorf("%s=%s: %v", c.key, c.offer, err)
			continue
		}
		got, _ := answers.Get(c.key)
		if got != c.want || c.want == "" && len(answers) > 0 {
			t.Errorf("%s=%s, limit %q: answered %v, want %q", c.key, c.offer, c.limit, answers, c.want)
		}
	}
}

func TestSecurityStageTakesItsOwnKeys(t *testing.T) {
	n := target(text.Want{Key: "AuthMethod", Limit: "CHAP,None"}, text.Want{Key: "MaxRecvDataSegmentLength", Offer: "4096"},
		text.Want{Key: "TargetPortalGroupTag", Offer: "1"})
	n.SetStage(text.SecurityNegotiation)
	answers, err := n.Receive(text.Pairs{{Key: "AuthMethod", Value: "SRP,CHAP"}, {Key: "MaxBurstLength", Value: "512"}})
	if err != nil || answers.String() != "AuthMethod=CHAP MaxBurstLength=Reject" {
		t.Errorf("%v, %v", answers, err)
	}
	if got := n.Offer().String(); got != "TargetPortalGroupTag=1" {
		t.Errorf("offers %s", got)
	}
	n.SetStage(text.LoginOperationalNegotiation)
	if !n.Unoffered() {
		t.Error("nothing is left to offer")
	}
	if got := n.Offer().String(); got != "MaxRecvDataSegmentLength=4096" || n.Unoffered() {
		t.Errorf("offers %s", got)
	}
	if p := n.Result(); p.AuthMethod != "CHAP" || p.MaxBurstLength != 262144 || p.MaxRecvDataSegmentLength != 4096 {
		t.Errorf("%+v", p)
	}
}

func TestDiscoveryAnswersIrrelevant(t *testing.T) {
	n := target(text.Want{Key: "MaxBurstLength", Offer: "65536"}, text.Want{Key: "DefaultTime2Wait", Offer: "3"})
	// The order of keys has no meaning: the session type comes last.
	answers, err := n.Receive(text.Pairs{{Key: "ImmediateData", Value: "Yes"}, {Key: "HeaderDigest", Value: "None"}, {Key: "SessionType", Value: "Discovery"}})
	if err != nil || answers.String() != "ImmediateData=Irrelevant HeaderDigest=None" {
		t.Errorf("%v, %v", answers, err)
	}
	if got := n.Offer().String(); got != "DefaultTime2Wait=3" {
		t.Errorf("offers %s", got)
	}
	if n.Result().SessionType != text.Discovery {
		t.Error("the session type is not known")
	}
}

func TestJoiningConnectionSettlesItsOwnKeysOnly(t *testing.T) {
	wants := []text.Want{{Key: "MaxBurstLength", Offer: "65536"}, {Key: "HeaderDigest", Offer: "CRC32C,None"}, {Key: "InitiatorName", Offer: "iqn.i"}}
	i, r := initiator(wants...), target(wants[:2]...)
	i.SetJoining(true)
	r.SetJoining(true)
	if got := i.Offer().String(); got != "HeaderDigest=CRC32C,None InitiatorName=iqn.i" {
		t.Errorf("offers %s", got)
	}
	answers, err := r.Receive(text.Pairs{{Key: "HeaderDigest", Value: "CRC32C,None"}, {Key: "MaxConnections", Value: "4"}})
	if err != nil || answers.String() != "HeaderDigest=CRC32C MaxConnections=Reject" {
		t.Errorf("%v, %v", answers, err)
	}
	if got := r.Offer().String(); got != "" {
		t.Errorf("offers %s", got)
	}
}

func TestReceivedAnswers(t *testing.T) {
	for _, c := range []struct {
		key, offer, answer string
		ok                 bool
	}{
		{"HeaderDigest", "CRC32C,None", "CRC32C", true}, {"HeaderDigest", "None", "CRC32C", false}, {"HeaderDigest", "CRC32C", "Reject", true},
		{"MaxBurstLength", "65536", "65536", true}, {"MaxBurstLength", "65536", "0x8000", true}, {"MaxBurstLength", "65536", "65537", false},
		{"MaxBurstLength", "65536", "511", false}, {"MaxBurstLength", "65536", "Irrelevant", true}, {"MaxBurstLength", "65536", "NotUnderstood", false},
		{"DefaultTime2Wait", "60", "60", true}, {"DefaultTime2Wait", "60", "2", false}, {"InitialR2T", "Yes", "No", false}, {"InitialR2T", "No", "Yes", true},
		{"ImmediateData", "No", "Yes", false}, {"ImmediateData", "Yes", "No", true}, {"ImmediateData", "Yes", "Maybe", false},
		{"TaskReporting", "RFC3720,ResponseFence", "NotUnderstood", true}, {"iSCSIProtocolLevel", "2", "NotUnderstood", true},
		{"X-com.example.k", "1", "NotUnderstood", true}, {"X-com.example.k", "1", "2", true}, {"IFMarker", "No", "No", true},
	} {
		n := initiator(text.Want{Key: c.key, Offer: c.offer})
		if got := n.Offer().String(); got != c.key+"="+c.offer {
			t.Fatalf("offers %s", got)
		}
		answers, err := n.Receive(one(c.key, c.answer))
		var keyError *text.KeyError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &keyError) || len(answers) > 0 {
			t.Errorf("%s=%s answered %s: %v, %v", c.key, c.offer, c.answer, answers, err)
		}
		if got, settled := n.Answer(c.key); !settled || got != c.answer {
			t.Errorf("%s: Answer is %q, %t", c.key, got, settled)
		}
	}
}

func TestProtocolErrors(t *testing.T) {
	for name, c := range map[string]struct {
		n     *text.Negotiation
		first text.Pairs
		then  text.Pairs
	}{
		"a key twice in one text":     {target(), nil, text.Pairs{{Key: "ImmediateData", Value: "Yes"}, {Key: "ImmediateData", Value: "No"}}},
		"a key again later":           {target(), one("MaxBurstLength", "65536"), one("MaxBurstLength", "32768")},
		"a declaration again":         {target(), one("MaxRecvDataSegmentLength", "8192"), one("MaxRecvDataSegmentLength", "16384")},
		"an unknown key again":        {target(), one("X-a", "1"), one("X-a", "1")},
		"a key of the other side":     {target(), nil, one("TargetAlias", "x")},
		"a target with a session":     {initiator(), nil, one("SessionType", "Normal")},
		"an unknown session type":     {target(), nil, one("SessionType", "Bogus")},
		"a length out of range":       {target(), nil, one("MaxRecvDataSegmentLength", "511")},
		"an alias too long":           {target(), nil, one("InitiatorAlias", strings.Repeat("a", 256))},
		"an answer to nothing":        {target(), nil, one("X-a", "NotUnderstood")},
		"a key of CHAP":               {target(), nil, one("CHAP_A", "5")},
		"SendTargets in a login":      {target(), nil, one("SendTargets", "All")},
		"a tag that is no number":     {initiator(), nil, one("TargetPortalGroupTag", "x")},
		"a key without letters":       {initiator(), nil, one("caf\xc3\xa9", "1")},
		"a key of 64 bytes":           {initiator(), nil, one(strings.Repeat("K", 64), "1")},
		"a name not understood":       {initiator(text.Want{Key: "InitiatorAlias", Offer: "host"}), nil, one("InitiatorAlias", "NotUnderstood")},
		"a value from out of nowhere": {initiator(text.Want{Key: "DataDigest", Offer: "None"}), nil, one("DataDigest", "CRC32C")},
	} {
		c.n.Offer()
		if _, err := c.n.Receive(c.first); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := c.n.Receive(c.then)
		var keyError *text.KeyError
		if !errors.As(err, &keyError) || keyError.Clause == "" || len(keyError.Error()) > 600 {
			t.Errorf("%s: %v, want a *KeyError", name, err)
		}
	}
}

// What is odd and does no harm is let pass.
func TestOddKeysArePassedOver(t *testing.T) {
	n := initiator(text.Want{Key: "X#NodeArchitecture", Offer: "x86"}, text.Want{Key: "MaxRecvDataSegmentLength", Offer: "8192"})
	n.Offer()
	answers, err := n.Receive(text.Pairs{
		{Key: "X#NodeArchitecture", Value: "NotUnderstood"}, {Key: "MaxRecvDataSegmentLength", Value: "Reject"},
		{Key: "TargetAddress", Value: "10.0.0.1"}, {Key: "TargetAddress", Value: "10.0.0.2"},
		{Key: "X#Later", Value: "1"}, {Key: "lower.case", Value: ""}, {Key: strings.Repeat("K", 63), Value: "1"},
	})
	want := "X#Later=NotUnderstood lower.case=NotUnderstood " + strings.Repeat("K", 63) + "=NotUnderstood"
	if err != nil || answers.String() != want {
		t.Errorf("%v, %v, want %s", answers, err, want)
	}
	if got := n.Result().TargetAddress; got != "10.0.0.1" {
		t.Errorf("TargetAddress %s, want the first", got)
	}
}

func TestOffersThatDecideByThemselves(t *testing.T) {
	n := initiator(text.Want{Key: "ImmediateData", Offer: "No"}, text.Want{Key: "InitialR2T", Offer: "Yes"}, text.Want{Key: "MaxBurstLength", Offer: "4096"})
	n.Offer()
	if diff := cmp.Diff([]string{"MaxBurstLength"}, n.Open()); diff != "" {
		t.Error(diff)
	}
	p := n.Result()
	if p.ImmediateData || !p.InitialR2T || p.MaxBurstLength != 262144 {
		t.Errorf("%+v", p)
	}
	if _, err := n.Receive(one("MaxBurstLength", "4096")); err != nil || len(n.Open()) > 0 {
		t.Errorf("%v, %v", n.Open(), err)
	}
	if p := n.Result(); p.FirstBurstLength != 4096 {
		t.Errorf("FirstBurstLength is %d", p.FirstBurstLength)
	}
}

func TestFirstBurstNeverAboveBurst(t *testing.T) {
	n := target(text.Want{Key: "MaxBurstLength", Limit: "16384"}, text.Want{Key: "FirstBurstLength", Limit: "65536"})
	answers, err := n.Receive(text.Pairs{{Key: "FirstBurstLength", Value: "65536"}, {Key: "MaxBurstLength", Value: "65536"}})
	if err != nil || answers.String() != "FirstBurstLength=16384 MaxBurstLength=16384" {
		t.Errorf("%v, %v", answers, err)
	}
}

func TestRequire(t *testing.T) {
	digest := text.Want{Key: "HeaderDigest", Offer: "CRC32C", Require: true}
	for answer, ok := range map[string]bool{"CRC32C": true, "Reject": false} {
		n := initiator(digest)
		n.Offer()
		if _, err := n.Receive(one("HeaderDigest", answer)); err != nil {
			t.Fatal(err)
		}
		if err := n.Check(); (err == nil) != ok {
			t.Errorf("%s: %v", answer, err)
		}
	}
	n := target(text.Want{Key: "HeaderDigest", Limit: "CRC32C", Require: true})
	if _, err := n.Receive(one("HeaderDigest", "None")); err != nil {
		t.Fatal(err)
	}
	if n.Check() == nil {
		t.Error("a target that requires digests goes without")
	}
	burst := target(text.Want{Key: "MaxBurstLength", Limit: "0x10000", Require: true})
	if _, err := burst.Receive(one("MaxBurstLength", "65536")); err != nil || burst.Check() != nil {
		t.Errorf("%v, %v", err, burst.Check())
	}
}

// legalValue draws a value that a key takes, or a list of them.
func legalValue(t *rapid.T, k text.Key, label string) string {
	switch {
	case k.Boolean():
		return rapid.SampledFrom([]string{text.Yes, text.No}).Draw(t, label)
	case k.Numeric():
		// The ends of the range are where mistakes are.
		return strconv.Itoa(rapid.OneOf(rapid.IntRange(k.Min, k.Max), rapid.SampledFrom([]int{k.Min, k.Max, min(k.Min+1, k.Max)})).Draw(t, label))
	}
	n := rapid.IntRange(1, len(k.Values)).Draw(t, label+" length")
	return strings.Join(rapid.Permutation(k.Values).Draw(t, label)[:n], ",")
}

// legalWants draws wants for some of the negotiated keys and for the lengths, in any order, offered or only limited.
func legalWants(t *rapid.T, side string) []text.Want {
	var wants []text.Want
	for _, k := range text.Keys() {
		if k.Function == text.Obsolete || !k.Operational || !k.Negotiated() && k.Name != text.KeyMaxRecvDataSegmentLength || rapid.Bool().Draw(t, side+" skips "+k.Name) {
			continue
		}
		want := text.Want{Key: k.Name, Limit: legalValue(t, k, side+" "+k.Name)}
		if rapid.Bool().Draw(t, side+" offers "+k.Name) || !k.Negotiated() {
			want.Offer, want.Limit = want.Limit, ""
		}
		wants = append(wants, want)
	}
	return rapid.Permutation(wants).Draw(t, side+" order")
}

// exchange carries texts between both sides, as a login does, until nobody has anything left to say.
func exchange(t interface{ Fatalf(string, ...any) }, i, r *text.Negotiation) (said text.Pairs) {
	var fromTarget text.Pairs
	for range 8 {
		answers, err := i.Receive(fromTarget)
		if err != nil {
			t.Fatalf("initiator: %v", err)
		}
		request := append(answers, i.Offer()...)
		answers, err = r.Receive(request)
		if err != nil {
			t.Fatalf("target: %v", err)
		}
		fromTarget = append(answers, r.Offer()...)
		said = append(append(said, request...), fromTarget...)
		if len(request) == 0 && len(fromTarget) == 0 {
			return said
		}
	}
	t.Fatalf("the negotiation does not end")
	return nil
}

func TestBothSidesReachTheSameResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]text.SessionType{text.Normal, text.Discovery}).Draw(t, "kind")
		wants := legalWants(t, "initiator")
		wants = append(wants, text.Want{Key: text.KeySessionType, Offer: kind.String()}, text.Want{Key: text.KeyInitiatorName, Offer: "iqn.i"})
		i := text.NewNegotiation(text.Initiator, kind, wants)
		r := text.NewNegotiation(text.Target, text.Normal, legalWants(t, "target"))
		said := exchange(t, i, r)
		if len(i.Open()) > 0 || len(r.Open()) > 0 {
			t.Fatalf("open: %v and %v after %v", i.Open(), r.Open(), said)
		}
		a, b := i.Result(), r.Result()
		// Each side's own length is the other's peer length.
		b.MaxRecvDataSegmentLength, b.PeerMaxRecvDataSegmentLength = b.PeerMaxRecvDataSegmentLength, b.MaxRecvDataSegmentLength
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("%v: %s", said, diff)
		}
		if a.FirstBurstLength > a.MaxBurstLength {
			t.Fatalf("FirstBurstLength %d above MaxBurstLength %d", a.FirstBurstLength, a.MaxBurstLength)
		}
		holdResultAgainstFunctions(t, said)
	})
}

// holdResultAgainstFunctions checks each answer against the function of its key, from the wire alone.
func holdResultAgainstFunctions(t *rapid.T, said text.Pairs) {
	for _, k := range text.Keys() {
		values := said.Values(k.Name)
		if !k.Negotiated() || len(values) == 0 {
			continue
		}
		if len(values) != 2 {
			t.Fatalf("%s was said %d times: %v", k.Name, len(values), values)
		}
		offer, answer := values[0], values[1]
		if answer == text.Irrelevant || answer == text.Reject && k.Function == text.List {
			continue
		}
		x, _ := text.ParseNumber(offer)
		y, _ := text.ParseNumber(answer)
		wrong := k.Function == text.Minimum && y > x || k.Function == text.Maximum && y < x || !k.Admits(answer) ||
			k.Function == text.And && offer == text.No && answer == text.Yes || k.Function == text.Or && offer == text.Yes && answer == text.No
		if wrong {
			t.Fatalf("%s=%s was answered %s", k.Name, offer, answer)
		}
	}
}

func FuzzReceive(f *testing.F) {
	for _, seed := range []string{"", "MaxBurstLength=65536\x00", "HeaderDigest=CRC32C,None\x00InitialR2T=No\x00", "SessionType=Discovery\x00", "X-a=1\x00X-a=1\x00"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, asTarget bool) {
		role := text.Initiator
		if asTarget {
			role = text.Target
		}
		n := text.NewNegotiation(role, text.Normal, []text.Want{{Key: "MaxBurstLength", Offer: "65536"}, {Key: "HeaderDigest", Limit: "CRC32C,None"}})
		n.Offer()
		pairs, _ := text.Parse(b)
		answers, _ := n.Receive(pairs)
		if len(answers) > len(pairs) {
			t.Errorf("%d answers to %d pairs", len(answers), len(pairs))
		}
		p := n.Result()
		if p.MaxBurstLength < 512 || p.MaxBurstLength > 1<<24-1 || p.FirstBurstLength > p.MaxBurstLength || p.MaxConnections < 1 || p.ErrorRecoveryLevel > 2 ||
			p.PeerMaxRecvDataSegmentLength < 512 {
			t.Errorf("%+v", p)
		}
	})
}
