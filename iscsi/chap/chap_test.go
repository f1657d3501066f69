package chap_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

var (
	user  = chap.Credentials{Name: "user", Secret: "initiator's secret"}
	array = chap.Credentials{Name: "array", Secret: "target's secret"}
)

func known(name string) (chap.Credentials, bool) { return user, name == user.Name }

// TestResponseVectors holds the responses against values computed by other means (openssl dgst over 0x01, "secret", 0x00..0x0f).
func TestResponseVectors(t *testing.T) {
	challenge := make([]byte, 16)
	for i := range challenge {
		challenge[i] = byte(i)
	}
	for a, want := range vectors {
		if got := hex.EncodeToString(chap.Response(a, 1, "secret", challenge)); got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
		if a.ResponseLength() != len(want)/2 || !a.Supported() {
			t.Errorf("%v: %d bytes", a, a.ResponseLength())
		}
		if again, err := chap.ParseAlgorithm(strings.ToLower(a.String())); err != nil || again != a {
			t.Errorf("%v: %v, %v", a, again, err)
		}
	}
	if chap.Response(250, 1, "secret", challenge) != nil || chap.Algorithm(250).Supported() || chap.Algorithm(250).ResponseLength() != 0 {
		t.Error("algorithm 250 is supported")
	}
	if _, err := chap.ParseAlgorithm("md4"); err == nil {
		t.Error("md4 is known")
	}
}

func TestParseBinary(t *testing.T) {
	for s, want := range map[string]string{
		"0x00": "00", "0XaB": "ab", "0xabc": "0abc", "0x0102": "0102", "0bAQI=": "0102", "0BAQID": "010203", "0b/+8=": "ffef",
	} {
		got, err := chap.ParseBinary(s, 16)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%q: %x, %v", s, got, err)
		}
	}
	long := strings.Repeat("00", 17)
	for _, s := range []string{
		"", "0", "0x", "0b", "0xZZ", "1234", "00", "0b!!!!", "0bAQI", "0bAQ=I", "0bAQI=\n", "0bA\nQI=", "0bAR==", "0x" + long, "0b" + strings.Repeat("AAAA", 6), "0x 00", "0d12",
		"0b====",
	} {
		got, err := chap.ParseBinary(s, 16)
		var binaryError *chap.BinaryError
		if !errors.As(err, &binaryError) {
			t.Errorf("%q: %x, %v, want a *BinaryError", s, got, err)
		}
	}
}

func TestBinaryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Byte(), 1, chap.MaxBinaryLength).Draw(t, "value")
		for _, s := range []string{chap.FormatHex(want), chap.FormatBase64(want)} {
			if got, err := chap.ParseBinary(s, chap.MaxBinaryLength); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%.40q: %x, %v", s, got, err)
			}
			if _, err := chap.ParseBinary(s, len(want)-1); err == nil {
				t.Fatalf("%d bytes pass a limit of %d", len(want), len(want)-1)
			}
		}
	})
}

// run carries one exchange between both sides.
func run(i *chap.Initiator, r *chap.Target) error {
	message := i.Start()
	for range 4 {
		answer, err := r.Step(message)
		if err != nil {
			return fmt.Errorf("target: %w", err)
		}
		if len(answer) == 0 {
			break
		}
		if message, err = i.Step(answer); err != nil {
			return fmt.Errorf("initiator: %w", err)
		}
		if len(message) == 0 {
			break
		}
	}
	if !i.Done() || !r.Done() {
		return fmt.Errorf("initiator done: %t, target done: %t", i.Done(), r.Done())
	}
	return nil
}

func TestBothSidesAgree(t *testing.T) {
	algorithms := []chap.Algorithm{chap.MD5, chap.SHA1, chap.SHA256, chap.SHA3256}
	rapid.Check(t, func(t *rapid.T) {
		i := &chap.Initiator{Own: user, Identifier: rapid.Byte().Draw(t, "i"), Challenge: rapid.SliceOfN(rapid.Byte(), 17, 64).Draw(t, "ci"),
			Algorithms: append(rapid.Permutation(algorithms).Draw(t, "ai")[:2], 250), Base64: rapid.Bool().Draw(t, "bi")}
		r := &chap.Target{Peer: known, Own: array, Identifier: rapid.Byte().Draw(t, "r"), Challenge: rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "cr"),
			Algorithms: algorithms, Base64: rapid.Bool().Draw(t, "br")}
		mutual := rapid.Bool().Draw(t, "mutual")
		if mutual {
			i.Peer = array
		}
		if err := run(i, r); err != nil {
			t.Fatal(err)
		}
		if r.Name() != "user" || r.Mutual() != mutual || i.Algorithm() != i.Algorithms[0] {
			t.Fatalf("name %q, mutual %t, algorithm %v", r.Name(), r.Mutual(), i.Algorithm())
		}
	})
}

