package simtarget

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Action is one thing that a scenario does to a running array, as data. Exactly one field is set. Array.Apply carries it out.
//
// Login, Command, Text and Alter are rules: they wait for what they match, in the order in which they were added. The first rule of a kind
// that matches and is not used up decides, and counts down; the others do not see the event. Everything else happens at once.
type Action struct {
	Login   *LoginRule   `json:"login,omitempty" yaml:"login,omitempty"`
	Command *CommandRule `json:"command,omitempty" yaml:"command,omitempty"`
	Text    *TextRule    `json:"text,omitempty" yaml:"text,omitempty"`
	Alter   *AlterRule   `json:"alter,omitempty" yaml:"alter,omitempty"`
	Clear   *Clear       `json:"clear,omitempty" yaml:"clear,omitempty"`
	Release *Release     `json:"release,omitempty" yaml:"release,omitempty"`
	Async   *Async       `json:"async,omitempty" yaml:"async,omitempty"`
	Ping    *Ping        `json:"ping,omitempty" yaml:"ping,omitempty"`
	Drop    *Drop        `json:"drop,omitempty" yaml:"drop,omitempty"`
	Window  *Window      `json:"window,omitempty" yaml:"window,omitempty"`
	Portal  *PortalState `json:"portal,omitempty" yaml:"portal,omitempty"`
	LUN     *LUNChange   `json:"lun,omitempty" yaml:"lun,omitempty"`
	Logout  *LogoutRule  `json:"logout,omitempty" yaml:"logout,omitempty"`
	Policy  *Policy      `json:"policy,omitempty" yaml:"policy,omitempty"`
	Restart *Restart     `json:"restart,omitempty" yaml:"restart,omitempty"`
	Move    *PortalMove  `json:"move,omitempty" yaml:"move,omitempty"`
	Owner   *OwnerChange `json:"owner,omitempty" yaml:"owner,omitempty"`
	Suspend *Suspend     `json:"suspend,omitempty" yaml:"suspend,omitempty"`
	ALUA    *ALUAChange  `json:"alua,omitempty" yaml:"alua,omitempty"`
	Call    *StepCall    `json:"call,omitempty" yaml:"call,omitempty"`
}

// Times says how often a rule applies. The zero value means once, at the first match.
type Times struct {
	// Skip lets that many matches pass first.
	Skip int `json:"skip,omitempty" yaml:"skip,omitempty"`
	// Next is how many matches the rule then applies to; 0 means one, Always (-1) all of them.
	Next int `json:"next,omitempty" yaml:"next,omitempty"`
}

// Always as Times.Next makes a rule apply until it is cleared.
const Always = -1

