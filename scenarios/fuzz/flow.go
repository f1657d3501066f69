package fuzz

import (
	"fmt"
	"time"
)

// Role is the side that a flow judges.
type Role string

// The roles.
const (
	TargetRole    Role = "target"
	InitiatorRole Role = "initiator"
)

// The bounds of a flow. Parse refuses what is beyond them.
const (
	ConnsMax = 8
	StepsMax = 64
	PairsMax = 256
	LineMax  = 64 << 10
)

// Flow is one login flow as plain data. Two flows are the same when they print the same line.
type Flow struct {
	Role Role
	// Setup names how the judged peer is set up: for targets a name of [Setups], for initiators one of their own. Lower-case letters,
	// digits and hyphens.
	Setup string
	Steps []Step
}

// Verb is what a step does.
type Verb string

// The verbs. A connection opens with its first step.
const (
	// VerbLogin sends one Login Request with the step's header and pairs, and takes its answer.
	VerbLogin Verb = "login"
	// VerbWalk goes on as a well-behaved initiator would until full feature phase or the login's end: it answers what the target proposes,
	// authenticates where that is asked for, and begins the login where no request was sent yet.
	VerbWalk Verb = "walk"
	// VerbCommand sends a TEST UNIT READY, VerbPing a NOP-Out, VerbText a SendTargets, VerbLogout a Logout Request, in whatever phase the
	// connection is, and takes its answer.
	VerbCommand Verb = "command"
	VerbPing    Verb = "ping"
	VerbText    Verb = "text"
	VerbLogout  Verb = "logout"
	// VerbClose and VerbReset end the connection from this side, VerbHush leaves it open and sends no more.
	VerbClose Verb = "close"
	VerbReset Verb = "reset"
	VerbHush  Verb = "hush"
	// VerbWait lets Step.For pass.
	VerbWait Verb = "wait"
	// VerbAnswer answers the next Login Request of an initiator as a sound array would, but for what the step's header and pairs say: T and C
	// turn those bits over, a pair takes the place of the sound one, or comes beside it where there is none, and a bare pair takes the sound
	// one out. In full feature phase it is a Login Response that nobody asked for, as VerbCommand, VerbPing, VerbText, VerbLogout, VerbReject
	// and VerbAsync are responses, a ping, a Reject and an Async Message of the array's own accord in any phase.
	VerbAnswer Verb = "answer"
	VerbReject Verb = "reject"
	VerbAsync  Verb = "async"
)

// Verbs lists all verbs in a fixed order.
func Verbs() []Verb {
	return []Verb{VerbLogin, VerbWalk, VerbCommand, VerbPing, VerbText, VerbLogout, VerbClose, VerbReset, VerbHush, VerbWait, VerbAnswer, VerbReject, VerbAsync}
}

// Step is one thing that happens on one connection. The zero value of a field is what a well-behaved peer would say; the fields that a verb
// has no use for are zero.
type Step struct {
	// Conn numbers the connection, 1 to ConnsMax.
	Conn int
	Verb Verb
	Header
	// Pairs are the text, in order.
	Pairs []Pair
	// Form says how the text is malformed around its pairs.
	Form Form
	// Cut, where its End is set, ends the connection in the middle of the step's PDU.
	Cut Cut
	// For is how long VerbWait waits, up to 10 minutes. An answer takes as long to arrive, piece by piece; of VerbAsync it is the time that the
	// message gives, in whole seconds.
	For time.Duration
	// Reason is that of a Logout Request or a Reject, or the event of an Async Message, 0 to 127.
	Reason byte
}

// Header is what a login PDU's header says otherwise than a well-behaved peer's. Deltas are added to the right number, modulo its size.
type Header struct {
	Transit, Continue bool
	// CSG and NSG are 0 to 3.
	CSG, NSG byte
	// ISID picks one of the flow's initiator ports, 0 to 7: 0 to 3 are of the random format, 4 of the OUI format, 5 of the enterprise number
	// format, 6 of the random format with the qualifier 0xffff, and 7 of the reserved one.
	ISID byte
	// TSIH is whose session handle the request names: "" is 0, "cN" that of the session of connection N, "wrong" one that no session has.
	// In an answer: "" is the right one, "zero", "wrong".
	TSIH string
	// CID is added to the connection's number, which is 1 less than Conn.
	CID uint16
	// VersionMin and VersionMax; in an answer VersionMax is what it says, and VersionMin stands for Version-active.
	VersionMin, VersionMax byte
	// ITT, CmdSN and ExpStatSN are deltas; in an answer CmdSN is of ExpCmdSN and ExpStatSN of StatSN.
	ITT, CmdSN, ExpStatSN uint32
	// Status is the Status-Class and Status-Detail of an answer.
	Status uint16
}

// Form says how a text is put together.
type Form string

// The forms.
const (
	FormPlain     Form = ""
	FormNoLastNUL Form = "nonul" // the last pair is not ended
	FormMoreNULs  Form = "nuls"  // three zero bytes before each pair but the first, four behind the last
	FormHalf      Form = "half"  // ends in the middle of the last pair
	FormHuge      Form = "huge"  // of an answer: the header announces 16777215 bytes
)

// Ending is how this side ends a connection in the middle of a PDU.
type Ending string

// The endings.
const (
	EndReset   Ending = "reset"
	EndClose   Ending = "close"
	EndSilence Ending = "silence"
)

// Cut is an end in the middle of a PDU: At bytes of it go out. At is taken modulo the PDU's length.
type Cut struct {
	End Ending
	At  int
}

// String writes the cut as the text form has it: "reset@20".
func (c Cut) String() string { return fmt.Sprintf("%s@%d", c.End, c.At) }

// Pair is one key=value of a text as templates (see [Expand]). A pair without a value is a piece of text that has no "=".
type Pair struct {
	Key, Value string
	// Bare leaves "=" and the value out.
	Bare bool
}

// Conns counts the connections of the flow: the highest number.
func (f Flow) Conns() int {
	n := 0
	for _, s := range f.Steps {
		n = max(n, s.Conn)
	}
	return n
}

// PDUs counts the steps that send at least a part of a PDU.
func (f Flow) PDUs() int {
	n := 0
	for _, s := range f.Steps {
		switch s.Verb {
		case VerbClose, VerbReset, VerbHush, VerbWait:
		default:
			n++
		}
	}
	return n
}
