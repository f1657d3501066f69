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

// negotiationOfferChecks are the rows of the group negotiation in which the array sends keys of its own.
func negotiationOfferChecks() []Check {
	return []Check{
		{ID: "negotiation.list-picks-own-offer", Driver: func(s *Settings) { s.Omit(text.KeyHeaderDigest) }, Run: listOfTheTarget},
		{ID: "negotiation.boolean-functions", Driver: func(s *Settings) { s.Omit(booleanKeys...) }, Run: booleanFunctions},
		{ID: "negotiation.unknown-key-notunderstood", Run: unknownKeys},
		{ID: "negotiation.answer-every-offer", Driver: func(s *Settings) {
			s.Omit(text.KeyMaxConnections, text.KeyMaxBurstLength, text.KeyDefaultTime2Retain, text.KeyErrorRecoveryLevel)
		}, Run: everyOffer},
		{ID: "negotiation.reserved-word-as-offer", Driver: func(s *Settings) { s.Omit(text.KeyMaxBurstLength) }, Run: reservedWords},
		{ID: "negotiation.text-malformed", Run: malformedText},
		{ID: "negotiation.case-sensitive", Run: lowerCaseKey},
		{ID: "negotiation.many-keys", Run: manyKeys},
		{ID: "negotiation.accepts-8192-bytes", Run: longAnswer},
		{ID: "negotiation.six-exchanges-allowed", Run: sixExchanges},
	}
}

var booleanKeys = []string{text.KeyInitialR2T, text.KeyImmediateData, text.KeyDataPDUInOrder, text.KeyDataSequenceInOrder}

func listOfTheTarget(t *T) {
	replies, c, full := t.offersAll(text.Pair{Key: text.KeyHeaderDigest, Value: "Y-com.example.foo,CRC32C,None"})
	if !full {
		t.Fail("a login that fails", "an answer from the list, or Reject")
	}
	switch digest, _ := replies.Get(text.KeyHeaderDigest); digest {
	case "CRC32C":
		c.Digests.Header = true
	case "None", text.Reject:
	default:
		t.Fail("HeaderDigest="+digest, "HeaderDigest=CRC32C, HeaderDigest=None or HeaderDigest=Reject")
	}
	t.Probe()
}

func booleanFunctions(t *T) {
	for _, name := range booleanKeys {
		for _, value := range []string{text.Yes, text.No} {
			t.Part(name+"="+value, func() {
				key, _ := text.Lookup(name)
				replies, c, full := t.offersAll(text.Pair{Key: name, Value: value})
				if !full {
					t.Fail("a login that fails", "an answer")
				}
				reply, answered := replies.Get(name)
				switch {
				case key.Decides(value) && answered && reply != value, answered && reply != text.Yes && reply != text.No:
					t.Fail(fmt.Sprintf("%s=%s to an offer of %s", name, reply, value), "the result of both values")
				case !key.Decides(value) && !answered:
					t.Fail("no answer to "+name+"="+value, "an answer")
				case !answered:
					reply = value
				}
				w := t.writes(c, Write{Blocks: 256})
				if name == text.KeyImmediateData && reply == text.No && len(w.PDU.Data) > 0 || name == text.KeyInitialR2T && reply == text.Yes && !w.PDU.Final {
					t.Fail(w.Event, "a write as "+name+"="+reply+" has it")
				}
				t.completes(c, w)
				t.Probe()
			})
		}
	}
}

// notUnderstood fails unless each of the pairs was answered NotUnderstood.
func (t *T) notUnderstood(asked, replies text.Pairs) {
	for _, p := range asked {
		switch reply, answered := replies.Get(p.Key); {
		case !answered:
			t.Fail("no answer to "+p.Key, p.Key+"=NotUnderstood")
		case reply != text.NotUnderstood:
			t.Fail(p.Key+"="+reply, p.Key+"=NotUnderstood")
		}
	}
}

