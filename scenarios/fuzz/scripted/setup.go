package scripted

import (
	"fmt"
	"slices"
	"strings"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// What the scripted array and the judged initiator are called, and what both know of each other. The secrets are for everybody to know.
const (
	fuzzedInitiator = "iqn.2026-01.io.iscsispec:fuzzed"
	scriptedTarget  = "iqn.2026-01.io.iscsispec:scripted-fuzz"
	initiatorUser   = "fuzzed"
	initiatorSecret = "secret-of-the-initiator"
	arrayUser       = "scripted"
	arraySecret     = "secret-of-the-array"
)

// The array's portals. Whoever dials deadPortal is refused, and silentPortal never answers.
const (
	portalA      = "10.0.1.1:3260"
	portalB      = "10.0.1.2:3260"
	portalC      = "[fd00::3]:3261"
	deadPortal   = "10.0.1.8:3260"
	silentPortal = "10.0.1.9:3260"
	namedPortal  = "portal-b.test:3260" // stands for portalB
)

// Times that the initiator is told, as the defaults are.
const (
	loginTimeout = 15 * time.Second
	pingTime     = 10 * time.Second
	interval     = 5 * time.Second
)

// loopSuffix of a setup's name repeats the steps of the flow's first connection for ever: on a connection, and on all that follow.
const loopSuffix = "-loop"

// setup is how the judged initiator is set up.
type setup struct {
	kind         ini.Kind
	chap, mutual bool
	optional     bool // None is offered beside CHAP
	await        bool // the array proposes the method
	settings     ini.LoginSettings
	loop         bool
}

// setups are the setups by name, in a fixed order.
var setups = []struct {
	name string
	make func(s *setup)
}{
	{"plain", func(*setup) {}},
	{"chap", func(s *setup) { s.chap = true }},
	{"mutual", func(s *setup) { s.chap, s.mutual = true, true }},
	{"digests", func(s *setup) {
		s.settings.HeaderDigest, s.settings.DataDigest = []string{"CRC32C", "None"}, []string{"CRC32C"}
	}},
	{"optional", func(s *setup) {
		s.chap, s.optional = true, true
		s.settings.Manners = &ini.LoginManners{AuthMethods: []string{"CHAP", "None"}}
	}},
	{"await", func(s *setup) { s.chap, s.await, s.settings.AwaitAuthMethod = true, true, true }},
	{"direct", func(s *setup) { s.settings.SkipSecurityStage = true }},
	{"bare", func(s *setup) { s.settings.Offers = []ini.Offer{} }},
	{"recovery", func(s *setup) { s.settings.Offers = recoveryOffers() }},
	{"long", func(s *setup) { s.settings.Offers = longOffers() }},
	{"discovery", func(s *setup) { s.kind = ini.Discovery }},
}

// recoveryOffers offer each key in another way than the default. Level 2 is left out: a session that recovers connections would begin with one.
func recoveryOffers() []ini.Offer {
	return []ini.Offer{
		{Key: text.KeyErrorRecoveryLevel, Value: "1"}, {Key: text.KeyDefaultTime2Retain, Value: "3600"}, {Key: text.KeyDefaultTime2Wait, Value: "3"},
		{Key: text.KeyInitialR2T, Value: text.Yes}, {Key: text.KeyImmediateData, Value: text.No}, {Key: text.KeyMaxConnections, Value: "4"},
		{Key: text.KeyMaxBurstLength, Value: "512"}, {Key: text.KeyFirstBurstLength, Value: "512"}, {Key: text.KeyMaxOutstandingR2T, Value: "65535"},
		{Key: text.KeyDataPDUInOrder, Value: text.No}, {Key: text.KeyDataSequenceInOrder, Value: text.No},
		{Key: text.KeyMaxRecvDataSegmentLength, Value: "16777215"}, {Key: text.KeyISCSIProtocolLevel, Value: "2"},
		{Key: text.KeyTaskReporting, Value: "FastAbort,ResponseFence,RFC3720"}, {Key: "X-io.iscsispec.fuzz", Value: "1"},
	}
}

// longOffers do not fit into one Login Request.
func longOffers() []ini.Offer {
	offers := ini.DefaultOffers(ini.NormalSession)
	for i := range 40 {
		offers = append(offers, ini.Offer{Key: fmt.Sprintf("X-io.iscsispec.fuzz%02d", i), Value: strings.Repeat("v", 250)})
	}
	return offers
}

// Setups lists the names of the setups for the InitiatorRole.
func Setups() []string {
	var names []string
	for _, s := range setups {
		names = append(names, s.name)
	}
	for _, s := range setups {
		names = append(names, s.name+loopSuffix)
	}
	return names
}

// setupOf finds a setup by its name.
func setupOf(name string) (setup, error) {
	s := setup{kind: ini.Informational}
	plain := strings.TrimSuffix(name, loopSuffix)
	s.loop = plain != name
	for _, known := range setups {
		if known.name != plain {
			continue
		}
		known.make(&s)
		if s.chap {
			s.settings.CHAP = &ini.CHAP{Name: initiatorUser, Secret: iscsi.Secret(initiatorSecret)}
		}
		if s.mutual {
			s.settings.CHAP.TargetName, s.settings.CHAP.TargetSecret = arrayUser, iscsi.Secret(arraySecret)
		}
		return s, nil
	}
	return s, &fuzz.ParseError{Got: name, Want: fmt.Sprintf("a setup of the initiator role: %v", Setups())}
}

// portals reports what a dialled address leads to: the portal, or why not.
func portalOf(address string) (portal string, listens, silent bool) {
	if address == namedPortal {
		address = portalB
	}
	return address, slices.Contains([]string{portalA, portalB, portalC, "[fd00::3]:3260"}, address), address == silentPortal
}
