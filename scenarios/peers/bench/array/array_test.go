package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/simtarget"
)

// TestMain lets the test's program be the other end of the raw exchange, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == rawVerb {
		os.Exit(serveRaw())
	}
	os.Exit(m.Run())
}

const turn = 100 * time.Millisecond

// startPlain starts an array for the time of a test and returns the URL of its disk.
func startPlain(t *testing.T) string {
	t.Helper()
	profile, err := simtarget.Builtin("plain")
	if err != nil {
		t.Fatal(err)
	}
	array, err := simtarget.New(profile, simtarget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := array.Start(simtarget.ListenLoopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := array.Close(); err != nil {
			t.Error(err)
		}
	})
	return array.URLs()[0].String()
}

// The lean client does every workload on an array and on the raw exchange, and with the system calls of iscsi-perf.
func TestLeanClientDoesTheWork(t *testing.T) {
	array := startPlain(t)
	raw, err := startRaw(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.stop()
	for _, w := range workloads {
		for _, url := range []string{array, raw.url} {
			if rate, err := lean(url, w, turn); err != nil || rate <= 0 {
				t.Errorf("%s on %s: %.0f a second, %v", w.name, url, rate, err)
			}
		}
	}
}

// Logins go in and out on an array, and their rate is told; where the sources of their connections can be bound is found out.
func TestLoginsAreTold(t *testing.T) {
	if n := loopbacks(loginSources); n < 1 || n > loginSources {
		t.Errorf("%d loopback addresses, want 1 to %d", n, loginSources)
	}
	line, err := manyLogins(t.Context(), &running{url: startPlain(t), pid: os.Getpid()}, 20)
	if err != nil || !strings.Contains(line, "a second in the first tenth") || strings.Contains(line, "stopped") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestRatiosLeaveOutWhatFailed(t *testing.T) {
	if got, want := ratios([]float64{4, 0, 9, 8}, []float64{2, 5, 0, 2}), []float64{2, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, c := range []struct {
		values []float64
		unit   string
		want   string
	}{
		{[]float64{3, 1, 2}, "IOPS", "2 IOPS [1 to 3]"},
		{[]float64{4, 1}, "", "2.50 [1.00 to 4.00]"},
		{nil, "IOPS", "-"},
	} {
		if got := spread(c.values, c.unit); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
