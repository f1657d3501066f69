package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

func (p *peer) manage(f pdu.TaskFunction, lun uint64, referenced, refCmdSN uint32) *pdu.TaskManagementRequest {
	p.itt++
	return &pdu.TaskManagementRequest{
		Immediate: true, Function: f, LUN: lun, ITT: p.itt, ReferencedTaskTag: referenced, CmdSN: p.cmdSN, ExpStatSN: p.expStat, RefCmdSN: refCmdSN,
	}
}

// managed sends a request and checks the answer.
func (p *peer) managed(q *pdu.TaskManagementRequest, want pdu.TaskResponse) {
	p.Helper()
	p.send(q)
	p.answered(q, want)
}

func (p *peer) answered(q *pdu.TaskManagementRequest, want pdu.TaskResponse) {
	p.Helper()
	r := get[*pdu.TaskManagementResponse](p)
	p.counts(r.StatSN)
	if r.ITT != q.ITT || r.Response != want {
		p.Errorf("%s answered %s, want %s", q.Function, r.Response, want)
	}
}

func TestTaskManagementThatActsOnNothing(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		absent := uint64(scsi.FlatLUN(0x3fff))
		p.managed(p.manage(pdu.FunctionAbortTask, 0, 0x999, p.cmdSN+0x10000), pdu.TaskResponseNoTask)
		p.managed(p.manage(pdu.FunctionLogicalUnitReset, absent, 0, 0), pdu.TaskResponseNoLUN)
		p.managed(p.manage(pdu.FunctionAbortTaskSet, absent, 0, 0), pdu.TaskResponseNoLUN)
		p.managed(p.manage(pdu.FunctionLogicalUnitReset, 0, 0, 0), pdu.TaskResponseComplete)
		p.managed(p.manage(pdu.FunctionTaskReassign, 0, 1, 0), pdu.TaskResponseReassignUnsupported)
		p.managed(p.manage(pdu.FunctionQueryAsynchronousEvent, 0, 0, 0), pdu.TaskResponseUnsupported)
		p.attention(scsi.BusDeviceReset) // the reset is told to its asker as well
		p.works()
	})
}

func TestAbortTask(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		before := b.stored(0, 8)
		p := b.dial("A").login(pair("ImmediateData", "No"))
		w := p.writes(0, 8)
		p.send(w)
		r2t := get[*pdu.R2T](p)
		p.managed(p.manage(pdu.FunctionAbortTask, 0, w.ITT, w.CmdSN), pdu.TaskResponseComplete)
		p.answerR2T(r2t, noise(4096), 4096) // on its way when the task ended
		if !p.silent(5 * time.Second) {
			t.Error("the aborted task is heard of again")
		}
		p.managed(p.manage(pdu.FunctionAbortTask, 0, w.ITT, w.CmdSN), pdu.TaskResponseNoTask)
		p.works()
		if !bytes.Equal(b.stored(0, 8), before) {
			t.Error("the medium has changed")
		}
	})
}

// ABORT TASK for a command that never came counts its CmdSN as received, and what waited behind it goes on.
func TestAbortTaskPlugsAGap(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		missing, next := p.command(scsi.TestUnitReady()), p.command(scsi.TestUnitReady())
		p.send(next)
		p.managed(p.manage(pdu.FunctionAbortTask, 0, missing.ITT, missing.CmdSN), pdu.TaskResponseComplete)
		if r := p.status(); r.ITT != next.ITT || r.ExpCmdSN != next.CmdSN+1 {
			t.Errorf("%+v", r)
		}
		p.works()
	})
}

// Functions that end a whole task set are answered when the data that was asked for has come, or was declined.
func TestTaskSetFunctionsWaitForData(t *testing.T) {
	for _, f := range []pdu.TaskFunction{pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset, pdu.FunctionTargetWarmReset} {
		t.Run(f.String(), func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A").login(pair("ImmediateData", "No"))
				var r2ts []*pdu.R2T
				for range 2 {
					p.send(p.writes(0, 8))
					r2ts = append(r2ts, get[*pdu.R2T](p))
				}
				q := p.manage(f, 0, pdu.ReservedTag, 0)
				p.send(q)
				later := p.command(scsi.TestUnitReady())
				p.send(later)
				if r := p.status(); r.ITT != later.ITT {
					t.Errorf("%+v", r)
				}
				p.send(&pdu.DataOut{Final: true, ITT: r2ts[0].ITT, TTT: r2ts[0].TTT})
				if !p.silent(5 * time.Second) {
					t.Fatal("answered while data is owed")
				}
				p.send(&pdu.DataOut{Final: true, ITT: r2ts[1].ITT, TTT: r2ts[1].TTT})
				p.answered(q, pdu.TaskResponseComplete)
				if !p.silent(5 * time.Second) {
					t.Error("something follows the answer")
				}
				p.works()
			})
		})
	}
}

// A task set function of one session leaves the tasks of its clones alone, unless the function clears everything.
func TestScopeOfTaskManagement(t *testing.T) {
	for f, survives := range map[pdu.TaskFunction]bool{
		pdu.FunctionAbortTaskSet: true, pdu.FunctionClearTaskSet: false, pdu.FunctionLogicalUnitReset: false,
	} {
		t.Run(f.String(), func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A").login(pair("ImmediateData", "No"))
				p.send(p.writes(0, 1))
				r2t := get[*pdu.R2T](p)
				clone := b.dial("A")
				clone.isid[5] = 9
				clone.login()
				clone.managed(clone.manage(f, 0, pdu.ReservedTag, 0), pdu.TaskResponseComplete)
				p.answerR2T(r2t, noise(512), 512)
				if survives {
					if r := p.status(); r.Status != 0 {
						t.Errorf("%+v", r)
					}
					return
				}
				if !p.silent(5 * time.Second) {
					t.Error("the cleared task is heard of again")
				}
				p.send(p.command(scsi.TestUnitReady()))
				r := p.status()
				if sense, _ := scsi.ParseSense(r.Sense()); sense.Key != scsi.UnitAttention {
					t.Errorf("no unit attention afterwards: %+v", r)
				}
			})
		})
	}
}

func TestColdReset(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		p.send(p.manage(pdu.FunctionTargetColdReset, 0, 0, 0))
		if r := p.read(); r.Opcode() != pdu.OpTaskManagementResponse {
			t.Errorf("answered with %v", r)
		}
		if !p.closed() || len(b.settled().Sessions()) != 0 {
			t.Error("the session goes on")
		}
	})
}
