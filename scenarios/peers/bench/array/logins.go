package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// loginSources is over how many source addresses logins go, so that a port is not wanted again while TCP still keeps it.
const loginSources = 8

// logins logs in and out, one session after the other, and tells rate and memory of the first and the last tenth. tgt gets one tenth of the
// logins, to compare the rate with.
func logins(ctx context.Context, program string, o options, out io.Writer) error {
	for _, t := range []struct {
		target
		count int
	}{{tgtTarget, max(10, o.logins/10)}, {arrayTarget, o.logins}} {
		r, err := t.start(ctx, program)
		if err != nil {
			fmt.Fprintf(out, "  %-6s left out: %v\n", t.name, err)
			continue
		}
		line, err := manyLogins(ctx, r, t.count)
		r.stop()
		if err != nil {
			line = err.Error()
		}
		fmt.Fprintf(out, "  %-6s %d logins and logouts: %s\n", t.name, t.count, line)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Fprintln(out)
	return nil
}

func manyLogins(ctx context.Context, r *running, n int) (string, error) {
	var rates []float64
	var memory []int64
	tenth := n / 10
	cpu := cpuTime(r.pid)
	for part := range 10 {
		start := time.Now()
		for i := range tenth {
			number := part*tenth + i
			c, err := connect(r.url, number%loginSources, number)
			if err != nil {
				return "", fmt.Errorf("login %d: %w", number+1, err)
			}
			if err := c.logout(); err != nil {
				return "", fmt.Errorf("logout %d: %w", number+1, err)
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
		}
		rates = append(rates, float64(tenth)/time.Since(start).Seconds())
		memory = append(memory, resident(r.pid))
	}
	used := float64((cpuTime(r.pid) - cpu).Microseconds()) / float64(10*tenth)
	return fmt.Sprintf("%.0f a second in the first tenth, %.0f in the last; by tenth %.0f; resident %.1f MB after the first tenth, %.1f MB after the last; %.0f µs of processor each",
		rates[0], rates[9], rates, mb(memory[0]), mb(memory[9]), used), nil
}