// Which selects sessions. Empty fields match everything, so the zero value selects every session.
type Which struct {
	Serial    uint64 `json:"serial,omitempty" yaml:"serial,omitempty"`       // SessionInfo.Serial
	Target    string `json:"target,omitempty" yaml:"target,omitempty"`       // target name
	Portal    string `json:"portal,omitempty" yaml:"portal,omitempty"`       // portal name
	Initiator string `json:"initiator,omitempty" yaml:"initiator,omitempty"` // initiator name
	ISID      string `json:"isid,omitempty" yaml:"isid,omitempty"`           // twelve hexadecimal digits
	// Kind is "Normal" or "Discovery".
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`
	// Nth takes only the n-th of those that match, oldest first, counted from 1; negative counts from the newest.
	Nth int `json:"nth,omitempty" yaml:"nth,omitempty"`
}

// LoginStep is a point of a login where a LoginRule acts.
type LoginStep string

// The steps. A login that never comes to the step is not affected, but counts as a match.
const (
	AtFirst       LoginStep = "first"       // the answer to the first Login Request (with C=0); the default
	AtConnect     LoginStep = "connect"     // the TCP connection was accepted: Which.Target, Initiator, ISID and Kind are not known yet
	AtOperational LoginStep = "operational" // the answer to the first request of the operational stage
	AtFinal       LoginStep = "final"       // the answer that would grant full feature phase
	AtEvery       LoginStep = "every"       // every answer
)

// LoginRule answers logins otherwise than the profile says. All effects that are set take place together.
type LoginRule struct {
	Times `yaml:",inline"`
	// Which selects by target, portal, initiator, ISID and kind; Serial and Nth do not apply.
	Which Which     `json:"which,omitzero" yaml:"which,omitempty"`
	At    LoginStep `json:"at,omitempty" yaml:"at,omitempty"`

	// Delay is waited before the answer.
	Delay time.Duration `json:"delay,omitempty" yaml:"delay,omitempty"`
	// Silence answers nothing from here on and keeps the connection open.
	Silence bool `json:"silence,omitempty" yaml:"silence,omitempty"`
	// Drop ends the connection instead of answering: fin or rst.
	Drop Ending `json:"drop,omitempty" yaml:"drop,omitempty"`
	// Status refuses the login.
	Status Status `json:"status,omitempty" yaml:"status,omitempty"`
	// Redirect sends the initiator elsewhere.
	Redirect *RedirectAnswer `json:"redirect,omitempty" yaml:"redirect,omitempty"`
	// HoldTransit answers that many requests with T=0 and no keys before it goes on.
	HoldTransit int `json:"hold_transit,omitempty" yaml:"hold_transit,omitempty"`
	// TSIH is granted instead of the next free one; a value in use is allowed.
	TSIH *uint16 `json:"tsih,omitempty" yaml:"tsih,omitempty"`
	// Keys replace the array's own limits in this login, from its beginning: it answers from the value, and offers it unasked.
	Keys []Setting `json:"keys,omitempty" yaml:"keys,omitempty"`
	// Edit changes the text of the response: a key that is there gets the value, another is added.
	Edit []Setting `json:"edit,omitempty" yaml:"edit,omitempty"`
	// Remove takes keys out of the response.
	Remove []string `json:"remove,omitempty" yaml:"remove,omitempty"`
	// Patch overwrites bytes of the response's header.
	Patch []Patch `json:"patch,omitempty" yaml:"patch,omitempty"`
	// Window sets the session's command window from the first Login Response on, as Action.Window does.
	Window *int `json:"window,omitempty" yaml:"window,omitempty"`
	// NoAuthentication asks for none in this login, whatever the profile says.
	NoAuthentication bool `json:"no_authentication,omitempty" yaml:"no_authentication,omitempty"`
	// UnitAttention greets the session with this additional sense code on every logical unit, such as 0x2900 or 0x3f0e.
	UnitAttention uint16 `json:"unit_attention,omitempty" yaml:"unit_attention,omitempty"`
}

// Setting is a key and a value.
type Setting struct {
	Key   string `json:"key" yaml:"key"`
	Value string `json:"value" yaml:"value"`
}

// Patch overwrites part of a PDU's 48-byte header.
type Patch struct {
	Offset int    `json:"offset" yaml:"offset"` // 0 to 47
	Bytes  []byte `json:"bytes" yaml:"bytes"`
}

// RedirectAnswer is what a redirecting Login Response says.
type RedirectAnswer struct {
	Permanent bool `json:"permanent,omitempty" yaml:"permanent,omitempty"` // status 0x0102 instead of 0x0101
	// To are the TargetAddress values. A portal's name stands for its address; any other text goes out as it is, right or wrong.
	// None sends no TargetAddress.
	To []string `json:"to,omitempty" yaml:"to,omitempty"`
	// Transit leaves the T bit and NSG of a granted login set.
	Transit bool `json:"transit,omitempty" yaml:"transit,omitempty"`
}

// CommandRule answers SCSI commands otherwise than the logical unit would.
type CommandRule struct {
	Times `yaml:",inline"`
	Which Which   `json:"which,omitzero" yaml:"which,omitempty"`
	LUN   *uint32 `json:"lun,omitempty" yaml:"lun,omitempty"` // nil matches every LUN
	// Opcodes are the operation codes it matches; none matches every command.
	Opcodes []byte `json:"opcodes,omitempty" yaml:"opcodes,omitempty"`

	// Hold keeps the command in the array without executing it until Release, an abort, or the end of the session. R2Ts are held too.
	Hold bool `json:"hold,omitempty" yaml:"hold,omitempty"`
	// HoldResponse executes the command and keeps all that would be sent for it until Release.
	HoldResponse bool `json:"hold_response,omitempty" yaml:"hold_response,omitempty"`
	// Silence executes nothing and never answers.
	Silence bool `json:"silence,omitempty" yaml:"silence,omitempty"`
	// Delay holds the command for that long.
	Delay time.Duration `json:"delay,omitempty" yaml:"delay,omitempty"`
	// Status ends the command with a SCSI status other than GOOD; Sense is the sense data of CHECK CONDITION as key, code and qualifier.
	Status byte      `json:"status,omitempty" yaml:"status,omitempty"`
	Sense  SenseCode `json:"sense,omitzero" yaml:"sense,omitempty"`
	// Reject rejects the PDU with this reason; the CmdSN then counts as not received (RFC 7143, Section 7.3).
	Reject pdu.RejectReason `json:"reject,omitempty" yaml:"reject,omitempty"`
	// TargetFailure ends the command with iSCSI response 0x01.
	TargetFailure bool `json:"target_failure,omitempty" yaml:"target_failure,omitempty"`
	// Drop ends the connection: fin or rst.
	Drop Ending `json:"drop,omitempty" yaml:"drop,omitempty"`
}

// SenseCode is sense data in three numbers.
type SenseCode struct {
	Key       byte `json:"key" yaml:"key"`
	Code      byte `json:"code" yaml:"code"`
	Qualifier byte `json:"qualifier" yaml:"qualifier"`
}

// TextRule answers Text Requests otherwise.
type TextRule struct {
	Times `yaml:",inline"`
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`

	// Add is appended to the array's own answer; Replace takes its place.
	Add     []Setting `json:"add,omitempty" yaml:"add,omitempty"`
	Replace []Setting `json:"replace,omitempty" yaml:"replace,omitempty"`
	// Empty answers without any key.
	Empty bool `json:"empty,omitempty" yaml:"empty,omitempty"`
	// PartLength cuts the answer into parts of that many bytes with the C bit; 0 uses what the initiator takes.
	PartLength int `json:"part_length,omitempty" yaml:"part_length,omitempty"`
	// Delay is waited before the answer; Silence gives none; Reject rejects the request; Drop ends the connection.
	Delay   time.Duration    `json:"delay,omitempty" yaml:"delay,omitempty"`
	Silence bool             `json:"silence,omitempty" yaml:"silence,omitempty"`
	Reject  pdu.RejectReason `json:"reject,omitempty" yaml:"reject,omitempty"`
	Drop    Ending           `json:"drop,omitempty" yaml:"drop,omitempty"`
}

