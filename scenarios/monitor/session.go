package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// session is what the connections of one session share.
type session struct {
	c     *conn // the leading connection
	tsih  uint16
	isid  [6]byte
	from  string // the initiator's name
	conns int
	// several tells that the session had more than one connection: the order between them is not that of the trace.
	several bool

	agreed params
	blind  ground
	spoilt [2]ground

	text  *task // the latest text exchange
	tasks map[uint32]*task
	done  map[uint32]*task // tags whose status was sent, the oldest first in ended
	ended []uint32

	// next is the CmdSN of the next request that is not immediate, where that is known; highest is one more than the greatest that was sent.
	next, highest uint32
	numbered      bool
	// most is the greatest MaxCmdSN that was told.
	most uint32
	// rejected tells that the target refused a request, so that its number may come again.
	rejected bool
}

// join finds or begins the session of a connection whose login has ended.
func (w *Watcher) join(c *conn, p *pdu.LoginResponse) {
	q := &c.login.first
	name := c.talk.declared[initiator][text.KeyInitiatorName]
	if q.TSIH != 0 {
		for i := len(w.sessions) - 1; i >= 0; i-- {
			s := w.sessions[i]
			if s.tsih == q.TSIH && s.isid == q.ISID && s.from == name {
				limits := c.agreed.limits
				c.s, c.agreed = s, s.agreed
				c.agreed.limits = limits
				s.conns++
				s.several = true
				// Tasks of a connection that was reinstated, or whose numbers crossed, are not followed.
				s.blind |= order
				return
			}
		}
	}
	c.s = &session{c: c, tsih: p.TSIH, isid: q.ISID, from: name, conns: 1, agreed: c.agreed, tasks: map[uint32]*task{}, done: map[uint32]*task{},
		next: q.CmdSN, highest: q.CmdSN, numbered: true, most: p.MaxCmdSN}
	if serial(p.MaxCmdSN-p.ExpCmdSN) < -1 {
		c.s.most = p.ExpCmdSN - 1
	}
	if q.TSIH != 0 { // a session that began unseen
		c.s.blind = everything &^ (framing | login | texts | status)
		c.s.numbered, c.s.several = false, true
	}
	c.s.blind |= c.blind &^ (login | framing)
	for side := range c.spoilt {
		c.s.spoilt[side] |= c.spoilt[side] &^ (login | framing)
	}
	if len(w.sessions) >= maxSessions {
		w.sessions = append(w.sessions[:0], w.sessions[maxSessions/2:]...)
	}
	w.sessions = append(w.sessions, c.s)
}

// kind is what a request asks for.
type kind byte

const (
	scsiTask kind = iota
	taskManagement
	ping
	textExchange
	logoutKind
)

// task is a request that waits for its answer.
type task struct {
	kind  kind
	c     *conn
	lun   uint64
	cmdSN uint32
	// ended tells that status was sent; aborted that task management may have ended it without status; refused that a Reject named it.
	ended, aborted, refused bool

	// A SCSI command's: which ways data goes, how many bytes were announced, and how far it got.
	read, write bool
	length      uint32 // Expected Data Transfer Length
	readLength  uint32 // bytes that may come in
	in          inward
	out         outward

	// A ping's data, a text exchange's last request.
	echo      []byte
	echoCut   bool
	immediate bool
	text      textState
}

// task begins a request. A tag that is in use takes the ground from everything that follows from tags.
func (c *conn) task(itt uint32, t *task) *task {
	s := c.s
	t.c = c
	if s.tasks == nil { // a session that was not seen from its beginning
		s.tasks, s.done = map[uint32]*task{}, map[uint32]*task{}
	}
	if old := s.tasks[itt]; old != nil && old.kind == t.kind && old.cmdSN == t.cmdSN && c.agreed.level != 1 {
		c.spoil(initiator, order|data|texts) // a retry
	} else if old != nil && !old.aborted && !old.refused {
		c.broken(&tagUnique, "the task tag %s is in use", hex(itt))
		c.spoil(initiator, order|data|texts)
	} else if old != nil { // whether it has ended is not sure
		c.spoil(initiator, order|data|texts)
	}
	if len(s.tasks) >= maxTasks {
		s.tasks = map[uint32]*task{}
		c.lose(order | data | texts)
	}
	delete(s.done, itt)
	s.tasks[itt] = t
	return t
}

// finish ends a request: its tag is free, and remembered for a while.
func (s *session) finish(itt uint32, t *task) {
	t.ended = true
	delete(s.tasks, itt)
	if len(s.ended) >= maxDone {
		for _, old := range s.ended[:maxDone/2] {
			delete(s.done, old)
		}
		s.ended = append(s.ended[:0], s.ended[maxDone/2:]...)
	}
	s.done[itt] = t
	s.ended = append(s.ended, itt)
}

var tagUnique = rule{side: initiator, row: "cmd.itt-unique", name: "task tags of outstanding requests differ", clause: "RFC 7143, Section 11.2.1.8",
	needs: framing | order, spoils: order | data | texts}
