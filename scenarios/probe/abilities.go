package probe

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scsi"
)

// Abilities is what a target was seen to be able to do, learned once before a run.
type Abilities struct {
	// AuthRequired tells that a login without credentials was refused; CHAP and MutualCHAP that the configured
	// credentials were accepted in one and in both directions.
	AuthRequired     bool
	CHAP, MutualCHAP bool
	// HeaderDigest and DataDigest tell that CRC32C is agreed when offered before None.
	HeaderDigest, DataDigest bool
	// DemandsHeaderDigest and DemandsDataDigest tell that a login which offers None alone for the key is refused.
	DemandsHeaderDigest, DemandsDataDigest bool
	// Agreed are the results of a login that offers as much as the keys allow.
	Agreed text.Params
	// Commands is how many commands the window took right after the login.
	Commands int
	// Redirect is where the portal under test redirects a login to; nil when it does not.
	Redirect *iscsi.TargetAddress

	// LUNs are the logical units that REPORT LUNS lists, in the wire's form.
	LUNs []uint64
	// Unit is the size of the logical unit under test, Identity its vendor, product and revision.
	Unit     Capacity
	Identity string
	// WriteProtected is what MODE SENSE says.
	WriteProtected bool

	// Discovery tells that SendTargets=All worked; Targets is what it listed. DiscoveryAuth tells that it took the credentials.
	Discovery     bool
	DiscoveryAuth bool
	Targets       []Record
	// TextNegotiation tells that an unknown key was answered NotUnderstood in a login.
	TextNegotiation bool

	// Alone tells why there is never more than one session of the probe's name, in words; empty where a second one is granted and leaves the
	// first one alone.
	Alone string

	// Sessions is how many sessions of the probe's name were granted at once, of so many Tried; 0 where that was not tried.
	Sessions, Tried int

	// Target is the target under test.
	Target string
	// Notes say what could not be learned, and why.
	Notes []string
}

// maximal are offers that leave every choice to the target.
func maximal() text.Pairs {
	return text.Pairs{
		{Key: text.KeyHeaderDigest, Value: "CRC32C,None"}, {Key: text.KeyDataDigest, Value: "CRC32C,None"},
		{Key: text.KeyMaxConnections, Value: "4"}, {Key: text.KeyErrorRecoveryLevel, Value: "2"},
		{Key: text.KeyInitialR2T, Value: text.No}, {Key: text.KeyImmediateData, Value: text.Yes},
		{Key: text.KeyMaxBurstLength, Value: "16776192"}, {Key: text.KeyFirstBurstLength, Value: "262144"},
		{Key: text.KeyMaxOutstandingR2T, Value: "16"}, {Key: text.KeyDefaultTime2Wait, Value: "0"},
		{Key: text.KeyDefaultTime2Retain, Value: "3600"}, {Key: text.KeyDataPDUInOrder, Value: text.No},
		{Key: text.KeyDataSequenceInOrder, Value: text.No}, {Key: text.KeyMaxRecvDataSegmentLength, Value: "65536"},
	}
}

// Learn finds out what the target under test can do, with a few logins one after the other. An error, which is a *Mismatch
// or a *DialError, means that nothing can be judged: no connection, or no login. What else cannot be learned is noted.
func (p *Prober) Learn() (*Abilities, error) {
	a := &Abilities{Target: p.opts.Target}
	if p.opts.Target != "" {
		if err := p.learnLogin(a); err != nil {
			return nil, err
		}
	}
	p.learnDiscovery(a)
	if p.opts.Target == "" && !a.Discovery {
		return nil, p.Mismatch(strings.Join(a.Notes, "; "), "a Discovery session that answers SendTargets=All")
	}
	return a, nil
}

func (a *Abilities) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

func (p *Prober) learnLogin(a *Abilities) error {
	r := p.Login(Login{Keys: maximal(), Auth: AuthNone})
	if r.AuthRequired() || r.Outcome == LoginRefused && !p.opts.CHAP.IsZero() && r.Status.Class() == iscsi.ClassInitiatorError {
		a.AuthRequired = true
		p.drop(r)
		r = p.Login(Login{Keys: maximal()})
		a.CHAP = r.Granted()
		a.MutualCHAP = a.CHAP && !p.opts.Mutual.IsZero()
	}
	if r.Status.Class() == iscsi.ClassRedirection {
		return p.learnRedirected(a, r)
	}
	return p.learnGranted(a, r)
}

