package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// negotiationKeyChecks are those of the group negotiation about which keys are known, and how often one may come.
func negotiationKeyChecks() []Check {
	return []Check{
		{ID: "negotiation.unknown-key.x-hash-extension", Run: func(t *T) {
			const key = "X#iscsispec"
			r := t.Offering(key + "=hello")
			if r.Refused() && t.TurnedDown(r, false) {
				t.Warn("The target refuses a key of the withdrawn name space.", r, key+"=NotUnderstood")
				return
			}
			t.Granted(r)
			t.notUnderstood(r, key)
		}},
		{ID: "negotiation.unknown-key.x-node-architecture", Run: nodeArchitecture},
		{ID: "negotiation.unknown-key.standard-looking-name", Run: func(t *T) {
			r := t.Offering("FutureBurstMode=Yes")
			t.Granted(r)
			t.notUnderstood(r, "FutureBurstMode")
		}},
		{ID: "negotiation.known-key.never-notunderstood", Run: knownKeys},
		{ID: "negotiation.answer.declarations-need-no-answer", Run: declarationsUnanswered},
		{ID: "negotiation.renegotiation.same-pdu-refused", Run: func(t *T) {
			r := t.Offering("ImmediateData=Yes", "ImmediateData=No")
			if !t.TurnedDown(r, false, "a refusal") {
				t.Fail(fmt.Sprintf("a granted login, with the answers ImmediateData=%q", r.Walk.Received().Values(text.KeyImmediateData)), "a refusal")
			}
		}},
		{ID: "negotiation.renegotiation.later-pdu-refused", Run: func(t *T) {
			w := t.byHand(t.Digests("MaxBurstLength=65536", "FirstBurstLength=16384"))
			again := append(Answers(w), Keys("MaxBurstLength=32768")...)
			if r := t.cameOf(w, lastly(again)); !t.TurnedDown(r, false, "a refusal") {
				t.Fail(fmt.Sprintf("a granted login, with the answers MaxBurstLength=%q", w.Received().Values(text.KeyMaxBurstLength)), "a refusal")
			}
		}},
		{ID: "negotiation.renegotiation.redeclare-mrdsl-in-login", Run: func(t *T) {
			w := t.byHand(t.Digests("MaxRecvDataSegmentLength=8192"))
			again := append(Answers(w), Keys("MaxRecvDataSegmentLength=16384")...)
			if r := t.cameOf(w, lastly(again)); !t.TurnedDown(r, false, "a refusal") {
				t.Warn("The target lets a declaration be repeated in a login.", r, "a refusal")
			}
		}},
		{ID: "negotiation.ffp.login-only-keys-refused", Run: loginOnlyKeys},
		{ID: "negotiation.stage.operational-keys-in-security", Run: operationalInSecurity},
		{ID: "negotiation.obsolete.markers-rejected", Run: markersRejected},
		{ID: "negotiation.obsolete.marker-intervals-rejected", Run: markerIntervals},
	}
}

func nodeArchitecture(t *T) {
	plain := t.Login(probe.Login{})
	t.Survives(t.Granted(plain), "the session without the key")
	t.Leave(plain.Conn)
	r := t.Offering(text.KeyNodeArchitecture + "=iscsispec/1.0")
	if !r.Granted() {
		t.FailFirmly(r, "a granted login")
	}
	t.Survives(r.Conn, "the session with the key")
	for _, login := range []*probe.LoginResult{plain, r} {
		values := login.Walk.Received().Values(text.KeyNodeArchitecture)
		if len(values) > 1 {
			t.FailFirmly(fmt.Sprintf("X#NodeArchitecture=%q in one login", values), "one declaration at most")
		}
		for _, value := range values {
			if len(value) > 255 {
				t.FailFirmly(fmt.Sprintf("a value of %d bytes", len(value)), "at most 255 bytes")
			}
			t.Note("X#NodeArchitecture=%s", value)
		}
	}
}

func knownKeys(t *T) {
	offers := t.Digests("MaxConnections=1", "InitialR2T=Yes", "ImmediateData=Yes", "MaxBurstLength=262144", "FirstBurstLength=65536",
		"DefaultTime2Wait=2", "DefaultTime2Retain=20", "MaxOutstandingR2T=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes",
		"ErrorRecoveryLevel=0", "InitiatorAlias=iscsispec", "SessionType=Normal")
	for _, offer := range offers {
		t.Part(offer.Key, func() {
			r := t.Login(probe.Login{Keys: text.Pairs{offer}})
			if !r.Granted() && t.TurnedDown(r, true) {
				t.Skip("The login is not granted, which is the matter of other checks: %v.", r)
			}
			for _, answer := range r.Walk.Received().Values(offer.Key) {
				if answer == text.NotUnderstood {
					t.Fail(offer.Key+"=NotUnderstood", "another answer, or none")
				}
			}
		})
	}
}

