package scripted

import (
	"slices"

	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// What a login does behind a response of the array, as coverage counts it.
const (
	itGoesOn  = "goes on"
	itEnters  = "enters"
	itFollows = "follows"
	itEnds    = "ends"
)

// states are the states in which a response may come, with what may follow.
var states = []struct {
	name     string
	outcomes []string
}{
	{"security stage", []string{itGoesOn, itEnters, itFollows, itEnds}},
	{"security stage, method open", []string{itGoesOn, itFollows, itEnds}},
	{"security stage, CHAP_A sent", []string{itGoesOn, itFollows, itEnds}},
	{"security stage, proof sent", []string{itGoesOn, itFollows, itEnds}},
	{"security stage, authenticated", []string{itGoesOn, itFollows, itEnds}},
	{"security stage, without authentication", []string{itGoesOn, itFollows, itEnds}},
	{"security stage, the array's text goes on", []string{itGoesOn, itFollows, itEnds}},
	{"operational stage", []string{itGoesOn, itEnters, itFollows, itEnds}},
	{"operational stage, the initiator's text goes on", []string{itGoesOn, itFollows, itEnds}},
	{"operational stage, the array's text goes on", []string{itGoesOn, itFollows, itEnds}},
	{fullFeature, nil},
}

const fullFeature = "full feature phase"

// rows are the catalogue's rows by which the model decides, with what may follow the responses that they are about.
var rows = []struct {
	id       string
	outcomes []string
}{
	{"login.standard", []string{itGoesOn, itEnters, itEnds}},
	{"login.cbit-from-target", []string{itGoesOn, itEnds}},
	{"login.cbit-own-large-offer", []string{itGoesOn}},
	{"login.cbit-target-answers-nonempty", []string{itEnds}},
	{"login.foreign-pdu-during-login", []string{itEnds}},
	{"login.oversized-response", []string{itEnds}},
	{"login.endless-negotiation", []string{itEnds}},
	{"login.reject-negotiation-reset", []string{itEnds}},
	{"login.response-wrong-itt", []string{itEnds}},
	{"login.stage-mismatch", []string{itEnds}},
	{"login.statsn-jump", []string{itEnds}},
	{"login.status.no-go-on", []string{itEnds}},
	{"login.tbit-unrequested", []string{itEnds}},
	{"login.version-active-unsupported", []string{itEnds}},
	{"auth.method-target-picks-unoffered", []string{itGoesOn, itEnds}},
	{"auth.method-proposed-by-target", []string{itEnds}},
	{"auth.stage-skipped-by-target", []string{itEnds}},
	{"auth.chap-a.not-offered", []string{itEnds}},
	{"auth.chap-a.out-of-order", []string{itEnds}},
	{"auth.chap-i.invalid", []string{itEnds}},
	{"auth.chap-i.out-of-order", []string{itEnds}},
	{"auth.chap-c.empty", []string{itEnds}},
	{"auth.chap-c.too-big", []string{itEnds}},
	{"auth.chap-n.out-of-order", []string{itEnds}},
	{"auth.chap-n.unexpected-name", []string{itEnds}},
	{"auth.chap-r.missing-from-target", []string{itEnds}},
	{"auth.chap-r.wrong-from-target", []string{itEnds}},
	{"negotiation.answer-every-offer", []string{itGoesOn, itEnters, itEnds}},
	{"negotiation.boolean-functions", []string{itEnds}},
	{"negotiation.duplicate-in-same-pdu", []string{itEnds}},
	{"negotiation.duplicate-in-separate-pdus", []string{itEnds}},
	{"negotiation.list-answer-not-offered", []string{itEnds}},
	{"negotiation.notunderstood-standard-key", []string{itGoesOn, itEnters, itEnds}},
	{"negotiation.numeric-answer-above-offer", []string{itEnds}},
	{"negotiation.numeric-out-of-range", []string{itGoesOn, itEnters, itEnds}},
	{"negotiation.reject-answer", []string{itGoesOn, itEnters}},
	{"negotiation.text-malformed", []string{itEnds}},
	{"negotiation.unknown-key-notunderstood", []string{itEnds}},
	{"keys.digest-response", []string{itEnds}},
	{"keys.time2wait", []string{itEnds}},
	{"redirect.temporary.followed", []string{itFollows, itEnds}},
	{"redirect.permanent.followed", []string{itFollows, itEnds}},
	{"redirect.unknown-detail", []string{itEnds}},
	{"redirect.address.missing", []string{itEnds}},
	{"redirect.address.malformed", []string{itEnds}},
	{"redirect.loop-bounded", []string{itEnds}},
	{"redirect.during-established", []string{itGoesOn, itEnters, itEnds}},
}

// disturbances are what an array does in full feature phase of its own accord.
var disturbances = []fuzz.Verb{fuzz.VerbAnswer, fuzz.VerbAsync, fuzz.VerbCommand, fuzz.VerbLogout, fuzz.VerbPing, fuzz.VerbReject, fuzz.VerbText}

// Plan is all that there is to reach: the states of a login, what follows in each, what follows by each row of the catalogue that the model
// decides by, and each key with each class of value that it can have.
func Plan() fuzz.Plan {
	var p fuzz.Plan
	for _, s := range states {
		p.States = append(p.States, s.name)
		for _, o := range s.outcomes {
			p.Transitions = append(p.Transitions, s.name+" -> "+o)
		}
	}
	for _, r := range rows {
		for _, o := range r.outcomes {
			p.Transitions = append(p.Transitions, r.id+" -> "+o)
		}
	}
	for _, v := range disturbances {
		p.Transitions = append(p.Transitions, fullFeature+" -> the array: "+string(v))
	}
	p.Transitions = append(p.Transitions, "redirect -> followed", "reconnect -> attempted")
	for i := range rules {
		p.Keys = append(p.Keys, plannedKey(rules[i].key, rules[i].numeric() || rules[i].function == declared)...)
	}
	for _, key := range chapKeys {
		p.Keys = append(p.Keys, plannedKey(key, key != "CHAP_A" && key != "CHAP_R")...)
	}
	for _, class := range fuzz.Classes() {
		if class != fuzz.Missing {
			p.Keys = append(p.Keys, unknown+" "+string(class))
		}
	}
	return p
}

// plannedKey lists a key with its classes of value. Keys that take one of a few words have no boundary.
func plannedKey(key string, bounded bool) []string {
	classes := fuzz.Classes()
	if !bounded {
		classes = slices.DeleteFunc(classes, func(c fuzz.Class) bool { return c == fuzz.Boundary })
	}
	var names []string
	for _, class := range classes {
		names = append(names, key+" "+string(class))
	}
	return names
}
