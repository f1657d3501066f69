package trace

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// slowSink has room for one event at a time, and makes room when it is asked to.
type slowSink struct {
	mu     sync.Mutex
	taken  []Event
	room   chan struct{}
	waited int
}

func (s *slowSink) Take(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, e)
}

func (s *slowSink) AwaitRoom() {
	<-s.room
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited++
}

func TestAStreamLogHandsEventsOnAndItsTapsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &slowSink{room: make(chan struct{}, 8)}
		log := NewStreamLog(sink, Limits{MaxDataBytesPDU: 8})
		here, there := net.Pipe()
		tapped := log.Tap(here, NodeTarget, "c#1")
		go func() { _, _ = there.Write(pdu.Encode(nil, &pdu.NOPOut{Data: make([]byte, 64)}, pdu.Digests{})) }()
		got := make(chan int)
		go func() {
			n, _ := io.ReadFull(tapped, make([]byte, 48+64))
			got <- n
		}()
		synctest.Wait()
		select {
		case <-got:
			t.Error("the read did not wait for the sink")
		default:
		}
		sink.room <- struct{}{}
		sink.room <- struct{}{}
		if n := <-got; n != 48+64 {
			t.Errorf("%d bytes read", n)
		}
		time.Sleep(time.Second)
		log.Note(NodeTarget, "later")
		if len(sink.taken) != 3 || sink.taken[0].Kind != KindConnUp || sink.taken[1].PDU.Cut != 56 || sink.taken[2].At != time.Second {
			t.Errorf("taken: %+v", sink.taken)
		}
		if log.Len() != 0 || log.Dropped() != 0 {
			t.Error("the log keeps events")
		}
		there.Close()
		tapped.Close()
	})
}