func sides() (*chap.Initiator, *chap.Target) {
	return &chap.Initiator{Own: user, Peer: array, Identifier: 7, Challenge: bytes.Repeat([]byte{1}, 16)},
		&chap.Target{Peer: known, Own: array, Identifier: 9, Challenge: bytes.Repeat([]byte{2}, 16)}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*chap.Initiator, *chap.Target)
		want  string
	}{
		"wrong secret":        {func(i *chap.Initiator, _ *chap.Target) { i.Own.Secret = "another" }, "target: CHAP key CHAP_R"},
		"unknown name":        {func(i *chap.Initiator, _ *chap.Target) { i.Own.Name = "nobody" }, "target: CHAP key CHAP_R"},
		"wrong target":        {func(_ *chap.Initiator, r *chap.Target) { r.Own.Secret = "another-array-secret" }, "initiator: CHAP key CHAP_R"},
		"wrong target name":   {func(_ *chap.Initiator, r *chap.Target) { r.Own.Name = "nobody" }, "initiator: CHAP key CHAP_R"},
		"no common algorithm": {func(i *chap.Initiator, _ *chap.Target) { i.Algorithms = []chap.Algorithm{8} }, "target: CHAP key CHAP_A"},
		"algorithm that nobody has": {func(i *chap.Initiator, r *chap.Target) {
			i.Algorithms, r.Algorithms = []chap.Algorithm{250}, []chap.Algorithm{250}
		}, "target: CHAP key CHAP_A"},
		"one way only":                    {func(_ *chap.Initiator, r *chap.Target) { r.Own = chap.Credentials{} }, "target: CHAP key CHAP_C"},
		"an own secret that is too short": {func(_ *chap.Initiator, r *chap.Target) { r.Own.Secret = "eleven byte" }, "target: CHAP key CHAP_C"},
		"reflection seen by either":       {func(i *chap.Initiator, r *chap.Target) { i.Challenge = r.Challenge }, "initiator: CHAP key CHAP_C"},
		"reflection of another login": {func(i *chap.Initiator, r *chap.Target) {
			r.Reflected = func(c []byte) bool { return bytes.Equal(c, i.Challenge) }
		}, "target: CHAP key CHAP_C"},
		"one secret for both, at the initiator": {func(i *chap.Initiator, _ *chap.Target) { i.Peer.Secret = i.Own.Secret }, "initiator: CHAP: expected different secrets"},
		"one secret for both, at the target":    {func(_ *chap.Initiator, r *chap.Target) { r.Own.Secret = user.Secret }, "target: CHAP key CHAP_R: expected the other side's response"},
		"this side's own response": {func(i *chap.Initiator, r *chap.Target) {
			i.Peer.Secret, r.Own.Secret = "a third", user.Secret
			r.Peer = func(string) (chap.Credentials, bool) { return user, true }
		}, "target: CHAP key CHAP_R: expected the other side's response"},
		"a challenge of another login of the initiator's": {func(i *chap.Initiator, r *chap.Target) {
			i.Reflected = func(c []byte) bool { return bytes.Equal(c, r.Challenge) }
		}, "initiator: CHAP key CHAP_C: expected a challenge other than this side's own"},
	} {
		i, r := sides()
		c.spoil(i, r)
		err := run(i, r)
		var chapError *chap.Error
		if !errors.As(err, &chapError) || !strings.HasPrefix(err.Error(), c.want) || chapError.Clause == "" {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), user.Secret.Reveal()) || strings.Contains(err.Error(), array.Secret.Reveal())) {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
		if strings.HasPrefix(c.want, "target") && r.Done() {
			t.Errorf("%s: the target is satisfied", name)
		}
	}
}

