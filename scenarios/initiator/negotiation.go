package initiator

import (
	"fmt"
	"slices"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// negotiationChecks are the rows of the group negotiation in which the array answers the initiator's offers.
func negotiationChecks() []Check {
	return []Check{
		{ID: "negotiation.offer-once", Run: offersOnce},
		{ID: "negotiation.duplicate-in-separate-pdus", Run: repeatedAnswer},
		{ID: "negotiation.duplicate-in-same-pdu", Run: twoAnswers},
		{ID: "negotiation.list-answer-not-offered", Run: unofferedChoice},
		{ID: "negotiation.numeric-answer-above-offer", Driver: func(s *Settings) { s.Offer(text.KeyDefaultTime2Wait, "2") }, Run: numbersBeyondOffer},
		{ID: "negotiation.numeric-out-of-range", Run: numbersOutOfRange},
		{ID: "negotiation.boolean-illegal-value", Run: illegalBooleans},
		{ID: "negotiation.reject-answer", Run: rejectedOffers},
		{ID: "negotiation.irrelevant-answer", Base: func(b *Base) { b.Params.ImmediateData = false }, Run: irrelevantAnswer},
		{ID: "negotiation.notunderstood-standard-key", Run: notUnderstoodOffers},
		{ID: "negotiation.defaults-when-silent", Driver: func(s *Settings) { s.Omit(operationalKeys...) }, Run: silentTarget},
		{ID: "negotiation.number-formats", Run: numberFormats},
	}
}

// operationalKeys are the negotiated ones of data sessions that an initiator may leave out.
var operationalKeys = []string{
	text.KeyMaxRecvDataSegmentLength, text.KeyMaxConnections, text.KeyErrorRecoveryLevel, text.KeyInitialR2T, text.KeyImmediateData,
	text.KeyMaxBurstLength, text.KeyFirstBurstLength, text.KeyMaxOutstandingR2T, text.KeyDataPDUInOrder, text.KeyDataSequenceInOrder,
	text.KeyDefaultTime2Wait, text.KeyDefaultTime2Retain,
}

// Omit takes keys out of what data sessions offer.
func (s *Settings) Omit(keys ...string) {
	if s.Defaults.Offers == nil {
		s.Defaults.Offers = ini.DefaultOffers(ini.NormalSession)
	}
	s.Defaults.Offers = slices.DeleteFunc(s.Defaults.Offers, func(o ini.Offer) bool { return slices.Contains(keys, o.Key) })
}

// settles serves what is left of a login that was tampered with. It returns true when the initiator goes on to full feature phase, and false
// when the login fails as R-LOGINFAIL has it. Anything else ends the part.
func (t *T) settles(c *Conn, op *Pending, hooks ...func(s *Step)) bool {
	for !c.full {
		if e := c.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			t.RLoginFail(c, op)
			return false
		}
		s := c.LoginStep()
		for _, hook := range hooks {
			hook(s)
		}
		c.Respond(s)
	}
	over := t.until(AnswerTime, func() bool { return op.Ended() || c.end != nil || !t.Own() && len(c.aside) > 0 })
	switch {
	case !t.Own() && c.used:
		return true // a command may well have ended by now with all that it wanted
	case !over:
		t.Fail("a login without an end", "full feature phase, or a login that fails")
	case c.end == nil && (!op.Ended() || op.result.Good()):
		return true
	}
	t.RLoginFail(c, op)
	return false
}

// answers logs in with hooks and tells whether full feature phase was reached.
func (t *T) answers(hooks ...func(s *Step)) (c *Conn, full bool) {
	op, c := t.begin(Login{})
	return c, t.settles(c, op, hooks...)
}

// answering returns a hook that answers a key with a value when the initiator offers it, and notes what it offered. A value of "" leaves
// the offer without an answer.
func answering(key, value string, offered *string) func(s *Step) {
	return func(s *Step) {
		offer, told := s.Keys.Get(key)
		if !told {
			return
		}
		*offered = offer
		if value == "" {
			s.Drop(key)
		} else {
			s.Set(key, value)
		}
	}
}

// notOffered skips when the initiator has not offered a key.
func (t *T) notOffered(key, offer string) {
	if offer == "" {
		t.Skip("NOT-TESTABLE: the initiator does not offer %s.", key)
	}
}

// params are the session's as the initiator lists them; false for one that lists nothing.
func (t *T) params() (text.Params, bool) {
	if !t.Own() {
		return text.Params{}, false
	}
	sessions := t.ListSessions()
	if len(sessions) == 0 {
		t.Fail("no session in the listing", "the session")
	}
	return sessions[len(sessions)-1].Params, true
}

// lists fails when the initiator lists another value of a parameter.
func (t *T) lists(name string, value func(p text.Params) any, want any) {
	if p, told := t.params(); told {
		t.Equal(name, value(p), want)
	}
}

