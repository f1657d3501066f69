package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/peers"
)

//go:embed libiscsi/login.c
var loginSource []byte

// libiscsi runs the other side.
type libiscsi struct {
	dir   string
	login string // The compiled login.c; "" where it could not be compiled.
	perf  bool   // iscsi-perf is there.
}

// newLibiscsi sees what is installed. Its error says what is not; what it returns is of use nevertheless. The caller removes it.
func newLibiscsi(ctx context.Context) (*libiscsi, error) {
	l := &libiscsi{}
	if _, err := peers.Find("iscsi-perf"); err != nil {
		return l, err
	}
	l.perf = true
	dir, err := os.MkdirTemp("", "iscsispec-bench-")
	if err != nil {
		return l, err
	}
	l.dir = dir
	source, program := filepath.Join(dir, "login.c"), filepath.Join(dir, "login")
	if err := os.WriteFile(source, loginSource, 0o600); err != nil {
		return l, err
	}
	if _, err := peers.Run(ctx, "cc", "-O2", "-o", program, source, "-liscsi"); err != nil {
		return l, fmt.Errorf("its logins are left out, since login.c needs a C compiler and libiscsi's headers (Debian: libiscsi-dev): %w", err)
	}
	l.login = program
	return l, nil
}

func (l *libiscsi) remove() {
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}

// lacks says what is missing for a workload, "" for nothing.
func (l *libiscsi) lacks(w workload) string {
	if w.blocks > 0 && !l.perf || w.blocks == 0 && l.login == "" {
		return "not installed"
	}
	return ""
}

var average = regexp.MustCompile(`iops average (\d+)`)

// run does a workload for about a time, and returns its rate.
func (l *libiscsi) run(ctx context.Context, url string, w workload, d time.Duration) (float64, error) {
	if w.blocks == 0 {
		output, err := peers.Run(ctx, l.login, url, fmt.Sprint(d.Seconds()))
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(strings.TrimSpace(output), 64)
	}
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
		return 0, fmt.Errorf("iscsi-perf tells no average:\n%s", output)
	}
	n, err := strconv.ParseFloat(found[len(found)-1][1], 64)
	return w.rate(n), err
}
