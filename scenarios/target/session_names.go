package target

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// portNameChecks are those of the names of iSCSI ports in SCSI parameter data (RFC 7143, Section 4.4.2).
func portNameChecks() []Check {
	return []Check{
		{ID: "session-management.target-port.scsi-port-name-encoding", Run: targetPortName},
		{ID: "session-management.identity.initiator-port-name-encoding", Risk: scenarios.Writes, Run: initiatorPortName},
	}
}

// tagForm is the tag behind the name of a target port.
var tagForm = regexp.MustCompile(`^,t,0[xX]([0-9a-fA-F]{1,4})$`)

func targetPortName(t *T) {
	c := t.Open(probe.Login{})
	r := t.Done(c, probe.Command{CDB: scsi.InquiryVPD(scsi.VPDDeviceIdentification, 1024), Read: 1024}, "INQUIRY of VPD page 0x83")
	page, err := scsi.ParseVPD(r.Data, scsi.VPDDeviceIdentification)
	if err != nil {
		t.Skip("VPD page 0x83 cannot be read: %v.", err)
	}
	all, err := page.Designators()
	if err != nil {
		t.Fail(err, "VPD page 0x83")
	}
	params := c.Session.Params
	want := fmt.Sprintf("%s,t,0x%04x, ended by a null and padded with nulls", c.Session.TargetName, params.TargetPortalGroupTag)
	seen := false
	for _, d := range all {
		if d.Type != scsi.DesignatorSCSIName || d.Association != scsi.OfTargetPort || !d.ProtocolValid || d.Protocol != scsi.ProtocolISCSI {
			continue
		}
		seen = true
		name, padding, ended := bytes.Cut(d.Identifier, []byte{0})
		rest, own := strings.CutPrefix(string(name), c.Session.TargetName)
		digits := tagForm.FindStringSubmatch(rest)
		if !ended || !own || digits == nil || len(bytes.Trim(padding, "\x00")) > 0 {
			t.Fail(fmt.Sprintf("%q", d.Identifier), want)
		}
		var tag int
		if _, err := fmt.Sscanf(digits[1], "%x", &tag); err != nil || params.HasTargetPortalGroupTag && tag != params.TargetPortalGroupTag {
			t.Fail(fmt.Sprintf("%q", d.Identifier), want)
		}
		if len(digits[1]) < 4 {
			t.Warn("The tag has fewer than four digits.", fmt.Sprintf("%q", d.Identifier), want)
		}
	}
	if !seen {
		t.Skip("VPD page 0x83 names no iSCSI target port.")
	}
}

// registrationKey is the key that the check registers.
const registrationKey = 0x6973637369737063

func initiatorPortName(t *T) {
	// Zeros stand where a careless target would leave them out.
	isid := iscsi.ISID{0x00, 0x02, 0x3d, 0x00, 0x00, byte(t.Uint32()) | 1}
	c := t.Open(probe.Login{ISID: &isid})
	register := func(old, key uint64) probe.Result {
		list := scsi.PersistentOutParameters{Key: old, ServiceActionKey: key}.Append(nil)
		return c.Execute(probe.Command{CDB: scsi.PersistentReserveOut(scsi.PersistentRegister, 0), Write: list})
	}
	if r := register(0, registrationKey); !r.Good() {
		t.Skip("The logical unit takes no registration: %v.", r)
	}
	r := c.Execute(probe.Command{CDB: scsi.PersistentReserveIn(scsi.ReadFullStatus, 4096), Read: 4096})
	register(registrationKey, 0)
	if !r.Good() {
		t.Skip("The logical unit knows no READ FULL STATUS: %v.", r)
	}
	_, list, err := scsi.ParseFullStatus(r.Data)
	if err != nil {
		t.Fail(err, "READ FULL STATUS data")
	}
	want := fmt.Sprintf("%s,i,0x%s", c.Session.InitiatorName, isid)
	for _, registrant := range list {
		if registrant.Key != registrationKey || registrant.InitiatorPort == "" {
			continue
		}
		switch got := registrant.InitiatorPort; {
		case strings.EqualFold(got, want):
		case got == c.Session.InitiatorName:
			t.Warn("The TransportID names the initiator and not its port.", got, want)
		default:
			t.Fail(fmt.Sprintf("%q", got), want)
		}
		return
	}
	t.Skip("READ FULL STATUS shows no iSCSI TransportID of the registration.")
}