// LogoutRule answers Logout Requests otherwise.
type LogoutRule struct {
	Times `yaml:",inline"`
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`

	// Response is the outcome; the session ends only with 0.
	Response byte `json:"response,omitempty" yaml:"response,omitempty"`
	// Time2Wait and Time2Retain, in seconds, go into the response.
	Time2Wait   uint16 `json:"time2wait,omitempty" yaml:"time2wait,omitempty"`
	Time2Retain uint16 `json:"time2retain,omitempty" yaml:"time2retain,omitempty"`
	// Delay is waited before the answer; Silence gives none; Drop ends the connection instead.
	Delay   time.Duration `json:"delay,omitempty" yaml:"delay,omitempty"`
	Silence bool          `json:"silence,omitempty" yaml:"silence,omitempty"`
	Drop    Ending        `json:"drop,omitempty" yaml:"drop,omitempty"`
}

// AlterRule changes PDUs of full feature phase on their way out. Numbers that the PDU consumed stay consumed.
type AlterRule struct {
	Times `yaml:",inline"`
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`
	// Opcode is the PDU type it matches, such as pdu.OpSCSIResponse.
	Opcode pdu.Opcode `json:"opcode" yaml:"opcode"`

	// Patch overwrites bytes of the header.
	Patch []Patch `json:"patch,omitempty" yaml:"patch,omitempty"`
	// Data, when not nil, replaces the data segment, and DataSegmentLength with it.
	Data []byte `json:"data,omitempty" yaml:"data,omitempty"`
	// Omit leaves the PDU out; Repeat sends it that many times more.
	Omit   bool `json:"omit,omitempty" yaml:"omit,omitempty"`
	Repeat int  `json:"repeat,omitempty" yaml:"repeat,omitempty"`
	// WrongHeaderDigest and WrongDataDigest invert the digest where there is one.
	WrongHeaderDigest bool `json:"wrong_header_digest,omitempty" yaml:"wrong_header_digest,omitempty"`
	WrongDataDigest   bool `json:"wrong_data_digest,omitempty" yaml:"wrong_data_digest,omitempty"`
	// Then ends the connection behind the PDU: fin or rst.
	Then Ending `json:"then,omitempty" yaml:"then,omitempty"`
}

