package target

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// negotiationTextChecks are those of the group negotiation about the form of text.
func negotiationTextChecks() []Check {
	return []Check{
		{ID: "negotiation.text.key-names-case-sensitive", Run: func(t *T) {
			const key = "maxburstlength"
			r := t.Offering(key + "=1024")
			if !r.Granted() && t.TurnedDown(r, false) {
				t.Warn("The target refuses a key that begins with a small letter.", r, key+"=NotUnderstood")
				return
			}
			if answer, taken := r.Walk.Received().Get(text.KeyMaxBurstLength); taken && answer != "" {
				if n, number := text.ParseNumber(answer); number && n <= 1024 {
					t.Fail("MaxBurstLength="+answer, key+"=NotUnderstood")
				}
			}
			t.notUnderstood(r, key)
		}},
		{ID: "negotiation.text.missing-equals-sign", Run: bareToken},
		{ID: "negotiation.text.empty-value", Run: emptyValues},
		{ID: "negotiation.text.missing-final-nul", Run: missingZero},
		{ID: "negotiation.text.extra-nuls-tolerated", Run: extraZeros},
		{ID: "negotiation.text.key-name-over-63-bytes", Run: longName},
		{ID: "negotiation.text.value-over-255-bytes", Run: longValues},
		{ID: "negotiation.text.accepts-8192-bytes", Run: longText},
		{ID: "negotiation.text.order-of-keys-irrelevant", Run: reversedKeys},
	}
}

func bareToken(t *T) {
	want := []string{"a refusal", "a drop", "GarbageNoEquals=NotUnderstood"}
	r := t.Login(probe.Login{Patch: inOperational(func(q *pdu.LoginRequest) { q.Data = append(q.Data, "GarbageNoEquals\x00"...) })})
	if !t.TurnedDown(r, true, want...) {
		if answer, _ := r.Walk.Received().Get("GarbageNoEquals"); answer != text.NotUnderstood {
			t.Warn("The target passes over text without \"=\".", r, want...)
		}
		t.Leave(r.Conn)
	}
	t.Serves()
}

func emptyValues(t *T) {
	t.Part(text.KeyMaxBurstLength, func() {
		want := []string{"MaxBurstLength=Reject", "a number from 512", "a refusal", "a drop"}
		r := t.Offering("MaxBurstLength=")
		if t.TurnedDown(r, true, want...) {
			return
		}
		answer, answered := r.Answer(text.KeyMaxBurstLength)
		if n, number := text.ParseNumber(answer); answered && answer != text.Reject && (!number || n < 512 || n > 1<<24-1) {
			t.Fail("MaxBurstLength="+answer, want...)
		} else if !answered {
			t.Warn("The target passes over a key without a value.", r, want...)
		}
	})
	t.Part(text.KeyHeaderDigest, func() {
		want := []string{"HeaderDigest=Reject", "a refusal", "a drop"}
		r := t.Offering("HeaderDigest=")
		if t.TurnedDown(r, true, want...) {
			return
		}
		switch answer, answered := r.Answer(text.KeyHeaderDigest); {
		case answer == text.Reject:
		case answer == "None" || !answered:
			t.Warn("The target takes an empty list for None.", "HeaderDigest="+answer, want...)
		default:
			t.Fail("HeaderDigest="+answer, want...)
		}
	})
	t.Part(text.KeyInitiatorAlias, func() { t.Granted(t.Offering("InitiatorAlias=")) })
	t.Serves()
}

// missingZero makes the data segment end where the last pair does, at a multiple of 4, so that no padding stands in for the zero byte.
func missingZero(t *T) {
	const last = "MaxBurstLength=65536"
	want := []string{"MaxBurstLength up to 65536", "a refusal", "a drop"}
	cut := false
	r := t.Login(probe.Login{Keys: Keys(last), Patch: inOperational(func(q *pdu.LoginRequest) {
		whole, ends := bytes.CutSuffix(q.Data, []byte(last+"\x00"))
		if !ends {
			return
		}
		fill := "InitiatorAlias=a"
		for (len(whole)+len(fill)+1+len(last))%4 != 0 {
			fill += "a"
		}
		q.Data, cut = append(append(bytes.Clone(whole), fill+"\x00"...), last...), true
	})})
	if !cut {
		t.Unclear("The last key of the login is another one.")
	}
	if t.TurnedDown(r, true, want...) {
		return
	}
	answer, answered := r.Answer(text.KeyMaxBurstLength)
	n, number := text.ParseNumber(answer)
	switch {
	case !answered:
		t.Warn("The target passes over a pair without its zero byte.", r, want...)
	case answer != text.Reject && (!number || n > 65536):
		t.Fail("MaxBurstLength="+answer, want...)
	}
}

func extraZeros(t *T) {
	r := t.Login(probe.Login{Keys: Keys("MaxBurstLength=65536", "DefaultTime2Wait=5"), Patch: inOperational(func(q *pdu.LoginRequest) {
		q.Data = append(bytes.Replace(q.Data, []byte("65536\x00"), []byte("65536\x00\x00\x00"), 1), 0, 0, 0, 0)
	})})
	if t.TurnedDown(r, true) {
		t.Note("zero bytes too many end the login")
		return
	}
	for _, key := range []string{text.KeyMaxBurstLength, text.KeyDefaultTime2Wait} {
		if _, answered := r.Answer(key); !answered {
			t.FailFirmly("a granted login without an answer to "+key, "an answer to each key", "a refusal")
		}
	}
}

