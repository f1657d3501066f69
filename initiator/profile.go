package initiator

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Profile is a fielded initiator's way of being one, as plain settings: what its logins say and in which order, its timers and retries, the form of its
// ISIDs, its manners about redirects. It is applied to a Manager's configuration (Profile.Manager) or to a single login (Profile.Login). The
// shipped ones are YAML files (Profiles, BuiltinProfile); a Profile prints in that form and reads back (Profile.String, ParseProfile).
type Profile struct {
	// Name is a single word; Description says whose way it is, and Differs what the original does beside, and this does not.
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Differs     []string `yaml:"differs,omitempty"`
	// InitiatorName, when not empty, is the name to log in with unless the user gives another.
	InitiatorName string           `yaml:"initiator_name,omitempty"`
	ISID          ProfileISID      `yaml:"isid"`
	Login         ProfileLogin     `yaml:"login"`
	Redirect      ProfileRedirect  `yaml:"redirect,omitempty"`
	Session       ProfileSession   `yaml:"session,omitempty"`
	Reconnect     ProfileReconnect `yaml:"reconnect,omitempty"`
	Devices       ProfileDevices   `yaml:"devices,omitempty"`
	// Departures are fields of Deviations, such as "Reconnect.TemporarySticks": where the original breaks a rule, the profile does too.
	Departures []string `yaml:"departures,omitempty"`
}

// ProfileISID is how ISIDs are made (RFC 7143, Section 11.12.5).
type ProfileISID struct {
	// Format is oui, enterprise or random.
	Format string `yaml:"format"`
	// Number is the OUI or the enterprise number, in hexadecimal; First the qualifier of the first session, from which others count up. A
	// counter begins anew in each process.
	Number string `yaml:"number,omitempty"`
	First  uint16 `yaml:"first,omitempty"`
	// Fresh draws another random one for every login of a session.
	Fresh bool `yaml:"fresh,omitempty"`
}

// ProfileLogin is what logins say.
type ProfileLogin struct {
	// Order, AuthMethods, SkipSecurityStage, CID, TaskTag, CmdSN, RandomNumbers, NeedsPortalGroupTag and DropsDiscovery are those of LoginManners.
	Order               []string `yaml:"order,flow,omitempty"`
	AuthMethods         []string `yaml:"auth_methods,flow,omitempty"`
	SkipSecurityStage   bool     `yaml:"skip_security_stage,omitempty"`
	CID                 uint16   `yaml:"cid,omitempty"`
	TaskTag             *uint32  `yaml:"task_tag,omitempty"`
	CmdSN               *uint32  `yaml:"cmd_sn,omitempty"`
	RandomNumbers       bool     `yaml:"random_numbers,omitempty"`
	NeedsPortalGroupTag bool     `yaml:"needs_portal_group_tag,omitempty"`
	DropsDiscovery      bool     `yaml:"drops_discovery,omitempty"`
	// Normal and Discovery are the operational keys of the two types of session, "Key=Value" in the order in which they are sent; none means
	// this initiator's own.
	Normal    []string `yaml:"normal,omitempty"`
	Discovery []string `yaml:"discovery,omitempty"`
	// Timeout bounds one attempt at one portal; Attempts and Interval are those of a first login (LoginManners).
	Timeout  time.Duration `yaml:"timeout,omitempty"`
	Attempts int           `yaml:"attempts,omitempty"`
	Interval time.Duration `yaml:"interval,omitempty"`
}

// ProfileRedirect is how redirects are followed.
type ProfileRedirect struct {
	// Limit is how many in a row, 0 for 32; RefusesTag does not follow one whose address has a portal group tag.
	Limit      int  `yaml:"limit,omitempty"`
	RefusesTag bool `yaml:"refuses_tag,omitempty"`
}

// ProfileSession are the timers of a session in use.
type ProfileSession struct {
	// Ping is the idle time before a ping, or "never"; Patience how long its answer may take.
	Ping     string        `yaml:"ping,omitempty"`
	Patience time.Duration `yaml:"patience,omitempty"`
	// Logout is how long a Logout Response may take.
	Logout time.Duration `yaml:"logout,omitempty"`
}

