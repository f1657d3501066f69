package probe

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Login says how a login departs from the catalogue's std-login. The zero value is std-login itself, with authentication
// first when the probe has credentials.
type Login struct {
	// Portal is where to connect; zero means the portal under test. It counts for Prober.Login only.
	Portal iscsi.Address

	// InitiatorName and TargetName are "" for the configured ones.
	InitiatorName, TargetName string
	// Discovery asks for a Discovery session, which has no TargetName unless TargetName is set.
	Discovery bool
	// Keys are offered beside HeaderDigest=None and DataDigest=None, or instead of a key of that name, the names and
	// SessionType included.
	Keys text.Pairs
	// Omit leaves out keys that would otherwise be sent.
	Omit []string
	// Answers are what the probe answers to keys that the target proposes; other keys are answered with the target's value.
	Answers text.Pairs

	// Session makes the login add a connection to a session: its ISID, TSIH and CmdSN, and the next CID.
	Session *Session
	// ISID, TSIH, CID, ITT and CmdSN override what the probe would choose.
	ISID  *iscsi.ISID
	TSIH  *uint16
	CID   *uint16
	ITT   *uint32
	CmdSN *uint32
	// VersionMax and VersionMin are what the requests offer.
	VersionMax, VersionMin byte

	// Security starts in SecurityNegotiation, with AuthMethod=None unless the probe authenticates.
	Security bool
	// Straight asks in SecurityNegotiation for the full feature phase and offers operational keys only when the target
	// insists on LoginOperationalNegotiation.
	Straight bool
	// Auth says whether to authenticate.
	Auth Auth

	// Rounds is how many exchanges may pass before the login counts as endless; 0 means 16.
	Rounds int
	// Patch, where not nil, changes each request before it goes out; round counts from 0.
	Patch func(round int, r *pdu.LoginRequest)
}

// Auth says whether a login authenticates.
type Auth int

// The ways to authenticate.
const (
	// AuthWhenConfigured runs CHAP when the probe has credentials.
	AuthWhenConfigured Auth = iota
	// AuthNone never authenticates.
	AuthNone
)

const loginRounds = 16

// LoginOutcome says how a login ended.
type LoginOutcome int

// The outcomes.
const (
	// LoginGranted: the connection is in full feature phase.
	LoginGranted LoginOutcome = iota + 1
	// LoginRefused: a Login Response of another class than 0 came; LoginResult.Status says which.
	LoginRefused
	// LoginDropped: the connection ended without such a response: a bare drop.
	LoginDropped
	// LoginEndless: the target kept answering without a grant.
	LoginEndless
	// LoginSilent: no answer came in time.
	LoginSilent
	// LoginBroken: something came that has no place in a login; LoginResult.Last says what.
	LoginBroken
	// LoginUnreachable: no connection came about.
	LoginUnreachable
	// LoginInterrupted: the check's own time was over.
	LoginInterrupted
)

