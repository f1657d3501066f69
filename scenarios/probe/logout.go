package probe

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// LogoutRequest makes an immediate Logout Request, without sending it.
func (c *Conn) LogoutRequest(reason pdu.LogoutReason, cid uint16) *pdu.LogoutRequest {
	return &pdu.LogoutRequest{Immediate: true, Reason: reason, ITT: c.NewTag(), CID: cid, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN}
}

// Logout sends a Logout Request and awaits its response; nil with another event.
func (c *Conn) Logout(reason pdu.LogoutReason, cid uint16) (*pdu.LogoutResponse, Event) {
	r := c.LogoutRequest(reason, cid)
	// A failed write shows in the next event.
	_ = c.Send(r)
	e := c.AnswerTo(r.ITT)
	response, ok := As[*pdu.LogoutResponse](e)
	if ok && response.Response == pdu.LogoutSuccess {
		switch {
		case reason == pdu.LogoutCloseSession:
			c.Session.loggedOut = true
		case cid == c.CID:
			c.loggedIn = false
		}
	}
	return response, e
}

// leave logs out of a session on its first connection that is still sound, without insisting.
func (s *Session) leave() {
	if s.loggedOut {
		return
	}
	for _, c := range s.Conns {
		if !c.loggedIn || c.ended {
			continue
		}
		s.loggedOut = true
		r := c.LogoutRequest(pdu.LogoutCloseSession, c.CID)
		if c.Send(r) != nil {
			return
		}
		deadline := time.Now().Add(politeTime)
		for range politeEvents {
			e := c.fresh(deadline, politeTime)
			if e.Kind != Arrived || answers(e, r.ITT) {
				break
			}
		}
		return
	}
}
