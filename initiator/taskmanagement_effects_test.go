package initiator

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// withOffer is the plainest login with one offer more.
func withOffer(key, value string) LoginConfig {
	cfg := config()
	cfg.Offers = append(DefaultOffers(NormalSession), Offer{key, value})
	return cfg
}

// submitted submits a request and returns a channel that gets its error.
func submitted(s *Session, r *Request) <-chan error {
	over := make(chan error, 1)
	r.Done = func(r *Request) { over <- r.Err }
	s.Submit(r)
	return over
}

// The functions of RFC 7144 need its protocol level, and their fields are those of their kind.
func TestQueries(t *testing.T) {
	functions := []pdu.TaskFunction{
		pdu.FunctionQueryTask, pdu.FunctionQueryTaskSet, pdu.FunctionQueryAsynchronousEvent, pdu.FunctionITNexusReset,
	}
	for _, level := range []string{"1", "2"} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				named := expect[*pdu.SCSICommand](e)
				if level == "2" {
					for i, f := range functions {
						p := expect[*pdu.TaskManagementRequest](e)
						want := pdu.TaskManagementRequest{
							Immediate: true, Function: f, LUN: 5 << 48, ITT: p.ITT, ReferencedTaskTag: pdu.ReservedTag, CmdSN: e.expCmdSN,
							ExpStatSN: p.ExpStatSN,
						}
						switch f {
						case pdu.FunctionQueryTask:
							want.ReferencedTaskTag, want.RefCmdSN = named.ITT, named.CmdSN
						case pdu.FunctionITNexusReset:
							want.LUN = 0
						}
						if *p != want {
							t.Errorf("sent %+v, want %+v", *p, want)
						}
						if f == pdu.FunctionITNexusReset {
							return // The session is closed, and the answer is lost.
						}
						e.write(&pdu.TaskManagementResponse{ITT: p.ITT, Response: pdu.TaskResponseSucceeded, Additional: [3]byte{1, 2, byte(i)}})
					}
				}
				e.good(named.ITT)
				e.disk(nil, nil)
			}, "iSCSIProtocolLevel="+level))
			s := mustLogin(t, n, withOffer("iSCSIProtocolLevel", "2"))
			r := &Request{CDB: make([]byte, 6), LUN: 5 << 48}
			over := submitted(s, r)
			for i, f := range functions {
				answer, err := s.ManageTasks(t.Context(), TaskManagement{Function: f, LUN: 5 << 48, Task: r})
				switch {
				case level == "1":
					if !errors.Is(err, ErrNotSupported) {
						t.Errorf("%v at level 1: %v", f, err)
					}
				case f == pdu.FunctionITNexusReset:
					if !errors.Is(err, ErrTransportLost) {
						t.Errorf("%v: %v", f, err)
					}
				case err != nil || answer.Response != pdu.TaskResponseSucceeded || answer.Additional != [3]byte{1, 2, byte(i)}:
					t.Errorf("%v: %+v, %v", f, answer, err)
				}
			}
			if err := <-over; level == "1" && err != nil || level == "2" && !errors.Is(err, ErrAborted) {
				t.Errorf("level %s: the command ended with %v", level, err)
			}
		})
	}
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, accepts())
		s := mustLogin(t, n, config())
		for _, f := range []pdu.TaskFunction{0, 13, pdu.FunctionTaskReassign, pdu.FunctionAbortTask} {
			if _, err := s.ManageTasks(t.Context(), TaskManagement{Function: f, Task: &Request{}}); !errors.Is(err, ErrNotSupported) {
				t.Errorf("%v: %v", f, err)
			}
		}
	})
}

