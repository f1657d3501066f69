package simtarget

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// Profile describes an array as data: what it has and how it behaves. NewProfile gives every field its default, and a YAML file overrides
// what it names. A Profile that an Array was made from is copied: changing it later changes nothing.
type Profile struct {
	// Name is the profile's name, lower-case letters, digits and hyphens.
	Name string `yaml:"name"`
	// Description says in a sentence or two what kind of array it is.
	Description string `yaml:"description"`
	// Facts are what is known of arrays of this kind, each with where it was read; Guesses are what was filled in.
	Facts   []string `yaml:"facts,omitempty"`
	Guesses []string `yaml:"guesses,omitempty"`
	// Differs names the rows of the target catalogue that such an array answers otherwise than a sound one, each with the reason.
	Differs []Difference `yaml:"differs,omitempty"`
	// Defects are faults of the array by their place in Deviations, such as "Redirect.WithTag"; they are switched on. A sound array has none.
	Defects []string `yaml:"defects,omitempty"`
	// Portals are where the array listens, at least one.
	Portals []Portal `yaml:"portals"`
	// Targets are the array's target nodes, at least one.
	Targets []Target `yaml:"targets"`
	// Login, Session, Data, Recovery and Failover are the knobs, grouped by when they matter.
	Login    LoginPolicy    `yaml:"login"`
	Session  SessionPolicy  `yaml:"session"`
	Data     DataPolicy     `yaml:"data"`
	Recovery RecoveryPolicy `yaml:"recovery"`
	Failover FailoverPolicy `yaml:"failover"`
}

// Difference is a row of the target catalogue that a profile answers otherwise than a sound array.
type Difference struct {
	// Row is the row's id, or a pattern with * for several: "tmf.*" are those of a group that need what the reason denies them.
	Row string `yaml:"row"`
	// Why says what the array does there, and for what reason.
	Why string `yaml:"why"`
}

// Portal is a network portal (RFC 7143, Section 4.4.1).
type Portal struct {
	// Name is what the rest of the profile and Actions call it.
	Name string `yaml:"name"`
	// Address is the virtual address, "ip:port". Where the listener says that it listens elsewhere, that address is told to initiators.
	Address string `yaml:"address"`
	// Tag is the portal group tag, 0 to 65535.
	Tag uint16 `yaml:"tag"`
	// Hidden leaves the portal out of SendTargets: initiators find it by a redirect, or are told by their administrator.
	Hidden bool `yaml:"hidden,omitempty"`
	// Advertised, when set, is the address that SendTargets and redirects give instead of the real one: a DNS name, or an address
	// without a port.
	Advertised string `yaml:"advertised,omitempty"`
	// Down makes the portal start out of service.
	Down bool `yaml:"down,omitempty"`
	// Silent makes the portal take connections and answer nothing on them: the nearest that a listener can come to an address that
	// initiators cannot reach.
	Silent bool `yaml:"silent,omitempty"`
	// Network names the network or fault domain that the portal is in; empty is in all of them. Redirects stay within it.
	Network string `yaml:"network,omitempty"`
}

// Target is a target node with its logical units.
type Target struct {
	// Name is the iSCSI name.
	Name string `yaml:"name"`
	// Alias is sent as TargetAlias; empty sends none.
	Alias string `yaml:"alias,omitempty"`
	// Portals are the names of the portals where the target can be logged in to; empty means all.
	Portals []string `yaml:"portals,omitempty"`
	// Owner names the portal that serves the target at present, where the redirect picks the owner; empty means the first destination.
	Owner string `yaml:"owner,omitempty"`
	// LUNs are its logical units.
	LUNs []LUN `yaml:"luns"`
}

// LUN describes a logical unit.
type LUN struct {
	// Number is 0 to 16383.
	Number uint32 `yaml:"number"`
	// Size is the capacity, such as 64MiB; a multiple of BlockSize.
	Size Size `yaml:"size"`
	// BlockSize is the logical block length in bytes; 0 means 512.
	BlockSize int `yaml:"block_size,omitempty"`
	// Serial is the unit serial number. Empty derives one from target name and number.
	Serial string `yaml:"serial,omitempty"`
	// Revision is the product revision level, at most four characters; empty means "0001".
	Revision string `yaml:"revision,omitempty"`
	// Sequential makes it a tape instead of a disk.
	Sequential bool `yaml:"sequential,omitempty"`
	// ReadOnly refuses writes.
	ReadOnly bool `yaml:"read_only,omitempty"`
	// Blank leaves the medium zeroed. Otherwise every block starts with the pattern of disk.Pattern, except in a file, which starts zeroed.
	Blank bool `yaml:"blank,omitempty"`
	// Store says where the data are kept: memory (empty means that), file, or null, which accepts writes and forgets them.
	Store disk.StoreKind `yaml:"store,omitempty"`
	// Path is the sparse file of a logical unit whose store is file; it is made when it does not exist.
	Path string `yaml:"path,omitempty"`
	// MaxStored bounds what written data may take, such as 256MiB; 0 means 1GiB in memory, and the capacity in a file.
	MaxStored Size `yaml:"max_stored,omitempty"`
	// PhysicalExponent says that 2 to this power logical blocks make a physical one; 0 to 7.
	PhysicalExponent int `yaml:"physical_exponent,omitempty"`
	// Thick makes it fully provisioned: it has no UNMAP, and says so.
	Thick bool `yaml:"thick,omitempty"`
	// Removable makes the medium one that START STOP UNIT can eject.
	Removable bool `yaml:"removable,omitempty"`
}

