package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// LoginSettings are what a login offers and how long it waits. The zero value of a field leaves the default of
// LoginConfig. The settings of a session are fixed when it is logged in, and hold over every automatic
// re-login: a change of, say, its digests waits until the session is removed and added again.
type LoginSettings struct {
	// InitiatorAlias is declared when not empty.
	InitiatorAlias string
	// CHAP, when not nil, is required of every target.
	CHAP *CHAP
	// HeaderDigest and DataDigest are preference lists of CRC32C and None.
	HeaderDigest, DataDigest []string
	// Offers are the operational keys of normal sessions in the order in which they are sent.
	Offers []Offer
	// Connections is how many connections a session is to have, 1 where it is 0; it is offered as MaxConnections if it is above 1. The
	// further ones are opened beside the first, at the portal that it has reached, and opened again when they are lost.
	Connections int
	// ErrorRecoveryLevel, when above 0, is offered in place of that in Offers (RFC 7143, Section 13.20), 2 together with a
	// DefaultTime2Retain of 20 s.
	ErrorRecoveryLevel int
	// SkipSecurityStage begins logins in the operational stage.
	SkipSecurityStage bool
	// DiscoveryOffers are the operational keys of discovery sessions, which Offers are not for.
	DiscoveryOffers []Offer
	// Manners are what else logins do in another way; nil leaves this initiator's own.
	Manners *LoginManners
	// FreshISID draws a new ISID for every login of a session, re-logins included, as some initiators do. The target then never takes a re-login for a
	// reinstatement, and keeps the old session until it notices the end of its connection by itself.
	FreshISID bool
	// AwaitAuthMethod leaves it to the target to propose an AuthMethod.
	AwaitAuthMethod bool
	// LoginTimeout bounds dialling and logging in at one portal.
	LoginTimeout time.Duration
	// PingInterval and PingTimeout say how a silent connection is noticed; PingInterval Never switches pings off.
	PingInterval, PingTimeout time.Duration
	// AcknowledgeAfter, when above 0, is how often status is acknowledged that nothing else has acknowledged.
	AcknowledgeAfter time.Duration
	// LogoutTimeout bounds the wait for a Logout Response.
	LogoutTimeout time.Duration
	// AnswerTimeout bounds the wait for a task management response or a text response.
	AnswerTimeout time.Duration
	// CommandTimeout is how long a disk may leave a command unanswered before it is aborted; sequential devices may take as long as they need.
	CommandTimeout time.Duration
}

// over returns s with every field that is unset taken from below.
func (s LoginSettings) over(below LoginSettings) LoginSettings {
	if s.InitiatorAlias == "" {
		s.InitiatorAlias = below.InitiatorAlias
	}
	if s.CHAP == nil {
		s.CHAP = below.CHAP
	}
	if s.HeaderDigest == nil {
		s.HeaderDigest = below.HeaderDigest
	}
	if s.DataDigest == nil {
		s.DataDigest = below.DataDigest
	}
	if s.Offers == nil {
		s.Offers = below.Offers
	}
	if s.Connections == 0 {
		s.Connections = below.Connections
	}
	if s.ErrorRecoveryLevel == 0 {
		s.ErrorRecoveryLevel = below.ErrorRecoveryLevel
	}
	s.SkipSecurityStage = s.SkipSecurityStage || below.SkipSecurityStage
	s.FreshISID = s.FreshISID || below.FreshISID
	if s.DiscoveryOffers == nil {
		s.DiscoveryOffers = below.DiscoveryOffers
	}
	if s.Manners == nil {
		s.Manners = below.Manners
	}
	s.AwaitAuthMethod = s.AwaitAuthMethod || below.AwaitAuthMethod
	for _, field := range []struct{ own, below *time.Duration }{
		{&s.LoginTimeout, &below.LoginTimeout},
		{&s.PingInterval, &below.PingInterval},
		{&s.PingTimeout, &below.PingTimeout},
		{&s.AcknowledgeAfter, &below.AcknowledgeAfter},
		{&s.LogoutTimeout, &below.LogoutTimeout},
		{&s.AnswerTimeout, &below.AnswerTimeout},
		{&s.CommandTimeout, &below.CommandTimeout},
	} {
		if *field.own == 0 {
			*field.own = *field.below
		}
	}
	return s
}

