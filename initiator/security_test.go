package initiator

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	ownSecret  = iscsi.Secret("initiator's secret")
	peerSecret = iscsi.Secret("the target's secret")
)

func chapConfig(mutual bool) LoginConfig {
	cfg := config()
	cfg.CHAP = &CHAP{Name: "host", Secret: ownSecret}
	if mutual {
		cfg.CHAP.TargetName, cfg.CHAP.TargetSecret = "disk", peerSecret
	}
	cfg.Rand = rand.NewChaCha8([32]byte{1})
	return cfg
}

// chapTarget runs the security stage with CHAP as a target, by hand; change may spoil its last answer.
func chapTarget(e *fakeEnd, change func(text.Pairs) text.Pairs) bool {
	challenge := []byte("sixteen bytes!!!")
	if p := e.readLogin(); p != nil {
		e.answerLogin(p, base("AuthMethod=CHAP"))
	}
	if p := e.readLogin(); p != nil {
		e.answerLogin(p, base("CHAP_A=5", "CHAP_I=255", "CHAP_C="+chap.FormatHex(challenge)))
	}
	p := e.readLogin()
	if p == nil {
		return false
	}
	keys := textOf(p.Data)
	if response, _ := keys.Get("CHAP_R"); response != chap.FormatHex(chap.Response(chap.MD5, 255, ownSecret, challenge)) || !p.Transit {
		e.t.Errorf("third request: %v, T=%v", keys, p.Transit)
	}
	var answers text.Pairs
	if theirs, mutual := keys.Get("CHAP_C"); mutual {
		c, err := chap.ParseBinary(theirs, 1024)
		if err != nil {
			e.t.Error(err)
		}
		id, _ := keys.Get("CHAP_I")
		n, _ := text.ParseNumber(id)
		answers = base("CHAP_N=disk", "CHAP_R="+chap.FormatHex(chap.Response(chap.MD5, byte(n), peerSecret, c)))
	}
	if change != nil {
		answers = change(answers)
	}
	e.answerLogin(p, answers)
	return true
}

// chapPortal authenticates by CHAP and then accepts.
func chapPortal(e *fakeEnd) {
	if chapTarget(e, nil) {
		e.answerLogin(e.readLogin(), nil)
		e.disk(nil, nil)
	}
}

func TestCHAP(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, chapPortal)
			mustLogin(t, n, chapConfig(mutual))
		})
	}
}

// TestTheTargetProposesTheMethod begins without AuthMethod, and takes CHAP from what the target proposes.
func TestTheTargetProposesTheMethod(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			p := e.readLogin()
			if method, found := textOf(p.Data).Get(text.KeyAuthMethod); found || p.Transit {
				t.Errorf("AuthMethod=%s, T=%t in the first request", method, p.Transit)
			}
			e.answerLogin(p, base("AuthMethod=KRB5,CHAP,None"))
			p = e.readLogin()
			if got := textOf(p.Data).String(); got != "AuthMethod=CHAP CHAP_A=5" {
				t.Errorf("answered %q", got)
			}
		})
		cfg := chapConfig(false)
		cfg.AwaitAuthMethod = true
		_, _ = Login(t.Context(), n, cfg) // The script ends in the middle.
	})
}

// TestAShortSecretMayBeAllowed logs in with less than 96 bits where the configuration says so.
func TestAShortSecretMayBeAllowed(t *testing.T) {
	cfg := chapConfig(false)
	cfg.CHAP.Secret, cfg.CHAP.AllowShortSecret = "short", true
	cfg = cfg.withDefaults()
	if err := cfg.check(&sound); err != nil {
		t.Error(err)
	}
	cfg.CHAP.AllowShortSecret = false
	if err := cfg.check(&sound); !errors.Is(err, ErrAuthFailed) || strings.Contains(err.Error(), "short secret") {
		t.Errorf("got %v", err)
	}
}

// TestChallengesUnderWay has the book of two logins with one challenge.
func TestChallengesUnderWay(t *testing.T) {
	var b challengeBook
	c := []byte("a challenge")
	b.open(c)
	b.open(c)
	b.close(c)
	if !b.sent(c) {
		t.Error("the second login's challenge is forgotten")
	}
	if b.close(c); b.sent(c) || len(b.waiting) != 0 {
		t.Error("a challenge is kept after its login")
	}
	var none *challengeBook
	none.open(c)
	none.close(c)
	if none.sent(c) {
		t.Error("no book knows a challenge")
	}
}

func TestCHAPFailures(t *testing.T) {
	spoil := func(key, value string) func(text.Pairs) text.Pairs {
		return func(p text.Pairs) text.Pairs {
			p = p.Without(key)
			if value != "" {
				p.Add(key, value)
			}
			return p
		}
	}
	for name, serve := range map[string]func(*fakeEnd){
		"status 0x0201":    answering(keys("AuthMethod=CHAP"), status(iscsi.StatusAuthenticationFailure)),
		"method None":      answering(keys("AuthMethod=None"), plain),
		"method Reject":    answering(keys("AuthMethod=Reject"), plain),
		"wrong response":   func(e *fakeEnd) { chapTarget(e, spoil("CHAP_R", "0x00112233445566778899aabbccddeeff")) },
		"short response":   func(e *fakeEnd) { chapTarget(e, spoil("CHAP_R", "0x")) },
		"no response":      func(e *fakeEnd) { chapTarget(e, spoil("CHAP_R", "")) },
		"wrong name":       func(e *fakeEnd) { chapTarget(e, spoil("CHAP_N", "another")) },
		"nothing with T=1": func(e *fakeEnd) { chapTarget(e, func(text.Pairs) text.Pairs { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, func(e *fakeEnd) {
					serve(e)
					if p, ok := e.read().(*pdu.LoginRequest); ok && p.CSG == pdu.StageOperational {
						t.Error("the login went on")
					}
				})
				if _, err := Login(t.Context(), n, chapConfig(true)); !errors.Is(err, ErrAuthFailed) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestCHAPIsRepeatedAfterARedirect(t *testing.T) {
	moved := func(e *fakeEnd) {
		chapTarget(e, nil)
		e.redirect(temporary, portalB)
	}
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, moved).at(portalB, chapPortal)
		mustLogin(t, n, chapConfig(true))
	})
	naive := answering(keys("AuthMethod=None"), plain, plain)
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, moved).at(portalB, naive)
		if _, err := Login(t.Context(), n, chapConfig(true)); !errors.Is(err, ErrAuthFailed) {
			t.Errorf("got %v", err)
		}
	})
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, moved).at(portalB, naive)
		cfg := chapConfig(true)
		cfg.Deviations = &Deviations{Redirect: RedirectDeviations{CarryAuthentication: true}}
		mustLogin(t, n, cfg)
	})
}

func TestAnyTargetNameWillDo(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, chapPortal)
		cfg := chapConfig(true)
		cfg.CHAP.TargetName = ""
		mustLogin(t, n, cfg)
	})
}
