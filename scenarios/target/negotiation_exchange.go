package target

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// negotiationExchangeChecks are those of the group negotiation about who says what in which exchange.
func negotiationExchangeChecks() []Check {
	return []Check{
		{ID: "negotiation.target-proposals.legal-values", Run: proposals, Array: func(p *simtarget.Profile) {
			p.Data.MaxBurstLength, p.Data.FirstBurstLength = 65536, 16384
		}},
		{ID: "negotiation.exchange.one-response-per-request", Run: oneResponseEach, Array: manyTargets,
			Limits: scenarios.Limits{Run: 5 * time.Minute, Wall: 6 * time.Minute}},
		{ID: "negotiation.exchange.six-rounds-allowed", Run: func(t *T) {
			t.keyByKey(t.Digests(), 0, "MaxBurstLength=65536", "FirstBurstLength=16384", "DefaultTime2Wait=2", "DefaultTime2Retain=20",
				"MaxOutstandingR2T=1", "ErrorRecoveryLevel=0")
		}},
		{ID: "negotiation.exchange.one-key-per-exchange", Run: func(t *T) {
			digests := t.Digests()
			t.keyByKey(nil, 200*time.Millisecond, digests[0].String(), digests[1].String(), "MaxConnections=1", "InitialR2T=Yes", "ImmediateData=Yes",
				"MaxBurstLength=262144", "FirstBurstLength=65536", "DefaultTime2Wait=2", "DefaultTime2Retain=20", "MaxOutstandingR2T=1",
				"DataPDUInOrder=Yes", "ErrorRecoveryLevel=0")
		}},
		{ID: "negotiation.exchange.no-empty-stalling", Run: emptyStalling},
		{ID: "negotiation.text.target-text-well-formed", Run: wellFormed},
		{ID: "negotiation.stage.security-responses-security-keys-only", Run: securityKeysOnly},
		{ID: "negotiation.names.no-withdrawn-prefixes", Run: withdrawnPrefixes},
		{ID: "negotiation.names.extension-labels", Run: extensionLabels},
	}
}

// manyTargets makes the answer to SendTargets=All long.
func manyTargets(p *simtarget.Profile) {
	for i := range 8 {
		p.Targets = append([]simtarget.Target{{Name: fmt.Sprintf("%s.%d", OtherName, i), LUNs: []simtarget.LUN{{Number: 0, Size: 1 << 20}}}}, p.Targets...)
	}
}

// initiatorsOnly are keys that a target never sends.
var initiatorsOnly = []string{text.KeySendTargets, text.KeyInitiatorName, text.KeyInitiatorAlias, text.KeySessionType}

func proposals(t *T) {
	w := t.byHand(nil)
	w.Exchange(probe.Step{CSG: pdu.StageOperational})
	proposed := probe.ProposalsOf(w.Said)
	seen := map[string]string{}
	var answers text.Pairs
	for _, p := range proposed {
		key, known := text.Lookup(p.Key)
		if _, again := seen[p.Key]; again && p.Key != text.KeyTargetAddress {
			t.Fault(p, "no key proposed twice")
		}
		seen[p.Key] = p.Value
		for _, forbidden := range initiatorsOnly {
			if p.Key == forbidden {
				t.Fault(p, "no key that only an initiator may send")
			}
		}
		if !known || !key.Negotiated() {
			continue
		}
		n, number := text.ParseNumber(p.Value)
		switch {
		case key.Numeric() && (!number || n < key.Min || n > key.Max):
			t.Fault(p, fmt.Sprintf("%s=%d to %d", p.Key, key.Min, key.Max))
		case key.Boolean() && !key.Admits(p.Value):
			t.Fault(p, p.Key+"=Yes or No")
		}
		answer := p
		if key.Function == text.Minimum && number {
			answer.Value = fmt.Sprint(max(n/2, key.Min))
		} else if key.Function == text.List {
			answer.Value = text.ParseList(p.Value)[0]
		}
		answers = append(answers, answer)
	}
	if len(answers) == 0 {
		t.Skip("The target proposes no key.")
	}
	burst := 262144
	if value, told := seen[text.KeyMaxBurstLength]; told {
		burst, _ = text.ParseNumber(value)
	}
	if first, number := text.ParseNumber(seen[text.KeyFirstBurstLength]); number && first > burst {
		t.Fault(fmt.Sprintf("FirstBurstLength=%d beside a MaxBurstLength of %d", first, burst), "at most MaxBurstLength")
	}
	r := t.cameOf(w, lastly(append(answers, t.Digests().Without(keysOf(answers)...)...)))
	c := t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	t.sequencesWithin(t.Done(c, t.Read(c, 0, t.room(c, 0, 128<<10)), "a READ"), c.Session.Params.MaxBurstLength)
}

func keysOf(pairs text.Pairs) []string {
	var keys []string
	for _, p := range pairs {
		keys = append(keys, p.Key)
	}
	return keys
}

