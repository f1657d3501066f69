package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
)

// pingsMax bounds the round trips of one run, all of which are kept for the median.
const pingsMax = 1_000_000

// pingOptions are the flags of ping.
type pingOptions struct {
	connectOptions
	count, size int
	interval    time.Duration
}

func (p *program) pingCommand() *cobra.Command {
	o := &pingOptions{}
	cmd := &cobra.Command{
		Use:   "ping URL",
		Short: "Measure NOP-Out round trips to a target",
		Long: `ping logs in to iscsi://[user[%password]@]host[:port][/target], sends NOP-Out requests with data, one after the other,
and tells how long their answers took and whether the data came back as they were. Without a target in the URL the only
one that discovery lists is pinged.

Exit status: 0 all answered as sent, 1 an answer carried other data, 3 the target could not be reached or fell silent.` + credentialsHelp,
		Example: `  iscsispec ping iscsi://192.0.2.10
  iscsispec ping iscsi://192.0.2.10/iqn.2003-01.com.example:disk --count 100 --interval 10ms --header-digest crc32c --json`,
		Args: one("URL"),
		RunE: p.onURL(o.run),
	}
	o.addFlags(cmd)
	cmd.Flags().IntVar(&o.count, "count", 5, "round trips")
	cmd.Flags().IntVar(&o.size, "size", 32, "bytes of data in each request")
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "time from one request to the next, answers permitting")
	return cmd
}

// pingReport is what ping prints as JSON.
type pingReport struct {
	Target   string    `json:"target"`
	Portal   string    `json:"portal"`
	Size     int       `json:"size"`
	Sent     int       `json:"sent"`
	Answered int       `json:"answered"`
	Altered  int       `json:"altered"`
	Min      float64   `json:"min_ms"`
	Median   float64   `json:"median_ms"`
	Max      float64   `json:"max_ms"`
	Trips    []float64 `json:"round_trips_ms"`
}

func (o *pingOptions) run(cmd *cobra.Command, u iscsi.URL) error {
	switch {
	case o.count < 1 || o.count > pingsMax:
		return usageError("--count %d: want 1 to %d", o.count, pingsMax)
	case o.size < 0 || o.size > 1<<24-1:
		return usageError("--size %d: want 0 to %d", o.size, 1<<24-1)
	case o.interval < 0:
		return usageError("--interval %v: want 0 or more", o.interval)
	}
	if err := o.check(); err != nil {
		return err
	}
	u, err := o.soleTarget(cmd.Context(), u)
	if err != nil {
		return err
	}
	return o.withSession(cmd, u, func(ctx context.Context, s *initiator.Session) error {
		info := s.Info()
		report := &pingReport{Target: info.TargetName, Portal: info.Current.HostPort(), Size: o.size, Trips: []float64{}}
		lines := io.Discard
		if !o.asJSON {
			lines = cmd.OutOrStdout()
		}
		err := o.series(ctx, s, report, lines)
		if errors.Is(err, initiator.ErrNotSupported) {
			return usageError("--size: %w", err)
		}
		report.sum()
		if told := report.print(cmd.OutOrStdout(), o.asJSON); told != nil {
			return told
		}
		if err == nil && report.Altered > 0 {
			return leave(exitFindings)
		}
		return err
	})
}

// series sends the requests, each at its time, and prints a line for each answer.
func (o *pingOptions) series(ctx context.Context, s *initiator.Session, report *pingReport, lines io.Writer) error {
	data := make([]byte, o.size)
	for i := range data {
		data[i] = byte(i)
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for i := range o.count {
		select {
		case <-next.C:
		case <-s.Done():
			return s.Loss().Cause
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		next.Reset(o.interval)
		report.Sent++
		began := time.Now()
		back, err := s.Ping(ctx, data)
		took := time.Since(began)
		if err != nil {
			return err
		}
		report.Answered++
		report.Trips = append(report.Trips, milliseconds(took))
		note := ""
		if !bytes.Equal(back, data) {
			report.Altered++
			note = ", other data than were sent"
		}
		fmt.Fprintf(lines, "%d bytes from %s: seq %d, %.3f ms%s\n", len(back), report.Portal, i+1, milliseconds(took), note)
	}
	return nil
}

// sum fills in what follows from the round trips.
func (r *pingReport) sum() {
	if len(r.Trips) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(r.Trips))
	n := len(sorted)
	r.Min, r.Max = sorted[0], sorted[n-1]
	r.Median = math.Round(1000*(sorted[(n-1)/2]+sorted[n/2])/2) / 1000
}

func (r *pingReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, r)
	}
	_, err := fmt.Fprintf(w, "%s: %d sent, %d answered, %d altered; min/median/max %.3f/%.3f/%.3f ms\n",
		r.Target, r.Sent, r.Answered, r.Altered, r.Min, r.Median, r.Max)
	return err
}

// milliseconds keeps a duration's microseconds.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