func unknownKeys(t *T) {
	asked := text.Pairs{{Key: "FooBar", Value: "1"}, {Key: "X-com.acme.z", Value: "2"}, {Key: "X#Unk", Value: "3"}}
	replies, _, full := t.offersAll(asked...)
	if !full {
		t.Fail("a login that fails", "a login: keys that are not known do not stop it")
	}
	t.notUnderstood(asked, replies)
	t.Probe()
}

func everyOffer(t *T) {
	wishes := text.Pairs{{Key: text.KeyMaxConnections, Value: "4"}, {Key: text.KeyMaxBurstLength, Value: "65536"},
		{Key: text.KeyDefaultTime2Retain, Value: "5"}, {Key: text.KeyErrorRecoveryLevel, Value: "1"}}
	var asked, replies text.Pairs
	c, full := t.answers(func(s *Step) {
		replies = append(replies, s.Replies...)
		if asked != nil || !operational(s) {
			return
		}
		for _, p := range wishes {
			if _, own := s.Keys.Get(p.Key); !own {
				asked = append(asked, p)
			}
		}
		if len(asked) == 0 {
			t.Skip("NOT-TESTABLE: the initiator offers %s itself.", keysOf(wishes))
		}
		s.Offer(asked...)
	})
	if !full {
		t.Fail("a login that fails", "an answer to each offer")
	}
	for _, p := range asked {
		key, _ := text.Lookup(p.Key)
		offered, _ := text.ParseNumber(p.Value)
		reply, answered := replies.Get(p.Key)
		n, valid := text.ParseNumber(reply)
		switch {
		case !answered:
			t.Fail("no answer to "+p.Key, "an answer before the stage ends")
		case reply != text.Reject && (!valid || n < key.Min || n > offered):
			t.Fail(p.Key+"="+reply, fmt.Sprintf("a number from %d to %d", key.Min, offered))
		case p.Key == text.KeyMaxBurstLength && valid:
			c.Params.MaxBurstLength = n
		}
	}
	t.Probe()
}

func reservedWords(t *T) {
	run := func(p text.Pair, accepted func(reply string) bool, want string) {
		t.Part(p.String(), func() {
			if reply, full := t.offers(p); full {
				t.Check(reply == "" || accepted(reply), p.Key+"="+reply, want, "no answer", "R-LOGINFAIL")
				t.Probe()
			}
		})
	}
	burst, _ := text.Lookup(text.KeyMaxBurstLength)
	run(text.Pair{Key: text.KeyMaxBurstLength, Value: text.Irrelevant},
		func(reply string) bool { return reply == text.Reject || burst.Admits(reply) }, "Reject or a lawful value")
	run(text.Pair{Key: "X-a.b", Value: text.Reject},
		func(reply string) bool { return reply == text.Reject || reply == text.NotUnderstood }, "NotUnderstood or Reject")
}

func malformedText(t *T) {
	for _, row := range []struct {
		name, piece string
		harmless    bool
	}{
		{"no equals sign", "MaxBurst\x00", false},
		{"no zero byte at the end", "X-com.example.a=1", true},
		{"no key", "=1\x00", false},
		{"key of 100 bytes", strings.Repeat("K", 100) + "=1\x00", false},
		{"zero bytes between pairs", "\x00\x00X-com.example.a=1\x00", true},
		{"no UTF-8", "X-com.example.a=\xff\xfe\xc0\x00", true},
		{"no value", "X-com.example.a=\x00", true},
	} {
		t.Part(row.name, func() {
			done := false
			_, full := t.answers(func(s *Step) {
				if done || !operational(s) {
					return
				}
				done = true
				if strings.Contains(row.piece, "X-com.example.a") {
					s.Offer(text.Pair{Key: "X-com.example.a", Value: "1"}) // so that its answer is expected
					s.Drop("X-com.example.a")
				}
				holdStage(s)
				s.Response.Data = append(s.Answer.Append(nil), row.piece...)
			})
			if full && !row.harmless {
				t.Fail("a login that goes on", "R-LOGINFAIL")
			}
			t.RAlive()
		})
	}
}

