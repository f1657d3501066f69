package target

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// discoveryListingChecks are about the values of SendTargets and the form of its answer.
func discoveryListingChecks() []Check {
	return []Check{
		{ID: "discovery.sendtargets.ipv6-brackets", Run: ipv6Brackets, Array: func(p *simtarget.Profile) {
			p.Portals = append(p.Portals, simtarget.Portal{Name: "D", Address: "[fd00::5]:3260", Tag: 1})
		}},
		{ID: "discovery.sendtargets.default-port-may-be-omitted", Run: defaultPort, Array: func(p *simtarget.Profile) {
			for i := range p.Portals {
				p.Portals[i].Address = strings.TrimSuffix(p.Portals[i].Address, "3260") + "3261"
			}
		}},
		{ID: "discovery.sendtargets.by-name", Run: listByName},
		{ID: "discovery.sendtargets.by-unknown-name", Run: listUnknown},
		{ID: "discovery.sendtargets.empty-value-on-discovery", Run: listEmptyOnDiscovery},
		{ID: "discovery.sendtargets.normal-empty-value", Run: func(t *T) {
			own := t.Options().Target
			a := t.ask(t.Open(probe.Login{}), "")
			if names := a.names(); !a.Complete || !slices.Equal(names, []string{own}) {
				t.Fail(a, "one record, with the session's TargetName")
			}
		}},
		{ID: "discovery.sendtargets.normal-own-name", Run: func(t *T) {
			own := t.Options().Target
			a := t.ask(t.Open(probe.Login{}), own)
			if others := a.others(own); len(others) > 0 {
				t.FailFirmly(a, "records of the session's own target alone")
			}
			t.Note("SendTargets with the own name on a Normal session: %v", a)
		}},
		{ID: "discovery.sendtargets.normal-all-refused", Run: listAllOnNormal},
		{ID: "discovery.sendtargets.long-answer-is-split", Run: longListing, Array: withManyTargets},
		{ID: "discovery.sendtargets.repeatable", Run: listTwice},
		{ID: "discovery.sendtargets.portal-group-complete", Run: groupsComplete},
		{ID: "discovery.access.hidden-targets-not-listed", Run: hiddenTargets, Array: func(p *simtarget.Profile) {
			p.Login.Refuse = append(p.Login.Refuse, simtarget.LoginRefusal{Initiator: probe.DefaultInitiatorName, Target: OtherName, With: "0x0202"})
		}},
	}
}

// listed is the answer to SendTargets with some value.
type listed struct{ probe.TextResult }

// ask sends SendTargets with a value.
func (t *T) ask(c *probe.Conn, value string) listed {
	return listed{c.Text(text.Pairs{{Key: text.KeySendTargets, Value: value}})}
}

// names are the targets of the records, in order.
func (a listed) names() []string { return a.Pairs.Values(text.KeyTargetName) }

// others are the targets of the records but one.
func (a listed) others(own string) []string {
	return slices.DeleteFunc(a.names(), func(name string) bool { return name == own })
}

// rejected tells whether the value was turned down in a lawful way: by the key, or by the PDU.
func (a listed) rejected() bool {
	value, _ := a.Pairs.Get(text.KeySendTargets)
	_, pduRejected := probe.As[*pdu.Reject](a.Event)
	return a.Complete && value == text.Reject || !a.Complete && pduRejected
}

// String tells the answer in words.
func (a listed) String() string {
	if !a.Complete {
		return a.Event.String()
	}
	return fmt.Sprintf("the answer {%v}", a.Pairs)
}

func ipv6Brackets(t *T) {
	seen := false
	for _, value := range t.listing().Pairs.Values(text.KeyTargetAddress) {
		host, _, _ := strings.Cut(value, ",")
		if !strings.HasPrefix(host, "[") && strings.Count(host, ":") < 2 {
			continue
		}
		seen = true
		inside, _, closed := strings.Cut(strings.TrimPrefix(host, "["), "]")
		addr, err := netip.ParseAddr(inside)
		if !strings.HasPrefix(host, "[") || !closed || err != nil || !addr.Is6() {
			t.Fault("TargetAddress="+value, "TargetAddress=[address][:port],tag")
		}
	}
	if !seen {
		t.Skip("SendTargets=All lists no IPv6 address.")
	}
}

func defaultPort(t *T) {
	front := t.Facts.Front
	for _, value := range t.listing().Pairs.Values(text.KeyTargetAddress) {
		host, _, _ := strings.Cut(value, ",")
		address, err := iscsi.ParseTargetAddress(value)
		if err != nil || strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			continue // it has a port, or its form is the matter of discovery.sendtargets.address-has-tag
		}
		t.Note("%s has no port", value)
		c, err := t.DialTo(address.Address)
		if err == nil {
			// Nothing was said on it.
			_ = c.Close()
			continue
		}
		if address.Host == front.Host && front.Port != address.Port {
			t.FailFirmly(fmt.Sprintf("TargetAddress=%s: nobody answers on port 3260, and the portal has port %d", value, front.Port), "an address with the port")
		}
		t.Note("the tester cannot reach it: %v", err)
	}
}

func listByName(t *T) {
	own := t.Options().Target
	a := t.ask(t.Open(probe.Login{Discovery: true}), own)
	if strings.HasPrefix(own, "naa.") && a.rejected() {
		t.Warn("The target does not take a name of the type naa. as the value.", a, "one record")
		return
	}
	records, err := probe.ParseRecords(a.Pairs)
	if !a.Complete || a.Err != nil || err != nil || len(records) != 1 || records[0].Name != own || len(records[0].Addresses) == 0 {
		t.Fail(a, "one record, with the name that was asked for and its addresses")
	}
}