// LoginPolicy says how logins are answered.
type LoginPolicy struct {
	// Timeout is how long a connection may take from accept to full feature phase.
	Timeout time.Duration `yaml:"timeout"`
	// Delay is waited before each Login Response.
	Delay time.Duration `yaml:"delay,omitempty"`
	// SerialPerPortal takes one login at a time at each portal: the next one is not looked at before the last has succeeded, failed or
	// timed out.
	SerialPerPortal bool `yaml:"serial_per_portal,omitempty"`
	// SecurityFirst refuses, with 0x0201, a login that begins in the operational stage, although no authentication may be asked for.
	SecurityFirst bool `yaml:"security_first,omitempty"`
	// AcceptContinue takes requests with the C bit, whose text goes on in the next one; otherwise they are refused with 0x0300.
	AcceptContinue bool `yaml:"accept_continue"`
	// StrictNumbers refuses, with 0x0200, a request whose CmdSN differs from that of the first one, or whose ExpStatSN is not the
	// next number of the connection.
	StrictNumbers bool `yaml:"strict_numbers,omitempty"`
	// OfferUnasked makes the array offer its own limits for keys that the initiator left out and whose default is beyond the limit.
	OfferUnasked bool `yaml:"offer_unasked"`
	// Allow lists the initiator names that may log in; empty lets everybody in. Others are refused with AllowStatus.
	Allow []string `yaml:"allow,omitempty"`
	// AllowStatus is the status for initiators that Allow does not list.
	AllowStatus Status `yaml:"allow_status"`
	// Refuse lists logins that are refused, each in a shape of its own; the first entry that fits decides.
	Refuse []LoginRefusal `yaml:"refuse,omitempty"`
	// SuspendedStatus is the status while logins are suspended and the action that suspends them names none.
	SuspendedStatus Status `yaml:"suspended_status"`
	// CHAP asks for authentication.
	CHAP CHAPPolicy `yaml:"chap,omitempty"`
	// Redirect sends logins elsewhere.
	Redirect RedirectPolicy `yaml:"redirect,omitempty"`
}

// LoginRefusal is a kind of login that the array refuses. Empty fields fit every login.
type LoginRefusal struct {
	// Initiator, Target and Portal are an initiator's name, a target's name and a portal's name.
	Initiator string `yaml:"initiator,omitempty"`
	Target    string `yaml:"target,omitempty"`
	Portal    string `yaml:"portal,omitempty"`
	// Discovery makes the entry about Discovery sessions instead of Normal ones.
	Discovery bool `yaml:"discovery,omitempty"`
	// With is the shape: a status such as "0x0203", fin, rst or silent.
	With Excess `yaml:"with"`
}

// CHAPPolicy says who has to prove what (RFC 7143, Section 12.1.3). Profiles are no place for real secrets.
type CHAPPolicy struct {
	// Users are the names and secrets that initiators log in with. With none, no authentication is asked for.
	Users []CHAPUser `yaml:"users,omitempty"`
	// Own is what the array proves itself with in mutual authentication.
	Own CHAPUser `yaml:"own,omitempty"`
	// Optional takes AuthMethod=None as well.
	Optional bool `yaml:"optional,omitempty"`
	// OpenDiscovery lets Discovery sessions in without authentication.
	OpenDiscovery bool `yaml:"open_discovery,omitempty"`
	// OpenPortals are the names of portals that ask for no authentication.
	OpenPortals []string `yaml:"open_portals,omitempty"`
	// Algorithms are the CHAP algorithms taken, by number; empty means 5, 6, 7 and 8.
	Algorithms []int `yaml:"algorithms,omitempty"`
}