func lowerCaseKey(t *T) {
	reply, full := t.offers(text.Pair{Key: "maxburstlength", Value: "512"})
	switch {
	case !full:
		t.Fail("a login that fails", "maxburstlength=NotUnderstood")
	case reply == "":
		t.Fail("no answer", "maxburstlength=NotUnderstood")
	case reply != text.NotUnderstood:
		t.Warn("The case of a key is not heeded.", "maxburstlength="+reply, "maxburstlength=NotUnderstood")
	}
	t.Probe()
}

// vendorKeys are n private keys with values of a length.
func vendorKeys(n, length int) (pairs text.Pairs) {
	for i := range n {
		pairs.Add(fmt.Sprintf("X-com.example.n%d", i), strings.Repeat("v", length))
	}
	return pairs
}

func manyKeys(t *T) {
	all := vendorKeys(200, 10)
	left := all
	var replies text.Pairs
	_, full := t.answers(func(s *Step) {
		replies = append(replies, s.Replies...)
		if n := min(67, len(left)); operational(s) && n > 0 {
			s.Offer(left[:n]...)
			left = left[n:]
		}
	})
	if full {
		t.notUnderstood(all, replies)
		t.Probe()
	}
}

func longAnswer(t *T) {
	run := func(send func(c *Conn, s *Step)) {
		var asked, replies text.Pairs
		op, c := t.begin(Login{})
		for !c.full {
			if e := c.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
				t.Fail(e, "a login that goes on")
			}
			s := c.LoginStep()
			replies = append(replies, s.Replies...)
			if asked == nil && operational(s) {
				asked = vendorKeys(60, (8000-s.Answer.Length())/60-20)
				s.Offer(asked...)
				send(c, s)
				continue
			}
			c.Respond(s)
		}
		if t.Own() {
			t.endsWell(op)
		}
		t.notUnderstood(asked, replies)
		t.Probe()
	}
	t.Part("one PDU", func() { run(func(c *Conn, s *Step) { c.Respond(s) }) })
	t.Part("parts of 1000 bytes", func() {
		run(func(c *Conn, s *Step) {
			data := s.Answer.Append(nil)
			for ; len(data) > 1000; data = data[1000:] {
				part := data[:1000]
				c.exchange(s.Request, nil, func(p *pdu.LoginResponse) { p.Continue, p.Data = true, part })
				e := c.NextRaw(t.scaled(ReactionTime))
				if r, is := probe.As[*pdu.LoginRequest](e); !is || len(r.Data) > 0 {
					if !t.Own() {
						t.Skip("NOT-TESTABLE: the initiator does not await the rest of a text, which login.cbit-from-target judges.")
					}
					t.Fail(e, "an empty Login Request")
				}
			}
			s.Response.Data = data
			c.Respond(s)
		})
	})
}

func sixExchanges(t *T) {
	var asked, replies text.Pairs
	_, full := t.answers(func(s *Step) {
		replies = append(replies, s.Replies...)
		if operational(s) && len(asked) < 5 {
			p := text.Pair{Key: fmt.Sprintf("X-com.example.n%d", len(asked)+1), Value: "1"}
			asked = append(asked, p)
			s.Offer(p)
		}
	})
	if !full {
		t.Warn("The login is given up before the sixth exchange.", fmt.Sprintf("%d exchanges", len(asked)), "six exchanges")
		return
	}
	t.notUnderstood(asked, replies)
	t.Probe()
}

// negotiationFormChecks are the rows about all that the initiator sends as text.
func negotiationFormChecks() []Check {
	return []Check{
		{ID: "negotiation.text-termination", Run: textForm},
		{ID: "negotiation.reserved-words-never-offered", Run: func(t *T) { t.originated(reservedOffer) }},
		{ID: "negotiation.empty-requests-avoided", Run: emptyRequests},
		{ID: "negotiation.no-withdrawn-prefixes", Run: func(t *T) { t.originated(withdrawnPrefix) }},
		{ID: "negotiation.extension-labels", Run: func(t *T) { t.originated(extensionLabel) }},
		{ID: "keys.digest-offer", Run: func(t *T) { t.originated(digestOffer) }},
	}
}

