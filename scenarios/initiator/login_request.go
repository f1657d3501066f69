package initiator

import (
	"fmt"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The group login: what stands in the Login Requests (RFC 7143, Section 11.12).

// capitalName is an initiator's name as a careless user types it.
const capitalName = "iqn.2026-01.IO.iscsispec:Initiator"

func loginRequestChecks() []Check {
	return []Check{
		{ID: "login.pdu-fields", Run: loginFields},
		{ID: "login.tsih-zero-leading", Run: loginTSIH},
		{ID: "login.identity-constant", Run: loginIdentity},
		{ID: "login.isid-format", Run: loginISID},
		{ID: "login.first-request-names", Run: loginNames},
		{ID: "login.name-format", Run: loginNameFormat},
		{ID: "login.security-stage-keys", Run: loginSecurityKeys},
	}
}

// eachLogin runs a check of all requests in a plain login, a prolonged one, one with CHAP and one of a discovery session.
func eachLogin(t *T, hook func() func(s *Step)) {
	t.Part("data session", func() { t.login(Login{}, hook()) })
	t.Part("prolonged", func() { t.login(Login{}, prolonged(1), hook()) })
	t.PartWith("CHAP", oneWay, func() { t.login(Login{}, hook()) })
	t.Part("discovery session", func() { t.login(Login{Kind: ini.Discovery, NoTarget: true}, hook()) })
}

// oneWay makes the array ask for CHAP and gives the initiator the credentials.
func oneWay(b *Base, s *Settings) {
	WithCHAP(b)
	s.CHAP(false)
}

// mutual is oneWay with the target's proof.
func mutual(b *Base, s *Settings) {
	WithCHAP(b)
	s.CHAP(true)
}

func loginFields(t *T) {
	eachLogin(t, func() func(s *Step) { return t.wellFormed })
}

// wellFormed holds one Login Request against its format.
func (t *T) wellFormed(s *Step) {
	h, r := &s.Event.Frame.BHS, s.Request
	t.Check(h[0] == 0x43, fmt.Sprintf("byte 0 of 0x%02x", h[0]), "opcode 0x03 with I=1: 0x43")
	t.Check(r.CSG == pdu.StageSecurity || r.CSG == pdu.StageOperational, fmt.Sprintf("CSG %d", r.CSG), "CSG 0 or 1")
	t.Check(!r.Transit || r.NSG > r.CSG && (r.NSG == pdu.StageOperational || r.NSG == pdu.StageFullFeature),
		fmt.Sprintf("T=1 with CSG %d and NSG %d", r.CSG, r.NSG), "a later stage of 1 and 3")
	t.Check(r.VersionMax == 0 && r.VersionMin == 0, fmt.Sprintf("versions %d to %d", r.VersionMin, r.VersionMax), "version 0")
	t.Check(h.TotalAHSLength() == 0, fmt.Sprintf("TotalAHSLength %d", h.TotalAHSLength()), "no AHS")
}

func loginTSIH(t *T) {
	zero := func(s *Step) { t.Equal("TSIH", s.Request.TSIH, 0) }
	t.login(Login{}, zero)
	t.logout()
	t.login(Login{}, zero)
}

func loginIdentity(t *T) {
	constant := func() func(s *Step) {
		var first *pdu.LoginRequest
		return func(s *Step) {
			r := s.Request
			if first == nil {
				first = r
				return
			}
			t.Equal("ISID", iscsi.ISID(r.ISID), iscsi.ISID(first.ISID))
			t.Equal("TSIH", r.TSIH, first.TSIH)
			t.Equal("CID", r.CID, first.CID)
			t.Equal("CmdSN", r.CmdSN, first.CmdSN)
			t.Equal("versions", [2]byte{r.VersionMin, r.VersionMax}, [2]byte{first.VersionMin, first.VersionMax})
			if r.ITT != first.ITT {
				t.Warn("The Initiator Task Tag changes within one login.", fmt.Sprintf("0x%x", r.ITT), fmt.Sprintf("0x%x", first.ITT))
			}
		}
	}
	t.Part("prolonged", func() { t.login(Login{}, prolonged(2), constant()) })
	t.PartWith("CHAP", oneWay, func() { t.login(Login{}, prolonged(1), constant()) })
}

// isidSessions are the sessions of login.isid-format to each of two targets, beside one discovery session each.
const isidSessions = 9

func loginISID(t *T) {
	form := func(s *Step) {
		b := s.Request.ISID
		t.Check(b[0]>>6 != 3, fmt.Sprintf("ISID %s of type 11", iscsi.ISID(b)), "type 00, 01 or 10")
		if b[0]>>6 != 0 && b[0]&0x3f != 0 {
			t.Warn("The reserved bits of the ISID are set.", iscsi.ISID(b), "zero in the low six bits of byte 8")
		}
	}
	for _, target := range []string{TargetName, TargetName + "2"} {
		change := func(b *Base, _ *Settings) { b.Target = target }
		t.PartWith("discovery of "+target, change, func() { t.login(Login{Kind: ini.Discovery, NoTarget: true}, form) })
		t.PartWith("sessions to "+target, change, func() {
			t.login(Login{}, form)
			for range isidSessions - 1 {
				op := t.Start(AddSession{})
				t.full(t.Accept(), op, form)
			}
		})
	}
}

func loginNames(t *T) {
	named := func(s *Step) {
		if s.N > 1 {
			return
		}
		kind, _ := s.Keys.Get(text.KeySessionType)
		for _, key := range []string{text.KeyInitiatorName, text.KeyTargetName} {
			name, found := s.Keys.Get(key)
			if key == text.KeyTargetName && kind == text.Discovery.String() {
				continue
			}
			t.Check(found && name != "", "a first Login Request without "+key, key+" in the first Login Request")
		}
	}
	t.Part("data session", func() { t.login(Login{}, named) })
	t.Part("discovery session", func() { t.login(Login{Kind: ini.Discovery, NoTarget: true}, named) })
	t.PartWith("second connection", func(b *Base, s *Settings) {
		b.Params.MaxConnections = 2
		s.Offer(text.KeyMaxConnections, "2")
	}, func() {
		t.login(Login{}, named)
		op := t.Start(AddConnection{})
		t.full(t.Accept(), op, named)
	})
}

func loginNameFormat(t *T) {
	name := ""
	valid := func(s *Step) {
		if s.N > 1 {
			return
		}
		got, _ := s.Keys.Get(text.KeyInitiatorName)
		if err := iscsi.ValidName(strings.ToLower(got)); err != nil {
			t.Fail(err, "a valid iqn., eui. or naa. name")
		}
		if strings.HasPrefix(got, "iqn.") && strings.ToLower(got) != got {
			t.Warn("The name is sent with capitals.", got, "the normalized name")
		}
		t.Check(name == "" || name == got, got, name+" in every session")
		name = got
	}
	t.Part("as configured", func() {
		t.login(Login{}, valid)
		t.login(Login{Kind: ini.Discovery, NoTarget: true}, valid)
	})
	if !t.Own() {
		return
	}
	name = ""
	t.PartWith("configured with capitals", func(_ *Base, s *Settings) { s.InitiatorName = capitalName }, func() { t.login(Login{}, valid) })
}

// securityKeys are what may come in the security stage, beside the keys of the method (RFC 7143, Section 12).
var securityKeys = map[string]bool{
	text.KeyInitiatorName: true, text.KeyInitiatorAlias: true, text.KeyTargetName: true, text.KeySessionType: true, text.KeyAuthMethod: true,
	"CHAP_A": true, "CHAP_I": true, "CHAP_C": true, "CHAP_N": true, "CHAP_R": true,
}

func loginSecurityKeys(t *T) {
	met := false
	eachLogin(t, func() func(s *Step) {
		return func(s *Step) {
			if s.Request.CSG != pdu.StageSecurity {
				return
			}
			met = true
			for _, pair := range s.Keys {
				t.Check(securityKeys[pair.Key], pair, "keys of the security stage alone")
			}
		}
	})
	if !met {
		t.Skip("NOT-TESTABLE: the initiator leaves out the security stage.")
	}
}
