package initiator

import (
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Conn is the array's side of one connection. Its exported fields are the bookkeeping: a check may overwrite them between calls to make
// the next PDUs lie.
type Conn struct {
	// Stream has Close, Reset, Shut, and the Digests in force, which Login sets.
	*probe.Stream
	// Session is the session that the connection belongs to; before a login it is an empty one.
	Session *Session
	// Portal is the letter of the portal that took it.
	Portal string
	// CID is the connection's number in the session.
	CID uint16
	// StatSN is the next one to be used.
	StatSN uint32
	// Params are the results of the connection's login, seen from the array: PeerMaxRecvDataSegmentLength is what the initiator takes.
	Params text.Params
	// Mute leaves everything that comes to the check: no housekeeping.
	Mute bool
	// Pieces, where not nil, writes what is sent in its own way; write takes bytes to the transport.
	Pieces func(write func([]byte), b []byte)
	// Wrong are PDUs that came with a wrong digest, the first few.
	Wrong []probe.Event
	// MutePings leaves pings of the initiator unanswered and out of the check's sight.
	MutePings bool

	t      *T
	number int
	login  *login
	full   bool // in full feature phase
	left   bool // an external initiator has logged out by itself
	used   bool // a PDU of full feature phase has come
	aside  []probe.Event
	want   func(probe.Event) bool // what the check waits for, so that it is no housekeeping
	end    *probe.Event
	serial uint32 // of Target Transfer Tags
	tasks  []*Task
}

// Session is what the connections of a session share, on the array's side.
type Session struct {
	ISID iscsi.ISID
	TSIH uint16
	// Discovery tells that it is a Discovery session.
	Discovery bool
	// InitiatorName is who logged in.
	InitiatorName string
	// ExpCmdSN is the next one expected; Window is the n of WIN(n).
	ExpCmdSN uint32
	Window   int
	// Hold keeps ExpCmdSN where it is, whatever comes.
	Hold bool
	// Highest, where not nil, is the MaxCmdSN, whatever comes; Window does not count then.
	Highest *uint32

	ahead map[uint32]bool // CmdSNs taken beyond ExpCmdSN
}

// aheadMax bounds what is remembered of numbers beyond a gap.
const aheadMax = 4096

// MaxCmdSN is the highest CmdSN of the window.
func (s *Session) MaxCmdSN() uint32 {
	if s.Highest != nil {
		return *s.Highest
	}
	return s.ExpCmdSN + uint32(s.Window) - 1
}

// take counts a CmdSN that came.
func (s *Session) take(cmdSN uint32) {
	switch {
	case s.Hold:
	case cmdSN == s.ExpCmdSN:
		s.ExpCmdSN++
		for s.ahead[s.ExpCmdSN] {
			delete(s.ahead, s.ExpCmdSN)
			s.ExpCmdSN++
		}
	case iscsi.SNLess(s.ExpCmdSN, cmdSN) && len(s.ahead) < aheadMax:
		if s.ahead == nil {
			s.ahead = map[uint32]bool{}
		}
		s.ahead[cmdSN] = true
	}
}

// Unreceive makes a CmdSN count as not received, as a rejected command's does (RFC 7143, Section 7.3); later ones stay taken.
func (s *Session) Unreceive(cmdSN uint32) {
	for n := cmdSN + 1; iscsi.SNLess(n, s.ExpCmdSN) && len(s.ahead) < aheadMax; n++ {
		if s.ahead == nil {
			s.ahead = map[uint32]bool{}
		}
		s.ahead[n] = true
	}
	s.ExpCmdSN = cmdSN
}

// wrongMax bounds what is kept of PDUs with a wrong digest.
const wrongMax = 16

// asideMax bounds what waits for the check on one connection.
const asideMax = 1 << 16

func accept(t *T, raw net.Conn, letter string, number int) *Conn {
	return &Conn{Stream: probe.NewStream(raw, "the initiator", t.bell), Session: &Session{Window: t.Base.Window}, Portal: letter,
		StatSN: t.Base.StatSN, Params: text.DefaultParams(), t: t, number: number, serial: uint32(number) << 16}
}

// String names the connection as messages do: "connection 1 at A".
func (c *Conn) String() string { return fmt.Sprintf("connection %d at %s", c.number, c.Portal) }

// pump takes in what has come: what the check waits for and what is no housekeeping is set aside for it.
func (c *Conn) pump() {
	for c.end == nil {
		e, ok := c.Poll()
		if !ok {
			return
		}
		if e.Kind != probe.Arrived {
			c.end = &e
			return
		}
		c.track(e)
		c.used = c.used || c.full
		if e.Err != nil && len(c.Wrong) < wrongMax {
			c.Wrong = append(c.Wrong, e)
		}
		switch {
		case c.want != nil && c.want(e):
			c.setAside(e)
		case c.Mute || !c.full:
			c.setAside(e)
		case c.MutePings && isPing(e):
		case c.housekeeping(e):
		case c.t.sound && c.soundly(e):
		case c.farewell(e):
		default:
			c.setAside(e)
		}
	}
}

// farewell answers the Logout Request of an external initiator that has done what it wanted.
func (c *Conn) farewell(e probe.Event) bool {
	p, is := probe.As[*pdu.LogoutRequest](e)
	if !is || c.t.Own() {
		return false
	}
	c.left = true
	c.Logout(p, pdu.LogoutSuccess)
	return true
}

func (c *Conn) setAside(e probe.Event) {
	if len(c.aside) == asideMax {
		c.t.Fail(fmt.Sprintf("%d PDUs on %s that nothing asked for", asideMax, c), "an initiator that waits for answers")
	}
	c.aside = append(c.aside, e)
}

// track counts the CmdSN of a PDU.
func (c *Conn) track(e probe.Event) {
	if !c.full || e.Frame.BHS.Immediate() {
		return
	}
	switch p := e.PDU.(type) {
	case *pdu.SCSICommand:
		c.Session.take(p.CmdSN)
	case *pdu.TaskManagementRequest:
		c.Session.take(p.CmdSN)
	case *pdu.TextRequest:
		c.Session.take(p.CmdSN)
	case *pdu.LogoutRequest:
		c.Session.take(p.CmdSN)
	case *pdu.NOPOut:
		if p.ITT != pdu.ReservedTag {
			c.Session.take(p.CmdSN)
		}
	}
}

// Await waits for the next PDU that matches and sets others aside; housekeeping that does not match is served. It returns the end of the
// connection when that comes first, and an event that says that nothing came when the time is over.
func (c *Conn) Await(within time.Duration, matches func(probe.Event) bool) (found probe.Event) {
	c.want = matches
	defer func() { c.want = nil }()
	ok := c.t.until(within, func() bool {
		for i, e := range c.aside {
			if matches(e) {
				c.aside = append(c.aside[:i:i], c.aside[i+1:]...)
				found = e
				return true
			}
		}
		if c.end != nil {
			found = *c.end
			return true
		}
		return false
	})
	if !ok {
		found = probe.Event{Kind: probe.TimedOut, At: time.Now(), Waited: within}
	}
	return found
}

// TryNext waits for the next PDU with one of the opcodes; none means any PDU that is no housekeeping. It returns whatever else happened.
func (c *Conn) TryNext(within time.Duration, opcodes ...pdu.Opcode) probe.Event {
	return c.Await(within, func(e probe.Event) bool {
		op, _ := e.Opcode()
		for _, want := range opcodes {
			if op == want {
				return true
			}
		}
		return len(opcodes) == 0 && (c.Mute || !c.full || !c.keepsHouse(e))
	})
}

// Next is TryNext that fails when nothing came within AnswerTime. With an external initiator, which does what it does, it skips instead.
func (c *Conn) Next(opcodes ...pdu.Opcode) probe.Event {
	e := c.TryNext(c.t.patience(), opcodes...)
	if e.Kind != probe.Arrived {
		c.t.missing(e, fmt.Sprintf("%v on %s", opcodes, c))
	}
	return e
}

// NextRaw waits for whatever comes next, housekeeping included, and answers nothing.
func (c *Conn) NextRaw(within time.Duration) probe.Event {
	return c.Await(within, func(probe.Event) bool { return true })
}

// Ended tells how the connection was ended by the initiator or the network; ok is false while it was not.
func (c *Conn) Ended() (e probe.Event, ok bool) {
	c.pump()
	if c.end == nil {
		return probe.Event{}, false
	}
	return *c.end, true
}

// missing ends the part since the initiator did not send what it was to send.
func (t *T) missing(e probe.Event, want string) {
	if !t.Own() {
		t.Skip("NOT-TESTABLE: the initiator did not send %s: %v.", want, e)
	}
	t.Fail(e, want)
}

// Send writes a PDU as it stands. Number fills in what the connection's bookkeeping has. A write that fails shows in what comes next.
func (c *Conn) Send(p pdu.PDU) {
	f := pdu.FrameOf(p)
	if c.t.Mangle != nil {
		c.t.Mangle(f)
	}
	c.SendFrame(f)
}

// SendFrame writes a frame as it stands, with the digests that are in force unless the frame forces others.
func (c *Conn) SendFrame(f *pdu.Frame) { c.SendRaw(f.Append(nil, c.Digests)) }

// SendAll writes several PDUs in one write.
func (c *Conn) SendAll(pdus ...pdu.PDU) {
	var b []byte
	for _, p := range pdus {
		b = pdu.FrameOf(p).Append(b, c.Digests)
	}
	c.SendRaw(b)
}

// SendRaw writes bytes, all at once unless Pieces has it otherwise.
func (c *Conn) SendRaw(b []byte) {
	write := func(b []byte) { _ = c.Write(b, c.t.scaled(ReactionTime)) }
	if c.Pieces != nil {
		c.Pieces(write, b)
		return
	}
	write(b)
}

// Tag returns a Target Transfer Tag that the connection has not used.
func (c *Conn) Tag() uint32 {
	c.serial++
	return c.serial
}