func offersOnce(t *T) {
	seen := map[string]bool{}
	t.login(Login{}, prolonged(3), func(s *Step) {
		for _, p := range s.Keys {
			if seen[p.Key] {
				t.Fail(fmt.Sprintf("%v once more", p), "each key once in a login")
			}
			seen[p.Key] = true
		}
	})
	t.Probe()
}

// goesOnWarned is what follows when a login went on that had better failed: a warning, and a session that has to be consistent.
func (t *T) goesOnWarned(c *Conn, what string) {
	t.Warn("The login goes on.", what, "R-LOGINFAIL")
	p, told := t.params()
	op := t.Start(Write{LBA: besideProbe, Blocks: 1})
	task := c.WriteCommand()
	if told && !p.ImmediateData && len(task.PDU.Data) > 0 {
		t.Fail(fmt.Sprintf("%d bytes of immediate data", len(task.PDU.Data)), "none, as the initiator lists ImmediateData=No")
	}
	c.Good(task)
	t.endsWell(op)
}

func repeatedAnswer(t *T) {
	offer, again := "", false
	c, full := t.answers(func(s *Step) {
		if again {
			s.Answer.Add(text.KeyImmediateData, text.No)
			again = false
		}
		if answering(text.KeyImmediateData, text.Yes, &offer)(s); offer != "" && len(s.Keys) > 0 {
			if _, now := s.Keys.Get(text.KeyImmediateData); now {
				again = true
				holdStage(s)
			}
		}
	})
	t.notOffered(text.KeyImmediateData, offer)
	if full {
		t.goesOnWarned(c, "a login although ImmediateData came twice")
	}
}

func twoAnswers(t *T) {
	offer := ""
	c, full := t.answers(func(s *Step) {
		answering(text.KeyImmediateData, text.Yes, &offer)(s)
		if _, now := s.Keys.Get(text.KeyImmediateData); now {
			s.Answer.Add(text.KeyImmediateData, text.No)
		}
	})
	t.notOffered(text.KeyImmediateData, offer)
	if full {
		t.goesOnWarned(c, "a login although ImmediateData came twice")
	}
}

func unofferedChoice(t *T) {
	for _, p := range []text.Pair{{Key: text.KeyAuthMethod, Value: "SRP"}, {Key: text.KeyHeaderDigest, Value: "CRC32C"},
		{Key: text.KeyDataDigest, Value: "MD5"}} {
		t.Part(p.String(), func() {
			offer := ""
			_, full := t.answers(func(s *Step) {
				if list, told := s.Keys.Get(p.Key); told && slices.Contains(text.ParseList(list), p.Value) {
					t.Skip("NOT-TESTABLE: the initiator offers %s=%s.", p.Key, list)
				}
				answering(p.Key, p.Value, &offer)(s)
			})
			t.notOffered(p.Key, offer)
			if full {
				t.Fail(fmt.Sprintf("a login with %v where %s was offered", p, offer), "R-LOGINFAIL")
			}
		})
	}
}

func numbersBeyondOffer(t *T) {
	for _, row := range []struct {
		key    string
		beyond func(offer int) int
	}{
		{text.KeyFirstBurstLength, func(n int) int { return min(2*n, 1<<24-1) }},
		{text.KeyMaxOutstandingR2T, func(n int) int { return n + 1 }},
		{text.KeyMaxConnections, func(n int) int { return n + 1 }},
		{text.KeyErrorRecoveryLevel, func(n int) int { return n + 1 }},
		{text.KeyDefaultTime2Wait, func(n int) int { return n - 1 }},
	} {
		t.Part(row.key, func() {
			offer, answer := "", 0
			_, full := t.answers(func(s *Step) {
				value, told := s.Keys.Get(row.key)
				if !told {
					return
				}
				n, _ := text.ParseNumber(value)
				answer = row.beyond(n)
				if key, _ := text.Lookup(row.key); answer == n || answer < key.Min || answer > key.Max {
					t.Skip("NOT-TESTABLE: no value is beyond the offered %s=%s.", row.key, value)
				}
				answering(row.key, fmt.Sprint(answer), &offer)(s)
			})
			t.notOffered(row.key, offer)
			if full {
				t.Warn("An answer beyond the offer is taken.", fmt.Sprintf("a login with %s=%d where %s was offered", row.key, answer, offer), "R-LOGINFAIL")
			}
		})
	}
}

// outOfRange are values that MaxBurstLength does not take.
var outOfRange = []string{"0", "511", "16777216", "4294967296", "-1", "0x", "12abc"}