// TestEffectsOfTaskManagement answers each function in each way, with a command open on each of two units.
func TestEffectsOfTaskManagement(t *testing.T) {
	for f := pdu.FunctionAbortTask; f <= pdu.FunctionQueryAsynchronousEvent; f++ {
		if f == pdu.FunctionTaskReassign {
			continue
		}
		for _, response := range []pdu.TaskResponse{0, 1, 2, 3, 5, 6, 7, 255} {
			t.Run(fmt.Sprint(f, " ", response), func(t *testing.T) {
				one, both := response == 0, response == 0
				switch f {
				case pdu.FunctionAbortTask:
					one, both = response <= 1, false
				case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset:
					both = false
				case pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset, pdu.FunctionITNexusReset:
				default:
					one, both = false, false
				}
				bubble(t, func(t *testing.T, n *fakeNetwork) {
					n.at(portalA, script(func(e *fakeEnd) {
						first, second := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
						p := expect[*pdu.TaskManagementRequest](e)
						later := expect[*pdu.SCSICommand](e)
						e.write(&pdu.TaskManagementResponse{ITT: p.ITT, Response: response})
						for _, c := range []*pdu.SCSICommand{first, second, later} {
							e.good(c.ITT)
						}
						e.disk(nil, nil)
					}, "iSCSIProtocolLevel=2"))
					s := mustLogin(t, n, withOffer("iSCSIProtocolLevel", "2"))
					r := &Request{CDB: make([]byte, 6), LUN: 1 << 48}
					first, second := submitted(s, r), submitted(s, &Request{CDB: make([]byte, 6), LUN: 2 << 48})
					answered := make(chan error, 1)
					go func() {
						_, err := s.TaskManagement(t.Context(), TaskManagement{Function: f, LUN: 1 << 48, Task: r})
						answered <- err
					}()
					time.Sleep(time.Second)
					later := submitted(s, &Request{CDB: make([]byte, 6), LUN: 1 << 48})
					if err := <-answered; err != nil {
						t.Error(err)
					}
					for i, c := range []struct {
						over  <-chan error
						ended bool
					}{{first, one}, {second, both}, {later, false}} {
						if err := <-c.over; errors.Is(err, ErrAborted) != c.ended || !c.ended && err != nil {
							t.Errorf("command %d ended with %v, aborted: %v", i, err, c.ended)
						}
					}
					if s.tasks.live != 0 {
						t.Errorf("%d tasks left", s.tasks.live)
					}
				})
			})
		}
	}
}

// A stronger function ends the wait for a weaker one, whose answer then changes nothing.
func TestLateTaskManagementResponse(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			expect[*pdu.SCSICommand](e)
			abort, set, reset := expect[*pdu.TaskManagementRequest](e), expect[*pdu.TaskManagementRequest](e), expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.TaskManagementResponse{ITT: reset.ITT})
			p := expect[*pdu.SCSICommand](e)
			e.write(&pdu.TaskManagementResponse{ITT: abort.ITT})
			e.good(p.ITT)
			time.Sleep(time.Minute)
			e.write(&pdu.TaskManagementResponse{ITT: set.ITT})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		first := &Request{CDB: make([]byte, 6)}
		over := submitted(s, first)
		weaker := make(chan error, 2)
		for _, tm := range []TaskManagement{{Function: pdu.FunctionAbortTask, Task: first}, {Function: pdu.FunctionAbortTaskSet}} {
			go func() {
				_, err := s.TaskManagement(t.Context(), tm)
				weaker <- err
			}()
			time.Sleep(time.Second)
		}
		if response, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionLogicalUnitReset}); response != 0 || err != nil {
			t.Errorf("reset: %v, %v", response, err)
		}
		for range 2 {
			if err := <-weaker; !errors.Is(err, errSuperseded) || !errors.Is(err, ErrAborted) {
				t.Errorf("the weaker function ended with %v", err)
			}
		}
		if err := <-over; !errors.Is(err, ErrAborted) {
			t.Errorf("the command ended with %v", err)
		}
		if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
			t.Errorf("a later command ended with %v", err)
		}
		time.Sleep(2 * time.Minute)
		s.mu.Lock()
		left := s.tasks.live
		s.mu.Unlock()
		if left != 0 {
			t.Errorf("%d tasks left", left)
		}
	})
}

// half answers the login and half of a write, as far as one R2T asks, and returns the write when the task management request is in.
func half(e *fakeEnd) (*pdu.SCSICommand, *pdu.TaskManagementRequest) {
	p := expect[*pdu.SCSICommand](e)
	e.outwards(p, 0, len(p.Data), 1024)
	return p, expect[*pdu.TaskManagementRequest](e)
}

