package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

const (
	// perSource is how many connections one source address has at most: it has some 28,000 ports.
	perSource = 20_000
	// settleTime is waited before memory is looked at a second time.
	settleTime = 5 * time.Second
	// openTime bounds how long sessions are opened for: what one target takes for each of them grows with their number.
	openTime = 45 * time.Second
)

// idle opens sessions that do nothing further, and looks at the memory that the target's process has resident for them: right after the last
// login, and some time later, when a garbage collector may have given back what the logins left.
func idle(ctx context.Context, program string, o options, out io.Writer) error {
	fmt.Fprintf(out, "%d sessions, or as many as can be opened in %v, each after some TEST UNIT READY\n", o.sessions, openTime)
	for _, t := range []target{arrayTarget, tgtTarget} {
		r, err := t.start(ctx, program)
		if err != nil {
			fmt.Fprintf(out, "  %-6s left out: %v\n", t.name, err)
			continue
		}
		line, err := idleSessions(ctx, r, o.sessions)
		r.stop()
		if err != nil {
			line = err.Error()
		}
		fmt.Fprintf(out, "  %-6s %s\n", t.name, line)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Fprintln(out)
	return nil
}

func idleSessions(ctx context.Context, r *running, n int) (string, error) {
	before := resident(r.pid)
	start := time.Now()
	opened := 0
	for i := 0; i < n && time.Since(start) < openTime; i++ {
		c, err := connect(r.url, i/perSource, i)
		if err != nil {
			return "", fmt.Errorf("session %d: %w", i+1, err)
		}
		defer c.conn.Close()
		if err := c.clearAttention(); err != nil {
			return "", fmt.Errorf("session %d: %w", i+1, err)
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		opened++
	}
	passed := time.Since(start)
	after := resident(r.pid)
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
	}
	later := resident(r.pid)
	each := func(v int64) float64 { return float64(v-before) / float64(opened) / 1000 }
	return fmt.Sprintf("%d sessions: %.1f kB each right after the last login, %.1f kB %v later (%.1f MB before, %.1f and %.1f MB after; %.0f logins a second)",
		opened, each(after), each(later), settleTime, mb(before), mb(after), mb(later), float64(opened)/passed.Seconds()), nil
}

func mb(v int64) float64 { return float64(v) / 1e6 }