// Clear forgets rules that wait. With no field set it forgets all of them.
type Clear struct {
	Login   bool `json:"login,omitempty" yaml:"login,omitempty"`
	Command bool `json:"command,omitempty" yaml:"command,omitempty"`
	Text    bool `json:"text,omitempty" yaml:"text,omitempty"`
	Alter   bool `json:"alter,omitempty" yaml:"alter,omitempty"`
	Logout  bool `json:"logout,omitempty" yaml:"logout,omitempty"`
}

// Release lets held commands and responses of the selected sessions go, oldest first. It clears no rule.
type Release struct {
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`
	// Next is how many of each session; 0 means all.
	Next int `json:"next,omitempty" yaml:"next,omitempty"`
	// Reverse takes the newest first.
	Reverse bool `json:"reverse,omitempty" yaml:"reverse,omitempty"`
}

// Async sends an Asynchronous Message on the connections of the selected sessions (RFC 7143, Section 11.9).
type Async struct {
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`
	// CID sends it on the connection with this CID only; nil means every connection.
	CID *uint16 `json:"cid,omitempty" yaml:"cid,omitempty"`
	// Event is the event code.
	Event pdu.AsyncEvent `json:"event" yaml:"event"`
	// Parameter1 to Parameter3 are sent as they are; nil means what fits the event: the CID, Time2Wait and Time2Retain as negotiated
	// for a drop, and the profile's LogoutWithin as Parameter3 of a logout request.
	Parameter1 *uint16 `json:"parameter1,omitempty" yaml:"parameter1,omitempty"`
	Parameter2 *uint16 `json:"parameter2,omitempty" yaml:"parameter2,omitempty"`
	Parameter3 *uint16 `json:"parameter3,omitempty" yaml:"parameter3,omitempty"`
	// LUN and Sense belong to a SCSI event (event 0), LUN also to event 5.
	LUN   uint32    `json:"lun,omitempty" yaml:"lun,omitempty"`
	Sense SenseCode `json:"sense,omitzero" yaml:"sense,omitempty"`
	// VendorCode and Data go out as they are.
	VendorCode byte   `json:"vendor_code,omitempty" yaml:"vendor_code,omitempty"`
	Data       []byte `json:"data,omitempty" yaml:"data,omitempty"`
	// Then ends the connection that the message went out on: fin or rst, at once for the drop events and otherwise when After has passed.
	// A logout request without Then ends in FIN after Parameter3 seconds unless the profile keeps the connection; keep leaves it alone.
	Then  Ending        `json:"then,omitempty" yaml:"then,omitempty"`
	After time.Duration `json:"after,omitempty" yaml:"after,omitempty"`
}

