package initiator

import (
	"bytes"
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// probeBlocks are the blocks of the catalogue's probe: 4 KiB.
const probeBlocks = 8

// Probe fails unless a 4 KiB READ of LUN 0 completes GOOD with the pattern bytes. What comes is served soundly meanwhile.
func (t *T) Probe() {
	r := t.Do(Read{Blocks: probeBlocks})
	if !r.Good() {
		t.Fail(fmt.Sprintf("a probe that ended with %v", r), "a probe that completes GOOD")
	}
	t.Pattern(r.Data, 0)
}

// Pattern fails unless data are the blocks of the pattern from lba on.
func (t *T) Pattern(data []byte, lba uint64) {
	if at := Pattern.Check(data, lba, BlockSize); at >= 0 {
		t.Fail(fmt.Sprintf("data that differ from byte %d on", at), "the pattern of the blocks")
	}
}

// RIgnore is R-IGNORE: no visible effect, and a probe succeeds on the connection.
func (t *T) RIgnore(c *Conn) {
	t.Probe()
	if e, ended := c.Ended(); ended {
		t.Fail(e, "the session goes on as if nothing had come")
	}
}

// RClose is R-CLOSE: the initiator ends the connection in time, with or without a logout, and sends no new command on it.
func (t *T) RClose(c *Conn) {
	since := time.Now()
	limit := t.scaled(ReactionTime)
	mute := c.Mute
	c.Mute = true
	defer func() { c.Mute = mute }()
	for {
		e := c.NextRaw(max(0, limit-time.Since(since)))
		switch p := e.PDU.(type) {
		case *pdu.LogoutRequest:
			if p.Reason == pdu.LogoutRemoveForRecovery {
				t.Fail(e, "a logout of the session or the connection")
			}
			c.Logout(p, pdu.LogoutSuccess)
			continue
		case *pdu.SCSICommand:
			// What was under way when the event came is no answer to it.
			if e.At.Sub(since) > t.scaled(Slack) {
				t.Fail(e, "no new command on the connection")
			}
			continue
		}
		switch {
		case e.Ended():
			_ = c.Close() // the array's side ends too
			t.becauseOfThat(c)
			return
		case e.Kind != probe.Arrived:
			t.Fail(e, fmt.Sprintf("the initiator ends %s within %v", c, limit))
		}
	}
}

// becauseOfThat skips where an external initiator has ended with all that it wanted: then nobody can tell why it closed.
func (t *T) becauseOfThat(c *Conn) {
	if t.Own() {
		return
	}
	t.until(t.scaled(time.Second), t.through)
	if t.satisfied() && t.through() {
		t.Skip("NOT-TESTABLE: the command has ended with all that it wanted; whether it closed %s because of the stimulus cannot be told.", c)
	}
}

// RLoginFail is R-LOGINFAIL: no further Login Request on the connection, nothing of full feature phase, the initiator closes it in time,
// and the login operation, where there is one, reports failure.
func (t *T) RLoginFail(c *Conn, op *Pending) {
	e := c.NextRaw(t.scaled(ReactionTime))
	if !e.Ended() {
		t.Fail(e, "the initiator closes the connection without another PDU")
	}
	if c.used {
		t.Fail("full feature phase", "the initiator closes the connection without another PDU")
	}
	_ = c.Close() // the array's side ends too
	if op == nil {
		return
	}
	if !op.EndsWithin(AnswerTime) {
		t.Fail("a login that goes on", "a login that reports failure")
	}
	if op.result.Good() {
		t.Fail("a login that reports success", "a login that reports failure")
	}
}

// RErrUp is R-ERRUP: the request completes exactly once, and not successfully. What comes is served soundly meanwhile.
func (t *T) RErrUp(op *Pending) Result {
	if !t.Own() {
		if r := op.Wait(); op.Ended() && !r.Good() {
			return r
		}
		t.Skip("NOT-TESTABLE: what the requester was told does not show.")
	}
	t.Soundly(func() {
		ended := t.until(AnswerTime, func() bool {
			t.welcome()
			return op.Ended()
		})
		if !ended {
			t.Fail(fmt.Sprintf("no end of %s within %v", op.Op.OpName(), AnswerTime), "a non-success result to the requester")
		}
	})
	if op.result.Good() {
		t.Fail(fmt.Sprintf("%s that succeeds: %v", op.Op.OpName(), op.result), "a non-success result to the requester")
	}
	if n := op.Told(); n > 1 {
		t.Fail(fmt.Sprintf("%d completions", n), "one completion")
	}
	return op.result
}

// RReissue is R-REISSUE: the CDB of a command comes again, on the connection given, as a new command. It returns that command.
func (t *T) RReissue(c *Conn, old *Task) *Task {
	again := c.Command(old.CDB.Opcode)
	if !bytes.Equal(again.Full, old.Full) {
		t.Fail(fmt.Sprintf("CDB % x", again.Full), fmt.Sprintf("CDB % x", old.Full))
	}
	if old.conn.Session == c.Session && again.PDU.CmdSN == old.PDU.CmdSN {
		t.Fail(fmt.Sprintf("CmdSN 0x%x as before", again.PDU.CmdSN), "a new CmdSN")
	}
	return again
}

// aliveOutside is R-ALIVE for a command: what runs has not crashed, and another run of it succeeds.
func (t *T) aliveOutside() {
	t.driver.Close()
	t.crashed()
	d := t.driver.(*command)
	t.driver = &command{t: t, words: d.words, discovery: d.discovery}
	if r := t.Do(Login{}); !r.Good() {
		t.Fail(fmt.Sprintf("another run of the command: %v", r), "a session with a well-behaved target")
	}
}

// RAlive is R-ALIVE: the initiator answers its adapter, and a session passes a probe within 30 s: the one that is there, the one that the
// initiator re-establishes, or else a new one.
func (t *T) RAlive() {
	if !t.Own() {
		t.aliveOutside()
		return
	}
	list := t.Start(ListSessions{})
	if !list.EndsWithin(t.scaled(ReactionTime)) {
		t.Fail("an initiator that does not answer its adapter", "an answer within 5 s")
	}
	sessions := list.result.Sessions
	if len(sessions) == 0 {
		if r := t.Do(Login{}); !r.Good() {
			t.Fail(fmt.Sprintf("a fresh login: %v", r), "a login to a well-behaved target")
		}
	} else if sessions[len(sessions)-1].State != ini.StateConnected {
		t.Soundly(func() {
			back := t.until(AnswerTime, func() bool {
				t.welcome()
				for _, c := range t.conns {
					if _, ended := c.Ended(); c.full && !ended {
						return true
					}
				}
				return false
			})
			if !back {
				t.Fail("no connection", "a session again within 30 s")
			}
		})
	}
	t.Probe()
}
