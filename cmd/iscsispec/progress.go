package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// heartbeat is how often a run on the wall clock that prints no status line says that it lives.
const heartbeat = 30 * time.Second

// progress tells how a run goes: one status line on a terminal, a line a check elsewhere.
type progress struct {
	con   *console
	total int
	quiet bool
	stop  func()
	once  sync.Once

	mu      sync.Mutex
	summary scenarios.Summary
	done    int      // checks that have ended, those included whose results wait for others
	under   []string // checks under way, the latest last
}

func newProgress(con *console, total int, quiet bool) *progress {
	ctx, stop := context.WithCancel(context.Background())
	p := &progress{con: con, total: total, quiet: quiet, stop: stop}
	if !con.live && !quiet {
		go p.beat(ctx)
	}
	return p
}

// beat prints a line every now and then, so that a log without a terminal shows where a long run stands.
func (p *progress) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.mu.Lock()
			text := p.text()
			p.mu.Unlock()
			p.con.line("%s", text)
		}
	}
}

func (p *progress) text() string {
	s := p.summary
	text := fmt.Sprintf("[%d/%d] %d pass", p.done, p.total, s.Pass)
	for _, v := range scenarios.Verdicts()[1:] {
		if n := s.Count(v); n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	switch n := len(p.under); {
	case n == 1:
		text += " ... " + p.under[0]
	case n > 1:
		text += fmt.Sprintf(" ... %s and %d more", p.under[n-1], n-1)
	}
	return text
}

func (p *progress) started(e scenarios.Entry) {
	p.mu.Lock()
	p.under = append(p.under, e.ID)
	text := p.text()
	p.mu.Unlock()
	p.con.setStatus(text)
}

func (p *progress) ended(e scenarios.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if i := slices.Index(p.under, e.ID); i >= 0 {
		p.under = slices.Delete(p.under, i, i+1)
	}
}

func (p *progress) finished(r *scenarios.Result) {
	p.mu.Lock()
	p.summary.Add(r)
	text := p.text()
	p.mu.Unlock()
	if !p.quiet && (!p.con.live || r.Verdict != scenarios.Pass) || !r.Expected() {
		reason := ""
		if r.Verdict != scenarios.Pass || r.Standing != "" {
			reason = "  " + firstSentence(r)
		}
		took := lasted(r)
		if r.Monitored != nil {
			took = "seen by a monitor"
		}
		p.con.line("%s %s (%s)%s", p.con.verdict(r), r.ID, took, reason)
	}
	p.con.setStatus(text)
}

// end takes the status line away.
func (p *progress) end() {
	p.once.Do(func() {
		p.stop()
		p.con.setStatus("")
	})
}

// lasted gives the check's duration, and says where it is virtual.
func lasted(r *scenarios.Result) string {
	d := r.Duration.Round(time.Millisecond)
	if r.Virtual {
		return fmt.Sprintf("%v virtual", d)
	}
	return d.String()
}

// firstSentence is the reason in one line.
func firstSentence(r *scenarios.Result) string {
	reason := r.Reason
	if r.Standing != "" {
		reason = r.Because
	}
	reason, _, _ = strings.Cut(reason, "\n")
	const most = 160
	if runes := []rune(reason); len(runes) > most {
		reason = string(runes[:most]) + "..."
	}
	return reason
}
