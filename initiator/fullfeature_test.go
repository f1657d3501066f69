package initiator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// script lets every login in and then runs f.
func script(f func(e *fakeEnd), limits ...string) func(*fakeEnd) {
	return func(e *fakeEnd) {
		if e.login(limits...) {
			f(e)
		}
	}
}

func TestPing(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.NOPOut](e)
			if !p.Immediate || p.TTT != pdu.ReservedTag || p.ITT == pdu.ReservedTag {
				t.Errorf("ping %+v", p)
			}
			e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag, Data: p.Data})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		if got, err := s.Ping(t.Context(), []byte("hello")); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := s.Ping(t.Context(), make([]byte, 65537)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("too long: %v", err)
		}
	})
}

func TestTargetsPingIsAnswered(t *testing.T) {
	const lun = 0x0001000000000000
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.NOPIn{LUN: lun, ITT: pdu.ReservedTag, TTT: 0x01020304})
			p := expect[*pdu.NOPOut](e)
			if p.LUN != lun || p.TTT != 0x01020304 || p.ITT != pdu.ReservedTag || !p.Immediate || len(p.Data) != 0 || p.ExpStatSN != e.statSN {
				t.Errorf("answer %+v", p)
			}
			e.disk(make([]byte, 512), nil)
		}))
		s := mustLogin(t, n, config())
		time.Sleep(time.Second)
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
			t.Error(err)
		}
	})
}

func TestSilentTargetIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		pings := 0
		n.at(portalA, script(func(e *fakeEnd) {
			for range 3 {
				p := expect[*pdu.NOPOut](e)
				e.write(&pdu.NOPIn{ITT: p.ITT, TTT: pdu.ReservedTag})
				pings++
			}
			for e.read() != nil {
			}
		}))
		cfg := config()
		cfg.PingInterval = 0
		s := mustLogin(t, n, cfg)
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); took != 4*DefaultPingInterval+DefaultPingTimeout || pings != 3 {
			t.Errorf("given up after %v and %d pings", took, pings)
		}
		if l := s.Loss(); !errors.Is(l.Cause, ErrPingTimeout) || !errors.Is(l.Cause, ErrTimeout) || l.Planned {
			t.Errorf("loss %+v", l)
		}
	})
}

func TestBusyTargetIsNotPinged(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			for range 10 {
				time.Sleep(7 * time.Second)
				e.write(&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag})
			}
		}))
		cfg := config()
		cfg.PingInterval = 0
		s := mustLogin(t, n, cfg)
		<-s.Done()
		if len(s.tasks.slots) != 0 {
			t.Error("a target that spoke was pinged")
		}
	})
}

func TestLogout(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.window = 2
			first, second := expect[*pdu.SCSICommand](e), expect[*pdu.SCSICommand](e)
			p := expect[*pdu.LogoutRequest](e)
			if p.Reason != pdu.LogoutCloseSession || p.CID != 0 || p.ITT == first.ITT || p.ITT == second.ITT {
				t.Errorf("logout %+v", p)
			}
			e.good(first.ITT)
			e.write(&pdu.LogoutResponse{ITT: p.ITT, Time2Wait: 7})
			if p := e.read(); p != nil {
				t.Errorf("after the logout came %T", p)
			}
		}, "DefaultTime2Wait=3"))
		s := mustLogin(t, n, config())
		s.window.max = s.window.next + 1
		var outcomes [3]error
		for i := range outcomes {
			s.Submit(&Request{CDB: make([]byte, 6), Done: func(r *Request) { outcomes[i] = r.Err }})
		}
		time.Sleep(time.Second)
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if outcomes[0] != nil || !errors.Is(outcomes[1], ErrLoggedOut) || !errors.Is(outcomes[2], ErrLoggedOut) {
			t.Errorf("outcomes %v", outcomes)
		}
		if l := s.Loss(); !errors.Is(l.Cause, ErrLoggedOut) || !l.Planned || l.Time2Wait != 3*time.Second {
			t.Errorf("loss %+v", l)
		}
		if err := s.Do(t.Context(), readRequest(0, 512)); !errors.Is(err, ErrLoggedOut) {
			t.Errorf("after the logout: %v", err)
		}
	})
}

