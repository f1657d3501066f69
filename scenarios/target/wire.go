package target

import (
	"encoding/binary"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/trace"
)

// Sighting is a PDU that went over a connection of the check.
type Sighting struct {
	Sent  bool
	Event *trace.Event
	pdu.PDU
}

// Wire is what went over a connection so far, both ways, in order. PDUs that cannot be decoded are left out.
func (t *T) Wire(c *probe.Conn) []Sighting {
	events := t.Events().OfNode(trace.NodeProbe)
	name := ""
	for _, e := range events.OfKind(trace.KindConnUp) {
		if e.From == c.LocalAddr().String() {
			name = e.Conn
		}
	}
	var seen []Sighting
	for e, p := range events.OfConn(name).PDUs() {
		seen = append(seen, Sighting{Sent: e.Kind == trace.KindPDUSent, Event: e, PDU: p})
	}
	return seen
}

// Received are the PDUs of the target on a connection so far.
func (t *T) Received(c *probe.Conn) []Sighting {
	var received []Sighting
	for _, s := range t.Wire(c) {
		if !s.Sent {
			received = append(received, s)
		}
	}
	return received
}

// ofTask gives the PDUs of the target that belong to a task: Data-In, R2T and SCSI Response.
func ofTask(seen []Sighting, itt uint32) []Sighting {
	var own []Sighting
	for _, s := range seen {
		switch s.PDU.(type) {
		case *pdu.DataIn, *pdu.R2T, *pdu.SCSIResponse:
			if s.Event.PDU.Header.ITT() == itt {
				own = append(own, s)
			}
		}
	}
	return own
}

// carriesStatus tells whether a PDU of a task ends it.
func carriesStatus(p pdu.PDU) bool {
	switch p := p.(type) {
	case *pdu.SCSIResponse:
		return true
	case *pdu.DataIn:
		return p.StatusPresent
	}
	return false
}

// after gives what the target sent behind the last PDU that is the one sought; ok is false when there is none.
func after(seen []Sighting, sought func(Sighting) bool) (rest []Sighting, ok bool) {
	for i := len(seen) - 1; i >= 0; i-- {
		if sought(seen[i]) {
			return seen[i+1:], true
		}
	}
	return nil, false
}

// windowOf gives ExpCmdSN and MaxCmdSN of a PDU of the target; a refused login carries none.
func windowOf(p pdu.PDU) (exp, highest uint32, ok bool) {
	switch p := p.(type) {
	case *pdu.LoginResponse:
		return p.ExpCmdSN, p.MaxCmdSN, p.StatusClass == 0
	case *pdu.SCSIResponse:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.TaskManagementResponse:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.TextResponse:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.LogoutResponse:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.AsyncMessage:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.Reject:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.NOPIn:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.DataIn:
		return p.ExpCmdSN, p.MaxCmdSN, true
	case *pdu.R2T:
		return p.ExpCmdSN, p.MaxCmdSN, true
	}
	return 0, 0, false
}

// numbered ends the part unless the numbers run 0, 1, 2 and so on.
func (t *T) numbered(what string, numbers []uint32) {
	for i, n := range numbers {
		if n != uint32(i) {
			t.Fail(fmt.Sprintf("%s: number %d is %d", what, i, n), fmt.Sprintf("%d", i))
		}
	}
}

// piece is a range of bytes.
type piece struct{ from, to uint64 }

// covers ends the part unless the pieces together are the bytes from 0 to end, none beyond. It returns whether they overlap.
func (t *T) covers(what string, end uint64, pieces []piece) (overlap bool) {
	covered := make([]bool, end)
	for _, p := range pieces {
		if p.to > end {
			t.Fail(fmt.Sprintf("%s: bytes %d to %d, of %d", what, p.from, p.to, end), "nothing beyond the expected length")
		}
		for i := p.from; i < p.to; i++ {
			overlap = overlap || covered[i]
			covered[i] = true
		}
	}
	for i, is := range covered {
		if !is {
			t.Fail(fmt.Sprintf("%s: byte %d of %d is missing", what, i, end), "every byte")
		}
	}
	return overlap
}

// pattern gives n bytes of which no 4 are alike, so that blocks in the wrong place show; key makes patterns differ.
func pattern(key uint32, n int) []byte {
	b := make([]byte, n+3)
	for i := 0; i < n; i += 4 {
		binary.BigEndian.PutUint32(b[i:], key<<20^uint32(i/4))
	}
	return b[:n]
}
