package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
)

// Session brings a data session to full feature phase as BASE has it, and serves what the initiator looks at by itself. The latest
// connection's end of it is returned.
func (t *T) Session() *Conn { return t.SessionOf(ini.Data) }

// SessionOf is Session for another kind.
func (t *T) SessionOf(kind ini.Kind) *Conn {
	op := t.Start(Login{Kind: kind})
	c := t.Accept()
	for {
		if !c.Login() {
			t.Unclear("The login did not reach full feature phase.")
		}
		if t.Own() || c.Session.Discovery == (kind == ini.Discovery) {
			break
		}
		c = t.after(c)
	}
	if t.Own() {
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a login")
		}
	}
	return c
}

// after serves a session of an external initiator that is not the one which is wanted, and takes the connection behind it.
func (t *T) after(c *Conn) *Conn {
	t.Soundly(func() {
		t.until(AnswerTime, func() bool {
			_, ended := c.Ended()
			return ended || t.through()
		})
	})
	_ = c.Close() // the array's side ends too
	return t.Accept()
}

// Wait waits for an operation's end, while housekeeping is served, and fails when it takes longer than AnswerTime.
func (p *Pending) Wait() Result {
	if !p.t.Own() {
		return p.outside()
	}
	if !p.EndsWithin(AnswerTime) {
		p.t.Fail(fmt.Sprintf("no end of %s within %v", p.Op.OpName(), AnswerTime), "an end of "+p.Op.OpName())
	}
	return p.result
}

// outside is Wait for an external initiator: a login is over when the session is there, and a command line that goes on and on is served
// soundly for a while.
func (p *Pending) outside() Result {
	if _, login := p.Op.(Login); login && !p.Ended() {
		return Result{}
	}
	p.t.Soundly(func() {
		p.t.until(servedTime, func() bool {
			p.t.welcome()
			return p.Ended()
		})
	})
	if !p.Ended() {
		return Result{}
	}
	return p.result
}

// outsideWhole is outside for an operation that is served from its start.
func (p *Pending) outsideWhole() Result {
	if _, login := p.Op.(Login); login {
		p.Op = Read{}
	}
	return p.outside()
}

// servedTime is how long a command line is served soundly that does not end.
const servedTime = 3 * time.Second

// EndsWithin waits for an operation's end and tells whether it came.
func (p *Pending) EndsWithin(d time.Duration) bool { return p.t.until(d, p.Ended) }

// Result is what became of an operation that has ended; false while it has not.
func (p *Pending) Result() (Result, bool) {
	if !p.Ended() {
		return Result{}, false
	}
	return p.result, true
}

// Do asks for an operation and serves everything soundly until it has ended.
func (t *T) Do(op Op) (r Result) {
	p := t.Start(op)
	if !t.Own() {
		return p.outsideWhole()
	}
	t.Soundly(func() {
		ended := t.until(AnswerTime, func() bool {
			t.welcome()
			return p.Ended()
		})
		if !ended {
			t.Fail(fmt.Sprintf("no end of %s within %v", op.OpName(), AnswerTime), "an end of "+op.OpName())
		}
		r = p.result
	})
	return r
}

// Good is Do that fails unless the operation succeeds.
func (t *T) Good(op Op) Result {
	r := t.Do(op)
	if !r.Good() {
		t.Fail(fmt.Sprintf("%s: %v", op.OpName(), r), "success")
	}
	return r
}

// ListSessions lists the sessions of the initiator.
func (t *T) ListSessions() []ini.SessionStatus { return t.Good(ListSessions{}).Sessions }

// ListDevices lists the devices of the initiator.
func (t *T) ListDevices() []ini.DeviceInfo { return t.Good(ListDevices{}).Devices }

// SetConfig changes the settings of the session manager.
func (t *T) SetConfig(change func(s *ini.Settings)) { t.Good(SetConfig{Change: change}) }
