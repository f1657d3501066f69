package text

// Role is one of the two sides of a login.
type Role byte

// The roles.
const (
	Initiator Role = 1 << iota
	Target
	both = Initiator | Target
)

// String returns "initiator" or "target".
func (r Role) String() string {
	switch r {
	case Initiator:
		return "initiator"
	case Target:
		return "target"
	case both:
		return "initiator and target"
	}
	return "nobody"
}

// SessionType is the kind of session that a login asks for, on the wire (RFC 7143, Section 13.21).
type SessionType byte

// The session types. Normal is the default.
const (
	Normal SessionType = iota
	Discovery
)

// String returns the value of the key SessionType.
func (s SessionType) String() string {
	if s == Discovery {
		return "Discovery"
	}
	return "Normal"
}

// Stage is a stage of the login, with the numbers of CSG and NSG (RFC 7143, Section 11.12.3).
type Stage byte

// The stages. 2 is not defined.
const (
	SecurityNegotiation         Stage = 0
	LoginOperationalNegotiation Stage = 1
	FullFeaturePhase            Stage = 3
)

// String returns the stage's name.
func (s Stage) String() string {
	switch s {
	case SecurityNegotiation:
		return "SecurityNegotiation"
	case LoginOperationalNegotiation:
		return "LoginOperationalNegotiation"
	case FullFeaturePhase:
		return "FullFeaturePhase"
	}
	return "reserved stage"
}

// Function is how the values of both sides make the result (RFC 7143, Section 6.2).
type Function byte

// The functions.
const (
	// Declarative keys are told, not negotiated: they get no answer.
	Declarative Function = iota
	// And keys end as Yes when both sides say Yes.
	And
	// Or keys end as Yes when one side says Yes.
	Or
	// Minimum keys end as the smaller number.
	Minimum
	// Maximum keys end as the larger number.
	Maximum
	// List keys end as the first value of the offered list that the other side takes.
	List
	// Security keys belong to an authentication method and not to this package's negotiation.
	Security
	// Obsolete keys are answered Reject whatever they say (RFC 7143, Section 13.25).
	Obsolete
	// Command is SendTargets: a request that looks like a key.
	Command
)

// Use says in which phase a key may be sent.
type Use byte

// The uses, with the letters of RFC 7143, Section 13.
const (
	// InitializeOnly (IO) keys come in the login of any connection.
	InitializeOnly Use = iota
	// LeadingOnly (LO) keys come in the login of a session's first connection.
	LeadingOnly
	// FullFeatureOnly (FFPO) keys come in the full feature phase.
	FullFeatureOnly
	// AnyPhase (ALL) keys come anywhere.
	AnyPhase
)

// Scope says what a result holds for.
type Scope byte

// The scopes.
const (
	SessionWide Scope = iota
	ConnectionOnly
)

// Key is what the standards say about one key.
type Key struct {
	// Name is the key's name, case and all.
	Name string
	// Function makes the result of both sides' values.
	Function Function
	// Min and Max bound the numbers of Minimum, Maximum and numeric Declarative keys; both 0 for other keys.
	Min, Max int
	// Default holds when the key is not negotiated; "" when there is none.
	Default string
	// Values are all values that a List or Declarative key can have; nil when any text will do. Lists allow further
	// values by extension, which a side that does not know them passes over.
	Values []string
	// Senders may offer or declare the key.
	Senders Role
	// Use and Scope are the phase and the reach.
	Use   Use
	Scope Scope
	// Security tells that the key may come in the stage SecurityNegotiation, Operational the same of
	// LoginOperationalNegotiation.
	Security, Operational bool
	// NotInDiscovery tells that the key is irrelevant in a Discovery session.
	NotInDiscovery bool
	// MaxLength bounds a value in bytes.
	MaxLength int
	// Clause defines the key.
	Clause string
}

// Numeric tells whether values of the key are numbers.
func (k Key) Numeric() bool { return k.Max > 0 }

// Boolean tells whether values of the key are Yes or No.
func (k Key) Boolean() bool { return k.Function == And || k.Function == Or }

// recent tells whether the key is younger than RFC 3720, so that a target of that age may answer NotUnderstood.
func (k Key) recent() bool {
	return k.Name == KeyISCSIProtocolLevel || k.Name == KeyTaskReporting || k.Name == KeyNodeArchitecture
}

// Negotiated tells whether the key gets an answer.
func (k Key) Negotiated() bool {
	switch k.Function {
	case And, Or, Minimum, Maximum, List, Obsolete:
		return true
	}
	return false
}

// Decides tells whether an offer of the key settles it by itself, so that it needs no answer (RFC 7143, Section 6.2.2).
func (k Key) Decides(offer string) bool {
	return k.Function == And && offer == No || k.Function == Or && offer == Yes
}

// Admits tells whether a single value (not an offered list) is legal for the key: a number in range, Yes or No, one of the
// defined values, or any text that is not too long. The constants that answer an offer are no values.
func (k Key) Admits(value string) bool {
	switch {
	case reserved(value) && k.Function != Declarative || len(value) > k.MaxLength:
		return false
	case k.Numeric():
		number, valid := ParseNumber(value)
		return valid && number >= k.Min && number <= k.Max
	case k.Boolean():
		_, valid := ParseBool(value)
		return valid
	}
	return k.Values == nil || contains(k.Values, value)
}
