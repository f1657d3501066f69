package scripted

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// soundAnswer is what a sound array says in answer to a request.
type soundAnswer struct {
	pairs   text.Pairs
	raw     []byte // in place of pairs: the rest of a text that broke off
	isRaw   bool
	transit bool
	nsg     pdu.Stage
}

// sound makes the sound answer to the request at hand.
func (s *served) sound() soundAnswer {
	q := &s.request
	if s.rest != nil {
		rest := s.rest
		s.rest = nil
		return soundAnswer{raw: rest, isRaw: true, transit: q.Transit, nsg: q.NSG}
	}
	pairs, whole, err := s.text.Add(q.Data, q.Continue)
	if !whole || err != nil {
		return soundAnswer{}
	}
	answer := soundAnswer{transit: q.Transit, nsg: q.NSG}
	if !s.named {
		s.named = true
		if s.a.setup.settings.AwaitAuthMethod && q.CSG == pdu.StageSecurity {
			answer.pairs.Add(text.KeyAuthMethod, "CHAP,None")
			s.asked = append(s.asked, text.KeyAuthMethod)
		}
		if kind, _ := pairs.Get(text.KeySessionType); kind != "Discovery" {
			answer.pairs.Add(text.KeyTargetPortalGroupTag, "1")
		}
	}
	for _, p := range pairs {
		if slices.Contains(s.asked, p.Key) {
			continue
		}
		s.settle(p, &answer)
	}
	if q.CSG == pdu.StageSecurity && s.a.setup.chap {
		s.chap.step(pairs, &answer, s.a.setup.mutual)
	}
	if q.CSG == pdu.StageOperational && !s.declared {
		s.declared = true
		answer.pairs.Add(text.KeyMaxRecvDataSegmentLength, "65536")
	}
	return answer
}

// settle answers one offer.
func (s *served) settle(p text.Pair, answer *soundAnswer) {
	r := ruleOf(p.Key)
	switch {
	case slices.Contains(chapKeys, p.Key):
	case r == nil:
		answer.pairs.Add(p.Key, "NotUnderstood")
	case r.key == text.KeyAuthMethod:
		limit := "None"
		if s.a.setup.chap {
			limit = "CHAP"
		}
		answer.pairs.Add(p.Key, r.answerTo(p.Value, limit))
	case r.function == declared:
	default:
		answer.pairs.Add(p.Key, r.answerTo(p.Value, r.limit))
	}
}

// respond sends the answer, changed as the step says; a nil step changes nothing.
func (s *served) respond(sound soundAnswer, step *fuzz.Step, number int) {
	if step == nil {
		step = &fuzz.Step{}
	}
	q := &s.request
	p := &pdu.LoginResponse{CSG: q.CSG + pdu.Stage(step.CSG)&3, ISID: q.ISID, TSIH: q.TSIH, ITT: q.ITT + step.ITT,
		VersionMax: step.VersionMax, VersionActive: step.VersionMin, StatSN: s.number() + step.ExpStatSN, ExpCmdSN: s.expCmdSN + step.CmdSN,
		MaxCmdSN: s.expCmdSN + 31}
	p.CSG &= 3
	p.Data = s.textOf(sound, step)
	s.stages(p, sound, step)
	if step.Status != 0 {
		p.SetStatus(step.Status)
	}
	switch {
	case step.ISID == 7:
		p.ISID = [6]byte{}
	case step.ISID != 0:
		p.ISID[5] ^= step.ISID
	}
	switch final := p.Transit && p.NSG == pdu.StageFullFeature; {
	case step.TSIH == "wrong":
		p.TSIH = 0x7777
	case final && step.TSIH != "zero" && step.Status == 0:
		p.TSIH = uint16(0x0100 + s.l.number)
	}
	s.dispatch(p, step, number)
}

// stages sets T, C and NSG.
func (s *served) stages(p *pdu.LoginResponse, sound soundAnswer, step *fuzz.Step) {
	q := &s.request
	p.Transit, p.NSG = sound.transit, sound.nsg
	if step.Status != 0 || step.Continue || !p.Transit {
		p.Transit, p.NSG = false, 0
	}
	if step.Transit {
		p.Transit = !p.Transit
		switch {
		case !p.Transit:
			p.NSG = 0
		case q.Transit:
			p.NSG = q.NSG
		default:
			p.NSG = q.CSG*2 + 1 // the stage after
		}
	}
	p.NSG = (p.NSG + pdu.Stage(step.NSG)) & 3
	if step.Continue {
		p.Continue = true
	}
	if step.Continue && !q.Continue {
		half := len(p.Data) / 2
		s.rest = append([]byte{}, p.Data[half:]...)
		p.Data = p.Data[:half]
	}
}

