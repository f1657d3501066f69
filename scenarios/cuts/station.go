package cuts

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Station is an array profile as an initiator goes about it: where it logs in, and with what.
type Station struct {
	// Profile is the name of an embedded profile.
	Profile string

	portal     string // letter of the portal at which the first target is
	keepsFirst bool   // it redirects, but not an initiator's first session
	pings      bool   // it pings initiators that are quiet
	login      sessions.LoginSettings
}

// offers make bursts small, so that a read takes several Data-In PDUs and a write several R2Ts without many bytes.
var offers = []string{
	"HeaderDigest=None", "DataDigest=None", "MaxRecvDataSegmentLength=4096", "MaxConnections=1", "ErrorRecoveryLevel=0", "InitialR2T=Yes",
	"ImmediateData=Yes", "MaxBurstLength=4096", "FirstBurstLength=2048", "MaxOutstandingR2T=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes",
	"DefaultTime2Wait=0", "DefaultTime2Retain=0",
}

// Stations are all embedded profiles, in the order of their names.
func Stations() ([]Station, error) {
	var all []Station
	for _, name := range simtarget.Builtins() {
		s, err := NewStation(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// NewStation looks at an embedded profile as its user would: at its manual. An unknown name is an error.
func NewStation(name string) (Station, error) {
	p, err := simtarget.Builtin(name)
	if err != nil {
		return Station{}, err
	}
	s := Station{Profile: name, portal: "A", keepsFirst: p.Login.Redirect.KeepFirst, pings: p.Session.PingInterval > 0}
	if on := p.Targets[0].Portals; len(on) > 0 {
		i := slices.IndexFunc(p.Portals, func(p simtarget.Portal) bool { return p.Name == on[0] })
		if i < 0 {
			return Station{}, fmt.Errorf("cuts: profile %s: no portal %s", name, on[0])
		}
		s.portal = string(rune('A' + i))
	}
	if c := p.Login.CHAP; len(c.Users) > 0 {
		s.login.CHAP = &sessions.CHAP{Name: c.Users[0].Name, Secret: string(c.Users[0].Secret)}
	}
	if p.Data.HeaderDigest == simtarget.DigestRequire {
		s.login.HeaderDigest, s.login.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
	}
	return s, nil
}

// session is the login of a data session.
func (s Station) session() sessions.Login {
	settings := s.login
	settings.Offers, settings.CommandTimeout = offers, patient
	return sessions.Login{Portal: s.portal, Settings: settings}
}

// discovery is the login of a discovery session.
func (s Station) discovery() sessions.Login {
	return sessions.Login{Kind: "discovery", Portal: s.portal, Settings: sessions.LoginSettings{CHAP: s.login.CHAP}}
}
