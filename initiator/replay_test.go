package initiator

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// TestTracesRepeat runs one load, with eight requesters at a time and a cut at its end, over the in-memory network, and demands the
// same bytes each time.
func TestTracesRepeat(t *testing.T) {
	var first []byte
	for run := range 8 {
		var out bytes.Buffer
		synctest.Test(t, func(t *testing.T) {
			log := trace.NewLog()
			n := faults.NewNetwork(1, log, faults.Options{})
			loadAndCut(t, n, log)
			n.Close()
			if err := trace.WriteJSONL(&out, log.Events()); err != nil {
				t.Error(err)
			}
		})
		switch {
		case run == 0:
			first = out.Bytes()
		case !bytes.Equal(first, out.Bytes()):
			t.Fatalf("run %d differs from the first: %s", run, firstDifference(first, out.Bytes()))
		}
	}
	if len(first) < 100_000 {
		t.Errorf("the trace has %d bytes only", len(first))
	}
}

func loadAndCut(t *testing.T, n *faults.Network, log *trace.Log) {
	l, err := n.Host("target", "192.0.2.1").Listen("192.0.2.1:3260")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		e := &fakeEnd{t: t, Conn: nc, reader: pdu.NewReader(nc, pdu.Limits{}), statSN: firstStatSN, tsih: fakeTSIH, window: 6}
		if e.login("MaxRecvDataSegmentLength=4096", "FirstBurstLength=8192", "MaxBurstLength=16384", "InitialR2T=No", "MaxOutstandingR2T=2") {
			e.disk(make([]byte, 1<<20), nil)
		}
	}()
	cfg := config()
	cfg.Log, cfg.PingInterval = log, 0
	s, err := Login(t.Context(), n.Host("initiator", "192.0.2.100"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var requesters sync.WaitGroup
	for i := range 8 {
		requesters.Go(func() {
			time.Sleep(time.Duration(i+1) * time.Microsecond)
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for lost := false; !lost; { // Whether Loss is there yet when the first failure is told, is nobody's promise.
				r := readRequest(random.IntN(512), 512*(1+random.IntN(64)))
				if random.IntN(2) == 0 {
					r = writeRequest(random.IntN(512), make([]byte, len(r.Read)))
				}
				err := s.Do(t.Context(), r)
				lost = err != nil
				log.Record(trace.Event{Kind: trace.KindRequest, Node: fmt.Sprint("requester ", i), State: fmt.Sprint(r.Transferred), Err: fmt.Sprint(err)})
			}
		})
	}
	time.Sleep(30 * time.Millisecond)
	if err := n.Sever(faults.Scope{}); err != nil {
		t.Error(err)
	}
	requesters.Wait()
	<-s.Done()
	l.Close()
}

// firstDifference shows where two traces part.
func firstDifference(a, b []byte) string {
	linesA, linesB := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(linesA), len(linesB)) {
		if !bytes.Equal(linesA[i], linesB[i]) {
			return fmt.Sprintf("line %d\n%.300s\n%.300s", i, linesA[i], linesB[i])
		}
	}
	return "one is a part of the other"
}