// TestTargetSteps walks the target through requests that no sound initiator sends.
func TestTargetSteps(t *testing.T) {
	right := func(r *chap.Target) string {
		return chap.FormatHex(chap.Response(chap.MD5, r.Identifier, user.Secret, r.Challenge))
	}
	for name, second := range map[string]func(*chap.Target) text.Pairs{
		"only the name":       func(*chap.Target) text.Pairs { return text.Pairs{{Key: "CHAP_N", Value: "user"}} },
		"only the response":   func(r *chap.Target) text.Pairs { return text.Pairs{{Key: "CHAP_R", Value: right(r)}} },
		"a short response":    func(r *chap.Target) text.Pairs { return named(right(r)[:32]) },
		"a long response":     func(r *chap.Target) text.Pairs { return named(right(r) + "00") },
		"an empty response":   func(*chap.Target) text.Pairs { return named("0x") },
		"no encoding":         func(r *chap.Target) text.Pairs { return named(right(r)[2:]) },
		"an endless response": func(*chap.Target) text.Pairs { return named("0x" + strings.Repeat("00", 1<<16)) },
		"half of a challenge": func(r *chap.Target) text.Pairs { return append(named(right(r)), text.Pair{Key: "CHAP_I", Value: "1"}) },
		"the other half": func(r *chap.Target) text.Pairs {
			return append(named(right(r)), text.Pair{Key: "CHAP_C", Value: "0x01"})
		},
		"a challenge too long":  func(r *chap.Target) text.Pairs { return mutual(right(r), "1", "0x"+strings.Repeat("00", 1025)) },
		"an identifier too big": func(r *chap.Target) text.Pairs { return mutual(right(r), "256", "0x01") },
		"a signed identifier":   func(r *chap.Target) text.Pairs { return mutual(right(r), "+1", "0x01") },
		"the name twice": func(r *chap.Target) text.Pairs {
			return append(named(right(r)), text.Pair{Key: "CHAP_N", Value: "user"})
		},
		"a key of SRP": func(r *chap.Target) text.Pairs {
			return append(named(right(r)), text.Pair{Key: "SRP_U", Value: "user"})
		},
		"the algorithm again": func(*chap.Target) text.Pairs { return text.Pairs{{Key: "CHAP_A", Value: "5"}} },
		"nothing":             func(*chap.Target) text.Pairs { return nil },
		"an old response": func(r *chap.Target) text.Pairs {
			old := *r
			old.Challenge = bytes.Repeat([]byte{3}, 16)
			return named(right(&old))
		},
	} {
		_, r := sides()
		challenge, err := r.Step(text.Pairs{{Key: "CHAP_A", Value: "8,7,5"}})
		if err != nil || challenge.String() != "CHAP_A=5 CHAP_I=9 CHAP_C=0x02020202020202020202020202020202" {
			t.Fatalf("%v, %v", challenge, err)
		}
		answer, err := r.Step(second(r))
		var chapError *chap.Error
		if !errors.As(err, &chapError) || r.Done() || answer != nil {
			t.Errorf("%s: %v, %v, done %t", name, answer, err, r.Done())
		}
	}
	_, r := sides()
	if _, err := r.Step(named("0x00")); err == nil {
		t.Error("a response comes before the algorithm")
	}
	for _, bad := range []string{"", "md5", "5;6", "256", "+5", "-1", "5,"} {
		_, r := sides()
		if answer, err := r.Step(text.Pairs{{Key: "CHAP_A", Value: bad}}); err == nil {
			t.Errorf("CHAP_A=%s is answered %v", bad, answer)
		}
	}
}

func named(response string) text.Pairs {
	return text.Pairs{{Key: "CHAP_N", Value: "user"}, {Key: "CHAP_R", Value: response}}
}

func mutual(response, identifier, challenge string) text.Pairs {
	return append(named(response), text.Pair{Key: "CHAP_I", Value: identifier}, text.Pair{Key: "CHAP_C", Value: challenge})
}

func TestInitiatorRefusesWhatItDidNotAskFor(t *testing.T) {
	good := text.Pairs{{Key: "CHAP_A", Value: "5"}, {Key: "CHAP_I", Value: "0x09"}, {Key: "CHAP_C", Value: "0x0102"}}
	for name, pairs := range map[string]text.Pairs{
		"no challenge":         good[:2],
		"another algorithm":    {{Key: "CHAP_A", Value: "8"}, good[1], good[2]},
		"a list of algorithms": {{Key: "CHAP_A", Value: "5,6"}, good[1], good[2]},
		"a bad challenge":      {good[0], good[1], {Key: "CHAP_C", Value: "0x"}},
		"a bad identifier":     {good[0], {Key: "CHAP_I", Value: "x"}, good[2]},
		"a response at once":   {{Key: "CHAP_N", Value: "array"}, {Key: "CHAP_R", Value: "0x00"}},
	} {
		i, _ := sides()
		i.Start()
		if answer, err := i.Step(pairs); err == nil {
			t.Errorf("%s: answered %v", name, answer)
		}
	}
	i := &chap.Initiator{Own: user}
	i.Start()
	if _, err := i.Step(good); err != nil || !i.Done() {
		t.Fatal(err)
	}
	if _, err := i.Step(good); err == nil {
		t.Error("a second challenge is answered")
	}
}

