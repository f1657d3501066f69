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

// levelTwo logs in a session of ErrorRecoveryLevel 2 with Time2Wait 3 and Time2Retain 10, whose first connection is played by first, and each
// later one by then, given its login.
func levelTwo(t *testing.T, n *fakeNetwork, first func(*fakeEnd), then func(e *fakeEnd, asked []pdu.LoginRequest)) *Session {
	t.Helper()
	logins := 0
	next := uint32(0)
	n.at(portalA, func(e *fakeEnd) {
		if logins++; logins == 1 {
			if e.login("ErrorRecoveryLevel=2", "DefaultTime2Wait=3", "DefaultTime2Retain=10") {
				first(e)
				next = e.expCmdSN
			}
			return
		}
		if asked := e.joinLogin(next); len(asked) > 0 {
			then(e, asked)
		}
	})
	return mustLogin(t, n, offering(map[string]string{text.KeyErrorRecoveryLevel: "2", text.KeyDefaultTime2Retain: "30", text.KeyMaxRecvDataSegmentLength: "4096"}))
}

// unhurried waits until the initiator has nothing left to say.
func unhurried(e *fakeEnd) {
	for e.read() != nil {
	}
}

func TestTasksGoOnOverTheReinstatedConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		want := pattern(32 << 10)
		var p *pdu.SCSICommand
		var lost time.Time
		var expStatSN uint32
		s := levelTwo(t, n, func(e *fakeEnd) {
			p = expect[*pdu.SCSICommand](e)
			for sn := range uint32(3) {
				e.write(pieceOf(p.ITT, sn, want))
			}
			lost, expStatSN = time.Now(), e.statSN
		}, func(e *fakeEnd, asked []pdu.LoginRequest) {
			a := asked[0]
			if a.TSIH != fakeTSIH || a.CID != 0 || a.ISID != config().ISID || a.ExpStatSN != expStatSN || a.CmdSN != p.CmdSN+1 {
				t.Errorf("login of the reinstatement: %+v", a)
			}
			if waited := time.Since(lost); waited < 3*time.Second || waited > 4*time.Second {
				t.Errorf("reinstated after %v", waited)
			}
			m := expect[*pdu.TaskManagementRequest](e)
			if m.Function != pdu.FunctionTaskReassign || m.ReferencedTaskTag != p.ITT || m.ExpDataSN != 3 || !m.Immediate || m.LUN != p.LUN {
				t.Errorf("reassign: %+v", m)
			}
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT})
			for _, sn := range []uint32{2, 3, 4, 6, 7} {
				e.write(pieceOf(p.ITT, sn, want))
			}
			if q := expect[*pdu.SNACKRequest](e); q.BegRun != 5 || q.RunLength != 1 {
				t.Errorf("SNACK: %+v", q)
			}
			e.write(pieceOf(p.ITT, 5, want))
			e.good(p.ITT)
			unhurried(e)
		})
		r := readRequest(0, len(want))
		if err := s.Do(t.Context(), r); err != nil || !bytes.Equal(r.Read, want) {
			t.Errorf("read: %v", err)
		}
		select {
		case <-s.Done():
			t.Error("the session was lost")
		default:
		}
	})
}

func TestWritesGoOnOverTheReinstatedConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		want := pattern(128 << 10)
		var p *pdu.SCSICommand
		ask := func(e *fakeEnd, sn uint32, offset, length int) {
			e.write(&pdu.R2T{ITT: p.ITT, TTT: 7 + sn, R2TSN: sn, BufferOffset: uint32(offset), DesiredDataTransferLength: uint32(length)})
			for got := 0; got < length; {
				d := expect[*pdu.DataOut](e)
				if d.TTT != 7+sn || !bytes.Equal(d.Data, want[d.BufferOffset:][:len(d.Data)]) || int(d.BufferOffset) != offset+got {
					t.Errorf("Data-Out of TTT %d at %d", d.TTT, d.BufferOffset)
				}
				got += len(d.Data)
			}
		}
		s := levelTwo(t, n, func(e *fakeEnd) {
			p = expect[*pdu.SCSICommand](e)
			ask(e, 0, 65536, 32768)
		}, func(e *fakeEnd, _ []pdu.LoginRequest) {
			m := expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT})
			ask(e, 0, 65536, 32768)
			ask(e, 1, 98304, 32768)
			e.good(p.ITT)
			unhurried(e)
		})
		if err := s.Do(t.Context(), writeRequest(0, want)); err != nil {
			t.Error(err)
		}
	})
}

func TestUnseenCommandIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var p *pdu.SCSICommand
		s := levelTwo(t, n, func(e *fakeEnd) {
			p = expect[*pdu.SCSICommand](e)
			e.expCmdSN = p.CmdSN // It never reached the target's SCSI layer.
		}, func(e *fakeEnd, _ []pdu.LoginRequest) {
			again := expect[*pdu.SCSICommand](e)
			if again.ITT != p.ITT || again.CmdSN != p.CmdSN || again.CDB != p.CDB {
				t.Errorf("retry %+v of %+v", again, p)
			}
			e.good(again.ITT)
			unhurried(e)
		})
		if err := s.Do(t.Context(), &Request{CDB: make([]byte, 6)}); err != nil {
			t.Error(err)
		}
	})
}