func numbersOutOfRange(t *T) {
	for _, value := range outOfRange {
		t.Part("answer "+value, func() {
			offer := ""
			_, full := t.answers(answering(text.KeyMaxBurstLength, value, &offer))
			t.notOffered(text.KeyMaxBurstLength, offer)
			if full {
				t.Fail("a login with MaxBurstLength="+value, "R-LOGINFAIL")
			}
		})
		t.PartWith("offer "+value, omitting(text.KeyMaxBurstLength), func() {
			reply, full := t.offers(text.Pair{Key: text.KeyMaxBurstLength, Value: value})
			n, valid := text.ParseNumber(reply)
			if full && reply != text.Reject && (!valid || n < 512 || n > 1<<24-1) {
				t.Fail("MaxBurstLength="+reply, "Reject, a value inside the range, or R-LOGINFAIL")
			}
		})
	}
}

// omitting is a change for PartWith that has the initiator leave keys out of its offers.
func omitting(keys ...string) func(b *Base, s *Settings) {
	return func(_ *Base, s *Settings) { s.Omit(keys...) }
}

func illegalBooleans(t *T) {
	for _, p := range []text.Pair{{Key: text.KeyImmediateData, Value: "Maybe"}, {Key: text.KeyImmediateData, Value: "yes"},
		{Key: text.KeyImmediateData, Value: "1"}, {Key: text.KeyInitialR2T, Value: "Maybe"}} {
		t.Part(p.String(), func() {
			offer := ""
			c, full := t.answers(answering(p.Key, p.Value, &offer))
			t.notOffered(p.Key, offer)
			if !full {
				return
			}
			t.Warn("The login goes on with a value that is none.", p, "R-LOGINFAIL")
			for _, blocks := range []int{1, 128} {
				op := t.Start(Write{LBA: besideProbe, Blocks: blocks})
				task := c.WriteCommand()
				if p.Key == text.KeyImmediateData && len(task.PDU.Data) > 0 || p.Key == text.KeyInitialR2T && !task.PDU.Final {
					t.Fail(task.Event, "no data that are not asked for")
				}
				c.Good(task)
				t.endsWell(op)
			}
		})
	}
}

func rejectedOffers(t *T) {
	reject := func(key string) *Conn {
		offer := ""
		c, full := t.answers(answering(key, text.Reject, &offer))
		t.notOffered(key, offer)
		if !full {
			return nil
		}
		return c
	}
	t.Part(text.KeyMaxBurstLength, func() {
		if c := reject(text.KeyMaxBurstLength); c != nil {
			c.Params.MaxBurstLength = 262144
			t.lists(text.KeyMaxBurstLength, func(p text.Params) any { return p.MaxBurstLength }, 262144)
			t.largestSegment(c, 1024)
		}
	})
	t.PartWith(text.KeyHeaderDigest, func(_ *Base, s *Settings) { s.Digests() }, func() {
		if c := reject(text.KeyHeaderDigest); c != nil {
			t.Probe()
		}
	})
	t.Part(text.KeyInitialR2T, func() {
		if c := reject(text.KeyInitialR2T); c != nil {
			w := t.writes(c, Write{Blocks: 256})
			t.Check(w.PDU.Final, w.Event, "F=1, since nothing may be sent before an R2T")
			t.completes(c, w)
		}
	})
}

func irrelevantAnswer(t *T) {
	offer := ""
	c, full := t.answers(answering(text.KeyFirstBurstLength, text.Irrelevant, &offer))
	t.notOffered(text.KeyFirstBurstLength, offer)
	if !full {
		t.Fail("a login that fails", "a login: Irrelevant is no failure")
	}
	t.Probe()
	w := t.writes(c, Write{Blocks: 128})
	t.Check(len(w.PDU.Data) == 0 && w.PDU.Final, w.Event, "a command without data")
	t.completes(c, w)
}

func notUnderstoodOffers(t *T) {
	run := func(key, value string, must bool, value0 func(p text.Params) any, want any) {
		t.PartWith(key, func(_ *Base, s *Settings) { s.Offer(key, value) }, func() {
			offer := ""
			_, full := t.answers(answering(key, text.NotUnderstood, &offer))
			t.notOffered(key, offer)
			switch {
			case must && full:
				t.Warn("A key of the document is taken as unknown to the target.", "a login", "R-LOGINFAIL")
			case !must && !full:
				t.Warn("An older target cannot know the key.", "a login that fails", "a login with the default")
			}
			if full {
				if value0 != nil {
					t.lists(key, value0, want)
				}
				t.Probe()
			}
		})
	}
	run(text.KeyMaxOutstandingR2T, "8", true, func(p text.Params) any { return p.MaxOutstandingR2T }, 1)
	run(text.KeyErrorRecoveryLevel, "0", true, func(p text.Params) any { return p.ErrorRecoveryLevel }, 0)
	run(text.KeyTaskReporting, "ResponseFence,RFC3720", false, func(p text.Params) any { return p.TaskReporting }, "RFC3720")
	run(text.KeyISCSIProtocolLevel, "1", false, func(p text.Params) any { return p.ProtocolLevel }, 1)
	run("X-com.example.mode", "1", false, nil, nil)
}

