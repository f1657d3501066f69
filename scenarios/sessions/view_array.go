package sessions

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Array gives the events of the arrays' own view (trace.KindTarget), of the states named, or all of them: session-opened, session-closed, login-refused,
// login-redirected, login-dropped, command, command-held, response-held, task-aborted, task-management, rejected, async, action. Their
// Session is the array's own number of the session.
func (r *Run) Array(states ...string) trace.Events {
	return r.Events.Where(func(e *trace.Event) bool {
		return e.Kind == trace.KindTarget && (len(states) == 0 || contains(states, e.State))
	})
}

// Execution is one execution of a SCSI command by an array.
type Execution struct {
	At time.Duration
	// Node is the array, Session the array's own number of the session.
	Node    string
	Session uint64
	LUN     int
	CmdSN   uint32
	// Command is the SCSI command's name; LBA and Blocks are those of a read or write.
	Command string
	LBA     uint64
	Blocks  uint32
	// Status is the SCSI status that came of it.
	Status string
	Event  trace.Event
}

// Executed gives the commands that arrays executed, in order. A command that was held or given up appears when, and if, it was executed.
func (r *Run) Executed() []Execution {
	var found []Execution
	for _, e := range r.Array("command") {
		x := Execution{At: e.At, Node: e.Node, Session: e.Session, LUN: -1, Command: e.Op, Status: attr(e, "status"), Event: e}
		if e.LUN != nil {
			if n, ok := scsi.LUN(*e.LUN).Number(); ok {
				x.LUN = int(n)
			}
		}
		n, _ := strconv.ParseUint(attr(e, "cmdsn"), 10, 32)
		x.CmdSN = uint32(n)
		if cdb, err := hex.DecodeString(attr(e, "cdb")); err == nil {
			if c, err := scsi.ParseCommand(cdb); err == nil {
				x.LBA, x.Blocks = c.LBA, c.Blocks
			}
		}
		found = append(found, x)
	}
	return found
}

// Live gives how many sessions the arrays had open at t, by their own account.
func (r *Run) Live(t time.Duration) int {
	type session struct {
		node   string
		number uint64
	}
	open := map[session]bool{}
	for _, e := range r.Array("session-opened", "session-closed") {
		if e.At <= t {
			open[session{e.Node, e.Session}] = e.State == "session-opened"
		}
	}
	live := 0
	for _, is := range open {
		if is {
			live++
		}
	}
	return live
}

// ArraySession is one session by the account of the array that has it.
type ArraySession struct {
	// Node is the array, Number its own number of the session.
	Node   string
	Number uint64
	// Opened and Closed are its instants; Closed is -1 while it stands. Reason is why it was closed.
	Opened, Closed time.Duration
	Reason         string
	// Initiator and Target are iSCSI names; ISID is 12 hexadecimal digits, TSIH a number; Kind is Normal or Discovery.
	Initiator, Target, ISID, Kind string
	TSIH                          uint16
	// Remote is the initiator's end of the connection, Portal the address at which it logged in.
	Remote, Portal string
	Event          trace.Event
}

// ArraySessions gives the sessions that arrays opened, in order.
func (r *Run) ArraySessions() []ArraySession {
	var found []ArraySession
	for _, e := range r.Array("session-opened", "session-closed") {
		if e.State == "session-closed" {
			for i := range found {
				if s := &found[i]; s.Node == e.Node && s.Number == e.Session {
					s.Closed, s.Reason = e.At, e.Reason
				}
			}
			continue
		}
		tsih, _ := strconv.ParseUint(attr(e, "tsih"), 0, 16)
		found = append(found, ArraySession{Node: e.Node, Number: e.Session, Opened: e.At, Closed: -1, Initiator: attr(e, "initiator"),
			Target: attr(e, "target"), ISID: attr(e, "isid"), Kind: attr(e, "kind"), TSIH: uint16(tsih), Remote: e.From, Portal: e.To, Event: e})
	}
	return found
}