func longName(t *T) {
	key := "X-" + strings.Repeat("k", 198)
	want := []string{"the whole name with NotUnderstood", "a refusal", "a drop"}
	r := t.Offering(key + "=1")
	if t.TurnedDown(r, true, want...) {
		return
	}
	for _, p := range r.Walk.Received() {
		if strings.HasPrefix(key, p.Key) && p.Key != key || p.Key == key && p.Value != text.NotUnderstood {
			t.Fail(p, want...)
		}
	}
	if _, answered := r.Walk.Received().Get(key); !answered {
		t.Warn("The target passes over a key with a name that is too long.", r, want...)
	}
}

func longValues(t *T) {
	for _, key := range []string{"X-com.example.iscsispec.long", text.KeyInitiatorAlias} {
		t.Part(key, func() {
			want := []string{key + "=NotUnderstood or Reject", "a refusal", "a drop"}
			r := t.Offering(key + "=" + strings.Repeat("v", 1000))
			if t.TurnedDown(r, true, want...) {
				return
			}
			t.Survives(r.Conn, "the session")
			answer, answered := r.Walk.Received().Get(key)
			switch alias := key == text.KeyInitiatorAlias; {
			case alias && answer == text.NotUnderstood:
				t.Fail("InitiatorAlias=NotUnderstood", "InitiatorAlias=Reject", "no answer", "a refusal", "a drop")
			case !alias && answered && answer != text.NotUnderstood && answer != text.Reject:
				t.Fail(fmt.Sprintf("%s with %d bytes", key, len(answer)), want...)
			case !alias && !answered:
				t.Warn("The target passes over a key whose value is too long.", r, want...)
			}
		})
	}
	t.Serves()
}

// manyKeys are the keys of a login by hand and unknown ones, of 8000 bytes in all or less by a pair.
func (t *T) manyKeys() (all text.Pairs, unknown []string) {
	all = append(t.Names(probe.Login{}), t.Digests()...)
	for i := 0; ; i++ {
		p := text.Pair{Key: fmt.Sprintf("X-com.example.iscsispec.k%02d", i), Value: strings.Repeat("v", 98)}
		if all.Length()+len(p.Key)+len(p.Value)+2 > 8000 {
			return all, unknown
		}
		all, unknown = append(all, p), append(unknown, p.Key)
	}
}

func longText(t *T) {
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login by hand leaves out.")
	}
	granted := func(w *probe.Walk, step probe.Step, unknown []string) {
		r := t.cameOf(w, step)
		t.Granted(r)
		for _, key := range unknown {
			t.notUnderstood(r, key)
		}
	}
	t.Part("one PDU", func() {
		keys, unknown := t.manyKeys()
		granted(t.Connect().Walk(probe.Login{}), lastly(keys), unknown)
	})
	t.Part("PDUs of 1000 bytes", func() {
		t.FreeOfDigests() // what is sent in parts does not tell the probe what was agreed
		keys, unknown := t.manyKeys()
		parts := text.Split(keys, 1000)
		w := t.Connect().Walk(probe.Login{})
		for _, part := range parts[:len(parts)-1] {
			a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Continue: true, Data: part})
			if !a.OK() || len(a.Response.Data) > 0 {
				t.Skip("The target does not answer a part with an empty response, which is the matter of login.cbit.answered-with-empty-response: %v.", a.Event)
			}
		}
		step := lastly(nil)
		step.Data = parts[len(parts)-1]
		w.Said = append(w.Said, saidAlready(keys)...)
		a := t.Accepted(w.Exchange(step))
		if !a.FullFeature() {
			granted(w, lastly(Answers(w)), unknown)
			return
		}
		granted := &probe.LoginResult{Walk: w}
		for _, key := range unknown {
			t.notUnderstood(granted, key)
		}
	})
}

// saidAlready is what the probe has to know of a text that went out as bytes.
func saidAlready(keys text.Pairs) []probe.Said {
	var said []probe.Said
	for _, p := range keys {
		said = append(said, probe.Said{Pair: p})
	}
	return said
}

func reversedKeys(t *T) {
	login := probe.Login{Keys: Keys("MaxBurstLength=65536", "FirstBurstLength=16384", "DefaultTime2Wait=5", "InitialR2T=Yes", "ErrorRecoveryLevel=0")}
	usual := t.Login(login)
	t.Leave(t.Granted(usual))
	first := true
	login.Patch = func(_ int, q *pdu.LoginRequest) {
		pairs, err := text.Parse(q.Data)
		if err == nil && first {
			slices.Reverse(pairs)
			q.Data = pairs.Append(nil)
		}
		first = false
	}
	reversed := t.Login(login)
	t.Granted(reversed)
	for _, p := range login.Keys {
		was, _ := usual.Answer(p.Key)
		if is, _ := reversed.Answer(p.Key); is != was {
			t.Fault(fmt.Sprintf("%s=%s, and %s in the usual order", p.Key, is, was), p.Key+"="+was)
		}
	}
}
