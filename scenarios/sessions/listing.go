package sessions

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

func (ListSessions) perform(x *execution, _ *call) outcome {
	out := outcome{name: OK}
	for _, s := range x.manager.Sessions() {
		out.rows = append(out.rows, x.sessionEvent(s))
	}
	return out
}

// sessionEvent is the row of one session; SessionRow reads it.
func (x *execution) sessionEvent(s initiator.SessionStatus) trace.Event {
	var cids []string
	for _, cid := range s.CIDs {
		cids = append(cids, fmt.Sprint(cid))
	}
	lastOutcome, lastError := "", ""
	if s.LastError != nil {
		lastOutcome, lastError = ended(s.LastError).name, trace.ErrorText(s.LastError)
	}
	boot, _ := scsi.LUN(s.BootLUN).Number()
	p := s.Params
	return trace.Event{Session: uint64(s.ID), Attrs: []trace.Attr{
		trace.A("kind", s.Kind), trace.A("state", s.State), trace.A("initiator", s.InitiatorName), trace.A("target", s.TargetName),
		trace.A("port", s.InitiatorPort), trace.A("isid", s.ISID), trace.A("tsih", s.TSIH), trace.A("cids", strings.Join(cids, ",")),
		trace.A("configured", portalText(s.Configured)), trace.A("current", portalText(s.Current)), trace.A("next", portalText(s.NextPortal)),
		trace.A("logins", s.Logins), trace.A("attempts", s.Attempts), trace.A("last-outcome", lastOutcome), trace.A("last-error", lastError),
		trace.A("queued", s.Queued), trace.A("in-flight", s.InFlight), trace.A("added", s.Added), trace.A("boot-lun", boot),
		trace.A(paramPrefix+"HeaderDigest", digestName(p.HeaderDigest)), trace.A(paramPrefix+"DataDigest", digestName(p.DataDigest)),
		trace.A(paramPrefix+"MaxBurstLength", p.MaxBurstLength), trace.A(paramPrefix+"FirstBurstLength", p.FirstBurstLength),
		trace.A(paramPrefix+"InitialR2T", yes(p.InitialR2T)), trace.A(paramPrefix+"ImmediateData", yes(p.ImmediateData)),
		trace.A(paramPrefix+"MaxOutstandingR2T", p.MaxOutstandingR2T), trace.A(paramPrefix+"DefaultTime2Wait", p.DefaultTime2Wait),
		trace.A(paramPrefix+"DefaultTime2Retain", p.DefaultTime2Retain), trace.A(paramPrefix+"ErrorRecoveryLevel", p.ErrorRecoveryLevel),
		trace.A(paramPrefix+"MaxConnections", p.MaxConnections), trace.A(paramPrefix+"TargetPortalGroupTag", p.TargetPortalGroupTag),
		trace.A(paramPrefix+"MaxRecvDataSegmentLength", p.MaxRecvDataSegmentLength),
		trace.A(paramPrefix+"PeerMaxRecvDataSegmentLength", p.PeerMaxRecvDataSegmentLength),
	}}
}

// yes and digestName write a value as its key does.
func yes(is bool) string {
	if is {
		return "Yes"
	}
	return "No"
}

func digestName(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}

func portalText(a iscsi.Address) string {
	if a.IsZero() {
		return ""
	}
	return a.HostPort()
}

func (ListDevices) perform(x *execution, _ *call) outcome {
	out := outcome{name: OK}
	for _, d := range x.manager.Devices() {
		out.rows = append(out.rows, deviceEvent(d))
	}
	return out
}

// deviceEvent is the row of one device; DeviceRow reads it.
func deviceEvent(d initiator.DeviceInfo) trace.Event {
	var paths []string
	for _, p := range d.Paths {
		lun, _ := scsi.LUN(p.LUN).Number()
		text := fmt.Sprintf("%d/%d", p.Session, lun)
		if p.Blocked {
			text += "/blocked"
		}
		paths = append(paths, text)
	}
	identity := d.Identity.Designator
	if identity == "" {
		identity = d.Identity.Serial
	}
	return trace.Event{Device: d.Name, Attrs: []trace.Attr{
		trace.A("identity", identity), trace.A("serial", d.Identity.Serial), trace.A("revision", d.Revision), trace.A(attrBlocks, d.Blocks),
		trace.A("block-size", d.BlockSize), trace.A("blocked", d.Blocked), trace.A("boot", d.Boot), trace.A("paths", strings.Join(paths, ",")),
	}}
}
