package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/peers"
)

// workload is what is asked of each target for a while.
type workload struct {
	name   string
	blocks int // Of 512 bytes, for each request.
	depth  int
	random bool
	read   bool
	perf   bool // iscsi-perf asks, or, of the raw exchange, the lean client with the system calls of iscsi-perf; otherwise the lean client.
	unit   string
}

var workloads = []workload{
	{"iscsi-perf, 4 KiB random read, depth 1", 8, 1, true, true, true, "IOPS"},
	{"iscsi-perf, 4 KiB random read, depth 32", 8, 32, true, true, true, "IOPS"},
	{"iscsi-perf, 64 KiB sequential read, depth 8", 128, 8, false, true, true, "MiB/s"},
	{"iscsi-perf, 256 KiB sequential read, depth 8", 512, 8, false, true, true, "MiB/s"},
	{"lean client, 4 KiB random read, depth 1", 8, 1, true, true, false, "IOPS"},
	{"lean client, 4 KiB random read, depth 32", 8, 32, true, true, false, "IOPS"},
	{"lean client, 64 KiB sequential read, depth 8", 128, 8, false, true, false, "MiB/s"},
	{"lean client, 4 KiB random write, depth 32", 8, 32, true, false, false, "IOPS"},
	{"lean client, 64 KiB sequential write, depth 8", 128, 8, false, false, false, "MiB/s"},
}

// rate turns requests a second into the workload's unit.
func (w workload) rate(perSecond float64) float64 {
	if w.unit == "MiB/s" {
		return perSecond * float64(w.blocks) / 2048
	}
	return perSecond
}

// targets are those that a workload can be asked of. gotgt is given reads one at a time only: with several under way it dies of concurrent
// accesses to a map of its own. Beside iscsi-perf the raw exchange is had with the small reads by which the goals are stated.
func (w workload) targets() []target {
	list := []target{arrayTarget, tgtTarget}
	if w.depth == 1 && w.read {
		list = append(list, gotgtTarget)
	}
	if !w.perf || w.random {
		list = append(list, rawTarget)
	}
	return list
}

// measured is what one target did in the rounds of a workload.
type measured struct {
	rates []float64 // By round; 0 where the round failed.
	cpu   []float64 // Microseconds of the process for each request.
	note  string    // Why there is nothing, or less.
}

func speed(ctx context.Context, program string, o options, out io.Writer) error {
	started := map[string]*running{}
	missing := map[string]string{}
	for _, t := range []target{arrayTarget, tgtTarget, gotgtTarget, rawTarget} {
		r, err := t.start(ctx, program)
		if err != nil {
			missing[t.name] = "not started"
			fmt.Fprintf(out, "%s is left out: %v\n", t.name, err)
			continue
		}
		started[t.name] = r
		defer r.stop()
	}
	_, err := peers.Find("iscsi-perf")
	if err != nil {
		fmt.Fprintf(out, "iscsi-perf: %v\n", err)
	}
	fmt.Fprintf(out, "median [smallest to largest] of %d rounds of %v; in parentheses the processor time of the target for each request\n", o.rounds, o.time)
	for _, w := range workloads {
		if !strings.Contains(w.name, o.load) || w.perf && err != nil {
			continue
		}
		all := map[string]*measured{}
		for _, t := range w.targets() {
			all[t.name] = &measured{note: missing[t.name]}
		}
		for round := range o.rounds {
			list := w.targets()
			for turn := range list {
				t := list[(round+turn)%len(list)]
				if err := measure(ctx, w, started[t.name], all[t.name], o.time); err != nil {
					return err
				}
			}
		}
		w.print(out, all)
	}
	fmt.Fprintln(out)
	return nil
}

// measure gives a target one turn. What a foreign target does wrong is noted, and is no error.
func measure(ctx context.Context, w workload, r *running, m *measured, d time.Duration) error {
	if r == nil || m.note != "" {
		m.rates = append(m.rates, 0)
		return ctx.Err()
	}
	before := cpuTime(r.pid)
	start := time.Now()
	rate, err := 0.0, error(nil)
	if w.perf && !r.raw() {
		rate, err = perf(ctx, r.url, w, d)
	} else {
		rate, err = lean(r.url, w, d)
	}
	if err != nil {
		m.note = "failed: " + strings.TrimSpace(strings.SplitN(err.Error(), "\n", 2)[0])
		m.rates = append(m.rates, 0)
		return ctx.Err()
	}
	m.rates = append(m.rates, w.rate(rate))
	if used := cpuTime(r.pid) - before; used > 0 && rate > 0 {
		m.cpu = append(m.cpu, float64(used.Nanoseconds())/1e3/(rate*time.Since(start).Seconds()))
	}
	return ctx.Err()
}

func lean(url string, w workload, d time.Duration) (float64, error) {
	c, err := connect(url, 0, 1)
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	c.apart = w.perf
	if !c.raw {
		if err := c.clearAttention(); err != nil {
			return 0, err
		}
	}
	rate, err := c.run(w, d)
	if err != nil || c.raw {
		return rate, err
	}
	return rate, c.logout()
}

var average = regexp.MustCompile(`iops average (\d+)`)

func perf(ctx context.Context, url string, w workload, d time.Duration) (float64, error) {
	args := []string{"-t", fmt.Sprint(math.Ceil(d.Seconds())), "-b", fmt.Sprint(w.blocks), "-m", fmt.Sprint(w.depth)}
	if w.random {
		args = append(args, "-r")
	}
	output, err := peers.Run(ctx, "iscsi-perf", append(args, url)...)
	if err != nil {
		return 0, err
	}
	// It tells the average every second and at the end; the last word is that of the whole run.
	found := average.FindAllStringSubmatch(output, -1)
	if len(found) == 0 {
		return 0, errors.New("iscsi-perf tells no average")
	}
	return strconv.ParseFloat(found[len(found)-1][1], 64)
}

// print writes the block of one workload.
func (w workload) print(out io.Writer, all map[string]*measured) {
	fmt.Fprintf(out, "%s\n", w.name)
	for _, t := range w.targets() {
		m := all[t.name]
		line := fmt.Sprintf("  %-6s %-38s", t.name, spread(positive(m.rates), w.unit))
		if len(m.cpu) > 0 {
			line += fmt.Sprintf(" (%s µs)", spread(m.cpu, ""))
		}
		if t.name != arrayTarget.name {
			if ratios := ratios(all[arrayTarget.name].rates, m.rates); len(ratios) > 0 {
				line += "  the array's ratio to it: " + spread(ratios, "")
			}
		}
		if m.note != "" {
			line += "  " + m.note
		}
		fmt.Fprintln(out, line)
	}
}

// ratios divides round by round, where both have a number.
func ratios(ours, theirs []float64) []float64 {
	var r []float64
	for i := range min(len(ours), len(theirs)) {
		if ours[i] > 0 && theirs[i] > 0 {
			r = append(r, ours[i]/theirs[i])
		}
	}
	return r
}

func positive(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 })
}

// spread gives the median of values, and between which they lie; a unit of "" gives two decimals.
func spread(values []float64, unit string) string {
	if len(values) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(values))
	median := (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	if unit == "" {
		return fmt.Sprintf("%.2f [%.2f to %.2f]", median, sorted[0], sorted[len(sorted)-1])
	}
	return fmt.Sprintf("%.0f %s [%.0f to %.0f]", median, unit, sorted[0], sorted[len(sorted)-1])
}

func readFull(conn net.Conn, b []byte) (int, error) { return io.ReadFull(conn, b) }