// Data goes on being sent while tasks are ended, but for FastAbort; what was given up gets an empty sequence.
func TestDataWhileTasksAreEnded(t *testing.T) {
	for _, reporting := range []string{"RFC3720", "FastAbort"} {
		for _, refused := range []bool{false, true} {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					p, tm := half(e)
					e.write(&pdu.R2T{ITT: p.ITT, LUN: p.LUN, TTT: 9, R2TSN: 1, BufferOffset: 1024, DesiredDataTransferLength: 512})
					if reporting == "RFC3720" {
						if d := expect[*pdu.DataOut](e); len(d.Data) != 512 || !d.Final {
							t.Errorf("answer to an R2T: %+v", d)
						}
					}
					e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 3})
					expect[*pdu.NOPOut](e) // And no Data-Out before it.
					response := pdu.TaskResponseComplete
					if refused {
						response = pdu.TaskResponseRejected
					}
					e.write(&pdu.TaskManagementResponse{ITT: tm.ITT, Response: response})
					if refused && reporting == "FastAbort" {
						a := expect[*pdu.TaskManagementRequest](e)
						if a.Function != pdu.FunctionAbortTask || a.ReferencedTaskTag != p.ITT {
							t.Errorf("%+v, want ABORT TASK", a)
						}
						e.write(&pdu.TaskManagementResponse{ITT: a.ITT})
					} else if refused {
						e.good(p.ITT)
					}
					e.disk(nil, nil)
				}, "ImmediateData=No", "TaskReporting="+reporting))
				s := mustLogin(t, n, withOffer("TaskReporting", "FastAbort,ResponseFence,RFC3720"))
				over := submitted(s, &Request{CDB: make([]byte, 6), LUN: 1 << 48, Write: make([]byte, 1536)})
				time.Sleep(time.Second)
				if _, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionLogicalUnitReset, LUN: 1 << 48}); err != nil {
					t.Error(err)
				}
				survives := refused && reporting == "RFC3720"
				if err := <-over; errors.Is(err, ErrAborted) == survives {
					t.Errorf("%s, refused %v: the command ended with %v", reporting, refused, err)
				}
				time.Sleep(time.Second)
				s.mu.Lock()
				left := s.tasks.live
				s.mu.Unlock()
				if left != 0 {
					t.Errorf("%d tasks left", left)
				}
			})
		}
	}
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p, _ := half(e)
			reset := expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.R2T{ITT: p.ITT, LUN: p.LUN, TTT: 9, R2TSN: 1, BufferOffset: 1024, DesiredDataTransferLength: 512})
			if d := expect[*pdu.DataOut](e); !d.Final || len(d.Data) != 0 || d.TTT != 9 || d.LUN != p.LUN || d.BufferOffset != 1024 {
				t.Errorf("answer to the R2T of a task that was given up: %+v", d)
			}
			e.write(&pdu.TaskManagementResponse{ITT: reset.ITT})
			e.disk(nil, nil)
		}, "ImmediateData=No"))
		s := mustLogin(t, n, config())
		r := &Request{CDB: make([]byte, 6), LUN: 1 << 48, Write: make([]byte, 1536)}
		over := submitted(s, r)
		time.Sleep(time.Second)
		s.Cancel(r, ErrTimeout)
		if err := <-over; !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if _, err := s.TaskManagement(t.Context(), TaskManagement{Function: pdu.FunctionLogicalUnitReset, LUN: 1 << 48}); err != nil {
			t.Error(err)
		}
	})
}

// Event 5 ends the tasks of its unit and is acknowledged, where FastAbort was agreed.
func TestTasksTerminated(t *testing.T) {
	for _, reporting := range []string{"RFC3720", "FastAbort"} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				p, other := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
				e.write(&pdu.AsyncMessage{Event: pdu.AsyncTasksTerminated, LUN: p.LUN})
				if reporting == "FastAbort" {
					ack := expect[*pdu.NOPOut](e)
					if !ack.Immediate || ack.ITT != pdu.ReservedTag || ack.TTT != pdu.ReservedTag || ack.LUN != p.LUN || ack.ExpStatSN != e.statSN {
						t.Errorf("acknowledged with %+v", ack)
					}
				} else {
					e.good(p.ITT)
				}
				e.dataIn(other.ITT, bytes.Repeat([]byte{1}, 512))
				e.disk(nil, nil)
			}, "TaskReporting="+reporting))
			s := mustLogin(t, n, withOffer("TaskReporting", "FastAbort,ResponseFence,RFC3720"))
			other := readRequest(0, 512)
			first, second := submitted(s, &Request{CDB: make([]byte, 6), LUN: 1 << 48}), submitted(s, other)
			if err := <-first; errors.Is(err, ErrAborted) != (reporting == "FastAbort") {
				t.Errorf("%s: the command ended with %v", reporting, err)
			}
			if err := <-second; err != nil {
				t.Errorf("%s: the command of another unit ended with %v", reporting, err)
			}
		})
	}
}