// loginConfig turns the settings into what one login to a session of that type takes.
func (s LoginSettings) loginConfig(t SessionType) LoginConfig {
	if t == DiscoverySession {
		s.Offers = s.DiscoveryOffers
	}
	return LoginConfig{
		Type: t, Manners: s.Manners,
		InitiatorAlias: s.InitiatorAlias, CHAP: s.CHAP, HeaderDigest: s.HeaderDigest, DataDigest: s.DataDigest,
		Offers: s.Offers, SkipSecurityStage: s.SkipSecurityStage, AwaitAuthMethod: s.AwaitAuthMethod, LoginTimeout: s.LoginTimeout,
		MaxConnections: s.Connections, ErrorRecoveryLevel: s.ErrorRecoveryLevel,
		AcknowledgeAfter: s.AcknowledgeAfter, PingInterval: s.PingInterval, PingTimeout: s.PingTimeout, LogoutTimeout: s.LogoutTimeout,
		AnswerTimeout: s.AnswerTimeout, CommandTimeout: s.CommandTimeout,
	}
}

// Settings are what a Manager goes by and what may change while it runs. All but Login govern the sessions that
// exist, from the moment of the change; Login governs those that are logged in afterwards.
type Settings struct {
	// ReconnectInterval is the time from the start of one login attempt of a session to the start of its next; 0 means
	// DefaultReconnectInterval.
	ReconnectInterval time.Duration
	// ReconnectJitter is the largest share by which one gap may differ from the interval, 0 to 0.2. The default is 0.
	ReconnectJitter float64
	// ReconnectMax, when above ReconnectInterval, makes the time between attempts grow by one interval with each that fails, up to this.
	// The default is a steady cadence.
	ReconnectMax time.Duration
	// PermanentLoss takes a re-login that the target refuses with a status of class 2, and a command that ends with LOGICAL UNIT NOT SUPPORTED
	// (5/25/00), for the end of the devices: they leave at once. Attempts go on all the same. The default is to keep them for the latency.
	PermanentLoss bool
	// PortalFailover lets the attempts of a lost session go to each portal of its portal group in turn, as discovery told them: the
	// configured one first, and again after the last. The default is the configured portal alone.
	PortalFailover bool
	// PathPolicy says which path of a device a request takes. The default is FirstPath.
	PathPolicy PathPolicy
	// RemovalLatency is how long devices stay after their session was lost; unset means DefaultRemovalLatency.
	RemovalLatency Latency
	// BootRemovalLatency is the same for the boot device of a boot session; unset means for ever.
	BootRemovalLatency Latency
	// QueueBound limits, session by session, the requests that wait while it is down.
	QueueBound QueueBound
	// Login is what new sessions offer unless their login says otherwise.
	Login LoginSettings
}

// SettingError refuses a setting.
type SettingError struct {
	// Setting is the field's name, Got the value, Want what it may be.
	Setting, Got, Want string
}

// Error names the setting, the value that came and those that may.
func (e *SettingError) Error() string {
	return fmt.Sprintf("setting %s: got %s, want %s", e.Setting, e.Got, e.Want)
}

// check refuses values outside their range.
func (s Settings) check() error {
	switch {
	case s.ReconnectInterval < 0:
		return &SettingError{"ReconnectInterval", s.ReconnectInterval.String(), "a duration above 0s, or 0s for the default"}
	case !(s.ReconnectJitter >= 0 && s.ReconnectJitter <= maxReconnectJitter):
		return &SettingError{"ReconnectJitter", fmt.Sprint(s.ReconnectJitter), "0 to 0.2"}
	case s.ReconnectMax < 0:
		return &SettingError{"ReconnectMax", s.ReconnectMax.String(), "a duration above 0s, or 0s for a steady cadence"}
	case s.PathPolicy > RoundRobin:
		return &SettingError{"PathPolicy", s.PathPolicy.String(), "first-path or round-robin"}
	case s.QueueBound.Entries < 0:
		return &SettingError{"QueueBound.Entries", fmt.Sprint(s.QueueBound.Entries), "a number above 0, or 0 for the default"}
	case s.QueueBound.Bytes < 0:
		return &SettingError{"QueueBound.Bytes", fmt.Sprint(s.QueueBound.Bytes), "a number above 0, or 0 for the default"}
	}
	return nil
}

