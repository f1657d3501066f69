package simtarget

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

func pair(key, value string) text.Pair { return text.Pair{Key: key, Value: value} }

func TestLoginStraightToFullFeature(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxBurstLength", "16384"), pair("InitialR2T", "No"), pair("X-com.example.probe", "1"))
		r := p.lastResp
		if r.ITT != 1 || r.ISID != p.isid || r.TSIH != 0x0101 || r.StatSN != 0x1000 || r.ExpCmdSN != 100 || r.MaxCmdSN != 131 {
			t.Errorf("final response %+v", r)
		}
		for key, want := range map[string]string{
			"TargetPortalGroupTag": "1", "MaxRecvDataSegmentLength": "65536", "MaxBurstLength": "16384", "InitialR2T": "Yes",
			"X-com.example.probe": "NotUnderstood",
		} {
			if got, _ := p.answers.Get(key); got != want {
				t.Errorf("%s=%s, want %s", key, got, want)
			}
		}
		p.works()
	})
}

func TestLoginThroughSecurityStage(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		r := p.ask(pdu.StageSecurity, pdu.StageOperational, true, append(p.names(), pair("AuthMethod", "CHAP,None")))
		if method, _ := p.answers.Get("AuthMethod"); method != "None" || !r.Transit || r.NSG != pdu.StageOperational || r.TSIH != 0 {
			t.Fatalf("security stage: AuthMethod=%s, %+v", method, r)
		}
		if len(p.answers) != 2 {
			t.Errorf("answers of the security stage are %v, want AuthMethod and TargetPortalGroupTag", p.answers)
		}
		r = p.ask(pdu.StageOperational, 0, false, nil)
		if r.Transit || r.Status() != 0 {
			t.Errorf("T=0 answered by %+v", r)
		}
		r = p.ask(pdu.StageOperational, pdu.StageFullFeature, true, nil)
		if !r.Transit || r.TSIH == 0 {
			t.Errorf("final response %+v", r)
		}
		p.works()
	})
}

func TestLoginFromSecurityStageStraightToFullFeature(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		r := p.ask(pdu.StageSecurity, pdu.StageFullFeature, true, append(p.names(), pair("AuthMethod", "None")))
		if !r.Transit || r.NSG != pdu.StageFullFeature || r.TSIH == 0 {
			t.Fatalf("%+v", r)
		}
		p.works()
	})
}

// A limit below the default has to be negotiated, so the array sends the initiator through the operational stage.
func TestLimitBelowDefaultIsOffered(t *testing.T) {
	limit := func(p *Profile) { p.Data.MaxBurstLength, p.Data.FirstBurstLength = 8192, 4096 }
	inBubble(t, "plain", limit, nil, func(b *bench) {
		p := b.dial("A")
		r := p.ask(pdu.StageSecurity, pdu.StageFullFeature, true, append(p.names(), pair("AuthMethod", "None")))
		if !r.Transit || r.NSG != pdu.StageOperational {
			t.Fatalf("security stage: %+v", r)
		}
		r = p.ask(pdu.StageOperational, pdu.StageFullFeature, true, nil)
		if burst, _ := p.answers.Get("MaxBurstLength"); r.Transit || burst != "8192" {
			t.Fatalf("T=%v with an open offer MaxBurstLength=%s", r.Transit, burst)
		}
		r = p.ask(pdu.StageOperational, pdu.StageFullFeature, true, text.Pairs{pair("MaxBurstLength", "4096"), pair("FirstBurstLength", "2048")})
		if !r.Transit {
			t.Fatalf("%+v", r)
		}
	})
}

