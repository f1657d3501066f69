package trace

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func TestNilLogRecordsNothing(t *testing.T) {
	var l *Log
	l.Record(Event{Kind: KindNote})
	l.RecordAt(Event{Kind: KindNote})
	l.Note("a", "b")
	if l.Enabled() || l.Len() != 0 || l.Dropped() != 0 || l.Events() != nil || l.Now() != 0 || !l.Start().IsZero() {
		t.Error("a nil log says that it holds something")
	}
	if n := testing.AllocsPerRun(100, func() { l.Record(Event{Kind: KindNote, Node: "x"}) }); n != 0 {
		t.Errorf("recording into a nil log allocates %g times", n)
	}
}

// Several goroutines record at one instant; whatever the scheduler does, the canonical order is the same and each stream keeps its own.
func TestCanonicalOrder(t *testing.T) {
	var first string
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			l := NewLog()
			var wg sync.WaitGroup
			for _, node := range []string{"target", "network", "initiator"} {
				for conn := range 2 {
					wg.Go(func() {
						for i := range 3 {
							time.Sleep(time.Second)
							l.Record(Event{Kind: KindNote, Node: node, Conn: fmt.Sprint(conn), Reason: "first"})
							l.Record(Event{Kind: KindNote, Node: node, Conn: fmt.Sprint(conn), Reason: fmt.Sprint(i)})
						}
					})
				}
			}
			wg.Wait()
			got := fmt.Sprint(l.Events())
			if round == 0 {
				first = got
				events := l.Events()
				if events[0].Node != "network" || events[0].Reason != "first" || events[1].Reason != "0" || events[0].At != time.Second {
					t.Errorf("the order begins with %v", events[:3])
				}
			}
			if got != first {
				t.Errorf("round %d has another order", round)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	l := NewLimitedLog(Limits{MaxEvents: 3, MaxBytes: 100, MaxDataBytesPDU: 40})
	big := PDUOf(pdu.FrameOf(&pdu.NOPOut{Data: make([]byte, 41)}), l.limits.MaxDataBytesPDU)
	l.Record(Event{Kind: KindPDUSent, PDU: big})
	l.Record(Event{Kind: KindPDUSent, PDU: big})
	l.Record(Event{Kind: KindBytes, Raw: make([]byte, 9)})
	l.Note("a", "one too many")
	events := l.Events()
	if len(events) != 3 || l.Dropped() != 1 || l.Len() != 3 {
		t.Fatalf("%d events kept, %d dropped", len(events), l.Dropped())
	}
	if p := events[0].PDU; len(p.Data) != 40 || p.Cut != 1 {
		t.Errorf("first PDU keeps %d bytes and cuts %d", len(p.Data), p.Cut)
	}
	if p := events[1].PDU; len(p.Data) != 0 || p.Cut != 41 || len(p.Frame().Data) != 41 {
		t.Errorf("second PDU keeps %d bytes and cuts %d", len(p.Data), p.Cut)
	}
	if v, _ := events[2].Attr("bytes-not-kept"); v != "9" || events[2].Raw != nil {
		t.Errorf("raw bytes beyond the limit: %v", events[2])
	}
	if len(big.Data) != 40 {
		t.Error("the recorder's own PDU was changed")
	}
}

func TestQueries(t *testing.T) {
	nop := PDUOf(pdu.FrameOf(&pdu.NOPOut{ITT: 7}), 0)
	odd := &PDU{}
	odd.Header.SetOpcode(0x1f)
	es := Events{
		{At: 1, Kind: KindDial, Conn: "b"}, {At: 2, Kind: KindPDUSent, Conn: "a", PDU: nop, Session: 4}, {At: 3, Kind: KindNote, Node: "n"},
		{At: 4, Kind: KindPDUReceived, Conn: "b", PDU: odd},
	}
	if diff := cmp.Diff([]string{"b", "a"}, es.Conns()); diff != "" {
		t.Error(diff)
	}
	for name, got := range map[string]Events{
		"kind": es.OfKind(KindDial, KindNote), "conn": es.OfConn("b"), "between": es.Between(2, 4),
	} {
		if len(got) != 2 {
			t.Errorf("%s: %d events, want 2", name, len(got))
		}
	}
	if len(es.OfSession(4)) != 1 || len(es.OfNode("n")) != 1 || es.End() != 4 || Events(nil).End() != 0 {
		t.Error("by session, by node or the end is wrong")
	}
	var seen []string
	for e, p := range es.PDUs() {
		seen = append(seen, fmt.Sprintf("%d %T %s", e.At, p, e.PDU))
	}
	if len(seen) != 2 || seen[1] != "4 <nil> opcode 0x1f ITT=0x0" {
		t.Errorf("PDUs %q", seen)
	}
	for range es.PDUs() {
		break
	}
}

// Several probes of one check share a log: their connections must not pass for one.
func TestNamesOfDialledConnectionsDiffer(t *testing.T) {
	log := NewLog()
	first, second := log.NameDialled("127.0.0.1:3260"), log.NameDialled("127.0.0.1:3260")
	if first != "127.0.0.1:3260#1" || second != "127.0.0.1:3260#2" {
		t.Errorf("named %q and %q", first, second)
	}
	if name := (*Log)(nil).NameDialled("a"); name != "a" {
		t.Errorf("without a log: %q", name)
	}
}