func TestCredentialsPrintRedacted(t *testing.T) {
	i, _ := sides()
	if text := fmt.Sprintf("%v %+v %#v %+v", user, user, user, i); strings.Contains(text, iscsi.Secret(user.Secret).Reveal()) {
		t.Error(text)
	}
	if user.IsZero() || !(chap.Credentials{}).IsZero() {
		t.Error("IsZero")
	}
}

func FuzzTargetStep(f *testing.F) {
	f.Add("CHAP_A=5\x00", "CHAP_N=user\x00CHAP_R=0x00\x00")
	f.Add("CHAP_A=5,6,7,8\x00", "CHAP_N=user\x00CHAP_R=0bAAAA\x00CHAP_I=1\x00CHAP_C=0x01\x00")
	f.Fuzz(func(t *testing.T, first, second string) {
		_, r := sides()
		for _, step := range []string{first, second} {
			pairs, _ := text.Parse([]byte(step))
			if _, err := r.Step(pairs); err != nil {
				break
			}
		}
		if r.Done() {
			t.Error("a proof without the secret")
		}
	})
}

// FuzzInitiatorStep plays the target: whoever lacks the secret is never believed.
func FuzzInitiatorStep(f *testing.F) {
	f.Add("CHAP_A=5\x00CHAP_I=1\x00CHAP_C=0x0102030405060708\x00", "CHAP_N=array\x00CHAP_R=0x00\x00")
	f.Add("CHAP_A=8\x00CHAP_I=255\x00CHAP_C=0bAAAA\x00", "CHAP_N=array\x00CHAP_R=0bAAAA\x00")
	f.Fuzz(func(t *testing.T, first, second string) {
		i, _ := sides()
		i.Start()
		for _, step := range []string{first, second} {
			pairs, _ := text.Parse([]byte(step))
			answer, err := i.Step(pairs)
			if err != nil {
				_ = err.Error()
				break
			}
			if strings.Contains(fmt.Sprint(answer), user.Secret.Reveal()) {
				t.Error("the secret is in the answer")
			}
		}
		if i.Done() {
			t.Error("a proof without the secret")
		}
	})
}

func FuzzParseAlgorithms(f *testing.F) {
	for _, seed := range []string{"5", "5,6,7,8", "", "05", "256", "-1", "5,,5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := chap.ParseAlgorithms(s)
		if err != nil {
			return
		}
		if again, err := chap.ParseAlgorithms(chap.FormatAlgorithms(list)); err != nil || !slices.Equal(again, list) {
			t.Errorf("%q gives %v, and that %v, %v", s, list, again, err)
		}
	})
}

func FuzzParseBinary(f *testing.F) {
	for _, seed := range []string{"0x00", "0bAAAA", "0x1", "0b", "0X"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := chap.ParseBinary(s, 64)
		if err == nil && (len(b) == 0 || len(b) > 64) {
			t.Errorf("%q gives %d bytes", s, len(b))
		}
	})
}

var vectors = map[chap.Algorithm]string{
	chap.MD5:     "740e86463bda3a4d7017d6e0fba0699d",
	chap.SHA1:    "3890198f5112376188a9742805758384545583a6",
	chap.SHA256:  "28b96c916cf784528bbfaa6ad7e012cab293437604aae8d66a3295b319132cef",
	chap.SHA3256: "bdceca071be509f41acf88309bb6d12e51526c23a2d18f22c2bb8ed199c36fd8",
}

func TestGenerateSecret(t *testing.T) {
	a, err := chap.GenerateSecret(rand.Reader)
	b, errB := chap.GenerateSecret(rand.Reader)
	if err != nil || errB != nil || a == b || len(a) != 22 || strings.Trim(a.Reveal(), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("%d and %d characters, equal: %t, %v, %v", len(a), len(b), a == b, err, errB)
	}
	if _, err := chap.GenerateSecret(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("from too little randomness: %v", err)
	}
}