func silentTarget(t *T) {
	t.Part("keys that nobody offers", func() {
		offered := false
		c, full := t.answers(func(s *Step) {
			s.Drop(text.KeyMaxRecvDataSegmentLength)
			for _, p := range s.Keys {
				offered = offered || slices.Contains(operationalKeys[1:], p.Key)
			}
		})
		t.Check(full, "a login that fails", "a login with the defaults")
		if offered {
			t.Skip("NOT-TESTABLE: the initiator offers the keys itself.")
		}
		w := t.writes(c, Write{Blocks: 256})
		t.Check(len(w.PDU.Data) <= 8192, fmt.Sprintf("%d bytes of immediate data", len(w.PDU.Data)), "at most 8192")
		t.Check(w.PDU.Final, w.Event, "F=1, since InitialR2T is Yes by default")
		if largest := t.largestSegment(c, 256); largest > 8192 {
			t.Fail(fmt.Sprintf("a data segment of %d bytes", largest), "at most 8192 bytes")
		}
		t.completes(c, w)
		if p, told := t.params(); told {
			want := text.DefaultParams()
			want.MaxRecvDataSegmentLength = p.MaxRecvDataSegmentLength
			want.TargetName, want.InitiatorName = p.TargetName, p.InitiatorName
			want.TargetPortalGroupTag, want.HasTargetPortalGroupTag = p.TargetPortalGroupTag, p.HasTargetPortalGroupTag
			t.Equal("parameters", p, want)
		}
		t.Probe()
	})
	t.PartWith("an offer without an answer", func(_ *Base, s *Settings) {
		s.Defaults.Offers = nil
		s.Offer(text.KeyMaxBurstLength, "1048576")
	}, func() {
		offer := ""
		c, full := t.answers(answering(text.KeyMaxBurstLength, "", &offer))
		t.notOffered(text.KeyMaxBurstLength, offer)
		if !full {
			return
		}
		c.Params.MaxBurstLength = 262144
		t.lists(text.KeyMaxBurstLength, func(p text.Params) any { return p.MaxBurstLength }, 262144)
		t.Probe()
	})
}

func numberFormats(t *T) {
	offer := ""
	c, full := t.answers(answering(text.KeyMaxBurstLength, "0X40000", &offer), func(s *Step) {
		for i := range s.Answer {
			if s.Answer[i].Key == text.KeyMaxRecvDataSegmentLength {
				s.Answer[i].Value = "0x2000"
			}
		}
	})
	t.notOffered(text.KeyMaxBurstLength, offer)
	if !full {
		t.Fail("a login that fails", "a login: both forms of a number are lawful")
	}
	largest := t.largestSegment(c, 128)
	t.Check(largest > 0 && largest <= 8192, fmt.Sprintf("data segments of at most %d bytes", largest), "data segments of at most 8192 bytes")
	t.lists(text.KeyMaxBurstLength, func(p text.Params) any { return p.MaxBurstLength }, 0x40000)
	t.lists(text.KeyMaxRecvDataSegmentLength, func(p text.Params) any { return p.PeerMaxRecvDataSegmentLength }, 0x2000)
	t.Probe()
}

// operational tells whether a step is the first whose answer may hold operational keys.
func operational(s *Step) bool { return s.Request.CSG == pdu.StageOperational }

// offers logs in while the array offers one pair, and returns what the initiator answers; full is false for R-LOGINFAIL. An initiator that
// offers the key itself cannot be tested.
func (t *T) offers(p text.Pair) (reply string, full bool) {
	replies, _, full := t.offersAll(p)
	reply, _ = replies.Get(p.Key)
	return reply, full
}

// offersAll is offers for several pairs.
func (t *T) offersAll(pairs ...text.Pair) (replies text.Pairs, c *Conn, full bool) {
	asked := false
	c, full = t.answers(func(s *Step) {
		for _, p := range pairs {
			if _, own := s.Keys.Get(p.Key); own && !asked {
				t.Skip("NOT-TESTABLE: the initiator offers %s itself.", p.Key)
			}
		}
		replies = append(replies, s.Replies...)
		if !asked && operational(s) {
			asked = true
			s.Offer(pairs...)
		}
	})
	return replies, c, full
}

// keysOf are the names of pairs, for messages.
func keysOf(pairs text.Pairs) string {
	names := make([]string, 0, len(pairs))
	for _, p := range pairs {
		names = append(names, p.Key)
	}
	return strings.Join(names, ", ")
}
