package target

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// negotiationValueChecks are those of the group negotiation about the values of keys.
func negotiationValueChecks() []Check {
	return []Check{
		{ID: "negotiation.list.unknown-members-ignored", Run: func(t *T) {
			t.FreeOfDigests()
			r := t.Offering("HeaderDigest=Y-com.example.sum64,None", "DataDigest=CRC99,None")
			t.Granted(r)
			for _, key := range []string{text.KeyHeaderDigest, text.KeyDataDigest} {
				if answer, _ := r.Answer(key); answer != "None" {
					t.Fault(fmt.Sprintf("%s=%s", key, answer), key+"=None")
				}
			}
		}},
		{ID: "negotiation.list.none-acceptable-rejected", Run: func(t *T) {
			want := []string{"HeaderDigest=Reject", "a refusal"}
			r := t.Offering("HeaderDigest=Y-com.example.sum64")
			if t.TurnedDown(r, false, want...) {
				return
			}
			if answer := t.Given(r, text.KeyHeaderDigest); answer != text.Reject {
				t.Fail("HeaderDigest="+answer, want...)
			}
		}},
		{ID: "negotiation.boolean.or-function", Run: func(t *T) {
			offers := Keys("InitialR2T=Yes", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes")
			t.decided(offers, text.Yes)
		}},
		{ID: "negotiation.boolean.and-function", Run: func(t *T) {
			c := t.decided(Keys("ImmediateData=No"), text.No)
			if t.MayWrite() {
				t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
				t.Done(c, t.askedFor(c, 0, pattern(100, 4096)), "a WRITE with solicited data")
			}
		}},
		{ID: "negotiation.boolean.illegal-value", Run: illegalBooleans},
		{ID: "negotiation.numeric.min-function", Run: minimumKeys},
		{ID: "negotiation.numeric.max-function", Run: func(t *T) {
			r := t.Offering("DefaultTime2Wait=60")
			t.Granted(r)
			t.Between(r, text.KeyDefaultTime2Wait, 60, 3600)
		}},
		{ID: "negotiation.numeric.hex-offer-understood", Run: func(t *T) {
			r := t.Offering("MaxBurstLength=0x10000", "FirstBurstLength=0X2000")
			t.Granted(r)
			t.Between(r, text.KeyMaxBurstLength, 512, 65536)
			if t.Given(r, text.KeyFirstBurstLength) != text.Irrelevant {
				t.Between(r, text.KeyFirstBurstLength, 512, 8192)
			}
		}},
		{ID: "negotiation.numeric.out-of-range-rejected", Run: func(t *T) {
			t.illegalNumbers("MaxBurstLength=511", "MaxBurstLength=16777216", "MaxConnections=0", "MaxOutstandingR2T=65536",
				"ErrorRecoveryLevel=3", "DefaultTime2Wait=3601")
		}},
		{ID: "negotiation.numeric.not-a-number-rejected", Run: func(t *T) { t.illegalNumbers("MaxBurstLength=large", "MaxBurstLength=12abc") }},
		{ID: "negotiation.numeric.range-not-allowed", Run: func(t *T) { t.illegalNumbers("MaxBurstLength=4096~65536", "MaxConnections=1~4") }},
		{ID: "negotiation.reject.keeps-current-value", Run: rejectedKeeps},
		{ID: "negotiation.irrelevant.answer-when-key-has-no-effect", Run: irrelevantAnswers},
		{ID: "negotiation.reserved-words.only-as-answers", Run: reservedWords},
		{ID: "negotiation.text.list-with-spaces", Run: func(t *T) {
			t.FreeOfDigests()
			r := t.Offering("HeaderDigest=CRC32C, None")
			if t.TurnedDown(r, true) {
				return
			}
			answer, _ := r.Answer(text.KeyHeaderDigest)
			if strings.TrimSpace(answer) != answer || answer != "" && answer != "CRC32C" && answer != "None" && !text.Reserved(answer) {
				t.FailFirmly(fmt.Sprintf("HeaderDigest=%q", answer), "an offered value", "Reject", "a refusal")
			}
			t.Note("HeaderDigest=%s", answer)
		}},
	}
}

// decided ends the part unless each offer, which decides its key by itself, is answered with its own value or not at all.
func (t *T) decided(offers text.Pairs, value string) *probe.Conn {
	r := t.Login(probe.Login{Keys: offers})
	c := t.Granted(r)
	for _, offer := range offers {
		if answer, answered := r.Answer(offer.Key); answered && answer != value {
			t.Fault(fmt.Sprintf("%s=%s in answer to %s", offer.Key, answer, offer.Value), offer.String(), "no answer")
		}
	}
	return c
}

func illegalBooleans(t *T) {
	for _, value := range []string{"Maybe", "1", "yes"} {
		t.Part("ImmediateData="+value, func() {
			want := []string{"ImmediateData=Reject", "ImmediateData=Yes or No", "a refusal", "a drop"}
			r := t.Offering("ImmediateData=" + value)
			if t.TurnedDown(r, true, want...) {
				return
			}
			answer, answered := r.Answer(text.KeyImmediateData)
			switch {
			case !answered:
				t.Fail("a granted login without an answer", want...)
			case answer != text.Reject && answer != text.Yes && answer != text.No:
				t.Fail("ImmediateData="+answer, want...)
			}
			if t.MayWrite() {
				// What was answered, or the default beside Reject, decides whether the data goes with the command.
				t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
				t.Done(r.Conn, t.Write(r.Conn, 0, pattern(101, 512)), "a WRITE as the answer says")
			}
		})
	}
}

func minimumKeys(t *T) {
	offers := Keys("MaxBurstLength=8192", "FirstBurstLength=4096", "MaxOutstandingR2T=1", "DefaultTime2Retain=5", "ErrorRecoveryLevel=0",
		"MaxConnections=1", "InitialR2T=No")
	r := t.Login(probe.Login{Keys: offers})
	t.Granted(r)
	for _, offer := range offers {
		key, _ := text.Lookup(offer.Key)
		answer, answered := r.Answer(offer.Key)
		if !key.Numeric() || !answered {
			continue
		}
		if offer.Key == text.KeyFirstBurstLength && answer == text.Irrelevant && r.Params.InitialR2T && !r.Params.ImmediateData {
			continue
		}
		most, _ := text.ParseNumber(offer.Value)
		if n, number := text.ParseNumber(answer); !number || n < key.Min || n > most {
			t.Fault(offer.Key+"="+answer, fmt.Sprintf("%s=%d to %d", offer.Key, key.Min, most))
		}
	}
}

// illegalNumbers judges answers to offers that are no legal value of a numeric key. Of a range the upper end counts as the offer.
func (t *T) illegalNumbers(offers ...string) {
	for _, offer := range Keys(offers...) {
		t.Part(offer.String(), func() {
			key, _ := text.Lookup(offer.Key)
			want := []string{key.Name + "=Reject", fmt.Sprintf("%s=%d to %d", key.Name, key.Min, key.Max), "a refusal", "a drop"}
			r := t.Login(probe.Login{Keys: text.Pairs{offer}})
			if t.TurnedDown(r, true, want...) {
				return
			}
			answer, answered := r.Answer(offer.Key)
			n, number := text.ParseNumber(answer)
			switch {
			case !answered:
				t.Fail("a granted login without an answer", want...)
			case answer == text.Reject:
				return
			case !number || n < key.Min || n > key.Max:
				t.Fail(offer.Key+"="+answer, want...)
			}
			_, upper, ranged := strings.Cut(offer.Value, "~")
			if !ranged {
				upper = offer.Value
			}
			offered, _ := text.ParseNumber(upper)
			switch above := key.Function == text.Minimum && offered > 0 && n > offered; {
			case above && ranged:
				t.Fail(offer.Key+"="+answer, want...)
			case above, key.Function == text.Maximum && n < offered:
				t.Warn("The answer is legal, and not what the key's function makes of the offer.", offer.Key+"="+answer, want...)
			}
		})
	}
}

func rejectedKeeps(t *T) {
	for _, offer := range []string{"16777216", "large", "511"} {
		r := t.Offering("MaxRecvDataSegmentLength=65536", "MaxBurstLength="+offer)
		answer, _ := r.Answer(text.KeyMaxBurstLength)
		if !r.Granted() || answer != text.Reject {
			if r.Granted() {
				t.Leave(r.Conn)
			}
			continue
		}
		t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
		n := t.room(r.Conn, 0, 512<<10)
		if n <= 262144 {
			t.Skip("The logical unit holds %d bytes, which is not more than one sequence.", n)
		}
		read := t.Done(r.Conn, t.Read(r.Conn, 0, n), "a READ")
		t.Leave(r.Conn)
		plain := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=65536")})
		if usual, _ := longest(t.Done(plain, t.Read(plain, 0, n), "a READ").Task); usual > 262144 {
			t.Skip("Without the offer the sequences are as long, which is the matter of keys.max-burst-length.default-262144.")
		}
		t.sequencesWithin(read, 262144)
		return
	}
	t.Skip("No illegal offer of MaxBurstLength is answered with Reject in a login that is granted.")
}

func irrelevantAnswers(t *T) {
	t.Part("without unsolicited data", func() {
		r := t.Offering("InitialR2T=Yes", "ImmediateData=No", "FirstBurstLength=65536")
		t.Granted(r)
		if answer := t.Given(r, text.KeyFirstBurstLength); answer != text.Irrelevant {
			if n, number := text.ParseNumber(answer); !number || n > 65536 {
				t.FailFirmly("FirstBurstLength="+answer, "a number up to 65536", "Irrelevant")
			}
		}
	})
	t.Part("with unsolicited data", func() {
		r := t.Offering("MaxBurstLength=65536", "FirstBurstLength=65536", "InitialR2T=No", "ImmediateData=Yes")
		t.Granted(r)
		if answer, _ := r.Answer(text.KeyMaxBurstLength); answer == text.Irrelevant {
			t.FailFirmly("MaxBurstLength=Irrelevant", "a number")
		}
		if answer, _ := r.Answer(text.KeyFirstBurstLength); answer == text.Irrelevant && (!r.Params.InitialR2T || r.Params.ImmediateData) {
			t.FailFirmly("FirstBurstLength=Irrelevant where unsolicited data is agreed", "a number")
		}
	})
}

func reservedWords(t *T) {
	want := []string{"MaxConnections=Reject", "a refusal", "a drop"}
	t.Part("offered", func() {
		r := t.Offering("MaxConnections=NotUnderstood")
		if t.TurnedDown(r, true, want...) {
			return
		}
		answer := t.Given(r, text.KeyMaxConnections)
		n, number := text.ParseNumber(answer)
		switch {
		case answer == text.Reject:
		case number && n >= 1 && n <= 65535:
			t.Warn("The target takes a reserved word for an offer.", "MaxConnections="+answer, want...)
		default:
			t.Fail("MaxConnections="+answer, want...)
		}
	})
	t.Part("proposed", func() {
		r := t.Login(probe.Login{Security: true})
		t.Granted(r)
		for _, p := range probe.ProposalsOf(r.Walk.Said) {
			if text.Reserved(p.Value) {
				t.Fail(p, "a value of the key")
			}
		}
	})
}
