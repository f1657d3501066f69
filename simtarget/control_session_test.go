package simtarget

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

func TestAsyncMessages(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		async := func() *pdu.AsyncMessage {
			t.Helper()
			m := get[*pdu.AsyncMessage](p)
			p.counts(m.StatSN)
			return m
		}
		b.apply(Action{Async: &Async{Event: pdu.AsyncSCSI, Sense: SenseCode{6, 0x3f, 0x0e}}})
		if m := async(); m.Event != pdu.AsyncSCSI || len(m.Data) != 20 || m.Data[1] != 18 || m.Data[14] != 0x3f {
			t.Errorf("%+v", m)
		}
		b.apply(Action{Async: &Async{Event: pdu.AsyncConnectionDrop, Parameter2: new(uint16(4))}})
		if m := async(); m.Parameter1 != 1 || m.Parameter2 != 4 {
			t.Errorf("%+v", m)
		}
		p.works()
		b.apply(Action{Async: &Async{Event: pdu.AsyncLogoutRequest, Parameter3: new(uint16(5))}})
		began := time.Now()
		if m := async(); m.Parameter3 != 5 {
			t.Errorf("%+v", m)
		}
		p.works()
		if !p.closed() || time.Since(began) < 4900*time.Millisecond || time.Since(began) > 5100*time.Millisecond {
			t.Errorf("dropped after %v", time.Since(began))
		}
		// Who logs out in time is answered.
		p = b.dial("A").login()
		b.apply(Action{Async: &Async{Event: pdu.AsyncLogoutRequest}})
		async()
		p.logout(pdu.LogoutCloseConnection, 1, pdu.LogoutSuccess)
		p = b.dial("A").login()
		b.apply(Action{Async: &Async{Event: pdu.AsyncSessionDrop, Then: EndRST}})
		async()
		if !p.closed() {
			t.Error("no drop")
		}
	})
}

func TestDropsAndRestart(t *testing.T) {
	inBubble(t, "multi-portal", nil, nil, func(b *bench) {
		p, other := b.dial("A").login(), b.dial("C").login()
		b.apply(Action{Drop: &Drop{Which: Which{Nth: 1}, How: EndRST}})
		if !p.closed() {
			t.Error("not dropped")
		}
		other.works()
		b.apply(Action{Drop: &Drop{Which: Which{Portal: "C"}, How: EndSilent}})
		other.send(other.command(scsi.TestUnitReady()))
		if !other.silent(20 * time.Second) {
			t.Error("a silent connection answers")
		}
		b.apply(Action{LUN: &LUNChange{Number: 1, Revision: "0002", Serial: "changed", Remove: []uint32{5}, Add: []LUN{{Number: 2, Size: 1 << 20}}}})
		p = b.dial("A").login()
		before := p.tsih
		b.apply(Action{Restart: &Restart{}})
		if !p.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("sessions survive a restart")
		}
		p = b.dial("A").login(pair("MaxRecvDataSegmentLength", "8192"))
		if p.tsih == before {
			t.Error("the TSIH goes on after a restart")
		}
		p.send(p.command(scsi.TestUnitReady()))
		if sense, _ := scsi.ParseSense(p.status().Sense()); sense.Code != scsi.PowerOnOrReset {
			t.Errorf("greeted with %v", sense)
		}
		p.works()
		q := p.command(scsi.ReportLUNs(scsi.ReportAddressed, 64))
		q.Read, q.ExpectedDataTransferLength = true, 64
		p.send(q)
		data, _ := p.readAll(q.ITT, 262144)
		if luns, _, err := scsi.ParseLUNList(data); err != nil || fmt.Sprint(luns) != "[0 1 2]" {
			t.Errorf("LUNs %v, %v", luns, err)
		}
	})
}

// The array's events tell what judges need: who came and went, and each execution once.
func TestEvents(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		p.works()
		p.logout(pdu.LogoutCloseSession, 0, pdu.LogoutSuccess)
		time.Sleep(time.Second)
		var states []string
		for _, e := range b.log.Events() {
			if e.Kind == trace.KindTarget {
				states = append(states, e.State)
			}
		}
		if diff := cmp.Diff([]string{"session-opened", "command", "session-closed"}, states); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