func oneResponseEach(t *T) {
	t.Part("a login", func() {
		w := t.byHand(t.Digests())
		if e, silent := w.Conn.AwaitSilence(); !silent {
			t.Fail(e, "silence until the next Login Request")
		}
		t.Granted(t.cameOf(w, lastly(Answers(w))))
	})
	t.Part("a Discovery session", func() {
		r := t.Login(probe.Login{Discovery: true, Keys: Keys("MaxRecvDataSegmentLength=512")})
		if !r.Granted() {
			t.Skip("No Discovery session is granted: %v.", r)
		}
		c := r.Conn
		request := c.TextRequest(Keys("SendTargets=All"))
		for range 64 {
			// A failed write shows in the next event.
			_ = c.Send(request)
			e := c.AnswerTo(request.ITT)
			response, is := probe.As[*pdu.TextResponse](e)
			if !is {
				t.Fail(e, "a Text Response")
			}
			if e, silent := c.AwaitSilence(); !silent && !e.Ended() {
				t.Fail(e, "silence until the next Text Request")
			} else if e.Ended() {
				return
			}
			if response.Final || response.TTT == pdu.ReservedTag {
				return
			}
			request = &pdu.TextRequest{Final: true, LUN: response.LUN, ITT: request.ITT, TTT: response.TTT, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN}
			c.Session.CmdSN++
		}
		t.Note("the answer has more than 64 parts")
	})
}

// keyByKey logs in with one key in each exchange. The first request carries the names as well, and what first gives; where first is nil it
// has no other key. It is for rows of the level "should": silence fails, a refusal and a drop are warnings.
func (t *T) keyByKey(first text.Pairs, pause time.Duration, offers ...string) {
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login by hand leaves out.")
	}
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), first...)
	exchange := func(step probe.Step, offer string) bool {
		a := w.Exchange(step)
		switch {
		case a.FullFeature():
			t.Skip("The target grants a transition that was not asked for, in exchange %d.", w.Exchanges)
		case a.OK() && a.TextErr == nil:
			return true
		case a.Event.Kind == probe.Interrupted:
			t.Unclear("The check's own time was over during a login.")
		case a.Event.Kind == probe.TimedOut:
			t.FailFirmly(fmt.Sprintf("no answer to exchange %d, with %s", w.Exchanges+1, offer), "an answer")
		}
		t.Warn("The login does not go on.", fmt.Sprintf("exchange %d, with %s: %v", w.Exchanges, offer, a.Event), "a granted login")
		return false
	}
	if first == nil {
		if !exchange(probe.Step{CSG: pdu.StageOperational, Keys: keys}, "the names") {
			return
		}
		keys = nil
	}
	for i, offer := range Keys(offers...) {
		if !t.Pause(pause) {
			return
		}
		answers := Answers(w)
		keys = append(keys, answers...)
		if _, proposed := answers.Get(offer.Key); !proposed {
			keys = append(keys, offer)
		}
		step := probe.Step{CSG: pdu.StageOperational, Keys: keys}
		if last := i == len(offers)-1; last && first != nil {
			break
		}
		if !exchange(step, offer.String()) {
			return
		}
		keys = nil
	}
	r := t.cameOf(w, lastly(append(keys, Answers(w).Without(keysOf(keys)...)...)))
	switch {
	case r.Granted():
		t.Survives(r.Conn, "the session")
	case r.Outcome == probe.LoginSilent:
		t.FailFirmly(r, "a granted login")
	default:
		t.Warn("The login does not go on.", r, "a granted login")
	}
}

// conversations brings a target to say text in all places: logins of both kinds that start in both stages, SendTargets, and a text of full
// feature phase. What it refuses is left out.
func (t *T) conversations() {
	for _, login := range []probe.Login{{}, {Security: true}, {Security: true, Straight: true}, {Discovery: true}, {Discovery: true, Security: true}} {
		t.Part(fmt.Sprintf("Discovery=%v, starting in security=%v, straight=%v", login.Discovery, login.Security, login.Straight), func() {
			r := t.Login(login)
			if !r.Granted() {
				t.Skip("No such login is granted: %v.", r)
			}
			if login.Discovery {
				r.Conn.Text(Keys("SendTargets=All"))
				return
			}
			r.Conn.Text(Keys("SendTargets="))
		})
	}
}

// spoken is the text of one Login or Text Response, parts put together.
type spoken struct {
	what  *trace.PDU
	stage pdu.Stage // FullFeature for Text Responses
	data  []byte
}

// texts are all texts of the target that came in the check.
func (t *T) texts() []spoken {
	var all []spoken
	partial := map[string][]byte{}
	for e, p := range t.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUReceived).PDUs() {
		s := spoken{what: e.PDU, stage: pdu.StageFullFeature}
		continues := false
		switch p := p.(type) {
		case *pdu.LoginResponse:
			s.stage, s.data, continues = p.CSG, p.Data, p.Continue
		case *pdu.TextResponse:
			s.data, continues = p.Data, p.Continue
		default:
			continue
		}
		s.data = append(partial[e.Conn], s.data...)
		delete(partial, e.Conn)
		if continues {
			partial[e.Conn] = s.data
			continue
		}
		all = append(all, s)
	}
	return all
}