// CHAPUser is a CHAP name and its secret.
type CHAPUser struct {
	// Name and Secret are CHAP_N and the secret.
	Name   string `yaml:"name"`
	Secret string `yaml:"secret"`
	// Initiator is the initiator name that the account belongs to; empty means all.
	Initiator string `yaml:"initiator,omitempty"`
}

// RedirectMode says which status a redirect has.
type RedirectMode string

// The modes.
const (
	RedirectNone      RedirectMode = "none"
	RedirectTemporary RedirectMode = "temporary" // status 0x0101
	RedirectPermanent RedirectMode = "permanent" // status 0x0102
)

// Pick says how the destination of a redirect is chosen.
type Pick string

// The choices.
const (
	PickRoundRobin    Pick = "round-robin"
	PickFixed         Pick = "fixed"          // the first destination that is in service
	PickLeastSessions Pick = "least-sessions" // ties go to the earlier one in the list
	PickSticky        Pick = "sticky"         // by initiator name and ISID
	PickInitiator     Pick = "initiator"      // by initiator name and target, so that all sessions of one share a portal
	PickOwner         Pick = "owner"          // Target.Owner, or the first destination where that is out of service
)

// RedirectPolicy says which logins are sent on to another portal (RFC 7143, Section 11.13.5).
type RedirectPolicy struct {
	// Mode is the kind of redirect; none and empty turn it off.
	Mode RedirectMode `yaml:"mode,omitempty"`
	// From are the names of the portals that redirect; empty means every portal that is not hidden.
	From []string `yaml:"from,omitempty"`
	// To are the names of the destinations; empty means every hidden portal. Destinations out of service are passed over; with none in
	// service the login is served where it came.
	To []string `yaml:"to,omitempty"`
	// Pick chooses among the destinations; empty means round-robin.
	Pick Pick `yaml:"pick,omitempty"`
	// KeepFirst lets a portal keep the session of an initiator that has no other session with the target there; only further ones are
	// redirected.
	KeepFirst bool `yaml:"keep_first,omitempty"`
	// AfterAuthentication redirects when the security stage is over instead of in the first response.
	AfterAuthentication bool `yaml:"after_authentication,omitempty"`
	// Discovery redirects Discovery sessions too.
	Discovery bool `yaml:"discovery,omitempty"`
	// WithTag appends the portal group tag to the address, which RFC 7143, Section 13.8 forbids and some arrays do.
	WithTag bool `yaml:"with_tag,omitempty"`
	// OmitPort leaves the port out where it is 3260.
	OmitPort bool `yaml:"omit_port,omitempty"`
}

// Excess says what becomes of a login above a session limit: a status, or one of the other shapes that refusals are seen in.
type Excess string

// The shapes that are no status. A status is written as "0x0206".
const (
	ExcessFIN        Excess = "fin"         // close without a Login Response
	ExcessRST        Excess = "rst"         // reset without a Login Response
	ExcessSilent     Excess = "silent"      // keep the connection and never answer
	ExcessKillOldest Excess = "kill-oldest" // accept, and end the oldest session that counts
)

// Identity says which login replaces which session.
type Identity string

// The identities.
const (
	IdentityNameISIDTag Identity = "name-isid-tag" // InitiatorName, ISID and portal group tag: RFC 7143, Section 6.3.5
	IdentityNameISID    Identity = "name-isid"     // whatever the portal group
	IdentityName        Identity = "name"          // a new session ends all others of the same InitiatorName at the target
	IdentityAddress     Identity = "address"       // a new session ends all others of the same source IP address at the target
	IdentityNone        Identity = "none"          // no session ever replaces another
)

// Ending says how the array ends a TCP connection.
type Ending string

// The endings.
const (
	EndFIN    Ending = "fin"
	EndRST    Ending = "rst"
	EndAsync  Ending = "async"  // an Asynchronous Message announces the drop of the connection, then FIN
	EndKeep   Ending = "keep"   // only of Async.Then: the connection goes on
	EndSilent Ending = "silent" // the session is forgotten, the connection stays open and is never answered
)