// originated holds every pair that the initiator originates against a rule, which says what is wanted instead, or "": in logins of all kinds,
// and in Text Requests.
func (t *T) originated(rule func(p text.Pair) string) {
	look := func(pairs text.Pairs) {
		for _, p := range pairs {
			if want := rule(p); want != "" {
				t.Fail(p, want)
			}
		}
	}
	hook := func(s *Step) {
		if len(s.Replies) == 0 {
			look(s.Keys)
		}
	}
	inText := func(c *Conn, op Op) {
		p := t.Start(op)
		r, e := c.TextRequest()
		pairs, err := text.Parse(r.Data)
		t.Check(err == nil, e, "key=value text")
		look(pairs)
		c.Text(r, record(nameA))
		t.endsWell(p)
	}
	eachLogin(t, func() func(*Step) { return hook })
	t.PartWith("digests", func(_ *Base, s *Settings) { s.Digests() }, func() { t.login(Login{}, hook) })
	t.PartWith("digests demanded", func(b *Base, s *Settings) {
		b.Params.HeaderDigest, b.Params.DataDigest = true, true
		s.Defaults.HeaderDigest, s.Defaults.DataDigest = []string{"CRC32C"}, []string{"CRC32C"}
	}, func() { t.login(Login{}, hook) })
	t.Part("a key of the array's", func() {
		asked := false
		t.login(Login{}, hook, func(s *Step) {
			if !asked && operational(s) {
				asked = true
				s.Offer(text.Pair{Key: "X-com.example.a", Value: "1"})
			}
		})
	})
	if !t.Own() {
		return
	}
	t.Part("text", func() { inText(t.Session(), SendText{Pairs: declared}) })
	t.Part("SendTargets", func() { inText(t.discoverySession(), Discover{}) })
}

func reservedOffer(p text.Pair) string {
	for _, value := range text.ParseList(p.Value) {
		key, known := text.Lookup(p.Key)
		switch {
		case text.Reserved(value):
			return "a value that is no answer"
		case value == "None" && known && key.Function != text.List:
			return "None for lists alone"
		}
	}
	return ""
}

func withdrawnPrefix(p text.Pair) string {
	if strings.HasPrefix(p.Key, "X#") && p.Key != text.KeyNodeArchitecture || strings.HasPrefix(p.Key, "Y") && strings.IndexAny(p.Key, "#-") == 1 ||
		strings.HasPrefix(p.Key, "Z") && strings.IndexAny(p.Key, "#-") == 1 {
		return "X- as the prefix of a private key"
	}
	if strings.HasPrefix(p.Key, "X-") && !text.ValidKeyName(p.Key) {
		return "a name of at most 63 letters, digits and .-+@_"
	}
	prefixes := map[string][]string{text.KeyHeaderDigest: {"X", "Z", "Y#"}, text.KeyDataDigest: {"X", "Z", "Y#"}, text.KeyAuthMethod: {"X", "Y", "Z#"}}
	for _, value := range text.ParseList(p.Value) {
		if slices.ContainsFunc(prefixes[p.Key], func(prefix string) bool { return strings.HasPrefix(value, prefix) }) {
			return "Y- as the prefix of a private digest, Z- as that of a private method"
		}
	}
	return ""
}

func extensionLabel(p text.Pair) string {
	prefix, listed := map[string]string{text.KeyHeaderDigest: "Y-", text.KeyDataDigest: "Y-", text.KeyAuthMethod: "Z-"}[p.Key]
	for _, value := range text.ParseList(p.Value) {
		if listed && strings.HasPrefix(value, prefix) && !text.ValidKeyName(value) {
			return "a name of at most 63 letters, digits and .-+@_"
		}
	}
	return ""
}