func TestLoginsThatAreRefused(t *testing.T) {
	type try func(p *peer) *pdu.LoginResponse
	straight := func(pairs func(p *peer) text.Pairs) try {
		return func(p *peer) *pdu.LoginResponse {
			return p.ask(pdu.StageOperational, pdu.StageFullFeature, true, pairs(p))
		}
	}
	with := func(extra ...text.Pair) try {
		return straight(func(p *peer) text.Pairs { return append(p.names(), extra...) })
	}
	header := func(change func(*pdu.LoginRequest)) try {
		return func(p *peer) *pdu.LoginResponse {
			q := p.request(pdu.StageOperational, pdu.StageFullFeature, true, p.names())
			change(q)
			p.send(q)
			return get[*pdu.LoginResponse](p)
		}
	}
	for _, c := range []struct {
		name string
		want iscsi.Status
		try  try
	}{
		{"no initiator name", iscsi.StatusMissingParameter, straight(func(p *peer) text.Pairs { return p.names().Without("InitiatorName") })},
		{"no target name", iscsi.StatusMissingParameter, straight(func(p *peer) text.Pairs { return p.names().Without("TargetName") })},
		{"unknown target", iscsi.StatusNotFound, func(p *peer) *pdu.LoginResponse {
			p.target = "iqn.2026-01.io.iscsispec:absent"
			return p.tryLogin()
		}},
		{"malformed initiator name", iscsi.StatusInitiatorError, func(p *peer) *pdu.LoginResponse {
			p.name = "nobody"
			return p.tryLogin()
		}},
		{"session type", iscsi.StatusSessionTypeNotSupported, straight(func(p *peer) text.Pairs {
			return append(p.names().Without("SessionType"), pair("SessionType", "Bogus"))
		})},
		{"key twice", iscsi.StatusInitiatorError, with(pair("ImmediateData", "Yes"), pair("ImmediateData", "No"))},
		{"unknown TSIH", iscsi.StatusSessionDoesNotExist, func(p *peer) *pdu.LoginResponse {
			p.tsih = 0xbeef
			return p.tryLogin()
		}},
		{"version", iscsi.StatusUnsupportedVersion, header(func(q *pdu.LoginRequest) { q.VersionMax, q.VersionMin = 10, 5 })},
		{"reserved CSG", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.CSG = 2 })},
		{"reserved NSG", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.NSG = 2 })},
		{"start in full feature phase", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.CSG = 3 })},
		{"T and C", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.Continue = true })},
		{"too much data", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.Data = make([]byte, 8193) })},
		{"no key=value", iscsi.StatusInitiatorError, header(func(q *pdu.LoginRequest) { q.Data = append(q.Data, "Garbage\x00"...) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A")
				if r := c.try(p); iscsi.Status(r.Status()) != c.want || r.Transit || r.VersionActive != 0 {
					t.Errorf("%s, T=%v, want %s", iscsi.Status(r.Status()), r.Transit, c.want)
				}
				if !p.closed() {
					t.Error("the connection stays open")
				}
				if n := len(b.settled().Sessions()); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}

func TestChangeOfIdentityInMidLoginIsRefused(t *testing.T) {
	for name, change := range map[string]func(p *peer, q *pdu.LoginRequest){
		"ISID":  func(_ *peer, q *pdu.LoginRequest) { q.ISID[5]++ },
		"TSIH":  func(_ *peer, q *pdu.LoginRequest) { q.TSIH = 1 },
		"CID":   func(_ *peer, q *pdu.LoginRequest) { q.CID++ },
		"stage": func(_ *peer, q *pdu.LoginRequest) { q.CSG, q.NSG = 0, 1 },
		"name": func(p *peer, q *pdu.LoginRequest) {
			q.Data = text.Pairs{pair("InitiatorName", p.name+".other")}.Append(nil)
		},
		"target": func(p *peer, q *pdu.LoginRequest) { q.Data = text.Pairs{pair("TargetName", p.target)}.Append(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A")
				p.ask(pdu.StageOperational, 0, false, p.names())
				q := p.request(pdu.StageOperational, pdu.StageFullFeature, true, nil)
				change(p, q)
				p.send(q)
				if r := get[*pdu.LoginResponse](p); iscsi.Status(r.Status()) != iscsi.StatusInitiatorError {
					t.Errorf("answered with 0x%04x", r.Status())
				}
			})
		})
	}
}

func TestTextOverSeveralRequests(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		all := append(p.names(), pair("MaxBurstLength", "65536")).Append(nil)
		cut := strings.Index(string(all), "BurstLen")
		q := p.request(pdu.StageOperational, 0, false, nil)
		q.Continue, q.Data = true, all[:cut]
		p.send(q)
		if r := get[*pdu.LoginResponse](p); len(r.Data) != 0 || r.Transit || r.Continue || r.Status() != 0 {
			t.Fatalf("fragment answered by %+v", r)
		}
		q = p.request(pdu.StageOperational, pdu.StageFullFeature, true, nil)
		q.Data = all[cut:]
		p.send(q)
		r := get[*pdu.LoginResponse](p)
		if pairs, _ := text.Parse(r.Data); !r.Transit || len(pairs) == 0 {
			t.Fatalf("whole text answered by %+v", r)
		} else if got, _ := pairs.Get("MaxBurstLength"); got != "65536" {
			t.Errorf("MaxBurstLength=%s", got)
		}
	})
}

// An answer longer than 8192 bytes comes in parts, each asked for by an empty request.
func TestLongAnswerIsSplit(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		pairs := p.names()
		for i := range 110 {
			pairs.Add("X-"+strings.Repeat("k", 57)+string(rune('a'+i/26))+string(rune('a'+i%26)), "1")
		}
		p.send(p.request(pdu.StageOperational, pdu.StageFullFeature, true, pairs))
		r := get[*pdu.LoginResponse](p)
		text := append([]byte(nil), r.Data...)
		for r.Continue {
			if r.Transit || len(r.Data) > 8192 {
				t.Fatalf("part with T=%v of %d bytes", r.Transit, len(r.Data))
			}
			p.send(p.request(pdu.StageOperational, pdu.StageFullFeature, true, nil))
			r = get[*pdu.LoginResponse](p)
			text = append(text, r.Data...)
		}
		if n := strings.Count(string(text), "NotUnderstood"); n != 110 || !r.Transit {
			t.Errorf("%d answers, T=%v", n, r.Transit)
		}
	})
}

