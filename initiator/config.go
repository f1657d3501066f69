package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/trace"
)

// SessionType is what a session is for (RFC 7143, Section 13.21).
type SessionType byte

const (
	// NormalSession carries SCSI commands.
	NormalSession SessionType = iota
	// DiscoverySession carries SendTargets requests and the logout, nothing else.
	DiscoverySession
)

// String returns the value of the SessionType key.
func (t SessionType) String() string {
	if t == DiscoverySession {
		return "Discovery"
	}
	return "Normal"
}

// Times that hold where LoginConfig leaves a field zero. Ping interval and timeout together stay within 30 s.
const (
	DefaultLoginTimeout  = 15 * time.Second
	DefaultPingInterval  = 10 * time.Second
	DefaultPingTimeout   = 10 * time.Second
	DefaultLogoutTimeout = 5 * time.Second
	DefaultAbortTimeout  = 15 * time.Second
)

// Never switches off an interval of LoginConfig, whose zero value means the default.
const Never time.Duration = -1

// Offer is one key of the operational stage in the order in which it is sent. For HeaderDigest and DataDigest the value is
// a preference list ("CRC32C,None").
type Offer struct{ Key, Value string }

// CHAP holds the credentials of a login. Secrets are never printed.
type CHAP struct {
	// Name and Secret are what this initiator proves to the target.
	Name   string
	Secret chap.Secret
	// TargetName and TargetSecret, when TargetSecret is not empty, make the authentication mutual: the target has to prove
	// TargetSecret, and, unless TargetName is empty, to present that name.
	TargetName   string
	TargetSecret chap.Secret
	// Algorithms is the preference list of CHAP_A; empty means MD5 only.
	Algorithms []chap.Algorithm
}

// LoginConfig says how to log in. The zero value of a field means its default; Login keeps a copy and changes nothing.
type LoginConfig struct {
	// InitiatorName and TargetName are iSCSI names; a discovery session may leave TargetName empty.
	InitiatorName, TargetName string
	// InitiatorAlias is declared when not empty.
	InitiatorAlias string
	Type           SessionType
	ISID           iscsi.ISID
	CID            uint16
	// Portal is where the login begins.
	Portal iscsi.Address
	// CHAP, when not nil, is required: a target that would do without is refused.
	CHAP *CHAP
	// HeaderDigest and DataDigest are preference lists of CRC32C and None that replace the offers of those keys; empty
	// leaves them as Offers has them.
	HeaderDigest, DataDigest []string
	// Offers are the operational keys in the order in which they are sent; nil means DefaultOffers(Type).
	Offers []Offer
	// SkipSecurityStage begins the login in the operational stage. It is refused together with CHAP.
	SkipSecurityStage bool

	// LoginTimeout bounds dialling and logging in at one portal; each portal of a redirect has it anew.
	LoginTimeout time.Duration
	// PingInterval is the idle time after which the target is pinged, PingTimeout how long it may then stay silent before the
	// connection is given up. PingInterval Never: no pings of the session's own.
	PingInterval, PingTimeout time.Duration
	// LogoutTimeout bounds the wait for a Logout Response.
	LogoutTimeout time.Duration
	// AbortTimeout bounds the wait for a task management response; when it passes the connection is given up.
	AbortTimeout time.Duration

	// OnAsync, when not nil, is called from a goroutine of the session for each Async Message that was understood. It must not block.
	OnAsync func(AsyncEvent)
	// Log, when not nil, records the steps of the login and the session's own events, under the name Conn.
	Log *trace.Log
	// Deviations, when not nil, makes the initiator break rules.
	Deviations *Deviations
}

// AsyncEvent is an Async Message as the session understood it (RFC 7143, Section 11.9).
type AsyncEvent struct {
	Event      byte
	VendorCode byte
	Parameter1 uint16
	Parameter2 uint16
	Parameter3 uint16
	LUN        uint64
	// Sense is the sense data of event 0; it is a copy.
	Sense []byte
}
