package probe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// able is a small target that negotiates by the book, lists itself and answers what Learn asks.
func able(p *peer) {
	r, ok := p.receive().(*pdu.LoginRequest)
	if !ok {
		return
	}
	wants := []text.Want{{Key: "HeaderDigest", Limit: "CRC32C,None"}, {Key: "DataDigest", Limit: "CRC32C,None"}, {Key: "MaxConnections", Limit: "2"},
		{Key: "ErrorRecoveryLevel", Limit: "1"}, {Key: "MaxRecvDataSegmentLength", Offer: "32768"}}
	n := text.NewNegotiation(text.Target, text.Normal, wants)
	offers, _ := text.Parse(r.Data)
	answers, err := n.Receive(offers)
	if err != nil {
		p.t.Error(err)
	}
	p.send(p.answer(r, append(answers, n.Offer()...)...))
	params := n.Result()
	p.digest = pdu.Digests{Header: params.HeaderDigest, Data: params.DataDigest}
	p.reader.SetDigests(p.digest)
	for {
		switch q := p.receive().(type) {
		case *pdu.SCSICommand:
			p.unit(q)
		case *pdu.TextRequest:
			list := text.Pairs{pair("TargetName", targetName), pair("TargetAddress", "10.0.0.1:3260,1"), pair("TargetAddress", "10.0.0.2:3260,2"),
				pair("TargetName", "iqn.2001-04.com.example:other")}
			p.send(&pdu.TextResponse{ITT: q.ITT, TTT: pdu.ReservedTag, Final: true, StatSN: p.status(), Data: list.Append(nil)})
		case *pdu.LogoutRequest:
			p.send(&pdu.LogoutResponse{ITT: q.ITT, StatSN: p.status()})
			return
		case nil:
			return
		}
	}
}

func (p *peer) unit(c *pdu.SCSICommand) {
	switch scsi.Opcode(c.CDB[0]) {
	case scsi.OpReportLUNs:
		p.data(c, scsi.AppendLUNList(nil, []scsi.LUN{0, 1 << 48}), 8192)
	case scsi.OpInquiry:
		p.data(c, scsi.InquiryData{Vendor: "ISCSPEC", Product: "disk", Revision: "1"}.Append(nil)[:96], 8192)
	case scsi.OpReadCapacity10:
		p.data(c, scsi.CapacityOf(2048, 512).Append(nil), 8192)
	case scsi.OpModeSense6:
		p.data(c, scsi.ModeData{WriteProtected: true}.Append6(nil), 8192)
	default:
		p.good(c)
	}
}

// refusing refuses the login with a status and keys, and closes.
func refusing(status iscsi.Status, keys ...text.Pair) func(*peer) {
	return func(p *peer) {
		r, _ := p.receive().(*pdu.LoginRequest)
		response := p.answer(r, keys...)
		response.Transit = false
		response.SetStatus(uint16(status))
		p.send(response)
	}
}

func TestLearn(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		a, err := p.Learn()
		if err != nil {
			t.Fatal(err)
		}
		if a.Unit != (probe.Capacity{BlockSize: 512, Blocks: 2048}) || a.Identity != "ISCSPEC disk 1" || !a.WriteProtected || a.Commands != 32 || len(a.Notes) > 0 {
			t.Errorf("%+v", a)
		}
		got := map[scenarios.Capability]bool{}
		for c, ability := range a.Known() {
			got[c] = ability.Present
			if ability.Reason == "" {
				t.Errorf("%s has no reason", c)
			}
		}
		want := map[scenarios.Capability]bool{"writable-lun": false, "multi-lun": true, "chap": false, "mutual-chap": false, "digests": true, "multi-connection": true,
			"erl1": true, "erl2": false, "redirect": false, "text-negotiation": true, "discovery": true, "multi-target": true, "multi-portal": true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		printed := a.String()
		for _, part := range []string{"MaxConnections=2 ErrorRecoveryLevel=1", "ISCSPEC disk 1, 2048 blocks of 512 bytes, write-protected=Yes", "10.0.0.2:3260,2", "header=Yes data=Yes"} {
			if !strings.Contains(printed, part) {
				t.Errorf("%q is missing in:\n%s", part, printed)
			}
		}
	}, able)
}

func TestLearnBehindARedirection(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		a, err := p.Learn()
		if err != nil {
			t.Fatal(err)
		}
		if a.Redirect == nil || a.Redirect.String() != "10.0.0.1:3260" || !a.Known()["redirect"].Present || !a.TextNegotiation {
			t.Errorf("%+v", a)
		}
	}, refusing(iscsi.StatusMovedTemporarily, pair("TargetAddress", "10.0.0.1:3260")), able)
}

func TestLearnWithCredentials(t *testing.T) {
	in(t, probe.Options{CHAP: user, Mutual: array}, func(t *testing.T, p *probe.Prober) {
		a, err := p.Learn()
		if err != nil {
			t.Fatal(err)
		}
		if !a.AuthRequired || !a.CHAP || !a.MutualCHAP || a.Discovery || len(a.Notes) == 0 {
			t.Errorf("%+v", a)
		}
	}, refusing(iscsi.StatusAuthenticationFailure), authenticate(array), authenticate(array), refusing(iscsi.StatusSessionTypeNotSupported))
}

func TestLearnNothing(t *testing.T) {
	in(t, probe.Options{}, func(t *testing.T, p *probe.Prober) {
		_, err := p.Learn()
		var mismatch *probe.Mismatch
		if !errors.As(err, &mismatch) || !strings.Contains(mismatch.Got, "0x0203") {
			t.Errorf("%v", err)
		}
		opts := p.Options()
		opts.Portal.Port = 9
		unreachable := probe.New(t.Context(), opts)
		var dial *probe.DialError
		if _, err := unreachable.Learn(); !errors.As(err, &dial) {
			t.Errorf("%v", err)
		}
		opts = p.Options()
		opts.Target = ""
		portalOnly := probe.New(t.Context(), opts)
		if a, err := portalOnly.Learn(); err == nil {
			t.Errorf("%+v", a)
		}
		if err := portalOnly.Close(); err != nil {
			t.Error(err)
		}
	}, refusing(iscsi.StatusNotFound))
}
