package initiator

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

func TestAnswersOnAnotherConnectionCountForNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		want := pattern(4096)
		s, a, b := twoEnds(t, n, nil)
		over := started(s, readRequest(0, 4096), writeRequest(1, make([]byte, 256<<10)))
		p, w := expect[*pdu.SCSICommand](a), expect[*pdu.SCSICommand](b)
		b.expCmdSN = p.CmdSN + 2
		b.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: make([]byte, 4096)})
		b.good(p.ITT)
		a.write(&pdu.R2T{ITT: w.ITT, TTT: 5, BufferOffset: 65536, DesiredDataTransferLength: 4096})
		a.good(w.ITT)
		synctest.Wait()
		select {
		case r := <-over:
			t.Fatalf("ended by an answer on another connection: %v", r.Err)
		default:
		}
		a.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: want})
		if r := <-over; r.Err != nil || !bytes.Equal(r.Read, want) {
			t.Errorf("read: %v", r.Err)
		}
	})
}

// cutRead plays a read whose connection breaks within its fourth Data-In, and is reinstated.
func cutRead(t *testing.T, inOrder string) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		want := pattern(32 << 10)
		logins := 0
		n.at(portalA, func(e *fakeEnd) {
			if logins++; logins == 1 {
				if !e.login("ErrorRecoveryLevel=2", "DefaultTime2Wait=3", "DefaultTime2Retain=10", "DataPDUInOrder="+inOrder) {
					return
				}
				p := expect[*pdu.SCSICommand](e)
				for sn := range uint32(3) {
					e.write(pieceOf(p.ITT, sn, want))
				}
				cut := pieceOf(p.ITT, 3, want)
				e.stamp(cut)
				_, _ = e.Write(pdu.Encode(nil, cut, e.digests)[:48+1000])
				return
			}
			if e.joinLogin(2) == nil {
				return
			}
			m := expect[*pdu.TaskManagementRequest](e)
			if m.Function != pdu.FunctionTaskReassign || m.ExpDataSN != 3 {
				t.Errorf("reassign: %+v", m)
			}
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT})
			for sn := m.ExpDataSN; sn < 8; sn++ {
				e.write(pieceOf(m.ReferencedTaskTag, sn, want))
			}
			e.good(m.ReferencedTaskTag)
			unhurried(e)
		})
		s := mustLogin(t, n, offering(map[string]string{
			text.KeyErrorRecoveryLevel: "2", text.KeyDefaultTime2Retain: "30", text.KeyMaxRecvDataSegmentLength: "4096", text.KeyDataPDUInOrder: inOrder,
		}))
		r := readRequest(0, len(want))
		if err := s.Do(t.Context(), r); err != nil || !bytes.Equal(r.Read, want) {
			t.Errorf("read: %v, all of it %v", err, bytes.Equal(r.Read, want))
		}
	})
}

func TestDataThatWasCutComesAgain(t *testing.T) {
	t.Run("in order", func(t *testing.T) { cutRead(t, "Yes") })
	t.Run("in any order", func(t *testing.T) { cutRead(t, "No") })
}

func TestUnknownTaskKeepsItsMemoryWhileItIsRead(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		want := pattern(32 << 10)
		var p *pdu.SCSICommand
		s := levelTwo(t, n, func(e *fakeEnd) {
			p = expect[*pdu.SCSICommand](e)
			e.write(pieceOf(p.ITT, 0, want))
		}, func(e *fakeEnd, _ []pdu.LoginRequest) {
			m := expect[*pdu.TaskManagementRequest](e)
			answer := &pdu.TaskManagementResponse{ITT: m.ITT, Response: pdu.TaskResponseNoTask}
			e.stamp(answer)
			late := &pdu.DataIn{ITT: p.ITT, DataSN: 1, BufferOffset: 4096, Data: want[4096:8192], Final: true, StatusPresent: true}
			e.stamp(late)
			b := pdu.Encode(pdu.Encode(nil, answer, e.digests), late, e.digests)
			_, _ = e.Write(b[:len(b)-1000])
			time.Sleep(time.Second)
			_, _ = e.Write(b[len(b)-1000:])
			unhurried(e)
		})
		r := readRequest(0, len(want))
		err := s.Do(t.Context(), r)
		before := bytes.Clone(r.Read)
		if !errors.Is(err, ErrTransportLost) {
			t.Errorf("read: %v", err)
		}
		time.Sleep(5 * time.Second)
		if !bytes.Equal(before, r.Read) {
			t.Error("memory written to after the end of its request")
		}
	})
}

func TestReassignedTaskTimesOut(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		logins := 0
		n.at(portalA, func(e *fakeEnd) {
			if logins++; logins == 1 {
				if e.login("ErrorRecoveryLevel=2", "DefaultTime2Wait=3", "DefaultTime2Retain=10") {
					expect[*pdu.SCSICommand](e)
					e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
				}
				return
			}
			if e.joinLogin(2) == nil {
				return
			}
			m := expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT})
			abort := expect[*pdu.TaskManagementRequest](e)
			if abort.Function != pdu.FunctionAbortTask || abort.ReferencedTaskTag != m.ReferencedTaskTag {
				t.Errorf("abort: %+v", abort)
			}
			e.write(&pdu.TaskManagementResponse{ITT: abort.ITT})
			unhurried(e)
		})
		cfg := offering(map[string]string{text.KeyErrorRecoveryLevel: "2", text.KeyDefaultTime2Retain: "30"})
		cfg.CommandTimeout = 10 * time.Second
		s := mustLogin(t, n, cfg)
		began := time.Now()
		r := readRequest(0, 4096)
		over := started(s, r)
		select {
		case <-over:
			if took := time.Since(began); !errors.Is(r.Err, ErrCommandTimeout) || took > 25*time.Second {
				t.Errorf("read: %v after %v", r.Err, took)
			}
		case <-time.After(time.Minute):
			t.Error("no time-out")
		}
		synctest.Wait()
	})
}