// SessionPolicy says how many sessions there may be and how they live.
type SessionPolicy struct {
	// MaxPerTarget, MaxPerInitiator and MaxTotal bound the Normal sessions of a target, of an initiator name at a target, and of the
	// array; 0 means no limit of that kind. All sessions together, Discovery included, are bounded in any case by SessionsMax.
	MaxPerTarget    int `yaml:"max_per_target,omitempty"`
	MaxPerInitiator int `yaml:"max_per_initiator,omitempty"`
	MaxTotal        int `yaml:"max_total,omitempty"`
	// OnExcess says what becomes of a login above a limit.
	OnExcess Excess `yaml:"on_excess"`
	// ExcessDelay is waited before OnExcess is done.
	ExcessDelay time.Duration `yaml:"excess_delay,omitempty"`
	// ExcessPoll is how often the array looks during ExcessDelay whether a place has become free; 0 looks at its end alone.
	ExcessPoll time.Duration `yaml:"excess_poll,omitempty"`
	// ExcessCountsStale checks the limits before reinstatement, so that a session which the login would replace counts against it.
	ExcessCountsStale bool `yaml:"excess_counts_stale,omitempty"`
	// HostLock gives the array to the first IP address that connects: connections from any other are closed at accept, before a login,
	// until a session of the first address has logged out and was its last one. A host that dies keeps the lock.
	HostLock bool `yaml:"host_lock,omitempty"`
	// StaleTimeout keeps a session whose connection was lost for that long, beyond what Time2Retain asks for, and lets it count against
	// the limits meanwhile.
	StaleTimeout time.Duration `yaml:"stale_timeout,omitempty"`
	// Identity says which session a login replaces.
	Identity Identity `yaml:"identity"`
	// Replaced says how the connections of a replaced session end.
	Replaced Ending `yaml:"replaced"`
	// CommandWindow is how many commands a session may have open: MaxCmdSN - ExpCmdSN + 1 when it is idle. 1 to 1024.
	CommandWindow int `yaml:"command_window"`
	// ImmediateCommands is how many immediate commands a session may have open; more are rejected with reason 0x06.
	ImmediateCommands int `yaml:"immediate_commands"`
	// MaxConnections is how many connections a session may have, 1 to 64: the array's side of the key MaxConnections.
	MaxConnections int `yaml:"max_connections"`
	// ErrorRecoveryLevel is the highest recovery level that the array agrees to, 0 to 2: its side of the key ErrorRecoveryLevel.
	ErrorRecoveryLevel int `yaml:"error_recovery_level"`
	// FirstStatSN is the StatSN of a connection's first Login Response.
	FirstStatSN uint32 `yaml:"first_stat_sn"`
	// FirstTSIH is the session handle of the first session; later ones count up.
	FirstTSIH uint16 `yaml:"first_tsih"`
	// FixedTSIH, when not 0, is the session handle of every session: the ISID alone tells them apart.
	FixedTSIH uint16 `yaml:"fixed_tsih,omitempty"`
	// PingInterval sends a NOP-In on a connection that has been quiet for so long; 0 sends none.
	PingInterval time.Duration `yaml:"ping_interval,omitempty"`
	// PingTimeout ends a connection that leaves a ping unanswered for so long.
	PingTimeout time.Duration `yaml:"ping_timeout"`
	// PingLUN goes into the LUN field of pings.
	PingLUN uint32 `yaml:"ping_lun,omitempty"`
	// StrictPingLUN ends, after a Reject (protocol error), the session of an initiator whose answer to a ping has another LUN.
	StrictPingLUN bool `yaml:"strict_ping_lun,omitempty"`
}

// DigestPolicy says what is answered to an offer of digests.
type DigestPolicy string

// The policies.
const (
	DigestNone    DigestPolicy = "none"    // only None is taken
	DigestAllow   DigestPolicy = "allow"   // the initiator's order decides
	DigestRequire DigestPolicy = "require" // a login that does not end with CRC32C is refused
)

