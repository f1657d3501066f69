package initiator

import (
	"net"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// SessionInfo describes a session in full feature phase: what was asked for and what was agreed.
type SessionInfo struct {
	InitiatorName string
	TargetName    string
	TargetAlias   string
	Type          SessionType
	ISID          iscsi.ISID
	// TSIH is the target's handle of the session, as its final Login Response gave it.
	TSIH uint16
	CID  uint16
	// Configured is the portal that the login was started with, Current the one that it ended at.
	Configured, Current iscsi.Address
	// Redirects lists the redirects followed, in order; empty when Configured equals Current.
	Redirects []Redirect
	// Params are the negotiated values.
	Params text.Params
	// LocalAddress and RemoteAddress are the ends of the TCP connection.
	LocalAddress, RemoteAddress net.Addr
}

// place returns what the description says about the connection alone.
func (i *SessionInfo) place() connectionPlace {
	return connectionPlace{
		configured: i.Configured, current: i.Current, redirects: i.Redirects, local: i.LocalAddress, remote: i.RemoteAddress, params: i.Params,
	}
}

// Redirect is one redirect of a login: the status (0x0101 temporary, 0x0102 permanent), who sent it and where to.
type Redirect struct {
	Status   iscsi.Status
	From, To iscsi.Address
}

// PermanentPortal returns the portal at which later logins should begin: the end of the unbroken run of permanent
// redirects from the configured portal. It reports false if the first redirect was not permanent or there was none.
func PermanentPortal(redirects []Redirect) (iscsi.Address, bool) {
	end := slices.IndexFunc(redirects, func(r Redirect) bool { return r.Status != iscsi.StatusMovedPermanently })
	if end < 0 {
		end = len(redirects)
	}
	if end == 0 {
		return iscsi.Address{}, false
	}
	return redirects[end-1].To, true
}
