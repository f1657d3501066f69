package probe

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Session is what the connections of one session share. Its fields are the probe's bookkeeping: a check may overwrite them
// between calls to make the next PDUs lie.
type Session struct {
	ISID iscsi.ISID
	TSIH uint16
	// CmdSN is the number that the next non-immediate command gets.
	CmdSN uint32
	// ExpCmdSN and MaxCmdSN are the latest that the target has shown.
	ExpCmdSN, MaxCmdSN uint32
	// Params are the results of the leading login.
	Params text.Params
	// InitiatorName and TargetName are those of the login.
	InitiatorName, TargetName string
	// Conns are the connections that have logged in to the session, in that order.
	Conns []*Conn

	loggedOut bool
	numbered  bool // ExpCmdSN and MaxCmdSN hold what the target has shown
}

// Window returns how many non-immediate commands the target takes now: MaxCmdSN - CmdSN + 1, or 0 when the window is closed.
func (s *Session) Window() int {
	if iscsi.SNLess(s.MaxCmdSN, s.CmdSN) {
		return 0
	}
	return int(s.MaxCmdSN-s.CmdSN) + 1
}

// take returns the CmdSN for a command and advances it unless the command is immediate.
func (s *Session) take(immediate bool) uint32 {
	n := s.CmdSN
	if !immediate {
		s.CmdSN++
	}
	return n
}

func (s *Session) window(expCmdSN, maxCmdSN uint32) {
	if !s.numbered {
		s.numbered, s.ExpCmdSN, s.MaxCmdSN = true, expCmdSN, maxCmdSN
		return
	}
	s.ExpCmdSN = iscsi.SNMax(s.ExpCmdSN, expCmdSN)
	s.MaxCmdSN = iscsi.SNMax(s.MaxCmdSN, maxCmdSN)
}