func digestOffer(p text.Pair) string {
	if p.Key != text.KeyHeaderDigest && p.Key != text.KeyDataDigest {
		return ""
	}
	list := text.ParseList(p.Value)
	private := false
	for i, value := range list {
		own := strings.HasPrefix(value, "Y-")
		private = private || own
		if slices.Contains(list[:i], value) || value != "CRC32C" && value != "None" && !own {
			return "CRC32C, None and Y- names, each once"
		}
	}
	if private && !slices.Contains(list, "CRC32C") {
		return "CRC32C beside a private digest"
	}
	return ""
}

// textFault says what is wrong with a whole text, or "".
func textFault(data []byte) string {
	for len(data) > 0 {
		pair, rest, ended := strings.Cut(string(data), "\x00")
		key, value, split := strings.Cut(pair, "=")
		known, _ := text.Lookup(key)
		switch {
		case !ended:
			return "no zero byte after the last pair"
		case !split || key == "":
			return fmt.Sprintf("%q, which is no pair", pair)
		case len(key) > 63 || !text.ValidKeyName(strings.ReplaceAll(key, "#", "-")):
			return fmt.Sprintf("a key %q", key)
		case len(value) > max(255, known.MaxLength):
			return fmt.Sprintf("%d bytes of %s", len(value), key)
		}
		data = []byte(rest)
	}
	return ""
}

func textForm(t *T) {
	look := func(data []byte) {
		if fault := textFault(data); fault != "" {
			t.Fail(fault, "pairs, each ended by one zero byte")
		}
	}
	// A text that is cut over requests cannot be judged part by part; the assembler of the login has looked at it.
	run := func(op Login) {
		var data []byte
		p, c := t.begin(op)
		asked := false
		for !c.full {
			r, e := c.LoginRequest()
			c.aside = append([]probe.Event{e}, c.aside...)
			if data = append(data, r.Data...); !r.Continue {
				look(data)
				data = nil
			}
			s := c.LoginStep()
			if operational(s) && !asked && !s.conn.Session.Discovery {
				asked = true
				s.Offer(text.Pair{Key: "X-com.example.a", Value: "1"})
			}
			c.Respond(s)
		}
		if t.Own() {
			t.endsWell(p)
		}
	}
	t.Part("data session", func() { run(Login{}) })
	t.PartWith("CHAP", mutual, func() { run(Login{}) })
	t.Part("discovery session", func() { run(Login{Kind: ini.Discovery, NoTarget: true}) })
	if !t.Own() {
		return
	}
	t.Part("text", func() {
		c := t.Session()
		op := t.Start(SendText{Pairs: append(longPairs(600), declared...)})
		r, _ := c.TextRequest()
		look(r.Data)
		c.Text(r, nil)
		t.endsWell(op)
	})
}

func emptyRequests(t *T) {
	run := func(op Login, hooks ...func(*Step)) {
		p, c := t.begin(op)
		for granted := true; !c.full; {
			s := c.LoginStep()
			if len(s.Request.Data) == 0 && !s.Request.Transit && granted {
				t.Fail(s.Event, "no empty request at the start of a stage")
			}
			for _, hook := range hooks {
				hook(s)
			}
			c.Respond(s)
			granted = s.Response.Transit
		}
		if t.Own() {
			t.endsWell(p)
		}
	}
	t.Part("plain", func() { run(Login{}) })
	t.Part("prolonged", func() { run(Login{}, prolonged(2)) })
	t.PartWith("CHAP", oneWay, func() { run(Login{}) })
	t.Part("discovery session", func() { run(Login{Kind: ini.Discovery, NoTarget: true}) })
	t.Part("text", func() {
		c := t.Session()
		op, r, e := t.negotiating(c, declared)
		if len(r.Data) == 0 && !r.Final {
			t.Fail(e, "no empty request with F=0")
		}
		c.Text(r, nil)
		t.endsWell(op)
	})
}