// textOf puts the text of an answer together.
func (s *served) textOf(sound soundAnswer, step *fuzz.Step) []byte {
	pairs := sound.pairs
	if step.Status != 0 {
		pairs = nil
	}
	var placed []string
	var b []byte
	for _, template := range step.Pairs {
		key, value := s.expand(template.Key), s.expand(template.Value)
		_, there := pairs.Get(key)
		switch {
		case template.Bare && there:
			pairs = pairs.Without(key)
		case template.Bare:
			b = append(append(b, key...), 0)
		case there && !slices.Contains(placed, key):
			pairs = slices.Clone(pairs)
			for i := range pairs {
				if pairs[i].Key == key {
					pairs[i].Value = value
					break
				}
			}
		default:
			pairs = append(slices.Clone(pairs), text.Pair{Key: key, Value: value})
			if r := ruleOf(key); r == nil || r.function != declared {
				s.asked = append(s.asked, key)
			}
		}
		placed = append(placed, key)
	}
	if sound.isRaw && step.Status == 0 {
		b = append(b, sound.raw...)
	}
	return formed(b, pairs, step.Form)
}

// formed writes pairs behind b, in the form of a step.
func formed(b []byte, pairs text.Pairs, form fuzz.Form) []byte {
	if form == fuzz.FormMoreNULs {
		for i, p := range pairs {
			if i > 0 {
				b = append(b, 0, 0, 0)
			}
			b = text.Pairs{p}.Append(b)
		}
		return append(b, 0, 0, 0, 0)
	}
	b = pairs.Append(b)
	switch {
	case form == fuzz.FormNoLastNUL && len(b) > 0:
		b = b[:len(b)-1]
	case form == fuzz.FormHalf && len(pairs) > 0:
		last := pairs[len(pairs)-1]
		b = b[:len(b)-(len(last.Key)+len(last.Value)+2)/2-1]
	}
	return b
}

// expand makes the text of a template; one that cannot be made is empty.
func (s *served) expand(template string) string {
	value, err := fuzz.Expand(template, s.word)
	if err != nil {
		return ""
	}
	return value
}

// word gives the words of templates their values.
func (s *served) word(word string) (string, bool) {
	switch word {
	case "target":
		return scriptedTarget, true
	case "A":
		return portalA, true
	case "B":
		return portalB, true
	case "C":
		return portalC, true
	case "before.c":
		if n := s.l.number; n > 1 && s.a.links[n-2].served != nil {
			return hexOf(s.a.links[n-2].served.chap.challenge), true
		}
		return hexOf(s.chap.challenge), true
	}
	return s.chap.word(strings.TrimPrefix(word, "chap."))
}

// dispatch sends an answer, and takes note when it ends the login.
func (s *served) dispatch(p *pdu.LoginResponse, step *fuzz.Step, number int) {
	f := pdu.FrameOf(p)
	huge := step.Form == fuzz.FormHuge && step.Cut.End == ""
	if huge {
		f.BHS.SetDataSegmentLength(pdu.MaxDataSegmentLength)
	}
	b := f.Append(nil, pdu.Digests{})
	r := record{frame: *f, step: number, broken: huge}
	if step.Cut.End != "" {
		s.cut(b, r, step.Cut)
		return
	}
	slowly := step.For
	if huge || len(p.Data) > 8192 {
		slowly = 0 // the header alone decides
	}
	s.a.send(s.l, b, r, s.wait, slowly)
	s.wait = 0
	if p.Status()>>8 == 0 && p.Transit && p.NSG == pdu.StageFullFeature && !p.Continue {
		s.full = true
		s.digests = s.agreedDigests()
		s.l.splitter.SetDigests(s.digests)
		s.a.after(0, func() {
			s.ready = true
			s.a.ring()
		})
	}
}

// agreedDigests are those of the connection's full feature phase, as its record tells.
func (s *served) agreedDigests() (d pdu.Digests) {
	for _, r := range s.a.records {
		if r.conn != s.l.number || r.what != said {
			continue
		}
		pairs, _ := text.Parse(r.frame.Data)
		for _, p := range pairs {
			d.Header = d.Header || p.Key == text.KeyHeaderDigest && p.Value == "CRC32C"
			d.Data = d.Data || p.Key == text.KeyDataDigest && p.Value == "CRC32C"
		}
	}
	return d
}
