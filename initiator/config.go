package initiator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// SessionType is what a session is for (RFC 7143, Section 13.21).
type SessionType = text.SessionType

const (
	// NormalSession carries SCSI commands.
	NormalSession = text.Normal
	// DiscoverySession carries SendTargets requests and the logout, nothing else.
	DiscoverySession = text.Discovery
)

// Times that hold where LoginConfig leaves a field zero. Ping interval and timeout together stay within 30 s.
const (
	DefaultLoginTimeout  = 15 * time.Second
	DefaultPingInterval  = 10 * time.Second
	DefaultPingTimeout   = 10 * time.Second
	DefaultLogoutTimeout = 5 * time.Second
	DefaultAnswerTimeout = 15 * time.Second
)

// Never switches off an interval of LoginConfig, whose zero value means the default.
const Never time.Duration = -1

// Offer is one key of the operational stage in the order in which it is sent. For HeaderDigest and DataDigest the value is
// a preference list ("CRC32C,None").
type Offer struct{ Key, Value string }

// CHAP holds the credentials of a login. Secrets are never printed.
type CHAP struct {
	// Name and Secret are what this initiator proves to the target; an empty name stands for the InitiatorName.
	Name   string
	Secret iscsi.Secret
	// AllowShortSecret logs in with a Secret of less than 12 bytes too. Without it such a login is refused before anything is sent:
	// a listener can find a short secret by trying, unless IPsec protects the connection (RFC 7143, Section 9.2.1).
	AllowShortSecret bool
	// TargetName and TargetSecret, when TargetSecret is not empty, make the authentication mutual: the target has to prove
	// TargetSecret, and, unless TargetName is empty, to present that name.
	TargetName   string
	TargetSecret iscsi.Secret
	// Algorithms is the preference list of CHAP_A; empty means MD5 only.
	Algorithms []chap.Algorithm
}

// LoginConfig says how to log in. The zero value of a field means its default; Login keeps a copy and changes nothing.
type LoginConfig struct {
	// InitiatorName and TargetName are iSCSI names; a discovery session may leave TargetName empty. Capitals in the InitiatorName are
	// folded (iscsi.NormalName); the TargetName has to be given as the target announces it.
	InitiatorName, TargetName string
	// InitiatorAlias is declared when not empty.
	InitiatorAlias string
	Type           SessionType
	ISID           iscsi.ISID
	// TSIH is sent in every Login Request; anything but 0 is a fault of whoever sets it, since Login opens sessions only. Further connections
	// are AddConnection's.
	TSIH uint16
	// CID is the session's first connection; further ones count up from it.
	CID uint16
	// Portal is where the login begins.
	Portal iscsi.Address
	// CHAP, when not nil, is required: a target that would do without is refused.
	CHAP *CHAP
	// HeaderDigest and DataDigest are preference lists of CRC32C and None that replace the offers of those keys; empty
	// leaves them as Offers has them.
	HeaderDigest, DataDigest []string
	// Offers are the operational keys in the order in which they are sent; nil means DefaultOffers(Type). An empty list that is not nil, without
	// digests, negotiates nothing: the login then asks to leave the security stage for the full feature phase, and all defaults of RFC 7143,
	// Section 13, hold.
	Offers []Offer
	// MaxConnections and ErrorRecoveryLevel, when above 1 and 0, replace the offers of those keys; level 2 raises an offer of 0 for
	// DefaultTime2Retain to 20, without which no connection could be recovered (RFC 7143, Sections 13.2, 13.16 and 13.20).
	MaxConnections, ErrorRecoveryLevel int
	// SkipSecurityStage begins the login in the operational stage. It is refused together with CHAP.
	SkipSecurityStage bool
	// AwaitAuthMethod offers no AuthMethod, and takes CHAP, or None without credentials, from what the target proposes. A target that
	// proposes nothing may end the security stage only where there are no credentials.
	AwaitAuthMethod bool

	// Manners, when not nil, are what else is done in another way than this initiator's own. Login does not change them.
	Manners *LoginManners

	// LoginTimeout bounds dialling and logging in at one portal; each portal of a redirect has it anew.
	LoginTimeout time.Duration
	// PingInterval is the idle time after which the target is pinged, PingTimeout how long it may then stay silent before the
	// connection is given up. PingInterval Never: no pings of the session's own.
	PingInterval, PingTimeout time.Duration
	// AcknowledgeAfter, when above 0, is how often status that no request has acknowledged meanwhile is acknowledged by a NOP-Out of its own,
	// so that the target can let go of it (RFC 7143, Section 11.18). Otherwise the next request or ping does it.
	AcknowledgeAfter time.Duration
	// LogoutTimeout bounds the wait for a Logout Response.
	LogoutTimeout time.Duration
	// AnswerTimeout bounds the wait for the answer to a ping of the user's, to task management and to a Text Request; when it passes the
	// connection is given up.
	AnswerTimeout time.Duration

	// CommandTimeout is how long the target may leave a SCSI command unanswered, once it was sent; then ABORT TASK is sent, and the request is
	// completed with ErrCommandTimeout. Never: as long as it takes.
	CommandTimeout time.Duration

	// OnAsync, when not nil, is called from a goroutine of the session for each Async Message that was understood. It must not block.
	OnAsync func(AsyncEvent)
	// Rand is where challenges for mutual CHAP are drawn from, so that a run can be replayed; nil means crypto/rand.
	Rand io.Reader
	// Log, when not nil, records redirects followed and Async Messages taken in, as notes.
	Log *trace.Log
	// Previous describes the session that this login replaces. A sound initiator negotiates afresh and does not look at it.
	Previous *SessionInfo
	// before is the session that this login replaces, and oldSocketFailed is told when its socket fails; a deviating Manager alone sets them.
	before          *Session
	oldSocketFailed func()
	// Deviations, when not nil, makes the initiator break rules.
	Deviations *Deviations
	// joins, when not nil, is the session that the login adds a connection to.
	joins *joining
	// boot says that the Manager logs in for a boot session, which the wire does not show.
	boot bool
	// relogin says that the Manager re-establishes a session.
	relogin bool
	// taskTag and cmdSN number the login.
	taskTag, cmdSN uint32
	// challenges are those of the logins that the Manager has under way; nil outside of a Manager.
	challenges *challengeBook
}