// Ping sends a NOP-In on the connections of the selected sessions (RFC 7143, Section 11.19).
type Ping struct {
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`
	// CID sends it on the connection with this CID only; nil means every connection.
	CID *uint16 `json:"cid,omitempty" yaml:"cid,omitempty"`
	// NoAnswer sends a Target Transfer Tag of 0xffffffff, which asks for no answer.
	NoAnswer bool `json:"no_answer,omitempty" yaml:"no_answer,omitempty"`
	// LUN goes into the NOP-In.
	LUN uint32 `json:"lun,omitempty" yaml:"lun,omitempty"`
}

// Drop ends the selected sessions, or one connection of each.
type Drop struct {
	Which Which  `json:"which,omitzero" yaml:"which,omitempty"`
	How   Ending `json:"how" yaml:"how"` // empty means fin
	// CID ends only the connection with this CID; nil means the session. A session ends with its last connection.
	CID *uint16 `json:"cid,omitempty" yaml:"cid,omitempty"`
}

// Window sets the command window of the selected sessions: MaxCmdSN = ExpCmdSN + Size - 1, though never less than was advertised before
// (RFC 7143, Section 4.2.2.1). It is told with the next PDU, or at once by a NOP-In where Tell is set.
type Window struct {
	Which Which `json:"which,omitzero" yaml:"which,omitempty"`
	// Size is 0 (closed) to 1024; -1 returns to the profile's window, which counts open commands.
	Size int  `json:"size" yaml:"size"`
	Tell bool `json:"tell,omitempty" yaml:"tell,omitempty"`
}

// PortalState puts a portal in or out of service. Out of service nobody listens there.
type PortalState struct {
	// Name is the portal; empty means all portals.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	Up   bool   `json:"up" yaml:"up"`
	// Silent keeps a portal that is out of service listening, without an answer to what connects: as near as a listener can come to an
	// address that has vanished.
	Silent bool `json:"silent,omitempty" yaml:"silent,omitempty"`
	// Drop also ends the connections that came through the portal: fin, rst or silent. Empty leaves them.
	Drop Ending `json:"drop,omitempty" yaml:"drop,omitempty"`
	// Tag changes the portal group tag.
	Tag *uint16 `json:"tag,omitempty" yaml:"tag,omitempty"`
}

// LUNChange changes a target's logical units.
type LUNChange struct {
	// Target is the target's name; empty means the first.
	Target string `json:"target,omitempty" yaml:"target,omitempty"`
	// Add puts in logical units, replacing those of the same number.
	Add []LUN `json:"add,omitempty" yaml:"add,omitempty"`
	// Remove takes logical units out by number.
	Remove []uint32 `json:"remove,omitempty" yaml:"remove,omitempty"`
	// Number names the logical unit that Revision, Serial and UnitAttention are about.
	Number uint32 `json:"number,omitempty" yaml:"number,omitempty"`
	// Revision and Serial change its identity, when not empty.
	Revision string `json:"revision,omitempty" yaml:"revision,omitempty"`
	Serial   string `json:"serial,omitempty" yaml:"serial,omitempty"`
	// UnitAttention raises this additional sense code and qualifier, such as 0x3f0e, on every logical unit of the target for every
	// nexus; 0 raises none.
	UnitAttention uint16 `json:"unit_attention,omitempty" yaml:"unit_attention,omitempty"`
	// Report says how Add and Remove are told; empty means as the profile says. It adds to UnitAttention.
	Report LUNReport `json:"report,omitempty" yaml:"report,omitempty"`
}

// Policy replaces groups of the profile's knobs for what happens from now on. Sessions keep what they negotiated.
type Policy struct {
	Login    *LoginPolicy    `json:"login,omitempty" yaml:"login,omitempty"`
	Session  *SessionPolicy  `json:"session,omitempty" yaml:"session,omitempty"`
	Data     *DataPolicy     `json:"data,omitempty" yaml:"data,omitempty"`
	Failover *FailoverPolicy `json:"failover,omitempty" yaml:"failover,omitempty"`
}

// Restart makes the array forget every session, task, reservation and rule, as if it had been switched off and on. What was written to the
// media stays. Portals stay in service.
type Restart struct {
	// How says how connections end: rst by default, fin or silent.
	How Ending `json:"how,omitempty" yaml:"how,omitempty"`
	// KeepRules leaves the rules in place that wait.
	KeepRules bool `json:"keep_rules,omitempty" yaml:"keep_rules,omitempty"`
}

// SessionInfo tells about a session of an array.
type SessionInfo struct {
	// Serial numbers the sessions of an array from 1 and is never used again; trace events carry it as Session.
	Serial    uint64
	Initiator string
	ISID      iscsi.ISID
	TSIH      uint16
	Target    string // "" for a Discovery session that names none
	Portal    string // name of the portal of the leading connection
	Tag       uint16
	Discovery bool
	// CID and Remote are the CID of the oldest connection and the address of its initiator's end.
	CID    uint16
	Remote string
	// CIDs are those of all connections, the oldest first.
	CIDs []uint16
	// Executed counts SCSI commands that were executed, Open those that are not finished, Held those that wait for Release.
	Executed uint64
	Open     int
	Held     int
	// Connected is false while the session waits for its initiator to return within Time2Retain.
	Connected bool
}
