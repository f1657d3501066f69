package target

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// discoveryChecks are those of the group discovery.
func discoveryChecks() []Check {
	return slices.Concat(discoverySendTargetsChecks(), discoverySessionChecks(), discoveryListingChecks(), discoveryRestrictionChecks())
}

func discoverySendTargetsChecks() []Check {
	return []Check{
		{ID: "discovery.sendtargets.all-lists-targets", Run: allListsTargets},
		{ID: "discovery.sendtargets.record-layout", Run: recordLayout},
		{ID: "discovery.sendtargets.address-has-tag", Run: addressHasTag},
		{ID: "discovery.sendtargets.address-usable", Run: addressUsable},
		{ID: "discovery.sendtargets.all-portals-listed", Run: allPortalsListed},
	}
}

// SendTargets asks for all targets, and ends the part where no whole answer of readable records comes.
func (t *T) SendTargets(c *probe.Conn) []probe.Record {
	records, _, err := c.SendTargets("All")
	t.Check(err, "SendTargets=All")
	return records
}

// listing is the whole answer to SendTargets=All as it came.
func (t *T) listing() probe.TextResult {
	r := t.Open(probe.Login{Discovery: true}).Text(Keys("SendTargets=All"))
	if !r.Complete {
		t.Fail(r.Event, "a Text Response that ends the answer to SendTargets")
	}
	if r.Err != nil {
		t.Fail(r.Err, "text that can be read")
	}
	return r
}

func allListsTargets(t *T) {
	found := false
	for _, record := range t.SendTargets(t.Open(probe.Login{Discovery: true})) {
		found = found || record.Name == t.Options().Target
		if err := iscsi.ValidName(record.Name); err != nil {
			t.Fault(err, "iSCSI names")
		}
	}
	if !found {
		t.Fail("no record of "+t.Options().Target, "a record for the target under test")
	}
}

func recordLayout(t *T) {
	r := t.listing()
	want := "TargetName records, each followed by TargetAddress keys only"
	if n := len(r.Bytes); n > 0 && r.Bytes[n-1] != 0 {
		t.Fault("the last pair has no NUL behind it", "a NUL behind each pair")
	}
	names := map[string]bool{}
	for _, pair := range r.Pairs {
		switch {
		case pair.Key == text.KeyTargetName && names[pair.Value]:
			t.Warn("A target has two records.", pair, "one record for each target")
		case pair.Key == text.KeyTargetName:
			names[pair.Value] = true
		case pair.Key != text.KeyTargetAddress:
			t.Fail(pair, want)
		case len(names) == 0:
			t.Fail(fmt.Sprintf("%s before any TargetName", pair), want)
		}
	}
}

func addressHasTag(t *T) {
	for _, value := range t.listing().Pairs.Values(text.KeyTargetAddress) {
		address, err := iscsi.ParseTargetAddress(value)
		if err != nil || !address.HasTag {
			t.Fault("TargetAddress="+value, "TargetAddress=host[:port],tag")
		}
	}
}

// addresses are those that SendTargets=All lists for the target under test.
func (t *T) addresses() []iscsi.TargetAddress {
	c := t.Open(probe.Login{Discovery: true})
	defer t.Leave(c)
	for _, record := range t.SendTargets(c) {
		if record.Name == t.Options().Target {
			return record.Addresses
		}
	}
	t.Skip("SendTargets=All does not list the target under test.")
	return nil
}

func addressUsable(t *T) {
	for _, address := range t.addresses() {
		t.Part(address.String(), func() {
			if address.Host == "0.0.0.0" || address.Host == "::" {
				t.Fail("TargetAddress="+address.String(), "an address that can be reached")
			}
			switch r := t.Login(probe.Login{Portal: address.Address}); {
			case r.Granted(), r.Refused() && r.Status != iscsi.StatusNotFound:
			case r.Outcome == probe.LoginUnreachable:
				t.Warn("The tester cannot reach the address; it may be one of a private network.", r, "an address that can be reached")
			case r.Outcome == probe.LoginDropped:
				t.Warn("The login was refused by a bare drop.", r, "a login that is granted, redirected or refused with a status")
			default:
				t.Fail(r, "a login that is granted, redirected or refused with a status other than 0x0203")
			}
		})
	}
}

func allPortalsListed(t *T) {
	if len(t.Facts.Portals) < 2 {
		t.Skip("Only one portal of the target is known.")
	}
	for _, portal := range t.Facts.Portals {
		t.Part("at "+portal.HostPort(), func() {
			r := t.Login(probe.Login{Discovery: true, Portal: portal.Address})
			if !r.Granted() {
				t.Skip("No Discovery session at the portal: %v.", r)
			}
			listed := map[string]bool{}
			for _, record := range t.SendTargets(r.Conn) {
				for _, address := range record.Addresses {
					listed[record.Name+" "+address.HostPort()] = true
				}
			}
			for _, other := range t.Facts.Portals {
				if !listed[t.Options().Target+" "+other.HostPort()] {
					t.Fault("no TargetAddress="+other.HostPort(), "all portals of the target")
				}
			}
		})
	}
}
