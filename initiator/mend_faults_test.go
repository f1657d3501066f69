package initiator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func TestMissingDataMayCarryASecondStatus(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 1, 2, 4, 5, 6, 7} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 8})
		expect[*pdu.SNACKRequest](e)
		again := pieceOf(p.ITT, 3, want)
		again.Final, again.StatusPresent = true, true
		e.write(again)
		e.good(expect[*pdu.SCSICommand](e).ITT)
	}, func(t *testing.T, s *Session) {
		mustRead(t, s, want)
		if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
			t.Error(err)
		}
	})
}

func TestHeldStatusOfAnAbortedTaskIsAcknowledged(t *testing.T) {
	want := pattern(32 << 10)
	ctx, cancel := context.WithCancel(t.Context())
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 1, 2, 4, 5, 6, 7} {
			e.write(pieceOf(p.ITT, sn, want))
		}
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 8})
		expect[*pdu.SNACKRequest](e)
		cancel()
		m := expect[*pdu.TaskManagementRequest](e)
		e.write(&pdu.TaskManagementResponse{ITT: m.ITT, Response: pdu.TaskResponseNoTask})
		e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 6})
		if o := expect[*pdu.NOPOut](e); o.ExpStatSN != e.statSN {
			t.Errorf("ExpStatSN %#x when all is over, want %#x", o.ExpStatSN, e.statSN)
		}
	}, func(t *testing.T, s *Session) {
		if err := s.Do(ctx, readRequest(0, len(want))); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAcknowledgedDataOutlivesAChangeOfSegmentLength(t *testing.T) {
	want := pattern(32 << 10)
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		for _, sn := range []uint32{0, 1, 2} {
			d := pieceOf(p.ITT, sn, want)
			if sn == 1 {
				d.Acknowledge, d.TTT = true, 9
			}
			e.write(d)
			if sn == 1 {
				if q := expect[*pdu.SNACKRequest](e); q.Type != pdu.SNACKDataACK || q.BegRun != 2 {
					t.Errorf("DataACK: %+v", q)
				}
			}
		}
		x := expect[*pdu.TextRequest](e)
		e.write(&pdu.TextResponse{Final: true, ITT: x.ITT, TTT: pdu.ReservedTag})
		before := e.statSN
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 8})
		q := expect[*pdu.SNACKRequest](e)
		if q.Type != pdu.SNACKRData {
			t.Errorf("SNACK: %+v", q)
		}
		for sn := uint32(2); sn < 14; sn++ {
			offset := 8192 + (sn-2)*2048
			e.write(&pdu.DataIn{ITT: p.ITT, DataSN: sn, BufferOffset: offset, Data: want[offset:][:2048], Final: sn == 13})
		}
		e.statSN = before
		e.write(&pdu.SCSIResponse{ITT: p.ITT, ExpDataSN: 14, SNACKTag: q.TTT})
	}, func(t *testing.T, s *Session) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			mustRead(t, s, want)
		}()
		synctest.Wait()
		if _, err := s.Text(t.Context(), base("MaxRecvDataSegmentLength=2048")); err != nil {
			t.Error(err)
		}
		<-done
	})
}

