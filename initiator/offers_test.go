package initiator

import (
	"errors"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

func TestOffersThatNoInitiatorMayMake(t *testing.T) {
	for offer, clause := range map[string]string{
		"iSCSIProtocolLevel=Reject":           "6.2",
		"iSCSIProtocolLevel=32":               "7.1.1",
		"ErrorRecoveryLevel=0":                "6.3", // A second time.
		"HeaderDigest=crc32c":                 "6.3",
		"TaskReporting=FastAbort":             "13.23",
		"TaskReporting=RFC3720":               "13.23",
		"TaskReporting=RFC3720,Response":      "13.23",
		"OFMarker=Yes":                        "13.25",
		"TargetAlias=x":                       "13.6",
		"CHAP_A=5":                            "12.1.3",
		"X#com.example.a=1":                   "6.1",
		"Y-com.example.a=1":                   "14",
		"lower=1":                             "6.1",
		"X-" + strings.Repeat("k", 62) + "=1": "6.1",
		"X-a=" + strings.Repeat("v", 256):     "6.1",
	} {
		key, value, _ := strings.Cut(offer, "=")
		cfg := withOffer(key, value)
		_, err := Login(t.Context(), nil, cfg)
		var failed *LoginError
		var wrong *text.KeyError
		if !errors.As(err, &failed) || failed.Stage != StageConfigure || !errors.As(err, &wrong) || !strings.HasSuffix(wrong.Clause, ", Section "+clause) {
			t.Errorf("%.40s: got %v, want a *text.KeyError of Section %s", offer, err, clause)
		}
	}
	for name, list := range map[string][]string{"lower case": {"crc32c"}, "twice": {"None", "None"}, "X-": {"X-com.example.d", "None"}} {
		cfg := config()
		cfg.DataDigest = list
		var wrong *text.KeyError
		if _, err := Login(t.Context(), nil, cfg); !errors.As(err, &wrong) {
			t.Errorf("digest %s: got %v", name, err)
		}
	}
	cfg := config()
	cfg.Offers = []Offer{{text.KeyMaxBurstLength, "1024"}}
	var wrong *text.KeyError
	if _, err := Login(t.Context(), nil, cfg); !errors.As(err, &wrong) || wrong.Key != text.KeyFirstBurstLength {
		t.Errorf("a first burst above the burst: got %v", err)
	}
}

func TestOffersOfOtherInitiators(t *testing.T) {
	for _, offer := range []string{
		"OFMarker=No", "IFMarker=No", "TaskReporting=FastAbort,ResponseFence,RFC3720", "iSCSIProtocolLevel=2", "X#NodeArchitecture=x86",
		"X-com.example.mode=fast",
	} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, accepts())
			key, value, _ := strings.Cut(offer, "=")
			mustLogin(t, n, withOffer(key, value))
		})
	}
}

func TestDiscoveryOffersLess(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		var end *fakeEnd
		n.at(portalA, func(e *fakeEnd) { end = e; accepts()(e) })
		cfg := withOffer("X-com.example.mode", "fast")
		cfg.Offers[4].Value = "2"
		if cfg.Offers[4].Key != text.KeyErrorRecoveryLevel {
			t.Fatalf("offer 4 is %s", cfg.Offers[4].Key)
		}
		discoveryConfig(&cfg)
		mustLogin(t, n, cfg)
		for _, key := range []string{"X-com.example.mode", text.KeyErrorRecoveryLevel, text.KeyMaxConnections, text.KeyInitialR2T} {
			if value, offered := end.keys.Get(key); offered {
				t.Errorf("%s=%s in a discovery session", key, value)
			}
		}
	})
}

func TestFastAbortWhereTheTargetWantsIt(t *testing.T) {
	for list, want := range map[string]string{
		"FastAbort,ResponseFence,RFC3720": "FastAbort", "RFC3720,FastAbort": "RFC3720", "Y-com.example.x,ResponseFence": "ResponseFence",
	} {
		bubble(t, func(t *testing.T, n *fakeNetwork) {
			n.at(portalA, answering(plain, delayed("TaskReporting="+list), plain))
			if got := mustLogin(t, n, config()).Info().Params.TaskReporting; got != want {
				t.Errorf("%s: got %s, want %s", list, got, want)
			}
		})
	}
}