// String names the outcome.
func (o LoginOutcome) String() string {
	names := [...]string{"not tried", "granted", "refused", "dropped", "endless", "silent", "broken", "unreachable", "interrupted"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// LoginResult is what came of a login.
type LoginResult struct {
	Outcome LoginOutcome
	// Conn is the connection; nil when none came about. Session is set when the login was granted.
	Conn    *Conn
	Session *Session
	// Status is the refusal's.
	Status iscsi.Status
	// Last is the event that ended the login.
	Last Event
	// Walk holds all that was said: pairs, responses, exchanges.
	Walk *Walk
	// Params are what the login settled.
	Params text.Params
	// Why tells more about a broken login.
	Why string
}

// Granted tells whether the connection is in full feature phase.
func (r *LoginResult) Granted() bool { return r.Outcome == LoginGranted }

// Refused tells whether the login was refused with a status.
func (r *LoginResult) Refused() bool { return r.Outcome == LoginRefused }

// RefusedWith tells whether the login was refused with one of these statuses.
func (r *LoginResult) RefusedWith(statuses ...iscsi.Status) bool {
	for _, s := range statuses {
		if r.Outcome == LoginRefused && r.Status == s {
			return true
		}
	}
	return false
}

// AuthRequired tells whether the refusal says that the target wants credentials: 0x0201 or 0x0202.
func (r *LoginResult) AuthRequired() bool {
	return r.RefusedWith(iscsi.StatusAuthenticationFailure, iscsi.StatusAuthorizationFailure)
}

// Answer returns the target's answer to a key that the probe offered.
func (r *LoginResult) Answer(key string) (string, bool) {
	if r.Walk == nil {
		return "", false
	}
	return AnswerOf(r.Walk.Said, key)
}

// Redirect returns where a redirection leads.
func (r *LoginResult) Redirect() (iscsi.TargetAddress, error) {
	value := ""
	if r.Walk != nil {
		value, _ = r.Walk.Received().Get(text.KeyTargetAddress)
	}
	return iscsi.ParseTargetAddress(value)
}

// String tells the outcome in words that can stand after "Actual:".
func (r *LoginResult) String() string {
	switch r.Outcome {
	case LoginGranted:
		return "the login was granted"
	case LoginRefused:
		return "the login was refused with " + r.Status.String()
	case LoginDropped:
		return "a bare drop: " + r.Last.String()
	case LoginEndless:
		return "the target kept answering without granting the login"
	case LoginSilent:
		return "no answer to a Login Request: " + r.Last.String()
	case LoginBroken:
		if r.Why != "" {
			return r.Why
		}
		return "in answer to a Login Request: " + r.Last.String()
	}
	return r.Last.String()
}

// Err returns nil for a granted login, else a *Mismatch that wanted a granted login.
func (r *LoginResult) Err() error {
	if r.Granted() {
		return nil
	}
	m := &Mismatch{Want: []string{"a granted login"}, Got: r.String()}
	if r.Conn != nil {
		m.Last = r.Conn.prober.Last()
	}
	return m
}

// Login dials and logs in.
func (p *Prober) Login(l Login) *LoginResult {
	portal := l.Portal
	if portal.IsZero() {
		portal = p.opts.Portal
	}
	c, err := p.DialTo(portal)
	if err != nil {
		r := &LoginResult{Outcome: LoginUnreachable, Last: Event{Kind: Failed, Err: err}}
		if p.ctx.Err() != nil {
			r.Outcome, r.Last.Kind = LoginInterrupted, Interrupted
		}
		return r
	}
	return c.Login(l)
}

// Login logs in on the connection.
func (c *Conn) Login(l Login) *LoginResult {
	d := loginDriver{login: l, walk: c.Walk(l), result: &LoginResult{Conn: c}}
	d.result.Walk = d.walk
	d.run()
	d.result.Params = Settled(d.walk.Said)
	return d.result
}

// Names returns the keys that new-session puts on its first PDU: InitiatorName, TargetName and SessionType, as the login
// departs from them.
func (p *Prober) Names(l Login) text.Pairs {
	initiator, target, kind := l.InitiatorName, l.TargetName, text.Normal
	if initiator == "" {
		initiator = p.opts.InitiatorName
	}
	if l.Discovery {
		kind = text.Discovery
	} else if target == "" {
		target = p.opts.Target
	}
	names := text.Pairs{{Key: text.KeyInitiatorName, Value: initiator}}
	if target != "" {
		names.Add(text.KeyTargetName, target)
	}
	names.Add(text.KeySessionType, kind.String())
	return l.adjust(names)
}

// adjust puts the login's own values in, and takes out what it omits.
func (l Login) adjust(pairs text.Pairs) text.Pairs {
	for i, pair := range pairs {
		if value, given := l.Keys.Get(pair.Key); given {
			pairs[i].Value = value
		}
	}
	return pairs.Without(l.Omit...)
}

func orNone(digest string) string {
	if digest == "" {
		return "None"
	}
	return digest
}

// operational returns the keys that std-login offers in LoginOperationalNegotiation, without the names.
func (l Login) operational(names text.Pairs, o *Options) text.Pairs {
	keys := text.Pairs{{Key: text.KeyHeaderDigest, Value: orNone(o.HeaderDigest)}, {Key: text.KeyDataDigest, Value: orNone(o.DataDigest)}}.Without(l.Omit...)
	for _, pair := range keys {
		if len(l.Keys.Values(pair.Key)) > 1 {
			keys = keys.Without(pair.Key)
		}
	}
	for _, pair := range l.Keys {
		if _, named := names.Get(pair.Key); named {
			continue
		}
		// A key that the login gives once takes the standard offer's place; given twice it goes out twice.
		if _, standard := keys.Get(pair.Key); standard && len(l.Keys.Values(pair.Key)) == 1 {
			keys.Set(pair.Key, pair.Value)
			continue
		}
		if pair.Key != text.KeyAuthMethod {
			keys = append(keys, pair)
		}
	}
	burst, given := keys.Get(text.KeyMaxBurstLength)
	n, valid := text.ParseNumber(burst)
	if _, first := keys.Get(text.KeyFirstBurstLength); given && valid && n < 65536 && !first {
		keys.Add(text.KeyFirstBurstLength, burst)
	}
	return keys
}
