package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/cmd/iscsispec/gotgt"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// fuzzBeat is how often a search says where it stands.
const fuzzBeat = 5 * time.Second

// fuzzVoice tells what a search finds: as text, or as lines of JSON.
type fuzzVoice struct {
	out, errOut io.Writer
	o           *fuzzOptions
	peer        string
	began       time.Time

	mu       sync.Mutex
	findings int
}

func newFuzzVoice(cmd *cobra.Command, o *fuzzOptions, peer string) *fuzzVoice {
	return &fuzzVoice{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), o: o, peer: peer, began: time.Now()}
}

// fuzzFinding is a finding as JSON.
type fuzzFinding struct {
	Rule   string   `json:"rule"`
	Clause string   `json:"clause"`
	Step   int      `json:"step"`
	Got    string   `json:"got"`
	Want   []string `json:"want"`
	Flow   string   `json:"flow"`
	Began  string   `json:"began"`
	Index  uint64   `json:"index"`
	Alone  bool     `json:"alone"`
	Replay string   `json:"replay"`
}

// found tells a finding.
func (v *fuzzVoice) found(f fuzz.Found) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.findings++
	line := fuzz.ReplayLine(f.Flow, v.peer)
	if v.o.asJSON {
		v.json(map[string]any{"finding": fuzzFinding{f.Finding.Rule, f.Finding.Clause, f.Finding.Step, f.Finding.Got.String(), f.Finding.Want,
			f.Flow.String(), f.Began.String(), f.Index, f.Alone, line}})
		return
	}
	place := fmt.Sprintf("step %d", f.Finding.Step)
	if f.Finding.Step == 0 {
		place = "after the flow"
	}
	fmt.Fprintf(v.out, "FOUND  %s (%s), %s, %d PDUs sent\n", f.Finding.Rule, f.Finding.Clause, place, f.Flow.PDUs())
	fmt.Fprintf(v.out, "  got     %.1000s\n", f.Finding.Got)
	for i, want := range f.Finding.Want {
		fmt.Fprintf(v.out, "  %-7s %s\n", []string{"want", "or"}[min(i, 1)], want)
	}
	if !f.Alone {
		fmt.Fprintln(v.out, "  note    it did not come again when the flow was run by itself: the peer keeps something of flows before")
	}
	fmt.Fprintf(v.out, "  replay  %s\n", line)
}

// lawful tells of a replayed flow that nothing is wrong with.
func (v *fuzzVoice) lawful(f fuzz.Flow) {
	if v.o.asJSON {
		v.json(map[string]any{"lawful": f.String()})
		return
	}
	fmt.Fprintln(v.out, "nothing found: all outcomes of the flow are lawful")
}

func (v *fuzzVoice) json(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // They are plain structures.
	}
	fmt.Fprintf(v.out, "%s\n", text)
}

// beat tells every now and then where the search stands, until the function that it gives is called.
func (v *fuzzVoice) beat(at func() []fuzzStand) (stop func()) {
	if v.o.quiet {
		return func() {}
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		ticker := time.NewTicker(fuzzBeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				now := at()
				v.mu.Lock()
				for _, stand := range now {
					fmt.Fprintf(v.errOut, "%s\n", v.stands(&stand))
				}
				v.mu.Unlock()
			}
		}
	}()
	return func() {
		close(done)
		<-over
	}
}

// fuzzStand is where the search before one peer stands.
type fuzzStand struct {
	peer    string
	flows   uint64
	reached fuzz.Coverage
	plan    fuzz.Plan
}

// stands is the line of progress.
func (v *fuzzVoice) stands(s *fuzzStand) string {
	took := time.Since(v.began)
	part := func(all []string, got map[string]uint64) string {
		if len(all) == 0 {
			return strconv.Itoa(len(got))
		}
		return fmt.Sprintf("%d/%d", len(all)-len(fuzz.Missed(all, got)), len(all))
	}
	return fmt.Sprintf("%v %s: %d flows, %.0f/s, %s states, %s transitions, %s keys by class, %d findings", took.Round(time.Second), s.peer, s.flows,
		float64(s.flows)/took.Seconds(), part(s.plan.States, s.reached.States), part(s.plan.Transitions, s.reached.Transitions),
		part(s.plan.Keys, s.reached.Keys), v.findings)
}

// ended tells what the search comes to, and gives the status to leave with.
func (v *fuzzVoice) ended(stands []fuzzStand, again map[string]int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range stands {
		s := &stands[i]
		if v.o.asJSON {
			v.json(map[string]any{"peer": s.peer, "flows": s.flows, "seconds": time.Since(v.began).Seconds(), "seed": v.o.seed,
				"findings": v.findings, "seen": again,
				"coverage": map[string]any{"states": s.reached.States, "transitions": s.reached.Transitions, "keys": s.reached.Keys}})
			continue
		}
		if !v.o.quiet {
			fmt.Fprintf(v.out, "\n%s\n", s.peer)
			if err := s.reached.Write(v.out, s.plan); err != nil {
				return err
			}
		}
	}
	if !v.o.asJSON {
		for _, rule := range slices.Sorted(maps.Keys(again)) {
			if again[rule] == 0 {
				continue // It was a target that was slow, and not silent.
			}
			fmt.Fprintf(v.out, "seen %d times: %s\n", again[rule], rule)
		}
		for i := range stands {
			fmt.Fprintf(v.out, "%s\n", v.stands(&stands[i]))
		}
	}
	if v.findings > 0 {
		return leave(exitFindings)
	}
	return nil
}

// fuzzGotgt starts a gotgt child for a search, and starts it again when it has died.
func fuzzGotgt(cmd *cobra.Command, x *fuzz.Remote) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, &statusError{exitDefect, fmt.Errorf("finding the own executable: %w", err)}
	}
	kept, err := gotgt.Keep(cmd.Context(), self, gotgtSize)
	if err != nil {
		return nil, unreachable("%w", err)
	}
	if !kept.Child().LoopbackOnly {
		fmt.Fprintln(cmd.ErrOrStderr(), "iscsispec: warning: the gotgt child can be reached from other machines while it runs")
	}
	x.Fresh = kept.Fresh
	if x.URL, err = fuzzURL(kept.Child().URL); err != nil {
		kept.Stop()
		return nil, err
	}
	return kept.Stop, nil
}
