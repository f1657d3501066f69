package initiator

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func TestAbort(t *testing.T) {
	for name, c := range map[string]struct {
		response pdu.TaskResponse
		status   bool
		want     error
	}{
		"complete":       {pdu.TaskResponseComplete, false, ErrAborted},
		"no task":        {pdu.TaskResponseNoTask, false, ErrAborted},
		"status before":  {pdu.TaskResponseNoTask, true, nil},
		"status, though": {pdu.TaskResponseRejected, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					first, second := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
					p := expect[*pdu.TaskManagementRequest](e)
					if p.Function != pdu.FunctionAbortTask || p.ReferencedTaskTag != second.ITT || p.RefCmdSN != second.CmdSN || p.LUN != second.LUN || !p.Immediate {
						t.Errorf("abort %+v", p)
					}
					if c.status {
						e.good(second.ITT)
					}
					e.write(&pdu.TaskManagementResponse{ITT: p.ITT, Response: c.response})
					e.write(&pdu.DataIn{Final: true, ITT: second.ITT, Data: []byte("late")})
					e.good(first.ITT)
					e.disk(nil, nil)
				}))
				s := mustLogin(t, n, config())
				done := make(chan struct{}, 2)
				var requests []*Request
				for i := range 2 {
					r := readRequest(i, 512)
					if c.status || i == 0 {
						r.Read = nil
					}
					r.LUN, r.Done = uint64(i)<<48, func(*Request) { done <- struct{}{} }
					requests = append(requests, r)
					s.Submit(r)
				}
				response, err := s.AbortTask(t.Context(), requests[1])
				if err != nil || response != c.response {
					t.Errorf("response %v, %v", response, err)
				}
				<-done
				<-done
				if requests[0].Err != nil || !errors.Is(requests[1].Err, c.want) {
					t.Errorf("outcomes %v and %v", requests[0].Err, requests[1].Err)
				}
				if requests[1].Read != nil && requests[1].Read[0] != 0 {
					t.Error("late data reached the buffer")
				}
				if response, err := s.AbortTask(t.Context(), requests[0]); err != nil || response != pdu.TaskResponseNoTask {
					t.Errorf("abort of what is over: %v, %v", response, err)
				}
			})
		})
	}
}

func TestResetEndsTheTasksOfItsUnit(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			expect[*pdu.SCSICommand](e)
			other := expect[*pdu.SCSICommand](e)
			expect[*pdu.SCSICommand](e)
			p := expect[*pdu.TaskManagementRequest](e)
			if p.ReferencedTaskTag != pdu.ReservedTag || p.LUN != 0 {
				t.Errorf("reset %+v", p)
			}
			e.write(&pdu.TaskManagementResponse{ITT: p.ITT})
			time.Sleep(time.Second)
			e.good(other.ITT)
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		var order []uint64
		done := make(chan struct{}, 3)
		for i := range 3 {
			r := &Request{CDB: make([]byte, 6), LUN: uint64(i%2) << 48}
			r.Done = func(r *Request) {
				order = append(order, r.LUN)
				if (r.Err == nil) != (r.LUN != 0) || r.LUN == 0 && !errors.Is(r.Err, ErrAborted) {
					t.Errorf("LUN %x: %v", r.LUN, r.Err)
				}
				done <- struct{}{}
			}
			s.Submit(r)
		}
		if _, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionLogicalUnitReset}); err != nil {
			t.Error(err)
		}
		for range 3 {
			<-done
		}
		if order[2] == 0 {
			t.Errorf("order %x", order)
		}
	})
}

func TestUnansweredTaskManagementEndsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for e.read() != nil {
			}
		}))
		s := mustLogin(t, n, config())
		start := time.Now()
		_, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionTargetWarmReset})
		if !errors.Is(err, ErrTaskManagementTimeout) || time.Since(start) != DefaultAnswerTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionTaskReassign}); !errors.Is(err, ErrNotSupported) {
			t.Errorf("reassign: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.window = 1
			first := expect[*pdu.SCSICommand](e)
			p := expect[*pdu.TaskManagementRequest](e)
			if p.ReferencedTaskTag != first.ITT {
				t.Errorf("abort %+v", p)
			}
			e.write(&pdu.DataIn{Final: true, ITT: first.ITT, Data: []byte("late")})
			e.write(&pdu.TaskManagementResponse{ITT: p.ITT})
			e.disk(make([]byte, 512), nil)
		}, "InitialR2T=Yes"))
		s := mustLogin(t, n, config())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		r := readRequest(0, 512)
		if err := s.Do(ctx, r); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if r.Read[0] != 0 {
			t.Error("late data reached the buffer")
		}
		if s.Cancel(r, ErrTimeout) {
			t.Error("cancelled what was over")
		}
		if err := s.Do(t.Context(), r); err != nil {
			t.Errorf("the same request again: %v", err)
		}
		if s.tasks.live != 0 {
			t.Errorf("%d tasks left", s.tasks.live)
		}
	})
}

func TestReject(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			var tags []uint32
			var header pdu.BHS
			for i := range 4 {
				p := expect[*pdu.SCSICommand](e)
				tags = append(tags, p.ITT)
				if i == 1 {
					p.EncodeBHS(&header)
				}
			}
			e.write(&pdu.Reject{Reason: pdu.RejectInvalidPDUField, Data: header[:]})
			p := expect[*pdu.TaskManagementRequest](e)
			if p.Function != pdu.FunctionAbortTask || p.ReferencedTaskTag != tags[1] || p.RefCmdSN != binary.BigEndian.Uint32(header[24:]) {
				t.Errorf("the gap is plugged by %+v", p)
			}
			e.write(&pdu.TaskManagementResponse{ITT: p.ITT, Response: pdu.TaskResponseNoTask})
			e.write(&pdu.Reject{Reason: pdu.RejectProtocolError}) // About nothing that is known.
			for _, i := range []int{3, 0, 2} {
				e.good(tags[i])
			}
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		done := make(chan struct{}, 4)
		for i := range 4 {
			r := &Request{CDB: make([]byte, 6), Done: func(r *Request) {
				var reject *RejectError
				if errors.As(r.Err, &reject) != (i == 1) || r.Err != nil && i != 1 {
					t.Errorf("request %d: %v", i, r.Err)
				}
				done <- struct{}{}
			}}
			s.Submit(r)
		}
		for range 4 {
			<-done
		}
	})
}