func listUnknown(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	a := t.ask(c, absentTarget)
	want := []string{"an empty answer", "SendTargets=Reject", "a Reject"}
	switch {
	case a.rejected(), a.Complete && len(a.Pairs) == 0:
	case !a.Complete && a.Event.Ended():
		t.Warn("The target drops the connection.", a, want...)
		return
	default:
		t.Fail(a, want...)
	}
	if !t.ask(c, "All").Complete {
		t.Fail("SendTargets=All is not answered afterwards", "a session that survives")
	}
}

func listEmptyOnDiscovery(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	all := t.SendTargets(c)
	a := t.ask(c, "")
	for _, name := range a.names() {
		if !slices.ContainsFunc(all, func(r probe.Record) bool { return r.Name == name }) {
			t.FailFirmly(a, "no records", "records of targets that exist")
		}
	}
	switch {
	case !a.Complete && a.Event.Ended():
		t.Warn("The target drops the connection.", a, "an answer", "a Reject")
	case !a.Complete && !a.rejected():
		t.FailFirmly(a, "an answer", "a Reject")
	}
	t.Note("an empty value on a Discovery session: %v", a)
}

func listAllOnNormal(t *T) {
	own := t.Options().Target
	a := t.ask(t.Open(probe.Login{}), "All")
	want := []string{"SendTargets=Reject", "a Reject", "an empty answer", "a drop"}
	switch {
	case len(a.others(own)) > 0:
		t.Fail(a, want...)
	case len(a.names()) > 0:
		t.Warn("The target answers with the session's own target.", a, want...)
	case a.rejected(), a.Complete && len(a.Pairs) == 0, !a.Complete && a.Event.Ended():
	default:
		t.Fail(a, want...)
	}
}

func longListing(t *T) {
	whole := t.listing().Bytes
	const most = 512
	if len(whole) <= most {
		t.Skip("The answer to SendTargets=All has only %d bytes.", len(whole))
	}
	a := t.ask(t.Open(probe.Login{Discovery: true, Keys: Keys("MaxRecvDataSegmentLength=512")}), "All")
	for i, p := range a.Responses {
		last := a.Complete && i == len(a.Responses)-1
		cut := len(p.Data) > 0 && p.Data[len(p.Data)-1] != 0
		switch {
		case len(p.Data) > most:
			t.Fail(fmt.Sprintf("Text Response %d has %d bytes", i+1, len(p.Data)), "at most 512 bytes")
		case p.Final != last, last != (p.TTT == pdu.ReservedTag):
			t.Fail(fmt.Sprintf("Text Response %d of %d has F=%t and TTT 0x%x", i+1, len(a.Responses), p.Final, p.TTT),
				"F=1 and TTT 0xffffffff in the last one, neither in the others")
		case cut && !p.Continue:
			t.Fail(fmt.Sprintf("Text Response %d cuts a pair and has C=0", i+1), "C=1")
		}
	}
	if !a.Complete || !bytes.Equal(a.Bytes, whole) {
		t.Fail(fmt.Sprintf("%d bytes in %d parts: %v", len(a.Bytes), len(a.Responses), a), fmt.Sprintf("the %d bytes of the answer with a large limit", len(whole)))
	}
}

func listTwice(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	first := t.ask(c, "All")
	for i := range 3 {
		a := first
		if i > 0 {
			a = t.ask(c, "All")
		}
		if !a.Complete || a.Err != nil || !bytes.Equal(a.Bytes, first.Bytes) {
			t.Fail(fmt.Sprintf("request %d: %v", i+1, a), "the same whole answer each time")
		}
	}
}

// byTag are the addresses of a target in an answer, for each portal group tag.
func (a listed) byTag(target string) map[uint16][]string {
	groups := map[uint16][]string{}
	// What can be read of a malformed answer counts; its form is the matter of other checks.
	records, _ := probe.ParseRecords(a.Pairs)
	for _, r := range records {
		if r.Name != target {
			continue
		}
		for _, address := range r.Addresses {
			if address.HasTag {
				groups[address.Tag] = append(groups[address.Tag], address.HostPort())
			}
		}
	}
	return groups
}

func groupsComplete(t *T) {
	own := t.Options().Target
	discovery := t.Open(probe.Login{Discovery: true})
	all := t.ask(discovery, "All").byTag(own)
	several := false
	for _, group := range all {
		several = several || len(group) > 1
	}
	if !several {
		t.Skip("No portal group of the target has two addresses.")
	}
	complete := func(what string, a listed) {
		for tag, group := range a.byTag(own) {
			for _, address := range all[tag] {
				if !slices.Contains(group, address) {
					t.Fail(fmt.Sprintf("%s: %v of portal group %d", what, group, tag), fmt.Sprintf("all of %v", all[tag]))
				}
			}
		}
	}
	complete("SendTargets with the name", t.ask(discovery, own))
	if r := t.Login(probe.Login{}); r.Granted() {
		complete("SendTargets on a Normal session", t.ask(r.Conn, ""))
	}
}

func hiddenTargets(t *T) {
	t.Act() // the target is closed before the check starts
	for _, record := range t.SendTargets(t.Open(probe.Login{Discovery: true})) {
		if record.Name == OtherName {
			t.Fail("a record of "+record.Name, "no record of a target that is closed to the initiator")
		}
	}
}