func TestLogoutEndsWhateverTheTargetDoes(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(e *fakeEnd, p *pdu.LogoutRequest)
		check func(err error) bool
		took  time.Duration
	}{
		"silence": {func(e *fakeEnd, _ *pdu.LogoutRequest) { e.read() }, func(err error) bool { return errors.Is(err, ErrTimeout) }, DefaultLogoutTimeout},
		"close":   {func(*fakeEnd, *pdu.LogoutRequest) {}, func(err error) bool { return err != nil }, 0},
		"failure": {func(e *fakeEnd, p *pdu.LogoutRequest) {
			e.write(&pdu.LogoutResponse{ITT: p.ITT, Response: pdu.LogoutCleanupFailed, Time2Wait: 5})
			e.read()
		}, func(err error) bool { var l *LogoutError; return errors.As(err, &l) }, 0},
		"reject": {func(e *fakeEnd, p *pdu.LogoutRequest) {
			var h pdu.BHS
			p.EncodeBHS(&h)
			e.write(&pdu.Reject{Reason: pdu.RejectProtocolError, Data: h[:]})
			e.read()
		}, func(err error) bool { var r *RejectError; return errors.As(err, &r) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) { c.serve(e, expect[*pdu.LogoutRequest](e)) }))
				s := mustLogin(t, n, config())
				start := time.Now()
				if err := s.Logout(t.Context()); !c.check(err) || time.Since(start) != c.took {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// sessionEnd logs in, lets the target do something, and returns the loss and how long after the login it came.
func sessionEnd(t *testing.T, cfg LoginConfig, serve func(e *fakeEnd), limits ...string) (l Loss, after time.Duration) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(serve, limits...))
		s := mustLogin(t, n, cfg)
		start := time.Now()
		<-s.Done()
		l, after = s.Loss(), s.Loss().At.Sub(start)
	})
	return l, after
}

func TestLogoutAtTheTargetsRequest(t *testing.T) {
	for _, given := range []uint16{1, 5, 60} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, script(func(e *fakeEnd) {
				read := expect[*pdu.SCSICommand](e)
				e.write(&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: given})
				start := time.Now()
				p := expect[*pdu.LogoutRequest](e)
				if wait := time.Since(start); wait > time.Duration(given)*time.Second/2 || wait > drainLimit {
					t.Errorf("logout %v after a request within %d s", wait, given)
				}
				e.good(read.ITT)
				e.write(&pdu.LogoutResponse{ITT: p.ITT, Time2Wait: 7})
				e.read()
			}))
			s := mustLogin(t, n, config())
			r := &Request{CDB: make([]byte, 6)}
			if err := s.Do(t.Context(), r); err != nil {
				t.Errorf("the command that was on its way: %v", err)
			}
			if err := s.Do(t.Context(), r); !errors.Is(err, ErrTransportLost) || r.Sent {
				t.Errorf("a command after the event: %v, sent %v", err, r.Sent)
			}
			<-s.Done()
			if l := s.Loss(); !errors.Is(l.Cause, ErrAsyncLogout) || !l.Planned || l.Async != 1 || l.Time2Wait != 0 {
				t.Errorf("loss %+v", l)
			}
		})
	}
}

func TestIdleLogoutAtTheTargetsRequestIsAtOnce(t *testing.T) {
	l, after := sessionEnd(t, config(), func(e *fakeEnd) {
		e.write(&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 60})
		p := expect[*pdu.LogoutRequest](e)
		e.write(&pdu.LogoutResponse{ITT: p.ITT, Response: pdu.LogoutCleanupFailed, Time2Wait: 7, Time2Retain: 20})
		e.read()
	})
	if after != 0 || l.Time2Wait != 7*time.Second || !errors.Is(l.Cause, ErrAsyncLogout) {
		t.Errorf("after %v: %+v", after, l)
	}
}

