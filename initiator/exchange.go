package initiator

import (
	"context"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// exchange is a request of the session's own that somebody waits for: ping, task management, text or logout.
type exchange struct {
	done  chan struct{} // Closed when the answer is there or will not come.
	timer *time.Timer   // Ends the connection when no answer comes; nil for none.
	err   error         // Why there is no answer.

	response               byte             // Of task management and logout.
	named                  *connection      // Of logout: the lost connection that it is about.
	time2Wait, time2Retain time.Duration    // Of the answer to it.
	lastResort             bool             // Of task management: if it does not end the task, the connection has to.
	reason                 pdu.LogoutReason // Of logout.
	additional             [3]byte          // Of task management.
	sent                   int              // Of a ping: bytes that its echo should have.
	data                   []byte
	text                   *textExchange // Of a Text Request: the exchange that it belongs to.

	// Of task management: what it was sent for.
	request TaskManagement
	refITT  uint32
	before  uint64 // Tasks submitted earlier than this are meant.

	// Of deviating initiators.
	everyUnit bool       // Tasks of other units are meant too.
	twice     []*Request // Ended before the answer, and to be ended again by it.
}

// finish hands the exchange to whoever waits.
func (x *exchange) finish() {
	if x.timer != nil {
		x.timer.Stop()
	}
	close(x.done)
}

// open takes a slot for an exchange on the session's leading connection. The mutex is held.
func (s *Session) open(kind taskKind, limit time.Duration, cause error) (*task, error) {
	c := s.lead()
	if c == nil {
		return nil, s.fate()
	}
	return c.open(kind, limit, cause)
}

// open takes a slot for an exchange that has to be answered within limit; otherwise the connection ends with cause. The mutex is held.
func (c *connection) open(kind taskKind, limit time.Duration, cause error) (*task, error) {
	s := c.s
	if c.broken != nil {
		return nil, c.fate()
	}
	if kind != taskLogout {
		if err := c.silenced(); err != nil {
			return nil, err
		}
	}
	t := s.tasks.add(kind, c)
	if t == nil {
		return nil, fmt.Errorf("%d tasks are open: %w", maxTasks, ErrQueueFull)
	}
	s.order++
	t.order = s.order
	t.exchange = c.newExchange(limit, cause)
	return t, nil
}

// silenced tells why nothing new may be asked once the Logout Request is out (RFC 7143, Section 11.14). The mutex is held.
func (c *connection) silenced() error {
	switch {
	case c.phase < phaseLeaving:
		return nil
	case c.s.byUser:
		return ErrLoggedOut
	}
	return fmt.Errorf("%w: %w", ErrTransportLost, ErrAsyncLogout)
}

// newExchange makes an exchange; a limit of 0 or less is none.
func (c *connection) newExchange(limit time.Duration, cause error) *exchange {
	x := &exchange{done: make(chan struct{})}
	if limit > 0 {
		x.timer = time.AfterFunc(limit, func() {
			if !c.s.dev.TaskManagement.any() || !c.departTimeout(x) {
				c.fail(cause)
			}
		})
	}
	return x
}

// answer closes the exchange of a task and frees its slot. The mutex is held.
func (c *connection) answer(t *task) {
	c.over.exchanges = append(c.over.exchanges, t.exchange)
	t.exchange = nil
	c.s.retire(t)
}

// wait waits for the answer.
func (x *exchange) wait(ctx context.Context) error {
	select {
	case <-x.done:
		return x.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