// learnRedirected follows one redirection, since behind it is what can be learned.
func (p *Prober) learnRedirected(a *Abilities, r *LoginResult) error {
	to, err := r.Redirect()
	if err != nil {
		return p.Mismatch(fmt.Sprintf("%v; %v", r, err), "a redirection with a TargetAddress")
	}
	a.Redirect = &to
	p.drop(r)
	return p.learnGranted(a, p.Login(Login{Portal: to.Address, Keys: maximal()}))
}

func (p *Prober) learnGranted(a *Abilities, r *LoginResult) error {
	if r.Outcome == LoginUnreachable {
		return r.Last.Err
	}
	if err := r.Err(); err != nil {
		return err
	}
	a.Agreed, a.Commands = r.Params, r.Session.Window()
	a.HeaderDigest, a.DataDigest = r.Params.HeaderDigest, r.Params.DataDigest
	p.learnUnit(a, r.Conn)
	p.drop(r)
	p.learnDemands(a)
	if !p.opts.CHAP.IsZero() && !a.AuthRequired {
		authenticated := p.Login(Login{Portal: a.portal(p)})
		a.CHAP = authenticated.Granted()
		a.MutualCHAP = a.CHAP && !p.opts.Mutual.IsZero()
		if !a.CHAP {
			a.note("the credentials were not accepted: %v", authenticated)
		}
		p.drop(authenticated)
	}
	login := Login{Portal: a.portal(p), Keys: text.Pairs{{Key: "X-org.iscsispec.probe", Value: "1"}}}
	if !a.AuthRequired {
		login.Auth = AuthNone
	}
	unknown := p.Login(login)
	answer, _ := unknown.Answer("X-org.iscsispec.probe")
	a.TextNegotiation = unknown.Granted() && answer == text.NotUnderstood
	p.drop(unknown)
	login.Keys = nil
	p.learnNeighbours(a, login)
	return nil
}

// learnNeighbours finds out whether a session bears another one of the same initiator name beside it.
func (p *Prober) learnNeighbours(a *Abilities, login Login) {
	first := p.Login(login)
	defer p.drop(first)
	if !first.Granted() {
		a.note("a second session was not tried: %v", first)
		return
	}
	second := p.Login(login)
	defer p.drop(second)
	switch {
	case !second.Granted():
		a.Alone = fmt.Sprintf("A second session is not granted: %v.", second)
	case first.Conn.Ping(nil) != nil:
		a.Alone = "A second session ends the first one."
	default:
		a.Tried = max(2, cmp.Or(p.opts.Sessions, SessionsMax))
		a.Sessions = 2 + p.more(login, a.Tried-2)
		return
	}
	a.Sessions, a.Tried = 1, 2
}

// SessionsMax is how many sessions at once are tried while the abilities are learned, unless Options.Sessions says otherwise. More would take them from the target's other initiators.
const SessionsMax = 32

// more tells how many sessions, most at the highest, a target grants beside those that are open.
func (p *Prober) more(login Login, most int) (n int) {
	for range most {
		r := p.Login(login)
		defer p.drop(r)
		if !r.Granted() {
			break
		}
		n++
	}
	return n
}

// learnDemands finds out whether the target lets the initiator do without the digests that it agrees to. From then on the prober's logins
// offer what is demanded.
func (p *Prober) learnDemands(a *Abilities) {
	without := func(keys ...string) bool {
		login := Login{Portal: a.portal(p)}
		for _, key := range keys {
			login.Keys.Add(key, "None")
		}
		if !a.AuthRequired {
			login.Auth = AuthNone
		}
		r := p.Login(login)
		p.drop(r)
		return !r.RefusedWith(iscsi.StatusInitiatorError) && r.Outcome != LoginDropped
	}
	if !a.HeaderDigest && !a.DataDigest || without(text.KeyHeaderDigest, text.KeyDataDigest) {
		return
	}
	const both = "CRC32C,None"
	p.opts.HeaderDigest, p.opts.DataDigest = both, both
	a.DemandsHeaderDigest = a.HeaderDigest && !without(text.KeyHeaderDigest)
	a.DemandsDataDigest = a.DataDigest && !without(text.KeyDataDigest)
	if !a.DemandsHeaderDigest {
		p.opts.HeaderDigest = ""
	}
	if !a.DemandsDataDigest {
		p.opts.DataDigest = ""
	}
}