func declarationsUnanswered(t *T) {
	r := t.Offering("InitiatorAlias=tester", "MaxRecvDataSegmentLength=65536")
	t.Granted(r)
	for _, p := range r.Walk.Received() {
		switch p.Key {
		case text.KeyInitiatorAlias, text.KeyInitiatorName, text.KeySessionType:
			if text.Reserved(p.Value) {
				t.Fail(p, "no answer to a declaration")
			}
			t.Warn("The target echoes a declaration.", p, "no answer to a declaration")
		case text.KeyMaxRecvDataSegmentLength:
			if n, number := text.ParseNumber(p.Value); !number || n < 512 || n > 1<<24-1 {
				t.Fail(p, "MaxRecvDataSegmentLength=512 to 16777215")
			}
		}
	}
}

func loginOnlyKeys(t *T) {
	for _, offer := range Keys("MaxBurstLength=512", "InitialR2T=Yes", "ErrorRecoveryLevel=0", "HeaderDigest=None", "MaxConnections=2", "AuthMethod=None") {
		t.Part(offer.String(), func() {
			want := []string{offer.Key + "=Reject", "a Reject", "a drop"}
			c := t.Open(probe.Login{})
			request := c.TextRequest(text.Pairs{offer})
			r := c.FollowText(request)
			if _, rejected := probe.As[*pdu.Reject](r.Event); rejected {
				c.Session.CmdSN = request.CmdSN
			} else if r.Event.Ended() {
				return
			} else if !r.Complete {
				t.Fail(r.Event, want...)
			} else {
				switch answer, answered := r.Pairs.Get(offer.Key); {
				case answer == text.Reject:
				case !answered:
					t.Warn("The target does not answer a key that it does not take.", r.Pairs, want...)
				case text.Reserved(answer):
					t.Warn("The target answers otherwise.", offer.Key+"="+answer, want...)
				default:
					t.Fail(offer.Key+"="+answer, want...)
				}
			}
			t.Done(c, t.Read(c, 0, t.room(c, 0, 64<<10)), "a READ after the Text Request")
		})
	}
}

// operationalInSecurity holds the sequences of a session against what was answered in the security stage, and against those of a session in
// which the key was never named: a target may always send shorter ones.
func operationalInSecurity(t *T) {
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login by hand leaves out.")
	}
	plain := t.Open(probe.Login{})
	usual, _ := longest(t.Done(plain, t.Read(plain, 0, 4096), "a READ").Task)
	t.Leave(plain)
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), Keys("AuthMethod=None", "MaxBurstLength=512")...)
	a := w.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: true, Keys: keys})
	if !a.OK() {
		if status, refused := a.Refused(); refused && t.TurnedDown(&probe.LoginResult{Outcome: probe.LoginRefused, Status: status, Last: a.Event}, true) || a.Event.Ended() {
			return
		}
		t.Fail(a.Event, "a refusal", "a Login Response with Status 0x0000")
	}
	next := lastly(append(t.Digests(), Answers(w)...))
	if !a.Response.Transit {
		next = probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageFullFeature, Transit: true, Keys: Answers(w)}
	}
	r := t.cameOf(w, next)
	if t.TurnedDown(r, true) {
		return
	}
	t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
	read := t.Done(r.Conn, t.Read(r.Conn, 0, 4096), "a READ")
	sequence, _ := longest(read.Task)
	answer, answered := r.Answer(text.KeyMaxBurstLength)
	n, number := text.ParseNumber(answer)
	switch {
	case number:
		t.sequencesWithin(read, n)
	case answer == text.NotUnderstood:
		t.Warn("The target answers a key of another stage with NotUnderstood.", "MaxBurstLength=NotUnderstood", "Reject")
	case answered && !text.Reserved(answer):
		t.Fail("MaxBurstLength="+answer, "a number", "Reject", "Irrelevant", "no answer")
	}
	if !number && sequence <= 512 && usual > 512 {
		t.Fail(fmt.Sprintf("sequences of at most %d bytes, and of %d without the key", sequence, usual), "the default of 262144 in force")
	}
}

// markersRejected is a row of the level "should" with answers that fail.
func markersRejected(t *T) {
	for _, offer := range []string{text.No, text.Yes} {
		t.Part(offer, func() {
			r := t.Offering("IFMarker="+offer, "OFMarker="+offer)
			t.Granted(r)
			for _, key := range []string{"IFMarker", "OFMarker"} {
				want := []string{key + "=Reject", key + "=No"}
				switch answer, answered := r.Answer(key); {
				case answer == text.Reject || answer == text.No:
				case answer == text.NotUnderstood:
					t.Warn("Targets written to other revisions do not know markers.", key+"="+answer, want...)
				case !answered:
					t.Warn("The target does not answer the offer.", "no answer to "+key, want...)
				case answer == text.Yes && offer == text.Yes && r.Conn.Ping(nil) != nil:
					t.Warn("The target agrees to markers and does not answer a ping without them.", key+"="+answer, want...)
					return
				default:
					t.FailFirmly(key+"="+answer, want...)
				}
			}
		})
	}
}

func markerIntervals(t *T) {
	r := t.Offering("IFMarkInt=2048~65535", "OFMarkInt=2048~65535")
	t.Granted(r)
	for _, key := range []string{"IFMarkInt", "OFMarkInt"} {
		if answer, answered := r.Answer(key); answer != text.Reject {
			actual := key + "=" + answer
			if !answered {
				actual = "no answer to " + key
			}
			t.note(scenarios.Warn, false, "Targets of RFC 3720 answer otherwise.", actual, []string{key + "=Reject"})
		}
	}
}
