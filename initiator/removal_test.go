package initiator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLatencyValues checks that unset, zero and infinite are three things, and that they read back.
func TestLatencyValues(t *testing.T) {
	for _, c := range []struct {
		latency Latency
		text    string
		want    time.Duration
		finite  bool
	}{
		{Latency{}, "default", 60 * time.Second, true},
		{After(0), "0s", 0, true},
		{After(-time.Second), "0s", 0, true},
		{After(300 * time.Second), "5m0s", 300 * time.Second, true},
		{Infinite(), "never", 0, false},
	} {
		got, finite := c.latency.Duration()
		if got != c.want || finite != c.finite {
			t.Errorf("%v: got %v %v, want %v %v", c.latency, got, finite, c.want, c.finite)
		}
		if c.latency.String() != c.text {
			t.Errorf("String is %q, want %q", c.latency, c.text)
		}
		back, err := ParseLatency(c.text)
		if err != nil || back != c.latency {
			t.Errorf("ParseLatency(%q) = %v, %v, want %v", c.text, back, err, c.latency)
		}
	}
	for _, text := range []string{"", "-1s", "soon", "60"} {
		if l, err := ParseLatency(text); err == nil {
			t.Errorf("ParseLatency(%q) = %v, want an error", text, l)
		}
	}
}

// TestRemovalClock walks one outage: nothing before the latency, all at it, nothing twice, and a login cancels.
func TestRemovalClock(t *testing.T) {
	var c removalClock
	if _, ok := c.due(Latency{}, Infinite()); ok {
		t.Fatal("a clock that does not run is due")
	}
	c.lost(at(0))
	c.lost(at(30)) // A failed attempt, or the like, does not move it.
	if due, ok := c.due(Latency{}, Infinite()); !ok || !due.Equal(at(60)) {
		t.Fatalf("due %v %v, want 60s", due.Sub(start0), ok)
	}
	if others, boot := c.expire(at(59.999), Latency{}, Infinite()); others || boot {
		t.Fatal("expired before the latency")
	}
	if others, boot := c.expire(at(60), Latency{}, Infinite()); !others || boot {
		t.Fatalf("at the latency: others %v boot %v, want others only", others, boot)
	}
	if others, _ := c.expire(at(61), Latency{}, Infinite()); others {
		t.Fatal("expired twice in one outage")
	}
	c.returned()
	c.lost(at(100))
	if due, ok := c.due(Latency{}, Infinite()); !ok || !due.Equal(at(160)) {
		t.Fatalf("second outage due %v %v, want 160s", due.Sub(start0), ok)
	}
}

// TestRemovalClockBoot checks that the boot unit has a latency of its own.
func TestRemovalClockBoot(t *testing.T) {
	var c removalClock
	c.lost(at(0))
	c.expire(at(60), After(60*time.Second), After(90*time.Second))
	if due, ok := c.due(After(60*time.Second), After(90*time.Second)); !ok || !due.Equal(at(90)) {
		t.Fatalf("due %v %v, want 90s for the boot unit", due.Sub(start0), ok)
	}
	if others, boot := c.expire(at(90), After(60*time.Second), After(90*time.Second)); others || !boot {
		t.Fatalf("others %v boot %v, want boot only", others, boot)
	}
}

// TestRemovalClockChangedLatency checks that a latency that is changed in an outage counts from the loss, also when it is over already.
func TestRemovalClockChangedLatency(t *testing.T) {
	var c removalClock
	c.lost(at(0))
	if due, _ := c.due(After(30*time.Second), Infinite()); !due.Equal(at(30)) {
		t.Errorf("due %v, want 30s", due.Sub(start0))
	}
	if others, _ := c.expire(at(20), After(10*time.Second), Infinite()); !others {
		t.Error("a latency already past removes nothing")
	}
}

// TestRemovalInstantIsExact checks over random histories that whatever happens between loss and login, units leave at exactly the latency.
func TestRemovalInstantIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		latency := After(time.Duration(rapid.IntRange(0, 120).Draw(t, "latency")) * time.Second)
		d, _ := latency.Duration()
		var c removalClock
		now := start0
		for range rapid.IntRange(1, 20).Draw(t, "outages") {
			now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "up")) * time.Millisecond)
			c.lost(now)
			end := now.Add(time.Duration(rapid.IntRange(0, 200_000).Draw(t, "down")) * time.Millisecond)
			due, ok := c.due(latency, Infinite())
			if !ok || due.Sub(now) != d {
				t.Fatalf("due %v after the loss, want %v", due.Sub(now), d)
			}
			removed := false
			if !due.After(end) {
				removed, _ = c.expire(due, latency, Infinite())
			}
			if removed != !due.After(end) {
				t.Fatalf("outage of %v: removed %v", end.Sub(now), removed)
			}
			c.returned()
			now = end
		}
	})
}