// portal is where logins are granted.
func (a *Abilities) portal(p *Prober) iscsi.Address {
	if a.Redirect != nil {
		return a.Redirect.Address
	}
	return p.opts.Portal
}

// drop ends what a login has left, so that a target with few sessions grants the next.
func (p *Prober) drop(r *LoginResult) {
	if r.Session != nil {
		r.Session.leave()
	}
	if r.Conn != nil {
		// Whether the target closed first does not matter.
		_ = r.Conn.Close()
	}
}

func (p *Prober) learnUnit(a *Abilities, c *Conn) {
	zero := uint64(0)
	if err := c.ClearUnitAttentions(); err != nil {
		a.note("the logical unit does not answer: %v", err)
		return
	}
	list := c.retried(Command{LUN: &zero, CDB: scsi.ReportLUNs(scsi.ReportAddressed, 4096), Read: 4096})
	luns, _, err := scsi.ParseLUNList(list.Data)
	if !list.Good() || err != nil {
		a.note("REPORT LUNS: %v", list)
	}
	for _, lun := range luns {
		a.LUNs = append(a.LUNs, uint64(lun))
	}
	inquiry := c.retried(Command{CDB: scsi.Inquiry(96), Read: 96})
	if data, err := scsi.ParseInquiry(inquiry.Data); inquiry.Good() && err == nil {
		a.Identity = strings.Join([]string{strings.TrimSpace(data.Vendor), strings.TrimSpace(data.Product), strings.TrimSpace(data.Revision)}, " ")
	} else {
		a.note("INQUIRY: %v", inquiry)
	}
	if a.Unit, err = c.Capacity(); err != nil {
		a.note("READ CAPACITY: no size")
	}
	mode := c.retried(Command{CDB: scsi.ModeSense6(scsi.ModePageAll, 192), Read: 192})
	if data, err := scsi.ParseModeData6(mode.Data); mode.Good() && err == nil {
		a.WriteProtected = data.WriteProtected
	} else {
		a.note("MODE SENSE(6): %v", mode)
	}
}

func (p *Prober) learnDiscovery(a *Abilities) {
	r := p.Login(Login{Discovery: true, Auth: AuthNone})
	if r.AuthRequired() && !p.opts.CHAP.IsZero() {
		p.drop(r)
		r = p.Login(Login{Discovery: true})
		a.DiscoveryAuth = r.Granted()
	}
	defer p.drop(r)
	if !r.Granted() {
		a.note("discovery: %v", r)
		return
	}
	records, answer, err := r.Conn.SendTargets("All")
	a.Discovery, a.Targets = answer.Complete, records
	if err != nil {
		a.note("discovery: %v", err)
	}
}

// Portals returns the addresses that discovery lists for the target under test.
func (a *Abilities) Portals() []iscsi.TargetAddress {
	for _, record := range a.Targets {
		if record.Name == a.Target {
			return record.Addresses
		}
	}
	return nil
}

