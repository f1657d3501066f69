package trace

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// drawn gives events with every field drawn.
func drawn() *rapid.Generator[Event] {
	text := rapid.StringN(0, 8, 16)
	return rapid.Custom(func(t *rapid.T) Event {
		e := Event{
			At:   time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "at")),
			Kind: rapid.SampledFrom([]Kind{KindNote, KindPDUSent, KindDevice, "own"}).Draw(t, "kind"),
			Node: text.Draw(t, "node"), Conn: text.Draw(t, "conn"), From: text.Draw(t, "from"), To: text.Draw(t, "to"),
			Session: rapid.Uint64().Draw(t, "session"), Device: text.Draw(t, "device"), Request: rapid.Uint64().Draw(t, "request"),
			Op: text.Draw(t, "op"), State: text.Draw(t, "state"), Was: text.Draw(t, "was"), Reason: text.Draw(t, "reason"), Err: text.Draw(t, "err"),
		}
		if rapid.Bool().Draw(t, "with LUN") {
			e.LUN = new(rapid.Uint64().Draw(t, "LUN"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			e.Attrs = append(e.Attrs, A(text.Draw(t, "key"), text.Draw(t, "value")))
		}
		if raw := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "raw"); len(raw) > 0 {
			e.Raw = raw
		}
		if rapid.Bool().Draw(t, "with PDU") {
			e.PDU = drawnPDU(t)
		}
		return e
	})
}

func drawnPDU(t *rapid.T) *PDU {
	f := &pdu.Frame{Data: append(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "data"), make([]byte, rapid.IntRange(0, 9).Draw(t, "zeros"))...)}
	copy(f.BHS[:], rapid.SliceOfN(rapid.Byte(), 48, 48).Draw(t, "header"))
	f.AHS = make([]byte, 4*rapid.IntRange(0, 2).Draw(t, "AHS"))
	f.Pad = rapid.SampledFrom([][]byte{rightPad(len(f.Data)), {}, {1, 2}}).Draw(t, "pad")
	if rapid.Bool().Draw(t, "digests") {
		f.HeaderDigest, f.DataDigest = new(rapid.Uint32().Draw(t, "header digest")), new(rapid.Uint32().Draw(t, "data digest"))
	}
	return PDUOf(f, rapid.IntRange(0, 20).Draw(t, "kept"))
}

func TestRoundTripThroughJSONLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(drawn(), 0, 5).Draw(t, "events")
		var b bytes.Buffer
		if err := WriteJSONL(&b, want); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b.Bytes(), []byte("\n")); n != len(want) {
			t.Fatalf("%d lines for %d events", n, len(want))
		}
		got, err := ReadJSONL(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Events(want), got, equateEmptyLists); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

var equateEmptyLists = cmp.FilterValues(func(a, b Events) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())

func TestLineForm(t *testing.T) {
	f := pdu.FrameOf(&pdu.NOPOut{ITT: 1, Data: []byte("ab\x00\x00\x00")})
	f.Pad = rightPad(5)
	var b bytes.Buffer
	events := []Event{{At: 5 * time.Second, Kind: KindPDUSent, Node: "initiator", Conn: "10.0.0.1:3260#1", LUN: new(uint64), PDU: PDUOf(f, 1<<10)},
		{Kind: KindNote, Reason: "a < b", Attrs: []Attr{A("n", 3)}}}
	if err := WriteJSONL(&b, events); err != nil {
		t.Fatal(err)
	}
	want := `{"at":5000000000,"kind":"pdu-sent","node":"initiator","conn":"10.0.0.1:3260#1","lun":0,"pdu":{"header":"` +
		"00800000000000050000000000000000000000010000000000000000000000000000000000000000" + "0000000000000000" + `","data":"YWI=","zeros":3}}` + "\n" +
		`{"at":0,"kind":"note","reason":"a < b","attrs":[["n","3"]]}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadNamesTheLine(t *testing.T) {
	good := `{"at":1,"kind":"note"}` + "\n\n"
	for _, bad := range []string{
		`{"at":1}`, `{"at":1,"kind":"note","colour":"red"}`, `{"at":1,"kind":"no`, `[]`, `{"at":1,"kind":"note"} {}`,
		`{"at":1,"kind":"pdu-sent","pdu":{"header":"00"}}`, `{"at":1,"kind":"note","attrs":[["a"]]}`,
		`{"at":1,"kind":"pdu-sent","pdu":{"header":"` + strings.Repeat("00", 48) + `","zeros":99999999999}}`,
		`{"at":1,"kind":"pdu-sent","pdu":{"header":"` + strings.Repeat("00", 48) + `","ahs":"0"}}`,
		`{"at":1,"kind":"pdu-sent","pdu":{"header":"` + strings.Repeat("00", 48) + `","pad":"x"}}`,
	} {
		events, err := ReadJSONL(strings.NewReader(good + bad))
		var line *LineError
		if !errors.As(err, &line) || line.Line != 3 || len(events) != 1 {
			t.Errorf("%s: %d events, %v; want one and an error of line 3", bad, len(events), err)
		}
	}
	if _, err := ReadJSONL(strings.NewReader(strings.Repeat("x", maxLineBytes+1))); err == nil {
		t.Error("a line beyond the limit is taken")
	}
}

func FuzzReadJSONL(f *testing.F) {
	f.Add([]byte(`{"at":1,"kind":"note","attrs":[["a","b"]],"raw":"YWI="}`))
	f.Add([]byte(`{"at":1,"kind":"pdu-sent","pdu":{"header":"` + strings.Repeat("01", 48) + `","ahs":"00000000","data":"YWI=","zeros":3,"pad":"","cut":7}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, _ := ReadJSONL(bytes.NewReader(b))
		for i := range events {
			if p := events[i].PDU; p != nil && len(p.Data)+p.Cut < 1<<16 {
				_ = p.String()
			}
		}
	})
}