// ProfileReconnect is how a lost session is logged in again.
type ProfileReconnect struct {
	// Interval is the time from one attempt to the next; Most, when it is longer, is what that grows to, by one Interval with each attempt.
	Interval time.Duration `yaml:"interval,omitempty"`
	Most     time.Duration `yaml:"most,omitempty"`
	// OtherPortals lets attempts go to the other portals of the portal group.
	OtherPortals bool `yaml:"other_portals,omitempty"`
}

// ProfileDevices is what becomes of devices without a session.
type ProfileDevices struct {
	// Hold is how long they stay: a duration, "never" for without end, or empty for the default.
	Hold string `yaml:"hold,omitempty"`
	// PermanentLoss and Paths are Settings.PermanentLoss and Settings.PathPolicy.
	PermanentLoss bool   `yaml:"permanent_loss,omitempty"`
	Paths         string `yaml:"paths,omitempty"`
}

// settled is a profile in the initiator's own terms.
type settled struct {
	login      LoginSettings
	hold       Latency
	paths      PathPolicy
	number     uint32
	departures Deviations
}

// settle reads the fields that are text. Errors are *SettingError.
func (p *Profile) settle() (settled, error) {
	var s settled
	var err error
	m := &LoginManners{
		Order: p.Login.Order, AuthMethods: p.Login.AuthMethods, SkipSecurityStage: p.Login.SkipSecurityStage, CID: p.Login.CID,
		TaskTag: p.Login.TaskTag, CmdSN: p.Login.CmdSN, RandomNumbers: p.Login.RandomNumbers, NeedsPortalGroupTag: p.Login.NeedsPortalGroupTag,
		DropsDiscovery: p.Login.DropsDiscovery, RedirectLimit: p.Redirect.Limit, RefusesTag: p.Redirect.RefusesTag,
		Attempts: p.Login.Attempts, RetryInterval: p.Login.Interval,
	}
	if err = m.check(); err != nil {
		return s, err
	}
	s.login = LoginSettings{
		Manners: m, FreshISID: p.ISID.Fresh, LoginTimeout: p.Login.Timeout, PingTimeout: p.Session.Patience, LogoutTimeout: p.Session.Logout,
	}
	if s.login.Offers, err = parseOffers("login.normal", p.Login.Normal); err != nil {
		return s, err
	}
	if s.login.DiscoveryOffers, err = parseOffers("login.discovery", p.Login.Discovery); err != nil {
		return s, err
	}
	if s.login.PingInterval, err = parsePing(p.Session.Ping); err != nil {
		return s, err
	}
	if s.hold, err = parseHold(p.Devices.Hold); err != nil {
		return s, err
	}
	if p.Devices.Paths != "" {
		if s.paths, err = ParsePathPolicy(p.Devices.Paths); err != nil {
			return s, err
		}
	}
	if s.number, err = p.ISID.number(); err != nil {
		return s, err
	}
	for _, name := range p.Departures {
		if err := s.departures.depart(name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Manager returns cfg with the profile's settings in the place of its own: logins, timers, retries, ISIDs, deviations. Credentials, ports, seed and log are cfg's,
// and so is the name unless it is empty.
func (p *Profile) Manager(cfg ManagerConfig) (ManagerConfig, error) {
	s, err := p.settle()
	if err != nil {
		return cfg, err
	}
	if cfg.InitiatorName == "" {
		cfg.InitiatorName = p.InitiatorName
	}
	if p.ISID.Format != isidRandom {
		cfg.ISID = p.counted(s.number)
	}
	cfg.Defaults = s.login.over(cfg.Defaults)
	cfg.ReconnectInterval, cfg.ReconnectMax, cfg.PortalFailover = p.Reconnect.Interval, p.Reconnect.Most, p.Reconnect.OtherPortals
	cfg.RemovalLatency, cfg.PermanentLoss, cfg.PathPolicy = s.hold, p.Devices.PermanentLoss, s.paths
	if len(p.Departures) > 0 {
		cfg.Deviations = &s.departures
	}
	return cfg, nil
}

// Single returns cfg, which is for one login, with the profile's settings in the place of its own. Names, portal, credentials and
// type are cfg's, and so is the ISID where the profile's are random.
func (p *Profile) Single(cfg LoginConfig) (LoginConfig, error) {
	s, err := p.settle()
	if err != nil {
		return cfg, err
	}
	out := s.login.loginConfig(cfg.Type)
	out.InitiatorName, out.TargetName, out.InitiatorAlias, out.ISID = cfg.InitiatorName, cfg.TargetName, cfg.InitiatorAlias, cfg.ISID
	if out.InitiatorName == "" {
		out.InitiatorName = p.InitiatorName
	}
	if p.ISID.Format != isidRandom {
		out.ISID = p.counted(s.number)(0, 0)
	}
	out.Portal, out.CHAP, out.HeaderDigest, out.DataDigest = cfg.Portal, cfg.CHAP, cfg.HeaderDigest, cfg.DataDigest
	out.OnAsync, out.Rand, out.Log = cfg.OnAsync, cfg.Rand, cfg.Log
	if len(p.Departures) > 0 {
		out.Deviations = &s.departures
	}
	return out, nil
}

// The formats of ProfileISID.
const (
	isidOUI        = "oui"
	isidEnterprise = "enterprise"
	isidRandom     = "random"
)

// portStride is what the counters of two initiator ports are apart.
const portStride = 0x0400

// counted makes ISIDs by counting. As with the originals, the kind of a session does not show: which numbers are taken decides.
func (p *Profile) counted(number uint32) func(port int, qualifier uint16) iscsi.ISID {
	return func(port int, qualifier uint16) iscsi.ISID {
		n := p.ISID.First + uint16(port)*portStride + qualifier%portStride
		if p.ISID.Format == isidOUI {
			return iscsi.OUIISID(number, uint32(n))
		}
		return iscsi.ENISID(number, n)
	}
}

// number reads the OUI or the enterprise number.
func (i ProfileISID) number() (uint32, error) {
	var n uint32
	switch {
	case i.Format != isidOUI && i.Format != isidEnterprise && i.Format != isidRandom:
		return 0, &SettingError{"isid.format", fmt.Sprintf("%q", i.Format), "oui, enterprise or random"}
	case i.Format == isidRandom && (i.Number != "" || i.First != 0):
		return 0, &SettingError{"isid.number", fmt.Sprintf("%q, first %d", i.Number, i.First), "none with format random"}
	case i.Format != isidRandom && i.Fresh:
		return 0, &SettingError{"isid.fresh", "true", "false unless the format is random"}
	case i.Format == isidRandom:
		return 0, nil
	}
	if _, err := fmt.Sscanf(i.Number, "0x%x", &n); err != nil || n >= 1<<24 {
		return 0, &SettingError{"isid.number", fmt.Sprintf("%q", i.Number), "0x and at most six hexadecimal digits"}
	}
	return n, nil
}

// parseOffers reads "Key=Value" lines.
func parseOffers(setting string, lines []string) ([]Offer, error) {
	var offers []Offer
	for _, line := range lines {
		key, value, found := strings.Cut(line, "=")
		if !found || key == "" || value == "" {
			return nil, &SettingError{setting, fmt.Sprintf("%q", line), "Key=Value"}
		}
		offers = append(offers, Offer{Key: key, Value: value})
	}
	return offers, nil
}

// parsePing reads the idle time before a ping.
func parsePing(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case "never":
		return Never, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, &SettingError{"session.ping", fmt.Sprintf("%q", text), `a duration above 0s, or "never"`}
	}
	return d, nil
}

// parseHold reads how long devices stay.
func parseHold(text string) (Latency, error) {
	if text == "" {
		return Latency{}, nil
	}
	l, err := ParseLatency(text)
	if err != nil {
		return l, &SettingError{"devices.hold", fmt.Sprintf("%q", text), `a duration not below 0s, or "never"`}
	}
	return l, nil
}

// depart sets a deviation by the path of its field: "Reconnect.TemporarySticks".
func (d *Deviations) depart(name string) error {
	group, field, _ := strings.Cut(name, ".")
	if v := reflect.ValueOf(d).Elem().FieldByName(group); v.IsValid() && v.Kind() == reflect.Struct {
		if f := v.FieldByName(field); f.IsValid() && f.Kind() == reflect.Bool {
			f.SetBool(true)
			return nil
		}
	}
	return &SettingError{"departures", fmt.Sprintf("%q", name), "a yes-or-no field of Deviations: Group.Field"}
}