// interval returns the reconnect interval in force.
func (s Settings) interval() time.Duration {
	if s.ReconnectInterval <= 0 {
		return DefaultReconnectInterval
	}
	return s.ReconnectInterval
}

// Port is one initiator port: a name and the way out. Its name, with the initiator's, decides the ISIDs of its
// sessions, so that they stay the same over a restart.
type Port struct {
	// Name tells the ports of one initiator apart.
	Name string
	// Dialer makes its connections, bound to the port's local address.
	Dialer Dialer
}

// ManagerConfig is what a Manager starts with.
type ManagerConfig struct {
	// InitiatorName is the iSCSI name of this initiator (RFC 7143, Section 4.2.7). Capitals are folded (iscsi.NormalName).
	InitiatorName string
	// Ports are the initiator ports, at least one; the first is the default.
	Ports []Port
	// Defaults is the initial Settings.Login.
	Defaults LoginSettings
	// ReconnectInterval, ReconnectJitter, ReconnectMax, PermanentLoss, PortalFailover, PathPolicy, RemovalLatency, BootRemovalLatency and QueueBound are the initial
	// Settings.
	ReconnectInterval  time.Duration
	ReconnectJitter    float64
	ReconnectMax       time.Duration
	PermanentLoss      bool
	PortalFailover     bool
	PathPolicy         PathPolicy
	RemovalLatency     Latency
	BootRemovalLatency Latency
	QueueBound         QueueBound
	// ISID makes the ISID of a port's sessions for a qualifier; nil means random ones (RFC 7143, Section 11.12.5, format
	// 10b) drawn from the names of initiator and port. It must return different values for different ports, and, for one port, for 1024
	// qualifiers in a row.
	ISID func(port int, qualifier uint16) iscsi.ISID
	// Seed feeds the jitter and, unless it is 0, the challenges of mutual CHAP, so that a run can be replayed. Against targets that are
	// not simulated it has to stay 0: a challenge that can be foretold proves nothing.
	Seed uint64
	// Log, when not nil, records what sessions, devices and requests go through.
	Log *trace.Log
	// Deviations, when not nil, makes the Manager and its sessions break rules.
	Deviations *Deviations
}

// settings returns the initial Settings.
func (c ManagerConfig) settings() Settings {
	return Settings{
		ReconnectInterval: c.ReconnectInterval, ReconnectJitter: c.ReconnectJitter, ReconnectMax: c.ReconnectMax,
		PermanentLoss: c.PermanentLoss, PortalFailover: c.PortalFailover,
		PathPolicy: c.PathPolicy, RemovalLatency: c.RemovalLatency,
		BootRemovalLatency: c.BootRemovalLatency, QueueBound: c.QueueBound, Login: c.Defaults,
	}
}

// LoginSpec asks for a session.
type LoginSpec struct {
	// Kind is what the session is for.
	Kind Kind
	// Target is the target's name; a discovery session may leave it empty.
	Target string
	// Portal is where to log in; empty means the first portal of Target that discovery told.
	Portal iscsi.Address
	// InitiatorPort is the name of one of the Manager's ports; empty means the first.
	InitiatorPort string
	// BootLUN is the boot unit of a boot session, in wire form (scsi.LUN).
	BootLUN uint64
	// Settings override Settings.Login field by field.
	Settings LoginSettings
}

// AddSpec asks for a session beyond the default ones: a clone of another, or one at a chosen portal.
type AddSpec struct {
	// Clone, when not 0, is the session to copy: its port, target, configured portal, kind and settings.
	Clone SessionID
	// Without Clone, the fields of LoginSpec say what to add; their zero Kind means Data.
	LoginSpec
}
