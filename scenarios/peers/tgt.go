package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TGTTarget is one target of a tgt: tgtd gives its LUN 0 to a controller, so disks are LUN 1 and on.
type TGTTarget struct {
	Name     string  // "" is iqn.2026-11.io.github.iscsispec:tgt0, the number being the target's place
	Disks    []int64 // sizes in bytes, of sparse files; nil is one of 64 MiB
	User     string  // CHAP: what an initiator has to prove; "" asks for nothing
	Password string  // at most 256 characters
	OutUser  string  // mutual CHAP: what the target proves; "" for one-way
	OutPass  string
}

// TGTConfig is what StartTGT sets up. The zero value is one target with one disk and no CHAP.
type TGTConfig struct {
	Targets []TGTTarget
}

// TGT is a running tgtd on a loopback port of its own. Stop ends it.
type TGT struct {
	Address string // 127.0.0.1:PORT

	targets []TGTTarget
	dir     string
	cmd     *exec.Cmd
	log     *output
	ended   chan struct{} // closed when the process has been waited for
	once    sync.Once
}

// startTime bounds StartTGT, and answerTime what Ended waits for; attempts is how many ports are tried, since another program may take one between choosing and binding.
const (
	startTime  = 2 * time.Minute
	answerTime = time.Minute
	attempts   = 10
)