// DataPolicy holds the array's side of the negotiation (RFC 7143, Section 13). Lengths are bytes.
type DataPolicy struct {
	// HeaderDigest and DataDigest say what is answered to offers of the two keys.
	HeaderDigest DigestPolicy `yaml:"header_digest"`
	DataDigest   DigestPolicy `yaml:"data_digest"`
	// DigestInDiscovery applies the two policies to Discovery sessions too; otherwise those have none.
	DigestInDiscovery bool `yaml:"digest_in_discovery"`

	// MaxRecvDataSegmentLength is what the array declares, 512 to 16777215.
	MaxRecvDataSegmentLength int `yaml:"max_recv_data_segment_length"`
	// MaxBurstLength and FirstBurstLength are the most that the array agrees to, 512 to 16777215; the second is at most the first.
	MaxBurstLength   int `yaml:"max_burst_length"`
	FirstBurstLength int `yaml:"first_burst_length"`
	// InitialR2T and ImmediateData are the array's sides of the two keys: the first is Yes where either side says so, the second where both do.
	InitialR2T    bool `yaml:"initial_r2t"`
	ImmediateData bool `yaml:"immediate_data"`
	// MaxOutstandingR2T is the most R2Ts that the array leaves open for one task, 1 to 65535.
	MaxOutstandingR2T int `yaml:"max_outstanding_r2t"`
	// Time2Wait and Time2Retain are the array's sides of DefaultTime2Wait and DefaultTime2Retain, in whole seconds, 0 to 3600.
	Time2Wait   int `yaml:"time2wait"`
	Time2Retain int `yaml:"time2retain"`
	// DataPDUOutOfOrder and DataSequenceOutOfOrder make the array answer DataPDUInOrder and DataSequenceInOrder with No, and where No is
	// agreed it sends Data-In PDUs and sequences, and asks for bursts, in other than ascending order.
	DataPDUOutOfOrder      bool `yaml:"data_pdu_out_of_order,omitempty"`
	DataSequenceOutOfOrder bool `yaml:"data_sequence_out_of_order,omitempty"`
	// ProtocolLevel is the highest iSCSIProtocolLevel: 0 to 2. From 2 on there are the task management functions of RFC 7144.
	ProtocolLevel int `yaml:"protocol_level"`
	// TaskReporting lists the values of TaskReporting that are taken, with commas: RFC3720, ResponseFence, FastAbort. Empty means all where
	// a session has one connection, and RFC3720 where it may have several.
	TaskReporting string `yaml:"task_reporting,omitempty"`
	// StatusInDataIn sends GOOD status in the last Data-In instead of a SCSI Response of its own.
	StatusInDataIn bool `yaml:"status_in_data_in"`
	// UnitAttentionAtLogin greets every new session with POWER ON, RESET OR BUS DEVICE RESET on each logical unit.
	UnitAttentionAtLogin bool `yaml:"unit_attention_at_login,omitempty"`
}

// FailoverPolicy says how the array behaves when it moves or ends sessions on its own account.
type FailoverPolicy struct {
	// LogoutWithin is Parameter3 of an Asynchronous Message that asks for logout, in whole seconds.
	LogoutWithin time.Duration `yaml:"logout_within"`
	// KeepAfterDeadline leaves the connection up when nobody logs out within that time.
	KeepAfterDeadline bool `yaml:"keep_after_deadline,omitempty"`
	// LogoutReplyDelay is waited before each Logout Response.
	LogoutReplyDelay time.Duration `yaml:"logout_reply_delay,omitempty"`
	// AfterRestart greets sessions after a restart with the unit attention POWER ON, RESET OR BUS DEVICE RESET.
	AfterRestart bool `yaml:"unit_attention_after_restart"`
	// LUNChangesAs says how a change of the logical unit inventory is told, where the action that makes it does not say.
	LUNChangesAs LUNReport `yaml:"lun_changes_as"`
	// ShutdownEvent is the event of the Asynchronous Message that sessions get when the array is closed: 2 (connection), 3 (session) or
	// 0 for none.
	ShutdownEvent int `yaml:"shutdown_event,omitempty"`
	// ALUA divides the portals into target port groups with a state of their own (SPC-4, Section 5.16).
	ALUA ALUAPolicy `yaml:"alua,omitempty"`
	// Script is what the array does on its own account, and when.
	Script Script `yaml:"script,omitempty"`
}

// NewProfile returns a profile with the defaults of all knobs and neither portals nor targets.
func NewProfile() *Profile {
	return &Profile{
		Login: LoginPolicy{Timeout: 15 * time.Second, OfferUnasked: true, AcceptContinue: true,
			AllowStatus: Status(iscsi.StatusAuthorizationFailure), SuspendedStatus: Status(iscsi.StatusServiceUnavailable)},
		Session: SessionPolicy{
			OnExcess: "0x0302", Identity: IdentityNameISIDTag, Replaced: EndFIN, CommandWindow: 32, ImmediateCommands: 8, MaxConnections: 1,
			FirstStatSN: 0x1000, FirstTSIH: 0x0101, PingTimeout: 30 * time.Second,
		},
		Data: DataPolicy{
			HeaderDigest: DigestAllow, DataDigest: DigestAllow, DigestInDiscovery: true, MaxRecvDataSegmentLength: 65536,
			MaxBurstLength: 262144, FirstBurstLength: 65536, InitialR2T: true, ImmediateData: true, MaxOutstandingR2T: 1,
			StatusInDataIn: true, ProtocolLevel: 2,
		},
		Recovery: RecoveryPolicy{RetainedBytes: 16 << 20, RetainedResponses: 256, Timeout: 3 * time.Second, Attempts: 5},
		Failover: FailoverPolicy{LogoutWithin: 10 * time.Second, AfterRestart: true, LUNChangesAs: ReportNone},
	}
}