// Known returns the abilities in the catalogue's words. What was not learned is left out, so that a check tries by itself.
func (a *Abilities) Known() scenarios.Abilities {
	known := scenarios.Abilities{}
	say := func(c scenarios.Capability, present bool, reason string) {
		known[c] = scenarios.Ability{Present: present, Reason: reason}
	}
	if a.Target != "" {
		say(scenarios.CapabilityWritable, !a.WriteProtected && a.Unit.Blocks > 0, pick(a.WriteProtected, "the logical unit is write-protected",
			fmt.Sprintf("%d blocks of %d bytes", a.Unit.Blocks, a.Unit.BlockSize)))
		say("multi-lun", len(a.LUNs) > 1, fmt.Sprintf("REPORT LUNS lists %d", len(a.LUNs)))
		say("chap", a.CHAP, pick(a.CHAP, "the credentials are accepted", "no credentials that are accepted"))
		say("mutual-chap", a.MutualCHAP, pick(a.MutualCHAP, "the target proves itself", "no credentials for both directions"))
		digests := a.HeaderDigest && a.DataDigest
		say("digests", digests, fmt.Sprintf("CRC32C offered first: HeaderDigest=%s DataDigest=%s", text.FormatBool(a.HeaderDigest), text.FormatBool(a.DataDigest)))
		say("multi-connection", a.Agreed.MaxConnections > 1, fmt.Sprintf("MaxConnections=%d agreed", a.Agreed.MaxConnections))
		level := fmt.Sprintf("ErrorRecoveryLevel=%d agreed", a.Agreed.ErrorRecoveryLevel)
		say("erl1", a.Agreed.ErrorRecoveryLevel >= 1, level)
		say("erl2", a.Agreed.ErrorRecoveryLevel >= 2, level)
		say("redirect", a.Redirect != nil, pick(a.Redirect != nil, "the portal redirects", "the portal grants the login"))
		say("text-negotiation", a.TextNegotiation, pick(a.TextNegotiation, "an unknown key is answered NotUnderstood", "an unknown key is not answered NotUnderstood"))
	}
	say("discovery", a.Discovery, pick(a.Discovery, "SendTargets=All is answered", "no answer to SendTargets=All"))
	if a.Discovery {
		say("multi-target", len(a.Targets) > 1, fmt.Sprintf("SendTargets=All lists %d targets", len(a.Targets)))
		if a.Target != "" {
			say("multi-portal", len(a.Portals()) > 1, fmt.Sprintf("SendTargets=All lists %d portals of the target", len(a.Portals())))
		}
	}
	return known
}

func pick(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// String prints the abilities, one a line.
func (a *Abilities) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s "+format+"\n", append([]any{name}, args...)...)
	}
	if a.Target != "" {
		g := a.Agreed
		line("target", "%s", a.Target)
		line("authentication", "required=%s CHAP=%s mutual=%s", text.FormatBool(a.AuthRequired), text.FormatBool(a.CHAP), text.FormatBool(a.MutualCHAP))
		line("digests", "header=%s data=%s", pick(a.DemandsHeaderDigest, "demanded", text.FormatBool(a.HeaderDigest)),
			pick(a.DemandsDataDigest, "demanded", text.FormatBool(a.DataDigest)))
		line("keys", "MaxConnections=%d ErrorRecoveryLevel=%d InitialR2T=%s ImmediateData=%s MaxBurstLength=%d FirstBurstLength=%d",
			g.MaxConnections, g.ErrorRecoveryLevel, text.FormatBool(g.InitialR2T), text.FormatBool(g.ImmediateData), g.MaxBurstLength, g.FirstBurstLength)
		line("limits", "MaxRecvDataSegmentLength=%d MaxOutstandingR2T=%d commands=%d", g.PeerMaxRecvDataSegmentLength, g.MaxOutstandingR2T, a.Commands)
		if a.Redirect != nil {
			line("redirects to", "%v", a.Redirect)
		}
		line("logical units", "%d", len(a.LUNs))
		line("unit under test", "%s, %d blocks of %d bytes, write-protected=%s", a.Identity, a.Unit.Blocks, a.Unit.BlockSize, text.FormatBool(a.WriteProtected))
		line("second session", "%s", pick(a.Alone == "", "granted", a.Alone))
		line("sessions at once", "%d granted of %d tried", a.Sessions, a.Tried)
		line("unknown keys", "NotUnderstood=%s", text.FormatBool(a.TextNegotiation))
	}
	line("discovery", "%s, %d targets", text.FormatBool(a.Discovery), len(a.Targets))
	for _, portal := range a.Portals() {
		line("portal", "%v", portal)
	}
	for _, note := range a.Notes {
		first, _, _ := strings.Cut(note, "\n")
		line("note", "%s", first)
	}
	return b.String()
}