func TestOtherPDUsDuringLogin(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		p.send(&pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag})
		if !p.closed() {
			t.Error("a ping before the login is answered")
		}
		p = b.dial("A")
		p.ask(pdu.StageOperational, 0, false, p.names())
		p.send(&pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag})
		if r := get[*pdu.LoginResponse](p); iscsi.Status(r.Status()) != iscsi.StatusInvalidDuringLogin {
			t.Errorf("a ping during the login is answered with 0x%04x", r.Status())
		}
		if !p.closed() {
			t.Error("the connection stays open")
		}
	})
}

func TestLoginTimeout(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A")
		began := time.Now()
		p.ask(pdu.StageOperational, 0, false, p.names())
		if !p.closed() || time.Since(began) < 14*time.Second || time.Since(began) > 16*time.Second {
			t.Errorf("closed after %v, want 15 s", time.Since(began))
		}
	})
}

// answerCHAP makes the keys that answer the target's challenge.
func answerCHAP(p *peer, secret string, mutual bool) text.Pairs {
	identifier, _ := p.answers.Get("CHAP_I")
	challenge, _ := p.answers.Get("CHAP_C")
	number, _ := text.ParseNumber(identifier)
	bytes, err := chap.ParseBinary(challenge, chap.MaxBinaryLength)
	if err != nil {
		p.Fatal(err)
	}
	keys := text.Pairs{pair("CHAP_N", "iscsispec"), pair("CHAP_R", chap.FormatHex(chap.Response(chap.MD5, byte(number), iscsi.Secret(secret), bytes)))}
	if mutual {
		keys = append(keys, pair("CHAP_I", "7"), pair("CHAP_C", "0x0102030405060708090a0b0c0d0e0f10"))
	}
	return keys
}

func TestCHAP(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		mutual       bool
		want         iscsi.Status
	}{
		{"one-way", "iscsispec-secret", false, iscsi.StatusSuccess},
		{"mutual", "iscsispec-secret", true, iscsi.StatusSuccess},
		{"wrong secret", "wrong-secret-xyz", false, iscsi.StatusAuthenticationFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "chap", nil, nil, func(b *bench) {
				p := b.dial("A")
				p.ask(pdu.StageSecurity, 0, false, append(p.names(), pair("AuthMethod", "CHAP,None")))
				p.ask(pdu.StageSecurity, 0, false, text.Pairs{pair("CHAP_A", "5")})
				r := p.ask(pdu.StageSecurity, pdu.StageOperational, true, answerCHAP(p, c.secret, c.mutual))
				if iscsi.Status(r.Status()) != c.want {
					t.Fatalf("0x%04x, want %s", r.Status(), c.want)
				}
				if c.want != iscsi.StatusSuccess {
					return
				}
				if proof, has := p.answers.Get("CHAP_R"); has != c.mutual {
					t.Errorf("proof of the target: %q", proof)
				}
				r = p.ask(pdu.StageOperational, pdu.StageFullFeature, true, nil)
				if !r.Transit {
					t.Fatal("no full feature phase")
				}
				p.works()
			})
		})
	}
}

func TestCHAPCannotBeLeftOut(t *testing.T) {
	inBubble(t, "chap", nil, nil, func(b *bench) {
		if r := b.dial("A").tryLogin(); iscsi.Status(r.Status()) != iscsi.StatusAuthenticationFailure {
			t.Errorf("operational stage first: 0x%04x", r.Status())
		}
		p := b.dial("A")
		if r := p.ask(pdu.StageSecurity, pdu.StageOperational, true, append(p.names(), pair("AuthMethod", "None"))); r.Status() != 0x0201 {
			t.Errorf("AuthMethod=None: 0x%04x", r.Status())
		}
		p = b.dial("A")
		if r := p.ask(pdu.StageSecurity, pdu.StageOperational, true, p.names()); r.Status() != 0x0201 {
			t.Errorf("no AuthMethod: 0x%04x", r.Status())
		}
		p = b.dial("A")
		p.ask(pdu.StageSecurity, 0, false, append(p.names(), pair("AuthMethod", "CHAP")))
		if r := p.ask(pdu.StageSecurity, pdu.StageOperational, true, nil); r.Transit {
			t.Error("the security stage ends without proof")
		}
	})
}

func TestDigestsRequired(t *testing.T) {
	inBubble(t, "digest-required", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("HeaderDigest", "CRC32C,None"), pair("DataDigest", "None,CRC32C"))
		if !p.digest.Header || !p.digest.Data {
			t.Fatalf("digests %+v", p.digest)
		}
		p.works()
		if r := b.dial("A").tryLogin(pair("HeaderDigest", "None"), pair("DataDigest", "None")); iscsi.Status(r.Status()).Class() != 2 {
			t.Errorf("a login without digests: 0x%04x", r.Status())
		}
		// Whoever offers none is offered CRC32C.
		p = b.dial("A")
		r := p.ask(pdu.StageOperational, pdu.StageFullFeature, true, p.names())
		if header, _ := p.answers.Get("HeaderDigest"); r.Transit || header != "CRC32C" {
			t.Errorf("HeaderDigest=%q, T=%v", header, r.Transit)
		}
		b.dial("A").discover()
	})
}
