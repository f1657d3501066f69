package text_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]int{"0": 0, "1": 1, "262144": 262144, "0x10": 16, "0X00fF": 255, "0x0": 0, "9223372036854775807": 1<<63 - 1} {
		if got, ok := text.ParseNumber(s); !ok || got != want {
			t.Errorf("%q: %d, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "-1", "+1", " 1", "1 ", "01", "0x", "0xg", "1e3", "12abc", "large", "0b1", "1_0", "9223372036854775808", "1~4", "0x-1"} {
		if got, ok := text.ParseNumber(s); ok {
			t.Errorf("%q is taken as %d", s, got)
		}
	}
}

func TestValidKeyName(t *testing.T) {
	for name, want := range map[string]bool{
		"InitiatorName": true, "X-com.example.k": true, "A": true, "iSCSIProtocolLevel": true, "X#NodeArchitecture": true, "X+@_-.": true,
		"": false, "lower": false, "1A": false, "A b": false, "X#other": false, "A=": false, "É": false,
		"X" + strings.Repeat("a", 62): true, "X" + strings.Repeat("a", 63): false,
	} {
		if text.ValidKeyName(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

// TestTable holds the table against the words of RFC 7143, Section 13, copied here by hand.
func TestTable(t *testing.T) {
	type row struct {
		function    text.Function
		min, max    int
		fallback    string
		senders     string
		use         text.Use
		scope       text.Scope
		noDiscovery bool
	}
	const both = "initiator and target"
	want := map[string]row{
		"HeaderDigest":             {text.List, 0, 0, "None", both, text.InitializeOnly, text.ConnectionOnly, false},
		"DataDigest":               {text.List, 0, 0, "None", both, text.InitializeOnly, text.ConnectionOnly, false},
		"MaxConnections":           {text.Minimum, 1, 65535, "1", both, text.LeadingOnly, text.SessionWide, true},
		"SendTargets":              {text.Command, 0, 0, "", "initiator", text.FullFeatureOnly, text.SessionWide, false},
		"TargetName":               {text.Declarative, 0, 0, "", both, text.InitializeOnly, text.SessionWide, false},
		"InitiatorName":            {text.Declarative, 0, 0, "", "initiator", text.InitializeOnly, text.SessionWide, false},
		"TargetAlias":              {text.Declarative, 0, 0, "", "target", text.AnyPhase, text.SessionWide, false},
		"InitiatorAlias":           {text.Declarative, 0, 0, "", "initiator", text.AnyPhase, text.SessionWide, false},
		"TargetAddress":            {text.Declarative, 0, 0, "", "target", text.AnyPhase, text.SessionWide, false},
		"TargetPortalGroupTag":     {text.Declarative, 0, 65535, "", "target", text.InitializeOnly, text.SessionWide, false},
		"InitialR2T":               {text.Or, 0, 0, "Yes", both, text.LeadingOnly, text.SessionWide, true},
		"ImmediateData":            {text.And, 0, 0, "Yes", both, text.LeadingOnly, text.SessionWide, true},
		"MaxRecvDataSegmentLength": {text.Declarative, 512, 16777215, "8192", both, text.AnyPhase, text.ConnectionOnly, false},
		"MaxBurstLength":           {text.Minimum, 512, 16777215, "262144", both, text.LeadingOnly, text.SessionWide, true},
		"FirstBurstLength":         {text.Minimum, 512, 16777215, "65536", both, text.LeadingOnly, text.SessionWide, true},
		"DefaultTime2Wait":         {text.Maximum, 0, 3600, "2", both, text.LeadingOnly, text.SessionWide, false},
		"DefaultTime2Retain":       {text.Minimum, 0, 3600, "20", both, text.LeadingOnly, text.SessionWide, false},
		"MaxOutstandingR2T":        {text.Minimum, 1, 65535, "1", both, text.LeadingOnly, text.SessionWide, true},
		"DataPDUInOrder":           {text.Or, 0, 0, "Yes", both, text.LeadingOnly, text.SessionWide, true},
		"DataSequenceInOrder":      {text.Or, 0, 0, "Yes", both, text.LeadingOnly, text.SessionWide, true},
		"ErrorRecoveryLevel":       {text.Minimum, 0, 2, "0", both, text.LeadingOnly, text.SessionWide, false},
		"SessionType":              {text.Declarative, 0, 0, "Normal", "initiator", text.LeadingOnly, text.SessionWide, false},
		"TaskReporting":            {text.List, 0, 0, "RFC3720", both, text.LeadingOnly, text.SessionWide, true},
		"iSCSIProtocolLevel":       {text.Minimum, 0, 31, "1", both, text.LeadingOnly, text.SessionWide, true},
		"X#NodeArchitecture":       {text.Declarative, 0, 0, "", both, text.LeadingOnly, text.SessionWide, false},
		"AuthMethod":               {text.List, 0, 0, "None", both, text.InitializeOnly, text.ConnectionOnly, false},
	}
	seen := 0
	last := ""
	for _, k := range text.Keys() {
		if k.Name <= last {
			t.Errorf("%s stands behind %s", k.Name, last)
		}
		last = k.Name
		if !strings.HasPrefix(k.Clause, "RFC 714") || !text.ValidKeyName(k.Name) && k.Function != text.Security {
			t.Errorf("%s: clause %q", k.Name, k.Clause)
		}
		w, listed := want[k.Name]
		if !listed {
			if k.Function != text.Security && k.Function != text.Obsolete {
				t.Errorf("%s is not in the RFC's list", k.Name)
			}
			continue
		}
		seen++
		got := row{k.Function, k.Min, k.Max, k.Default, k.Senders.String(), k.Use, k.Scope, k.NotInDiscovery}
		if diff := cmp.Diff(w, got, cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("%s: %s", k.Name, diff)
		}
	}
	if seen != len(want) {
		t.Errorf("the table has %d of %d keys", seen, len(want))
	}
}

func TestDefaultParamsFollowTheTable(t *testing.T) {
	p := text.DefaultParams()
	filled := p
	for _, k := range text.Keys() {
		if k.Negotiated() && k.Default != "" && !filled.Set(k.Name, k.Default, true) {
			t.Errorf("%s does not take its default %s", k.Name, k.Default)
		}
	}
	if diff := cmp.Diff(p, filled); diff != "" {
		t.Error(diff)
	}
}

func TestAdmits(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       bool
	}{
		{"MaxBurstLength", "512", true}, {"MaxBurstLength", "511", false}, {"MaxBurstLength", "16777215", true}, {"MaxBurstLength", "16777216", false},
		{"MaxBurstLength", "Reject", false}, {"InitialR2T", "Yes", true}, {"InitialR2T", "yes", false}, {"HeaderDigest", "CRC32C", true},
		{"HeaderDigest", "CRC32C,None", false}, {"SessionType", "Bogus", false}, {"InitiatorAlias", "Reject", true},
		{"InitiatorAlias", strings.Repeat("a", 256), false}, {"TargetPortalGroupTag", "0", true}, {"TargetPortalGroupTag", "65536", false},
		{"ErrorRecoveryLevel", strconv.Itoa(3), false}, {"DefaultTime2Wait", "3601", false},
	} {
		k, known := text.Lookup(c.key)
		if !known || k.Admits(c.value) != c.want {
			t.Errorf("%s=%s: %t", c.key, c.value, !c.want)
		}
	}
}