func emptyStalling(t *T) {
	t.conversations()
	for _, turn := range Successful(t.Logins()) {
		q, p := turn.Request, turn.Response
		if q.Transit && !q.Continue && !p.Transit && !p.Continue && len(p.Data) == 0 {
			t.Warn("A request that is ready to finish is answered with nothing.", turn.Event.PDU, "T=1", "a key")
		}
	}
	final := map[string]bool{}
	for e, p := range t.Events().OfNode(trace.NodeProbe).PDUs() {
		switch p := p.(type) {
		case *pdu.TextRequest:
			final[e.Conn] = p.Final && !p.Continue
		case *pdu.TextResponse:
			if final[e.Conn] && !p.Final && !p.Continue && len(p.Data) == 0 {
				t.Warn("A request that is ready to finish is answered with nothing.", e.PDU, "F=1", "a key")
			}
		}
	}
}

func wellFormed(t *T) {
	t.conversations()
	for _, s := range t.texts() {
		if len(s.data) == 0 {
			continue
		}
		if s.data[len(s.data)-1] != 0 {
			t.Fault(fmt.Sprintf("%v ends with %q", s.what, tail(s.data)), "a zero byte after the last pair")
		}
		for piece := range bytes.SplitSeq(bytes.TrimSuffix(s.data, []byte{0}), []byte{0}) {
			t.formed(s.what, string(piece))
		}
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-16):] }

// formed judges one piece of text between zero bytes.
func (t *T) formed(what *trace.PDU, piece string) {
	name, value, pair := strings.Cut(piece, "=")
	key, known := text.Lookup(name)
	most := 255
	if known {
		most = max(most, key.MaxLength)
	}
	switch {
	case piece == "":
		t.Warn("More than one zero byte stands after a pair.", what, "one zero byte after each pair")
	case !pair:
		t.Fault(fmt.Sprintf("%q in %v", piece, what), "key=value")
	case !text.ValidKeyName(name):
		t.Fault(fmt.Sprintf("the key %q in %v", name, what), "a capital letter and at most 62 letters, digits and . - + @ _")
	case len(value) > most:
		t.Fault(fmt.Sprintf("%s with a value of %d bytes", name, len(value)), fmt.Sprintf("at most %d bytes", most))
	case known && key.Numeric() && strings.HasPrefix(value, "-"), known && key.Numeric() && strings.HasPrefix(value, "+"):
		t.Fault(piece, "a number without a sign")
	}
}

func securityKeysOnly(t *T) {
	for _, straight := range []bool{false, true} {
		t.Part(fmt.Sprintf("straight=%v", straight), func() {
			r := t.Login(probe.Login{Security: true, Straight: straight})
			if !r.Granted() && !t.TurnedDown(r, true) {
				return
			}
			sent := r.Walk.Sent()
			for _, response := range r.Walk.Responses {
				if response.CSG != pdu.StageSecurity {
					continue
				}
				pairs, _ := text.Parse(response.Data) // what cannot be read is no key
				for _, p := range pairs {
					key, known := text.Lookup(p.Key)
					if _, asked := sent.Get(p.Key); !asked && (!known || !key.Security) {
						t.Fault(fmt.Sprintf("%s in the security stage", p), "only keys that are meant for it")
					}
				}
			}
		})
	}
}

func withdrawnPrefixes(t *T) {
	t.conversations()
	has := func(value string, prefixes ...string) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(value, prefix) {
				return true
			}
		}
		return false
	}
	for _, s := range t.texts() {
		pairs, _ := text.Parse(s.data)
		for _, p := range pairs {
			if has(p.Key, "X#") && p.Key != text.KeyNodeArchitecture {
				t.Fault(p, "no key that begins with X#")
			}
			for _, value := range text.ParseList(p.Value) {
				digest := p.Key == text.KeyHeaderDigest || p.Key == text.KeyDataDigest
				if digest && has(value, "X-", "X#", "Y#", "Z-", "Z#") || p.Key == text.KeyAuthMethod && has(value, "X-", "X#", "Y-", "Y#", "Z#") {
					t.Fault(p, "no withdrawn or foreign prefix")
				}
			}
		}
	}
}

// extensionLabels is negotiation.names.extension-labels.
func extensionLabels(t *T) {
	t.conversations()
	private := map[string]string{text.KeyHeaderDigest: "Y-", text.KeyDataDigest: "Y-", text.KeyAuthMethod: "Z-"}
	for _, s := range t.texts() {
		pairs, _ := text.Parse(s.data)
		for _, p := range pairs {
			prefix, listed := private[p.Key]
			for _, value := range text.ParseList(p.Value) {
				if listed && strings.HasPrefix(value, prefix) && !text.ValidKeyName(value) {
					t.Fault(p, "a name of at most 63 letters, digits and .-+@_")
				}
			}
		}
	}
}
