package initiator

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// discoveryRecordChecks are the rows about the records of SendTargets.
func discoveryRecordChecks() []Check {
	return []Check{
		{ID: "discovery.parse.single", Run: func(t *T) {
			t.discovers(record(nameA, "192.0.2.7:3261,1"), nameA+" 192.0.2.7:3261,1")
		}},
		{ID: "discovery.parse.multi", Run: func(t *T) {
			var records text.Pairs
			records = append(records, record(nameA, "192.0.2.7:3260,1")...)
			records = append(records, record(nameB, "192.0.2.8:3260,1", "[2001:db8::7]:3261,2", "array.example.org:3262,2", "192.0.2.9:860,1")...)
			records = append(records, record(nameC, "array.example.org,65535", "[2001:db8::8],2", "192.0.2.10:65535,1")...)
			t.discovers(records, nameA+" 192.0.2.7:3260,1",
				nameB+" 192.0.2.8:3260,1 [2001:db8::7]:3261,2 array.example.org:3262,2 192.0.2.9:860,1",
				nameC+" array.example.org:3260,65535 [2001:db8::8]:3260,2 192.0.2.10:65535,1")
		}},
		{ID: "discovery.parse.no-address", Run: func(t *T) { t.discovers(record(nameA), nameA+" "+t.Portal("A").HostPort()) }},
		{ID: "discovery.parse.empty", Run: func(t *T) { t.discovers(nil) }},
		{ID: "discovery.parse.duplicates", Run: repeatedRecords},
		{ID: "discovery.parse.malformed", Run: malformedRecords},
		{ID: "discovery.parse.default-port", Run: func(t *T) {
			t.Part("IPv4", func() { t.discovers(record(nameA, "192.0.2.7,1"), nameA+" 192.0.2.7:3260,1") })
			t.Part("IPv6", func() { t.discovers(record(nameA, "[2001:db8::7],1"), nameA+" [2001:db8::7]:3260,1") })
		}},
	}
}

// discovers answers SendTargets with records, and fails unless the initiator tells these lines.
func (t *T) discovers(records text.Pairs, lines ...string) {
	c, op, r, _ := t.discovering()
	if op == nil {
		t.Skip("NOT-TESTABLE: the driver does not tell what was discovered.")
	}
	c.Text(r, records)
	t.found(op, lines...)
}

func repeatedRecords(t *T) {
	t.Part("target and address", func() {
		t.discovers(append(record(nameA, "192.0.2.7:3261,1"), record(nameA, "192.0.2.7:3261,1")...), nameA+" 192.0.2.7:3261,1")
	})
	t.Part("address", func() {
		t.discovers(record(nameA, "192.0.2.7:3261,1", "192.0.2.7:3261,1", "192.0.2.7:3261,2"), nameA+" 192.0.2.7:3261,1 192.0.2.7:3261,2")
	})
	t.Part("one session", func() {
		a := t.Portal("A").HostPort() + ",1"
		t.Base.Targets = append(record(t.Base.Target, a), record(t.Base.Target, a)...)
		t.Good(LoginAll{})
		sessions := 0
		for _, s := range t.ListSessions() {
			if s.TargetName == t.Base.Target {
				sessions++
			}
		}
		t.Equal("number of sessions", sessions, 1)
	})
}

func malformedRecords(t *T) {
	good := record(nameB, "192.0.2.8:3260,1").Append(nil)
	for _, part := range []struct {
		name string
		data []byte
	}{
		{"address first", append(text.Pairs{{Key: text.KeyTargetAddress, Value: "192.0.2.7:3260,1"}}.Append(nil), good...)},
		{"name of 300 bytes", append(record("iqn.2001-04.test:"+strings.Repeat("x", 283)).Append(nil), good...)},
		{"no address", append(record(nameA, "[2001:db8::7,1").Append(nil), good...)},
		{"port out of range", append(record(nameA, "192.0.2.7:70000,1").Append(nil), good...)},
		{"no zero byte", append(record(nameA, "192.0.2.7:3260,1").Append(nil), good[:len(good)-1]...)},
		{"no equals sign", append([]byte("TargetName\x00"), good...)},
	} {
		t.Part(part.name, func() {
			c, op, r, _ := t.discovering()
			send(c, &pdu.TextResponse{ITT: r.ITT, TTT: pdu.ReservedTag, Final: true, Data: part.data}, nil)
			if op != nil && op.Wait().Good() && !strings.Contains(table(op.result.Targets), nameB+" 192.0.2.8:3260,1\n") {
				t.Fail(fmt.Sprintf("targets %q as a success", table(op.result.Targets)), "the good record, or an error")
			}
			if t.Own() {
				t.Do(Logout{})
				t.RAlive()
			}
		})
	}
}