// withDefaults returns a copy in which zero times have their defaults.
func (cfg LoginConfig) withDefaults() LoginConfig {
	orDefault(&cfg.LoginTimeout, DefaultLoginTimeout)
	orDefault(&cfg.PingInterval, DefaultPingInterval)
	orDefault(&cfg.PingTimeout, DefaultPingTimeout)
	orDefault(&cfg.LogoutTimeout, DefaultLogoutTimeout)
	orDefault(&cfg.AnswerTimeout, DefaultAnswerTimeout)
	orDefault(&cfg.CommandTimeout, DefaultCommandTimeout)
	if cfg.Deviations == nil || !cfg.Deviations.Login.RawName {
		cfg.InitiatorName = iscsi.NormalName(cfg.InitiatorName)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Offers == nil {
		cfg.Offers = DefaultOffers(cfg.Type)
	}
	if m := cfg.Manners.orOwn(); m.SkipSecurityStage && cfg.CHAP == nil {
		cfg.SkipSecurityStage = true
	}
	if cfg.CID == 0 {
		cfg.CID = cfg.Manners.orOwn().CID
	}
	cfg.number()
	return cfg
}

func orDefault(d *time.Duration, fallback time.Duration) {
	if *d == 0 {
		*d = fallback
	}
}

// check refuses what no login could be begun with.
func (cfg *LoginConfig) check(dev *Deviations) error {
	switch {
	case cfg.Portal.Host == "":
		return errors.New("login: no portal")
	case cfg.Type == NormalSession && cfg.TargetName == "":
		return errors.New("login: a normal session needs a target name")
	}
	if err := errors.Join(cfg.checkCHAP(dev), cfg.Manners.orOwn().check()); err != nil {
		return err
	}
	if err := cfg.checkOffers(); err != nil {
		return fmt.Errorf("login: offer: %w", err)
	}
	if err := iscsi.ValidName(cfg.InitiatorName); err != nil && !dev.Login.RawName {
		return fmt.Errorf("login: initiator: %w", err)
	}
	if cfg.TargetName != "" {
		if err := iscsi.ValidName(cfg.TargetName); err != nil {
			return fmt.Errorf("login: target: %w", err)
		}
	}
	return nil
}

// checkCHAP refuses credentials that would not protect anybody.
func (cfg *LoginConfig) checkCHAP(dev *Deviations) error {
	c := cfg.CHAP
	if c == nil {
		return nil
	}
	least := chap.MinSecretLength
	if dev.Auth.BitsAreBytes {
		least *= 8
	}
	switch {
	case cfg.SkipSecurityStage:
		return errors.New("login: CHAP needs the security stage")
	case c.TargetSecret != "" && c.TargetSecret == c.Secret && !dev.Auth.TakeSameSecret:
		return fmt.Errorf("login: one CHAP secret for both directions, want two (RFC 7143, Section 9.2.1): %w", ErrAuthFailed)
	case len(c.Secret) < least && !c.AllowShortSecret:
		return fmt.Errorf("login: CHAP secret of %d bytes, want at least %d unless short ones are allowed (RFC 7143, Section 9.2.1): %w",
			len(c.Secret), least, ErrAuthFailed)
	}
	return nil
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
