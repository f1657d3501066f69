package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// loginSources is over how many source addresses logins go, so that a port is not wanted again while TCP still keeps it.
	loginSources = 8
	// loginTime bounds how long they take: no tenth is begun after it.
	loginTime = 90 * time.Second
)

// logins logs in and out, one session after the other, and tells rate and memory of the first and the last tenth. tgt gets one tenth of the
// logins, to compare the rate with. Where the machine has one loopback address only, the kernel may run out of ports.
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
	var memory []float64 // MB
	tenth, sources := n/10, loopbacks(loginSources)
	cpu, begin := cpuTime(r.pid), time.Now()
	for part := range 10 {
		if time.Since(begin) > loginTime {
			break
		}
		start := time.Now()
		for i := range tenth {
			number := part*tenth + i
			c, err := connect(r.url, number%sources, number)
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
		memory = append(memory, mb(resident(r.pid)))
	}
	last := len(rates) - 1
	done := len(rates) * tenth
	used := float64((cpuTime(r.pid) - cpu).Microseconds()) / float64(done)
	line := fmt.Sprintf("%.0f a second in the first tenth, %.0f in the last (ratio %.2f; by tenth %.0f); "+
		"resident %.1f MB after the first tenth, %.1f MB after the last (by tenth %.1f); %.0f µs of processor each",
		rates[0], rates[last], rates[last]/rates[0], rates, memory[0], memory[last], memory, used)
	if last < 9 {
		line += fmt.Sprintf("; stopped after %d of %d, for %v were over", done, n, loginTime)
	}
	return line, nil
}

// loopbacks is how many of the addresses from 127.0.0.1 on, at most n, can be dialled from: all of them on Linux, one elsewhere.
func loopbacks(n int) int {
	for i := range n {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i))})
		if err != nil {
			return max(1, i)
		}
		_ = l.Close() // It was never used.
	}
	return n
}