func TestAnnouncedDrops(t *testing.T) {
	message := func(event pdu.AsyncEvent, cid uint16) *pdu.AsyncMessage {
		return &pdu.AsyncMessage{Event: event, Parameter1: cid, Parameter2: 6, Parameter3: 20}
	}
	for name, c := range map[string]struct {
		message *pdu.AsyncMessage
		linger  time.Duration // How long the target keeps the connection.
		wait    time.Duration
		async   byte
		after   time.Duration
	}{
		"connection":          {message(pdu.AsyncConnectionDrop, 9), 200 * time.Millisecond, 6 * time.Second, 2, 200 * time.Millisecond},
		"another connection":  {message(pdu.AsyncConnectionDrop, 8), time.Second, 0, 0, time.Second},
		"session":             {message(pdu.AsyncSessionDrop, 0), time.Second, 6 * time.Second, 3, time.Second},
		"never ended by them": {message(pdu.AsyncSessionDrop, 0), time.Hour, 6 * time.Second, 3, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.CID = 9
			l, after := sessionEnd(t, cfg, func(e *fakeEnd) {
				e.write(c.message)
				timer := time.AfterFunc(c.linger, func() { e.Close() })
				e.read()
				timer.Stop()
			})
			if l.Time2Wait != c.wait || l.Async != c.async || l.Planned != (c.async != 0) || after != c.after {
				t.Errorf("after %v: %+v", after, l)
			}
			if errors.Is(l.Cause, ErrAsyncDrop) != (c.async != 0) {
				t.Errorf("cause %v", l.Cause)
			}
		})
	}
}

func TestAsyncMessagesAreReported(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncSCSI, LUN: 5, Data: pdu.SenseSegment([]byte{0x70, 0, 6})})
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncVendor, VendorCode: 3})
			e.write(&pdu.AsyncMessage{Event: 77})
			e.disk(make([]byte, 512), nil)
		}))
		var seen []AsyncEvent
		cfg := config()
		cfg.OnAsync = func(e AsyncEvent) { seen = append(seen, e) }
		s := mustLogin(t, n, cfg)
		time.Sleep(time.Second)
		if err := s.Do(t.Context(), readRequest(0, 512)); err != nil {
			t.Error(err)
		}
		if len(seen) != 3 || seen[0].LUN != 5 || !bytes.Equal(seen[0].Sense, []byte{0x70, 0, 6}) || seen[1].VendorCode != 3 {
			t.Errorf("seen %+v", seen)
		}
	})
}

func TestNegotiationAtTheTargetsRequest(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			e.write(&pdu.AsyncMessage{Event: pdu.AsyncNegotiation, Parameter3: 3})
			p := expect[*pdu.TextRequest](e)
			if got := textOf(p.Data).String(); !strings.HasPrefix(got, "MaxRecvDataSegmentLength=") || p.TTT != pdu.ReservedTag || !p.Final {
				t.Errorf("text request %+v", p)
			}
			e.write(&pdu.TextResponse{ITT: p.ITT, TTT: 5, LUN: 3, Data: base("MaxRecvDataSegmentLength=512", "X-com.example.t=1").Append(nil)})
			q := expect[*pdu.TextRequest](e)
			if got := textOf(q.Data).String(); !strings.Contains(got, "X-com.example.t=NotUnderstood") || q.TTT != 5 || q.ITT != p.ITT || q.LUN != 3 {
				t.Errorf("second text request %+v with %s", q, got)
			}
			e.write(&pdu.TextResponse{Final: true, ITT: p.ITT, TTT: pdu.ReservedTag})
			w := expect[*pdu.SCSICommand](e)
			if len(w.Data) != 512 {
				t.Errorf("immediate data of %d bytes", len(w.Data))
			}
			e.write(&pdu.SCSIResponse{ITT: w.ITT, Underflow: true, ResidualCount: 512})
			e.disk(nil, nil)
		}))
		s := mustLogin(t, n, config())
		time.Sleep(time.Second)
		if s.Info().Params.PeerMaxRecvDataSegmentLength != 512 {
			t.Errorf("limit %d", s.Info().Params.PeerMaxRecvDataSegmentLength)
		}
		r := writeRequest(0, make([]byte, 1024))
		if err := s.Do(t.Context(), r); err != nil || r.Transferred != 512 {
			t.Errorf("%v, %d", err, r.Transferred)
		}
	})
}

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
