package simtarget

import (
	"net"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Tasks that were aborted while data was owed for them give their place in the window back: they must be bounded by something else.
func TestAbortedTasksAreBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		for range abortedMax + 50 {
			w := p.writes(0, 1)
			p.send(w)
			get[*pdu.R2T](p)
			p.managed(p.manage(pdu.FunctionAbortTask, 0, w.ITT, w.CmdSN), pdu.TaskResponseComplete)
		}
		s := b.array.table.all()[0]
		s.mu.Lock()
		kept := len(s.tasks.tasks)
		s.mu.Unlock()
		if kept > abortedMax {
			t.Errorf("%d aborted tasks are kept, want at most %d", kept, abortedMax)
		}
		p.works()
	})
}

// A session may be closed at the very instant at which its login succeeds: the connection ends with it.
func TestConnectionOfASessionThatIsClosedAlready(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		b.dial("A").login()
		s := b.array.table.all()[0]
		b.array.closeSession(s, EndFIN, reasonReinstated)
		near, far := net.Pipe()
		defer far.Close()
		c := newConnection(b.array, s.portal, near, 99)
		defer c.close()
		s.mu.Lock()
		s.opened(c)
		s.mu.Unlock()
		if !c.deaf.Load() || !c.out.ending {
			t.Error("the connection stays")
		}
	})
}

// One request gets one list, however often it asks.
func TestSendTargetsIsAnsweredOnce(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").discover()
		p.itt++
		all := pair(text.KeySendTargets, "All")
		p.send(&pdu.TextRequest{Immediate: true, Final: true, ITT: p.itt, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStat,
			Data: text.Pairs{all, all, all}.Append(nil)})
		r := get[*pdu.TextResponse](p)
		pairs, err := text.Parse(r.Data)
		if names := pairs.Values(text.KeyTargetName); err != nil || len(names) != len(b.array.targets) {
			t.Errorf("%v, %v", names, err)
		}
	})
}
