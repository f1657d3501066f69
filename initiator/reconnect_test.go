package initiator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// start0 is an arbitrary instant for rules that only compare instants.
var start0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at returns the instant s seconds after start0.
func at(s float64) time.Time { return start0.Add(time.Duration(s * float64(time.Second))) }

// TestFirstAttempt checks the first attempt after a loss: at once for a session older than the interval, never before
// Time2Wait, never sooner than one interval after the login before it.
func TestFirstAttempt(t *testing.T) {
	for _, c := range []struct {
		name        string
		login, lost float64
		wait        time.Duration
		want        float64
	}{
		{"old session, no wait", 0, 100, 0, 100},
		{"old session, wait", 0, 100, 10 * time.Second, 110},
		{"young session, no wait", 0, 1, 0, 5},
		{"young session, short wait", 0, 1, 2 * time.Second, 5},
		{"young session, long wait", 0, 1, 10 * time.Second, 11},
		{"exactly one interval old", 0, 5, 0, 5},
	} {
		s := reconnectSchedule{interval: 5 * time.Second}
		s.started(at(c.login))
		s.lost(at(c.lost), c.wait)
		got := s.next()
		if got.Before(at(c.lost)) {
			got = at(c.lost) // An instant in the past means at once.
		}
		if !got.Equal(at(c.want)) {
			t.Errorf("%s: first attempt at %v, want %v", c.name, got.Sub(start0), at(c.want).Sub(start0))
		}
	}
}

// TestCadence checks that later attempts start one interval apart from start to start, and at once after one that outlasted it.
func TestCadence(t *testing.T) {
	s := reconnectSchedule{interval: 5 * time.Second}
	s.started(at(0))
	s.lost(at(60), 0)
	for i, took := range []float64{0, 1, 4.9, 5, 17, 0} {
		now := s.next()
		s.started(now)
		s.failed(now.Add(time.Duration(took * float64(time.Second))))
		want := now.Add(max(5*time.Second, time.Duration(took*float64(time.Second))))
		if !s.next().Equal(want) {
			t.Errorf("attempt %d took %vs: next after %v, want %v", i, took, s.next().Sub(now), want.Sub(now))
		}
	}
}

// TestIntervalChangeGovernsCurrentGap checks that a new interval counts from the start of the attempt before it.
func TestIntervalChangeGovernsCurrentGap(t *testing.T) {
	s := reconnectSchedule{interval: 30 * time.Second}
	s.lost(at(0), 0)
	s.started(at(0))
	s.failed(at(0))
	s.interval = time.Second
	if got := s.next(); !got.Equal(at(1)) {
		t.Errorf("next at %v, want 1s", got.Sub(start0))
	}
}

// TestScheduleNeverStorms lets logins succeed and be lost at random, and checks the spacing of all starts.
func TestScheduleNeverStorms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(1, 30).Draw(t, "interval")) * time.Second
		s := reconnectSchedule{interval: interval}
		now := start0
		s.started(now)
		last := now
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 8000).Draw(t, "ms")) * time.Millisecond)
			wait := time.Duration(rapid.IntRange(0, 12).Draw(t, "wait")) * time.Second
			lost := now
			if rapid.Bool().Draw(t, "succeeded") {
				s.lost(now, wait)
			} else {
				s.failed(now)
				wait = 0
			}
			if next := s.next(); next.After(now) {
				now = next
			}
			if now.Sub(last) < interval {
				t.Fatalf("attempt %v after the one before, want at least %v", now.Sub(last), interval)
			}
			if now.Sub(lost) < wait {
				t.Fatalf("attempt %v after the loss, want at least Time2Wait %v", now.Sub(lost), wait)
			}
			if limit := max(interval, wait); now.Sub(lost) > limit {
				t.Fatalf("attempt %v after the loss, want at most %v", now.Sub(lost), limit)
			}
			s.started(now)
			last = now
		}
	})
}

// TestJitter checks that gaps stay in their band, that the mean stays on the interval, and that the same seed draws the same.
func TestJitter(t *testing.T) {
	gaps := func(key uint64) (list []time.Duration) {
		s := reconnectSchedule{interval: 5 * time.Second, jitter: 0.2, key: key}
		s.lost(start0, 0)
		s.started(start0)
		for range 100 {
			was := s.lastStart
			s.started(s.next())
			list = append(list, s.lastStart.Sub(was))
		}
		return list
	}
	first, again, other := gaps(1), gaps(1), gaps(2)
	var sum time.Duration
	differ := false
	for i, g := range first {
		if g < 4*time.Second || g > 6*time.Second {
			t.Errorf("gap %d is %v, want 4s to 6s", i, g)
		}
		if g != again[i] {
			t.Errorf("gap %d is %v and then %v with one seed", i, g, again[i])
		}
		differ = differ || g != other[i]
		sum += g
	}
	if mean := sum / 100; mean < 4950*time.Millisecond || mean > 5050*time.Millisecond {
		t.Errorf("mean gap %v, want 5s", mean)
	}
	if !differ {
		t.Error("two seeds drew the same gaps")
	}
}

// TestGapsGrow checks gaps that grow by one interval with each attempt of an outage, up to their bound, and begin anew after a login.
func TestGapsGrow(t *testing.T) {
	s := reconnectSchedule{interval: time.Second, most: 4 * time.Second}
	for range 2 {
		now := s.lastStart.Add(time.Hour)
		s.lost(now, 0)
		for i, want := range []time.Duration{0, 1, 2, 3, 4, 4, 4} {
			next := s.next()
			if next.Before(now) {
				next = now
			}
			if got := next.Sub(now); got != want*time.Second {
				t.Errorf("attempt %d comes %v after the one before, want %v", i+1, got, want*time.Second)
			}
			now = next
			s.started(now)
			s.failed(now)
		}
	}
}
