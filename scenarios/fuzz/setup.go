package fuzz

import "github.com/iscsispec/iscsispec/simtarget"

// authority says whether a target asks for authentication.
type authority byte

const (
	open     authority = iota // nobody has to prove anything
	optional                  // CHAP and None are both taken
	required                  // CHAP
)

// Setup is what the model knows of a target: how it is set up.
type Setup struct {
	Name string
	// Target is the name of the target under test, Absent one that no target has.
	Target, Absent string
	// Initiators are three names under which logins come.
	Initiators [3]string
	// User and Secret are the initiator's CHAP credentials; Own and OwnSecret are what the target proves itself with, empty where it is set
	// up for one direction only.
	User, Secret   string
	Own, OwnSecret string

	auth     authority
	foreign  bool // not our own array: what was not learned of it is not held against it
	redirect bool // logins are sent elsewhere
	most     int  // sessions, 0 without a limit that is known
	profile  func() (*simtarget.Profile, error)
}

// The names that our own arrays and initiators have in flows.
const (
	ownTarget  = "iqn.2026-01.io.iscsispec:fuzz"
	absent     = "iqn.2001-04.com.example:iscsispec-absent"
	initiator1 = "iqn.2026-01.org.iscsispec:fuzz-one"
	initiator2 = "iqn.2026-01.org.iscsispec:fuzz-two"
	initiator3 = "iqn.2026-01.org.iscsispec:fuzz-three"
)

// Setups are the ways in which our own array is set up for flows, the plainest first.
func Setups() []*Setup { return setups }

// SetupNamed finds one of Setups, nil when none has the name.
func SetupNamed(name string) *Setup {
	for _, s := range setups {
		if s.Name == name {
			return s
		}
	}
	return nil
}

var setups = []*Setup{
	setup("plain", nil),
	setup("chap", func(s *Setup, p *simtarget.Profile) { s.authenticates(p, required, false) }),
	setup("mutual", func(s *Setup, p *simtarget.Profile) {
		s.authenticates(p, required, true)
		p.Session.MaxConnections = 4
	}),
	setup("optional", func(s *Setup, p *simtarget.Profile) { s.authenticates(p, optional, true) }),
	setup("several", func(s *Setup, p *simtarget.Profile) {
		p.Session.MaxConnections, p.Session.ErrorRecoveryLevel, p.Data.Time2Retain = 4, 2, 20
	}),
	setup("tight", func(s *Setup, p *simtarget.Profile) {
		p.Data.MaxBurstLength, p.Data.FirstBurstLength, p.Data.ImmediateData = 8192, 4096, false
		p.Data.HeaderDigest, p.Session.CommandWindow, p.Login.StrictNumbers = simtarget.DigestNone, 1, true
	}),
	setup("single", func(s *Setup, p *simtarget.Profile) { s.most, p.Session.MaxPerTarget = 1, 1 }),
	setup("redirect", func(s *Setup, p *simtarget.Profile) { s.redirects(p, simtarget.RedirectTemporary, false) }),
	setup("redirect-late", func(s *Setup, p *simtarget.Profile) {
		s.authenticates(p, required, false)
		s.redirects(p, simtarget.RedirectPermanent, true)
	}),
}

// redirects sets a setup and a profile up to send the logins of the first portal to a second one, before or after authentication.
func (s *Setup) redirects(p *simtarget.Profile, mode simtarget.RedirectMode, late bool) {
	s.redirect = true
	p.Portals = append(p.Portals, simtarget.Portal{Name: "B", Address: "10.0.0.2:3260", Tag: 2})
	p.Login.Redirect = simtarget.RedirectPolicy{Mode: mode, From: []string{"A"}, To: []string{"B"}, AfterAuthentication: late}
}

// setup makes an entry of the list. Change is applied to the setup when it is made, and to each profile.
func setup(name string, change func(*Setup, *simtarget.Profile)) *Setup {
	s := &Setup{Name: name, Target: ownTarget, Absent: absent, Initiators: [3]string{initiator1, initiator2, initiator3},
		User: "fuzz", Secret: "fuzz-secret-of-16"}
	s.profile = func() (*simtarget.Profile, error) {
		p := simtarget.NewProfile()
		p.Name = "fuzz-" + name
		p.Portals = []simtarget.Portal{{Name: "A", Address: "10.0.0.1:3260", Tag: 1}}
		p.Targets = []simtarget.Target{{Name: ownTarget, LUNs: []simtarget.LUN{{Size: 64 << 10}}}}
		if change != nil {
			change(s, p)
		}
		return p, p.Validate()
	}
	if change != nil {
		change(s, simtarget.NewProfile())
	}
	return s
}

// authenticates sets a setup and a profile up for CHAP.
func (s *Setup) authenticates(p *simtarget.Profile, a authority, mutual bool) {
	s.auth = a
	p.Login.CHAP.Users = []simtarget.CHAPUser{{Name: s.User, Secret: s.Secret}}
	p.Login.CHAP.Optional = a == optional
	if mutual {
		s.Own, s.OwnSecret = "array", "array-secret-of-17"
		p.Login.CHAP.Own = simtarget.CHAPUser{Name: s.Own, Secret: s.OwnSecret}
	}
}
