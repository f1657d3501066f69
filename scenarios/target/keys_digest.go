package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func keyDigestChecks() []Check {
	return []Check{
		{ID: "keys.header-digest.default-none", Run: func(t *T) {
			r := t.Login(probe.Login{Omit: []string{text.KeyHeaderDigest, text.KeyDataDigest}, Answers: NoDigests()})
			if r.Refused() {
				t.Skip("The target does not grant a login without digests: %v.", r)
			}
			c := t.Granted(r)
			t.Pings(c, 8, 0, 5)
			t.Survives(c, "the session")
		}},
		{ID: "keys.header-digest.header-and-data-independent", Run: func(t *T) {
			t.FreeOfDigests()
			t.Part("header digest only", func() { t.Pings(t.WithDigests(pdu.Digests{Header: true}), 16, 0, 16) })
			t.Part("data digest only", func() { t.Pings(t.WithDigests(pdu.Digests{Data: true}), 16, 0, 16) })
		}},
		{ID: "keys.header-digest.crc32c-supported", Run: crc32cSupported},
		{ID: "keys.digests.take-effect-after-final-response", Run: digestsTakeEffect},
	}
}

// digestName is the value of a digest key.
func digestName(on bool) string {
	if on {
		return "CRC32C"
	}
	return "None"
}

// WithDigests logs in and agrees on these digests, and on no others but those that the target is known to demand; where it does not agree
// the part is skipped.
func (t *T) WithDigests(d pdu.Digests, more ...string) *probe.Conn {
	d.Header = d.Header || t.Options().HeaderDigest != ""
	d.Data = d.Data || t.Options().DataDigest != ""
	c := t.Granted(t.Login(probe.Login{Keys: append(Keys(text.KeyHeaderDigest+"="+digestName(d.Header), text.KeyDataDigest+"="+digestName(d.Data)), Keys(more...)...)}))
	if c.Digests != d {
		t.Skip("The target does not agree on HeaderDigest=%s and DataDigest=%s.", digestName(d.Header), digestName(d.Data))
	}
	return c
}

// FreeOfDigests skips the part where the target demands digests, so that offers of others are refused.
func (t *T) FreeOfDigests() {
	if o := t.Options(); o.HeaderDigest != "" || o.DataDigest != "" {
		t.Skip("The target demands digests: logins that offer None alone are refused.")
	}
}

// Pings ends the part unless pings with so many bytes each are answered, with their data or, since the echo is the matter of other checks,
// with none.
func (t *T) Pings(c *probe.Conn, sizes ...int) {
	for _, n := range sizes {
		ping := c.NOPOut(t.Random(n))
		// What the target does with it is told by the event that follows.
		_ = c.Send(ping)
		e := c.AnswerTo(ping.ITT)
		in, ok := probe.As[*pdu.NOPIn](e)
		if !ok || e.Err != nil || len(in.Data) > 0 && !bytes.Equal(in.Data, ping.Data) {
			t.Fail(fmt.Sprintf("a ping with %d bytes: %v", n, e), "a NOP-In that answers the ping")
		}
	}
}

func crc32cSupported(t *T) {
	r := t.Login(probe.Login{Keys: Keys("HeaderDigest=CRC32C,None", "DataDigest=CRC32C,None")})
	t.Granted(r)
	for _, key := range []string{text.KeyHeaderDigest, text.KeyDataDigest} {
		switch answer, _ := r.Answer(key); answer {
		case "CRC32C":
		case "None":
			t.Warn("The target does not agree on CRC32C, by policy or for want of support.", key+"=None", key+"=CRC32C")
		default:
			t.Fault(fmt.Sprintf("%s=%s in answer to CRC32C,None", key, answer), key+"=CRC32C")
		}
	}
}

func digestsTakeEffect(t *T) {
	held := false
	r := t.Login(probe.Login{Keys: Keys("HeaderDigest=CRC32C", "DataDigest=CRC32C"), Patch: func(_ int, q *pdu.LoginRequest) {
		// The first request of the stage offers the keys and does not ask for the transition.
		if q.CSG == pdu.StageOperational && !held {
			held, q.Transit, q.NSG = true, false, 0
		}
	}})
	c := t.Granted(r)
	if !c.Digests.Header || !c.Digests.Data {
		t.Skip("The target does not agree on both digests.")
	}
	t.Pings(c, 16, 0, 5)
	t.Survives(c, "the session")
}
