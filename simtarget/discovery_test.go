package simtarget

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// asks sends a Text Request and collects the answer over as many PDUs as it takes.
func (p *peer) asks(pairs ...text.Pair) text.Pairs {
	p.Helper()
	p.itt++
	q := &pdu.TextRequest{Immediate: true, Final: true, ITT: p.itt, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: text.Pairs(pairs).Append(nil)}
	var all []byte
	for {
		p.send(q)
		r := get[*pdu.TextResponse](p)
		p.counts(r.StatSN)
		all = append(all, r.Data...)
		if r.Final != (r.TTT == pdu.ReservedTag) || r.Continue && r.Final || r.ITT != q.ITT {
			p.Fatalf("%+v", r)
		}
		if r.Final {
			break
		}
		q = &pdu.TextRequest{Immediate: true, Final: true, ITT: p.itt, TTT: r.TTT, CmdSN: p.cmdSN}
	}
	answer, err := text.Parse(all)
	if err != nil {
		p.Fatal(err)
	}
	return answer
}

func TestSendTargets(t *testing.T) {
	first, second := "iqn.2026-01.io.iscsispec:multi-portal", "iqn.2026-01.io.iscsispec:multi-portal.second"
	addresses := text.Pairs{pair("TargetAddress", "10.0.0.1:3260,1"), pair("TargetAddress", "10.0.0.2:3260,1"),
		pair("TargetAddress", "10.0.0.3:3260,2"), pair("TargetAddress", "10.0.0.4:3260,2")}
	record := func(name string) text.Pairs { return append(text.Pairs{pair("TargetName", name)}, addresses...) }
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		for _, limit := range []string{"8192", "512"} {
			p := b.dial("B").discover(pair("MaxRecvDataSegmentLength", limit))
			if diff := cmp.Diff(append(record(first), record(second)...), p.asks(pair("SendTargets", "All"))); diff != "" {
				t.Errorf("All (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(record(second), p.asks(pair("SendTargets", second))); diff != "" {
				t.Errorf("by name (-want +got):\n%s", diff)
			}
			if got := p.asks(pair("SendTargets", "iqn.2026-01.io.iscsispec:absent")); len(got) != 0 {
				t.Errorf("an unknown name gives %v", got)
			}
			p.logout(pdu.LogoutCloseSession, 0, pdu.LogoutSuccess)
		}
		p := b.dial("C").login()
		if diff := cmp.Diff(record(first), p.asks(pair("SendTargets", ""))); diff != "" {
			t.Errorf("own target (-want +got):\n%s", diff)
		}
		refused := text.Pairs{pair("SendTargets", "Reject")}
		if diff := cmp.Diff(refused, p.asks(pair("SendTargets", "All"))); diff != "" {
			t.Errorf("All in a Normal session (-want +got):\n%s", diff)
		}
	})
}

func TestHiddenPortalsAreNotListed(t *testing.T) {
	inBubble(t, "single-port-redirect-temporary", nil, nil, func(b *bench) {
		got := b.dial("A").discover().asks(pair("SendTargets", "All"))
		if values := got.Values("TargetAddress"); len(values) != 1 || values[0] != "10.0.0.1:3260,1" {
			t.Errorf("%v", got)
		}
	})
}

func TestDiscoverySessionServesNothingElse(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").discover()
		q := p.command(scsi.Inquiry(36))
		q.Read, q.ExpectedDataTransferLength = true, 36
		p.send(q)
		p.counts(get[*pdu.Reject](p).StatSN)
		p.send(p.manage(pdu.FunctionLogicalUnitReset, 0, 0, 0))
		p.counts(get[*pdu.Reject](p).StatSN)
		if got := p.asks(pair("MaxBurstLength", "1024")); got[0].Value != "Irrelevant" {
			t.Errorf("%v", got)
		}
		p.send(&pdu.LogoutRequest{Immediate: true, Reason: pdu.LogoutCloseConnection, ITT: 0x4321, CID: 1, CmdSN: p.cmdSN, ExpStatSN: p.expStat})
		p.counts(get[*pdu.Reject](p).StatSN)
		p.logout(pdu.LogoutCloseSession, 1, pdu.LogoutSuccess)
	})
}

func TestTextInFullFeaturePhase(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		want := text.Pairs{pair("X-com.example.q", "NotUnderstood"), pair("MaxBurstLength", "Reject"), pair("HeaderDigest", "Reject")}
		got := p.asks(pair("X-com.example.q", "1"), pair("MaxBurstLength", "512"), pair("HeaderDigest", "CRC32C"), pair("InitiatorAlias", "tester"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		p.asks(pair("MaxRecvDataSegmentLength", "1024"))
		q := p.reads(0, 8)
		p.send(q)
		if data, last := p.readAll(q.ITT, 262144); len(data) != 4096 || len(last.Data) > 1024 {
			t.Errorf("the new MaxRecvDataSegmentLength is not in force: %d bytes in one PDU", len(last.Data))
		}
		p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 3, TTT: 0x0badcafe, CmdSN: p.cmdSN})
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectInvalidPDUField {
			t.Errorf("%+v", r)
		}
	})
}

// A request that is not final gets an answer that is not final either.
func TestOpenTextExchange(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").discover()
		p.send(&pdu.TextRequest{Immediate: true, ITT: 3, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: text.Pairs{pair("SendTargets", "All")}.Append(nil)})
		r := get[*pdu.TextResponse](p)
		if r.Final || r.TTT == pdu.ReservedTag || len(r.Data) == 0 {
			t.Errorf("%+v", r)
		}
		p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: 3, TTT: r.TTT, CmdSN: p.cmdSN})
		if r := get[*pdu.TextResponse](p); !r.Final || r.TTT != pdu.ReservedTag || len(r.Data) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestUnnamedDiscoverySessions(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		old := b.dial("A").discover()
		elsewhere := b.dial("B").discover()
		normal := b.dial("A").login()
		b.dial("A").discover()
		if !old.closed() {
			t.Error("the replaced Discovery session lives on")
		}
		elsewhere.asks(pair("SendTargets", "All"))
		normal.works()
	})
}