// StartTGT runs tgtd with the targets and returns when they are there. The context bounds the start only. Errors are a *MissingError, or tell
// what tgtd or tgtadm said.
func StartTGT(ctx context.Context, config TGTConfig) (*TGT, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var err error
	for range attempts {
		var t *TGT
		if t, err = startTGT(ctx, config); err == nil {
			return t, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, err
}

// TGTFor is StartTGT for a test: it skips as Need does, and stops tgtd when the test ends.
func TGTFor(t testing.TB, config TGTConfig) *TGT {
	t.Helper()
	Need(t, "tgtd", "tgtadm")
	started, err := StartTGT(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.Stop)
	return started
}

// Ended tells whether the process is gone, or goes: what it has just been sent may fell it. It is asked something else behind that, and one that
// cannot answer has ended when its process has, or is killed.
func (t *TGT) Ended(ctx context.Context) bool {
	asked, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := t.Admin(asked, "--lld", "iscsi", "--op", "show", "--mode", "sys"); err == nil || ctx.Err() != nil {
		select {
		case <-t.ended:
			return true
		default:
			return false
		}
	}
	t.Stop()
	return true
}

var errPortTaken = errors.New("another program has taken the port")

func startTGT(ctx context.Context, config TGTConfig) (*TGT, error) {
	path, err := Find("tgtd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "iscsispec-tgt-") // short, since the control socket's path may have 107 bytes
	if err != nil {
		return nil, err
	}
	t := &TGT{dir: dir, log: &output{}, targets: withDefaults(config.Targets), ended: make(chan struct{})}
	if t.Address, err = freePort(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	t.cmd = exec.Command(path, "-f", "-C", "0", "-t", "2", "--iscsi", "portal="+t.Address)
	t.cmd.Env = t.environment()
	t.cmd.Stdout, t.cmd.Stderr = t.log, t.log
	t.cmd.WaitDelay = drainTime
	groupOfItsOwn(t.cmd)
	if err := t.cmd.Start(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start tgtd: %w", err)
	}
	go func() {
		_ = t.cmd.Wait() // how it ended shows in its log
		close(t.ended)
	}()
	if err := t.setUp(ctx); err != nil {
		t.Stop()
		return nil, fmt.Errorf("%w\n%s", err, t.Log())
	}
	return t, nil
}

// environment gives tgtd and tgtadm a control socket of their own, so that a tgtd of the system's is left alone.
func (t *TGT) environment() []string {
	return append(os.Environ(), "TGT_IPC_SOCKET="+filepath.Join(t.dir, "control"))
}

func withDefaults(targets []TGTTarget) []TGTTarget {
	if len(targets) == 0 {
		targets = make([]TGTTarget, 1)
	}
	filled := make([]TGTTarget, len(targets))
	for i, target := range targets {
		if target.Name == "" {
			target.Name = fmt.Sprintf("iqn.2026-11.io.github.iscsispec:tgt%d", i)
		}
		if target.Disks == nil {
			target.Disks = []int64{64 << 20}
		}
		filled[i] = target
	}
	return filled
}

// freePort asks the kernel for a loopback port; tgtd cannot do that by itself.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// setUp waits for the control socket, makes sure that the portal is tgtd's, and makes the targets.
func (t *TGT) setUp(ctx context.Context) error {
	if err := t.awaitControl(ctx); err != nil {
		return err
	}
	portals, err := t.Admin(ctx, "--lld", "iscsi", "--op", "show", "--mode", "portal")
	if err != nil {
		return err
	}
	if !strings.Contains(portals, t.Address) { // tgtd goes on without the portal when it cannot bind it
		return fmt.Errorf("%w: %s", errPortTaken, t.Address)
	}
	for i := range t.targets {
		if err := t.addTarget(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// awaitControl asks until tgtd answers: it has no way to say that it is ready.
func (t *TGT) awaitControl(ctx context.Context) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := t.Admin(ctx, "--lld", "iscsi", "--op", "show", "--mode", "sys")
		var missing *MissingError
		if err == nil || errors.As(err, &missing) {
			return err
		}
		select {
		case <-again.C:
		case <-t.ended:
			return errors.New("tgtd ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("tgtd is not ready: %w", context.Cause(ctx))
		}
	}
}

// addTarget makes one target with its disks and accounts, and opens it to all initiators.
func (t *TGT) addTarget(ctx context.Context, i int) error {
	target, tid := t.targets[i], strconv.Itoa(i+1)
	commands := [][]string{{"--op", "new", "--mode", "target", "--tid", tid, "-T", target.Name}}
	for n, size := range target.Disks {
		file := t.DiskFile(i, n)
		if err := sparse(file, size); err != nil {
			return err
		}
		commands = append(commands, []string{"--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", strconv.Itoa(n + 1), "-b", file})
	}
	for _, account := range []struct {
		user, password string
		bind           []string
	}{{target.User, target.Password, nil}, {target.OutUser, target.OutPass, []string{"--outgoing"}}} {
		if account.user == "" {
			continue
		}
		commands = append(commands,
			[]string{"--op", "new", "--mode", "account", "--user", account.user, "--password", account.password},
			append([]string{"--op", "bind", "--mode", "account", "--tid", tid, "--user", account.user}, account.bind...))
	}
	commands = append(commands, []string{"--op", "bind", "--mode", "target", "--tid", tid, "-I", "ALL"})
	for _, command := range commands {
		if _, err := t.Admin(ctx, append([]string{"--lld", "iscsi"}, command...)...); err != nil {
			return err
		}
	}
	return nil
}

func sparse(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Truncate(size)
}

// Admin runs tgtadm on this tgtd, as for a redirect: Admin(ctx, "--lld", "iscsi", "--op", "update", "--mode", "target", "--tid", "1", ...).
func (t *TGT) Admin(ctx context.Context, args ...string) (string, error) {
	return run(ctx, t.environment(), "tgtadm", append([]string{"-C", "0"}, args...)...)
}

// Portal returns the URL of the portal, for discovery.
func (t *TGT) Portal() string { return "iscsi://" + t.Address }

// Target returns the name of a target, counted from 0.
func (t *TGT) Target(i int) string { return t.targets[i].Name }

// URL returns the URL of a disk, both counted from 0, with the credentials that the target asks for.
func (t *TGT) URL(target, disk int) string {
	user := ""
	if c := t.targets[target]; c.User != "" {
		user = c.User + "%" + c.Password + "@"
	}
	return fmt.Sprintf("iscsi://%s%s/%s/%d", user, t.Address, t.targets[target].Name, disk+1)
}

// DiskFile returns the path of the file behind a disk, both counted from 0.
func (t *TGT) DiskFile(target, disk int) string {
	return filepath.Join(t.dir, fmt.Sprintf("disk-%d-%d", target, disk))
}

// PID returns the number of tgtd's process.
func (t *TGT) PID() int { return t.cmd.Process.Pid }

// Log returns what tgtd wrote.
func (t *TGT) Log() string { return t.log.String() }

// Stop kills tgtd, which ignores the gentler signals, waits for it and removes its files. It may be called several times.
func (t *TGT) Stop() {
	t.once.Do(func() {
		select {
		case <-t.ended:
		default:
			killGroup(t.cmd)
			<-t.ended
		}
		_ = os.RemoveAll(t.dir)
	})
	<-t.ended
}
