package trace

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func refusals(n int) []Event {
	var events []Event
	for i := range n {
		at, conn := time.Duration(i)*5*time.Second, fmt.Sprintf("10.0.0.1:3260#%d", i+1)
		events = append(events, Event{At: at, Kind: KindDial, Conn: conn}, Event{At: at + 1, Kind: KindDialFailed, Conn: conn, Err: "refused"})
	}
	return events
}

func TestFoldKeepsHeadAndTailOfRepeats(t *testing.T) {
	events := append([]Event{{Kind: KindNote, Reason: "begin"}}, refusals(10)...)
	events = append(events, Event{At: time.Minute, Kind: KindNote, Reason: "end"})
	got := Fold(events, 0)
	want := []Event{
		events[0], events[1], events[2],
		{At: events[3].At, Kind: KindFolded, Reason: "8 more rounds of 2 events like this", Attrs: []Attr{{"events", "16"}, {"until", "40.000000001s"}}},
		events[19], events[20], events[21],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if short := refusals(3); len(Fold(short, 0)) != len(short) {
		t.Error("three rounds were folded")
	}
}

func TestFoldLimit(t *testing.T) {
	var events []Event
	for i := range 50 {
		events = append(events, Event{At: time.Duration(i), Kind: KindNote, Reason: fmt.Sprint(i)})
	}
	got := Fold(events, 11)
	if len(got) != 11 || got[5].Kind != KindFolded || got[5].Reason != "40 events left out" || got[10].Reason != "49" || got[4].Reason != "4" {
		t.Errorf("%d events with %v in the middle", len(got), got[5])
	}
	if got := Fold(events, 50); len(got) != 50 {
		t.Errorf("%d events of 50, limit 50", len(got))
	}
	if got := Fold(events, 1); len(got) != 1 || got[0].Reason != "50 events left out" {
		t.Errorf("limit 1 gives %v", got)
	}
}

func TestFoldKeepsTurns(t *testing.T) {
	var events []Event
	for i := range 90 {
		e := Event{At: time.Duration(i), Kind: KindNote, Reason: fmt.Sprint(i)}
		if i == 40 || i == 60 || i == 61 {
			e = Event{At: time.Duration(i), Kind: KindSession, State: fmt.Sprint(i)}
		}
		events = append(events, e)
	}
	var got []string
	for _, e := range Fold(events, 12) {
		got = append(got, e.State+e.Reason)
	}
	want := []string{"0", "1", "2", "37 events left out", "40", "19 events left out", "60", "61", "25 events left out", "87", "88", "89"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is folded away is counted: whatever the events, the counts add up, and the first and last events stay.
func TestFoldLosesNoCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reasons := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c"})).Draw(t, "reasons")
		limit := rapid.IntRange(0, 12).Draw(t, "limit")
		var events []Event
		for i, r := range reasons {
			events = append(events, Event{At: time.Duration(i), Kind: KindNote, Reason: r})
		}
		got := Fold(events, limit)
		if n := count(got); n != len(events) {
			t.Fatalf("%d events are told of, want %d", n, len(events))
		}
		if limit > 0 && len(got) > limit {
			t.Fatalf("%d events, limit %d", len(got), limit)
		}
		for i := 1; i < len(got); i++ {
			if got[i].At < got[i-1].At {
				t.Fatalf("event %d goes back in time", i)
			}
		}
	})
}