func TestMissingR2TAfterAChangeOfSegmentLength(t *testing.T) {
	levelOne(t, func(e *fakeEnd) {
		p := expect[*pdu.SCSICommand](e)
		x := expect[*pdu.TextRequest](e)
		e.write(&pdu.TextResponse{Final: true, ITT: x.ITT, TTT: pdu.ReservedTag})
		e.write(&pdu.R2T{ITT: p.ITT, TTT: 8, R2TSN: 1, BufferOffset: 4096, DesiredDataTransferLength: 4096})
		for range 2 {
			switch q := e.read().(type) {
			case *pdu.SNACKRequest:
				if q.Type != pdu.SNACKData || q.BegRun != 0 || q.RunLength != 1 {
					t.Errorf("SNACK: %+v", q)
				}
			case *pdu.DataOut:
			default:
				t.Errorf("initiator sent %T", q)
			}
		}
		e.write(&pdu.R2T{ITT: p.ITT, TTT: 7, DesiredDataTransferLength: 4096})
		expect[*pdu.DataOut](e)
		e.good(p.ITT)
	}, func(t *testing.T, s *Session) {
		over := started(s, writeRequest(0, make([]byte, 8192)))
		synctest.Wait()
		if _, err := s.Text(t.Context(), base("MaxRecvDataSegmentLength=2048")); err != nil {
			t.Error(err)
		}
		if r := <-over; r.Err != nil {
			t.Error(r.Err)
		}
	}, "ImmediateData=No", "InitialR2T=Yes", "MaxOutstandingR2T=4", "DataSequenceInOrder=No")
}

func TestAcknowledgementsThatAreNotTakenAreBounded(t *testing.T) {
	most := 0
	ready := make(chan *Session, 1)
	levelOne(t, func(e *fakeEnd) {
		s := <-ready
		p := expect[*pdu.SCSICommand](e)
		for sn := range uint32(3 * pingAnswersMax) {
			e.write(&pdu.DataIn{ITT: p.ITT, DataSN: sn, Acknowledge: true, TTT: 9})
		}
		synctest.Wait()
		s.mu.Lock()
		for _, c := range s.conns {
			most = len(c.queue)
		}
		s.mu.Unlock()
	}, func(t *testing.T, s *Session) {
		ready <- s
		_ = s.Do(t.Context(), readRequest(0, 4096))
		if most > 2*pingAnswersMax {
			t.Errorf("%d PDUs wait to be sent", most)
		}
	})
}

func TestSilenceIsNoticedHoweverManyCommandsAreOpen(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.window = 2 * maxTasks
			e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			unhurried(e)
		}))
		cfg := config()
		cfg.PingInterval, cfg.PingTimeout = 5*time.Second, 5*time.Second
		s := mustLogin(t, n, cfg)
		synctest.Wait()
		for range maxTasks + 1 {
			s.Submit(&Request{CDB: make([]byte, 6)})
		}
		select {
		case <-s.Done():
		case <-time.After(time.Hour):
			t.Error("a silent target was never given up")
		}
	})
}

func TestPingsOfRetriesLeaveNothingBehind(t *testing.T) {
	levelOne(t, func(e *fakeEnd) {
		for range 5 {
			p := expect[*pdu.SCSICommand](e)
			expect[*pdu.NOPOut](e) // Not answered.
			e.good(p.ITT)
		}
	}, func(t *testing.T, s *Session) {
		for range 5 {
			if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
				t.Error(err)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tasks.live > 1 {
			t.Errorf("%d tasks are open", s.tasks.live)
		}
	})
}

func TestEveryCancelledCommandIsAborted(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		const many = 3000
		aborted := map[uint32]bool{}
		n.at(portalA, script(func(e *fakeEnd) {
			e.window = 2 * maxTasks
			e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			for range many {
				expect[*pdu.SCSICommand](e)
			}
			for {
				m, ok := e.read().(*pdu.TaskManagementRequest)
				if !ok {
					return
				}
				aborted[m.ReferencedTaskTag] = true
				e.write(&pdu.TaskManagementResponse{ITT: m.ITT})
			}
		}))
		s := mustLogin(t, n, config())
		synctest.Wait()
		requests := make([]*Request, many)
		for i := range requests {
			requests[i] = &Request{CDB: make([]byte, 6)}
			s.Submit(requests[i])
		}
		synctest.Wait()
		for _, r := range requests {
			s.Cancel(r, ErrAborted)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(aborted) != many || s.tasks.live != 0 || s.unsaid != 0 {
			t.Errorf("%d of %d commands aborted, %d tasks are left", len(aborted), many, s.tasks.live)
		}
	})
}
