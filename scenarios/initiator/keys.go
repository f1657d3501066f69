package initiator

import (
	"fmt"
	"slices"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// keyChecks are the rows of the group keys about what is negotiated for the whole session.
func keyChecks() []Check {
	return []Check{
		{ID: "keys.markers-obsolete", Run: markers},
		{ID: "keys.time2retain", Driver: func(s *Settings) { s.Offer(text.KeyDefaultTime2Retain, "20") }, Run: time2Retain},
		{ID: "keys.time2wait", Driver: func(s *Settings) { s.Offer(text.KeyDefaultTime2Wait, "2") }, Run: time2Wait},
		{ID: "keys.maxoutstandingr2t", Driver: func(s *Settings) { s.Offer(text.KeyMaxOutstandingR2T, "300") }, Run: maxOutstandingR2T},
		{ID: "keys.errorrecoverylevel", Driver: aboveLevelZero, Run: recoveryLevel},
		{ID: "keys.sessiontype", Run: sessionTypeKey},
		{ID: "keys.target-alias-and-tag", Run: aliasAndTag},
		{ID: "keys.taskreporting", Run: taskReporting},
		{ID: "keys.taskreporting-fastabort", Run: fastAbortChosen},
		{ID: "keys.iscsiprotocollevel", Run: protocolLevel},
		{ID: "keys.nodearchitecture", Run: nodeArchitecture},
	}
}

func markers(t *T) {
	own := map[string]string{}
	asked := false
	var replies text.Pairs
	_, full := t.answers(func(s *Step) {
		for _, p := range s.Keys {
			if !asked && strings.HasPrefix(p.Key, "OFMark") || strings.HasPrefix(p.Key, "IFMark") && !asked {
				own[p.Key] = p.Value
			}
		}
		replies = append(replies, s.Replies...)
		if !asked && operational(s) {
			asked = true
			s.Offer(text.Pair{Key: "OFMarker", Value: "Yes"}, text.Pair{Key: "IFMarker", Value: "Yes"},
				text.Pair{Key: "OFMarkInt", Value: "2048~8192"}, text.Pair{Key: "IFMarkInt", Value: "1~4"})
		}
	})
	t.Check(full, "a login that fails", "Reject for each of the keys")
	for _, key := range []string{"OFMarker", "IFMarker", "OFMarkInt", "IFMarkInt"} {
		reply, answered := replies.Get(key)
		flag := strings.HasSuffix(key, "Marker")
		switch {
		case own[key] == text.Yes:
			t.Fail("an offer of "+key+"=Yes", "no markers")
		case !answered && flag && own[key] == text.No:
			t.Warn("The key is answered by the initiator's own offer of No.", "no answer to "+key, key+"=Reject")
		case !answered:
			t.Fail("no answer to "+key, key+"=Reject")
		case reply == text.Reject || flag && reply == text.No:
		case reply == text.Irrelevant || reply == text.NotUnderstood:
			t.Warn("The key is answered as initiators did before markers were withdrawn.", key+"="+reply, key+"=Reject")
		default:
			t.Fail(key+"="+reply, key+"=Reject")
		}
	}
	t.Probe()
}

func time2Retain(t *T) {
	t.Part("0", func() {
		offer := ""
		_, full := t.answers(answering(text.KeyDefaultTime2Retain, "0", &offer))
		t.notOffered(text.KeyDefaultTime2Retain, offer)
		t.inRange(text.KeyDefaultTime2Retain, offer)
		t.Check(full, "a login that fails", "a login with DefaultTime2Retain=0")
		t.lists(text.KeyDefaultTime2Retain, func(p text.Params) any { return p.DefaultTime2Retain }, 0)
		t.Probe()
	})
	t.Part("3601", func() {
		offer := ""
		_, full := t.answers(answering(text.KeyDefaultTime2Retain, "3601", &offer))
		t.notOffered(text.KeyDefaultTime2Retain, offer)
		if full {
			own, _ := text.ParseNumber(offer)
			t.lists(text.KeyDefaultTime2Retain, func(p text.Params) any { return p.DefaultTime2Retain }, own)
		}
	})
}

// inRange fails unless the offer of a numeric key is one that the key takes.
func (t *T) inRange(name, offer string) {
	if key, _ := text.Lookup(name); !key.Admits(offer) {
		t.Fail(name+"="+offer, fmt.Sprintf("a number from %d to %d", key.Min, key.Max))
	}
}

func time2Wait(t *T) {
	offer, longer := "", 0
	c, full := t.answers(func(s *Step) {
		value, told := s.Keys.Get(text.KeyDefaultTime2Wait)
		if !told {
			return
		}
		n, _ := text.ParseNumber(value)
		offer, longer = value, n+8
		s.Set(text.KeyDefaultTime2Wait, fmt.Sprint(longer))
	})
	t.notOffered(text.KeyDefaultTime2Wait, offer)
	t.inRange(text.KeyDefaultTime2Wait, offer)
	t.Check(full, "a login that fails", fmt.Sprintf("a login with DefaultTime2Wait=%d", longer))
	t.lists(text.KeyDefaultTime2Wait, func(p text.Params) any { return p.DefaultTime2Wait }, longer)
	t.Probe()
	if !t.Own() {
		return
	}
	cut := t.Now()
	c.Sever()
	again := t.AcceptWithin(AnswerTime)
	if waited := t.Now() - cut; waited < seconds(longer)-Slack {
		t.Warn("The connection comes before the time is over.", fmt.Sprintf("a connection after %v", waited), fmt.Sprintf("%d s", longer))
	}
	again.Login()
	t.Probe()
}

func maxOutstandingR2T(t *T) {
	for _, own := range []bool{false, true} {
		name := "1"
		if own {
			name = "the offer"
		}
		t.Part(name, func() {
			answer, offer := "1", ""
			_, full := t.answers(func(s *Step) {
				value, told := s.Keys.Get(text.KeyMaxOutstandingR2T)
				if told && own {
					answer = value
				}
				answering(text.KeyMaxOutstandingR2T, answer, &offer)(s)
			})
			t.notOffered(text.KeyMaxOutstandingR2T, offer)
			t.inRange(text.KeyMaxOutstandingR2T, offer)
			t.Check(full, "a login that fails", "a login with MaxOutstandingR2T="+answer)
			n, _ := text.ParseNumber(answer)
			t.lists(text.KeyMaxOutstandingR2T, func(p text.Params) any { return p.MaxOutstandingR2T }, n)
			t.Probe()
		})
	}
}

func recoveryLevel(t *T) {
	for answer := range 2 {
		t.Part(fmt.Sprintf("answer %d", answer), func() {
			offers := 0
			c, full := t.answers(func(s *Step) {
				value, told := s.Keys.Get(text.KeyErrorRecoveryLevel)
				if !told {
					return
				}
				offers++
				t.inRange(text.KeyErrorRecoveryLevel, value)
				if n, _ := text.ParseNumber(value); n < answer {
					t.Skip("NOT-TESTABLE: the initiator offers ErrorRecoveryLevel=%s.", value)
				}
				s.Set(text.KeyErrorRecoveryLevel, fmt.Sprint(answer))
			})
			switch {
			case offers > 1:
				t.Fail(fmt.Sprintf("%d offers", offers), "one offer")
			case offers == 0 && answer > 0:
				t.Skip("NOT-TESTABLE: the initiator does not offer ErrorRecoveryLevel.")
			case !full:
				t.Warn("The initiator demands its own level.", "a login that fails", fmt.Sprintf("a login with ErrorRecoveryLevel=%d", answer))
				return
			}
			c.Params.ErrorRecoveryLevel = answer
			t.lists(text.KeyErrorRecoveryLevel, func(p text.Params) any { return p.ErrorRecoveryLevel }, answer)
			t.Probe()
		})
	}
}

func sessionTypeKey(t *T) {
	for _, row := range []struct {
		op   Login
		want string
	}{{Login{}, "Normal"}, {Login{Kind: ini.Discovery, NoTarget: true}, "Discovery"}} {
		t.Part(row.want, func() {
			told := 0
			t.login(row.op, prolonged(2), func(s *Step) {
				kind, found := s.Keys.Get(text.KeySessionType)
				if !found {
					return
				}
				told++
				t.Equal("SessionType", kind, row.want)
				t.Check(told == 1, "SessionType once more", "SessionType once")
				if s.N > 1 {
					t.Warn("SessionType comes late.", fmt.Sprintf("SessionType in request %d", s.N), "SessionType in the first request")
				}
			})
			t.Check(told == 1 || row.want == "Normal", "no SessionType", "SessionType=Discovery")
		})
	}
}

func aliasAndTag(t *T) {
	alias := strings.Repeat("ä", 127) + "x"
	declared := false
	_, full := t.answers(func(s *Step) {
		for _, key := range []string{text.KeyTargetAlias, text.KeyTargetPortalGroupTag} {
			if _, answered := s.Keys.Get(key); answered {
				t.Fail("an answer to "+key, "no answer to a declaration")
			}
		}
		if !declared {
			declared = true
			s.Set(text.KeyTargetAlias, alias)
			holdStage(s)
		}
	})
	t.Check(full, "a login that fails", "a login")
	t.lists(text.KeyTargetAlias, func(p text.Params) any { return p.TargetAlias }, alias)
	t.lists(text.KeyTargetPortalGroupTag, func(p text.Params) any { return p.TargetPortalGroupTag }, t.Base.Tag)
	t.Probe()
}

// reporting are the values of TaskReporting.
var reporting = []string{"RFC3720", "ResponseFence", "FastAbort"}

func taskReporting(t *T) {
	for _, value := range reporting {
		t.PartWith("offered, answered "+value, func(_ *Base, s *Settings) { s.Offer(text.KeyTaskReporting, "FastAbort,ResponseFence,RFC3720") }, func() {
			offer := ""
			_, full := t.answers(answering(text.KeyTaskReporting, value, &offer), func(s *Step) {
				list := text.ParseList(offer)
				switch {
				case offer == "":
				case !slices.Contains(list, "RFC3720") || !slices.Contains(list, "ResponseFence"):
					t.Fail("TaskReporting="+offer, "RFC3720 and ResponseFence in the list")
				case slices.ContainsFunc(list, func(v string) bool { return !slices.Contains(reporting, v) }):
					t.Fail("TaskReporting="+offer, "known values")
				case !slices.Contains(list, value):
					t.Skip("NOT-TESTABLE: the initiator offers TaskReporting=%s.", offer)
				}
			})
			t.notOffered(text.KeyTaskReporting, offer)
			t.Check(full, "a login that fails", "a login with TaskReporting="+value)
			t.lists(text.KeyTaskReporting, func(p text.Params) any { return p.TaskReporting }, value)
			t.Probe()
		})
	}
	for _, list := range []string{"RFC3720", "RFC3720,ResponseFence", "ResponseFence,RFC3720,FastAbort"} {
		t.Part("answers "+list, func() {
			reply, full := t.offers(text.Pair{Key: text.KeyTaskReporting, Value: list})
			switch {
			case !full || reply == "":
				t.Fail("no answer", "one of "+list)
			case reply == text.NotUnderstood:
				t.Warn("The key is younger than the initiator.", "TaskReporting=NotUnderstood", "one of "+list)
			case reply != text.Reject && !slices.Contains(text.ParseList(list), reply):
				t.Fail("TaskReporting="+reply, "one of "+list)
			}
			t.Probe()
		})
	}
}

func fastAbortChosen(t *T) {
	const list = "FastAbort,ResponseFence,RFC3720"
	reply, offered := "", ""
	asked := false
	_, full := t.answers(func(s *Step) {
		if own, told := s.Keys.Get(text.KeyTaskReporting); told && !asked {
			offered = own
		}
		if answer, told := s.Replies.Get(text.KeyTaskReporting); told {
			reply = answer
		}
		if !asked && offered == "" && operational(s) {
			asked = true
			s.Offer(text.Pair{Key: text.KeyTaskReporting, Value: list})
		}
	})
	t.Check(full, "a login that fails", "a login")
	switch {
	case slices.Contains(text.ParseList(offered), "FastAbort") || reply == "FastAbort":
	case reply == "" || reply == text.Reject || reply == text.NotUnderstood || slices.Contains(text.ParseList(list), reply):
		t.Warn("FastAbort is not supported.", fmt.Sprintf("TaskReporting=%s", reply+offered), "FastAbort")
	default:
		t.FailFirmly("TaskReporting="+reply, "one of "+list)
	}
	t.Probe()
}

func protocolLevel(t *T) {
	t.Part("offer of 2", func() {
		reply, full := t.offers(text.Pair{Key: text.KeyISCSIProtocolLevel, Value: "2"})
		n, valid := text.ParseNumber(reply)
		t.Check(!full || reply != "", "no answer", "a number up to 2, or NotUnderstood")
		if !full || reply != text.NotUnderstood && reply != text.Reject && (!valid || n > 2) {
			t.Fail("iSCSIProtocolLevel="+reply, "a number up to 2, or NotUnderstood")
		}
		t.Probe()
	})
	t.PartWith("answer of 1", func(_ *Base, s *Settings) { s.Offer(text.KeyISCSIProtocolLevel, "2") }, func() {
		offer := ""
		c, full := t.answers(answering(text.KeyISCSIProtocolLevel, "1", &offer))
		t.notOffered(text.KeyISCSIProtocolLevel, offer)
		t.Check(full, "a login that fails", "a login at level 1")
		op := t.Start(Read{Blocks: 8})
		task := c.Read()
		if priority := task.Event.Frame.BHS[2] & 0x0f; priority != 0 {
			t.Fail(fmt.Sprintf("command priority %d", priority), "0, since level 2 was not agreed")
		}
		c.Good(task)
		t.endsWell(op)
		if e := c.TryNext(0, pdu.OpTaskManagementRequest); e.Kind == probe.Arrived {
			t.Fail(e, "no task management that nothing asked for")
		}
	})
}

func nodeArchitecture(t *T) {
	t.Part("of the target", func() {
		reply, full := t.offers(text.Pair{Key: text.KeyNodeArchitecture, Value: "acme/1"})
		if !full || reply != "" && reply != text.NotUnderstood {
			t.Fail(text.KeyNodeArchitecture+"="+reply, "no answer, or NotUnderstood")
		}
		t.Probe()
	})
	t.PartWith("of the initiator", func(_ *Base, s *Settings) { s.Offer(text.KeyNodeArchitecture, "iscsispec/1") }, func() {
		told := 0
		_, full := t.answers(prolonged(1), func(s *Step) {
			value, found := s.Keys.Get(text.KeyNodeArchitecture)
			if !found {
				return
			}
			told++
			t.Check(told == 1, "the key once more", "the key once")
			t.Check(len(value) <= 255, fmt.Sprintf("%d bytes", len(value)), "at most 255 bytes")
			t.Check(operational(s), s.Event, "the key outside of the security stage")
			s.Set(text.KeyNodeArchitecture, text.NotUnderstood)
		})
		if told == 0 {
			t.Skip("NOT-TESTABLE: the initiator does not declare the key.")
		}
		t.Check(full, "a login that fails", "a login, whatever the target knows")
		t.Probe()
	})
}

// modeList is the parameter list of a MODE SELECT, of n bytes.
func modeList(n int) RawCDB { return RawCDB{CDB: modeSelect(n), Write: make([]byte, n)} }

// unmap is an UNMAP of one block.
func unmap(lba uint64) RawCDB {
	list := make([]byte, 24)
	list[1], list[3], list[23-4] = 22, 16, 1
	for i := range 8 {
		list[8+i] = byte(lba >> (56 - 8*i))
	}
	cdb := make([]byte, 10)
	cdb[0], cdb[8] = byte(scsi.OpUnmap), byte(len(list))
	return RawCDB{CDB: cdb, Write: list}
}