func TestConnectionRecoveryEnds(t *testing.T) {
	for name, v := range map[string]struct {
		then  func(*fakeEnd, []pdu.LoginRequest)
		least time.Duration
		most  time.Duration
	}{
		"refused reassignment": {func(e *fakeEnd, _ []pdu.LoginRequest) {
			m := expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT, Response: pdu.TaskResponseReassignUnsupported})
			unhurried(e)
		}, 3 * time.Second, 4 * time.Second},
		"unknown task": {func(e *fakeEnd, _ []pdu.LoginRequest) {
			m := expect[*pdu.TaskManagementRequest](e)
			e.write(&pdu.TaskManagementResponse{ITT: m.ITT, Response: pdu.TaskResponseNoTask})
			unhurried(e)
		}, 3 * time.Second, 4 * time.Second},
		"Time2Retain": {nil, 13 * time.Second, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				s := levelTwo(t, n, func(e *fakeEnd) {
					expect[*pdu.SCSICommand](e)
					if v.then == nil {
						n.at(portalA, nil)
					}
				}, v.then)
				began := time.Now()
				if err := s.Do(t.Context(), readRequest(0, 512)); !errors.Is(err, ErrTransportLost) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took < v.least || took > v.most {
					t.Errorf("ended after %v", took)
				}
				synctest.Wait()
				select {
				case <-s.Done():
					if name == "unknown task" {
						t.Error("the session was lost")
					} else if at := s.Loss().At; at.Sub(began) > time.Second {
						t.Errorf("lost at %v", at.Sub(began))
					}
				default:
					if name != "unknown task" {
						t.Error("the session lives")
					}
				}
			})
		})
	}
}

func TestLogoutDuringConnectionRecovery(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		s := levelTwo(t, n, func(e *fakeEnd) { expect[*pdu.SCSICommand](e) }, func(*fakeEnd, []pdu.LoginRequest) { t.Error("reinstated") })
		over := started(s, readRequest(0, 512))
		time.Sleep(time.Second)
		if list := s.Connections(); len(list) != 1 || !list[0].Recovering || list[0].Commands != 1 {
			t.Errorf("connections: %+v", list)
		}
		if _, err := s.Ping(t.Context(), nil); !errors.Is(err, ErrTransportLost) {
			t.Errorf("ping: %v", err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if r := <-over; !errors.Is(r.Err, ErrLoggedOut) {
			t.Error(r.Err)
		}
	})
}

func TestSurvivorTakesOver(t *testing.T) {
	for _, level := range []string{"1", "2"} {
		t.Run("level "+level, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				s, a, b := twoEnds(t, n, nil, "ErrorRecoveryLevel="+level, "DefaultTime2Retain=10")
				over := started(s, readRequest(0, 512), readRequest(1, 512), readRequest(2, 512))
				mine := []*pdu.SCSICommand{expect[*pdu.SCSICommand](a), expect[*pdu.SCSICommand](a)}
				theirs := expect[*pdu.SCSICommand](b)
				a.expCmdSN = 4
				_ = b.Close()
				p := expect[*pdu.LogoutRequest](a)
				want := map[string]pdu.LogoutReason{"1": pdu.LogoutCloseConnection, "2": pdu.LogoutRemoveForRecovery}[level]
				if p.Reason != want || p.CID != b.logins[0].CID || p.ExpStatSN != b.statSN {
					t.Errorf("logout: %+v", p)
				}
				a.write(&pdu.LogoutResponse{ITT: p.ITT, Time2Retain: 10})
				if level == "2" {
					m := expect[*pdu.TaskManagementRequest](a)
					if m.Function != pdu.FunctionTaskReassign || m.ReferencedTaskTag != theirs.ITT || m.ExpDataSN != 0 {
						t.Errorf("reassign: %+v", m)
					}
					a.write(&pdu.TaskManagementResponse{ITT: m.ITT})
					mine = append(mine, theirs)
				} else if r := <-over; !errors.Is(r.Err, ErrTransportLost) {
					t.Errorf("command of the lost connection: %v", r.Err)
				}
				for _, p := range mine {
					a.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: p.ITT, Data: make([]byte, 512)})
					if r := <-over; r.Err != nil {
						t.Error(r.Err)
					}
				}
				synctest.Wait()
				if list := s.Connections(); len(list) != 1 {
					t.Errorf("connections: %+v", list)
				}
			})
		})
	}
	t.Run("level 0", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			s, a, b := twoEnds(t, n, nil)
			over := started(s, readRequest(0, 512), readRequest(1, 512))
			expect[*pdu.SCSICommand](a)
			expect[*pdu.SCSICommand](b)
			_ = b.Close()
			for range 2 {
				if r := <-over; !errors.Is(r.Err, ErrTransportLost) {
					t.Error(r.Err)
				}
			}
			<-s.Done()
		})
	})
}

func TestTargetThatHangsUpCausesNoStorm(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		logins := 0
		s := levelTwo(t, n, func(e *fakeEnd) {}, func(*fakeEnd, []pdu.LoginRequest) { logins++ })
		<-s.Done()
		if logins != reinstateLimit {
			t.Errorf("%d reinstatements in a row, want %d", logins, reinstateLimit)
		}
	})
}
