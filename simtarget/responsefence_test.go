package simtarget

import (
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// fenced lets sessions have several connections and agree to the response fence.
func fenced(p *Profile) { p.Session.MaxConnections, p.Data.TaskReporting = 4, "ResponseFence,RFC3720" }

// atTheFence makes a session of two connections. The status of a command on the second one is not acknowledged, and a LOGICAL UNIT RESET on the
// first one waits for that.
func (b *bench) atTheFence() (p, q *peer, reset *pdu.TaskManagementRequest) {
	b.Helper()
	p = b.dial("A").login(pair("MaxConnections", "4"), pair("TaskReporting", "ResponseFence"))
	q = p.beside("A", 2)
	inTurn(q, p).works()
	reset = inTurn(p, q).manage(pdu.FunctionLogicalUnitReset, 0, pdu.ReservedTag, 0)
	p.send(reset)
	if ping := get[*pdu.NOPIn](q); ping.TTT == pdu.ReservedTag {
		b.Errorf("%+v", ping)
	}
	if !p.silent(10 * time.Second) {
		b.Error("the answer does not wait")
	}
	return p, q, reset
}

// acknowledges sends what acknowledges all that has come.
func (p *peer) acknowledges() {
	p.Helper()
	p.send(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStat})
}

// What comes behind the fenced answer waits for its acknowledgement, and the unit attention among it is a fence of its own.
func TestResponsesWaitAtTheFence(t *testing.T) {
	inBubble(t, "plain", fenced, nil, func(b *bench) {
		p, q, reset := b.atTheFence()
		q.acknowledges()
		p.answered(reset, pdu.TaskResponseComplete)
		get[*pdu.NOPIn](p)
		q.send(inTurn(q, p).command(scsi.TestUnitReady()))
		if !q.silent(10 * time.Second) {
			t.Error("status comes before the answer is acknowledged")
		}
		p.send(inTurn(p, q).command(scsi.TestUnitReady())) // acknowledges it
		if r := q.status(); r.Status != byte(scsi.StatusCheckCondition) {
			t.Errorf("%+v", r)
		}
		get[*pdu.NOPIn](q)
		if !p.silent(10 * time.Second) {
			t.Error("status comes before the unit attention is acknowledged")
		}
		q.acknowledges()
		if r := p.status(); r.Status != 0 {
			t.Errorf("%+v", r)
		}
		p.works()
		inTurn(q, p).works()
	})
}

// A connection that is lost owes nothing any more.
func TestFenceWithoutLostConnection(t *testing.T) {
	inBubble(t, "plain", fenced, nil, func(b *bench) {
		p, q, reset := b.atTheFence()
		q.conn.Close()
		p.answered(reset, pdu.TaskResponseComplete)
		get[*pdu.NOPIn](p)
		p.counts(get[*pdu.AsyncMessage](p).StatSN)
		p.acknowledges()
		p.attention(scsi.BusDeviceReset)
		p.works()
	})
}

// An initiator that does not acknowledge loses the connection that owes it.
func TestFenceEndsSilentConnection(t *testing.T) {
	inBubble(t, "plain", fenced, nil, func(b *bench) {
		p, q, reset := b.atTheFence()
		start := time.Now()
		if !q.closed() {
			t.Error("the connection goes on")
		}
		if waited := time.Since(start); waited < 19*time.Second || waited > 21*time.Second {
			t.Errorf("after another %v, want 20 s", waited)
		}
		p.answered(reset, pdu.TaskResponseComplete)
	})
}

// A task whose answer waits can still be aborted, and so can the one that the fence stands for.
func TestAbortAtTheFence(t *testing.T) {
	inBubble(t, "plain", fenced, nil, func(b *bench) {
		p, q, reset := b.atTheFence()
		held := inTurn(q, p).command(scsi.TestUnitReady())
		held.ExpStatSN-- // acknowledges nothing new
		q.send(held)
		abort := inTurn(p, q).manage(pdu.FunctionAbortTask, 0, held.ITT, held.CmdSN)
		p.send(abort)
		if !p.silent(time.Second) {
			t.Error("an answer passes the fence")
		}
		q.acknowledges()
		p.answered(reset, pdu.TaskResponseComplete)
		get[*pdu.NOPIn](p)
		p.acknowledges()
		p.answered(abort, pdu.TaskResponseComplete)
		if !q.silent(time.Second) {
			t.Error("the aborted command is answered")
		}
	})
	inBubble(t, "plain", fenced, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxConnections", "4"), pair("TaskReporting", "ResponseFence"))
		q := p.beside("A", 2)
		inTurn(q, p).works()
		failing := inTurn(p, q).reads(0xfffffff0, 1)
		failing.CDB[9] = 4 // NACA
		p.send(failing)
		get[*pdu.NOPIn](q)
		abort := p.manage(pdu.FunctionAbortTask, 0, failing.ITT, failing.CmdSN)
		p.send(abort)
		if !p.silent(time.Second) {
			t.Error("an answer passes the fence")
		}
		q.acknowledges()
		p.answered(abort, pdu.TaskResponseComplete)
		clear := p.manage(pdu.FunctionClearACA, 0, pdu.ReservedTag, 0)
		p.managed(clear, pdu.TaskResponseComplete)
		get[*pdu.NOPIn](p)
		p.works()
	})
}
