package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	ports "github.com/iscsispec/iscsispec/internal/serving"
)

// statusCommand is "status N program args...": it runs a program and demands that exit status. Its output is in the
// files stdout.txt and stderr.txt of the script's folder.
func statusCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: status N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var out, errOut bytes.Buffer
	program, err := lookUp(ts, args[1])
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "NO_COLOR", "GITHUB_ACTIONS", "ISCSISPEC_CHAP_USERNAME", "ISCSISPEC_CHAP_PASSWORD",
		"ISCSISPEC_CHAP_TARGET_USERNAME", "ISCSISPEC_CHAP_TARGET_PASSWORD"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	got := 0
	if err := cmd.Run(); err != nil {
		got = cmd.ProcessState.ExitCode()
	}
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), out.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), errOut.Bytes(), 0o600))
	if got != want {
		ts.Fatalf("%v: exit status %d, want %d\n%s%s", args[1:], got, want, out.String(), errOut.String())
	}
}

// lookUp finds the program in the script's own PATH.
func lookUp(ts *testscript.TestScript, name string) (string, error) {
	for _, folder := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in the script's PATH", name)
}

// garbageCommand is "garbage NAME": a listener on loopback that answers every connection with bytes that are no iSCSI;
// its address is put into the variable NAME.
func garbageCommand(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	ts.Setenv(args[0], listener.Addr().String())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write(bytes.Repeat([]byte("HTTP/1.1 400 Bad Request\r\n"), 10))
				_, _ = conn.Read(make([]byte, 1<<16))
			}()
		}
	}()
}

// closedCommand is "closed NAME": an address of loopback where nobody listens, nor will until the script ends.
func closedCommand(ts *testscript.TestScript, _ bool, args []string) {
	hold, err := ports.HoldLoopback()
	ts.Check(err)
	ts.Defer(hold.Release)
	ts.Setenv(args[0], hold.Address().String())
}

// serveCommand is "serve PROFILE NAME": the program serves that profile until the script ends; the URL of its first
// logical unit is put into the variable NAME. A server that does not end in order fails the script.
func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	program, err := lookUp(ts, "iscsispec")
	ts.Check(err)
	cmd := exec.Command(program, "serve", args[0])
	cmd.Dir = ts.MkAbs(".")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			ts.Logf("serve %s: %v", args[0], err)
			panic("the server did not end in order")
		}
	})
	ts.Check(err)
	ts.Setenv(args[1], strings.TrimSpace(line))
}

// interruptCommand is "interrupt REGEXP program args...": it interrupts the program once a line of its standard output
// matches, and demands exit status 130 and no complaint. Its output is in stdout.txt.
func interruptCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: interrupt REGEXP program args...")
	}
	sign, err := regexp.Compile(args[0])
	ts.Check(err)
	program, err := lookUp(ts, args[1])
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	var all, errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines, sent := bufio.NewScanner(out), false
	for lines.Scan() {
		all.Write(append(lines.Bytes(), '\n'))
		if !sent && sign.Match(lines.Bytes()) {
			sent = true
			ts.Check(cmd.Process.Signal(os.Interrupt))
		}
	}
	_ = cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), all.Bytes(), 0o600))
	if got := cmd.ProcessState.ExitCode(); got != 130 || !sent || errOut.Len() > 0 {
		ts.Fatalf("%v: exit status %d, want 130; interrupted: %v\n%s%s", args[1:], got, sent, all.String(), errOut.String())
	}
}

// sameResultsCommand is "sameresults A B": two records files that differ in their first line at most.
func sameResultsCommand(ts *testscript.TestScript, _ bool, args []string) {
	_, a, _ := strings.Cut(ts.ReadFile(args[0]), "\n")
	_, b, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	if a != b || a == "" {
		ts.Fatalf("the results of %s and %s differ", args[0], args[1])
	}
}

// withSecretCommand is "withsecret NAME URL CREDENTIALS": NAME becomes the URL with the credentials in it.
func withSecretCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.Replace(args[1], "://", "://"+args[2]+"@", 1))
}

// nowhereCommand is "nowhere TEXT PATH...": no file at or beneath the paths holds the text.
func nowhereCommand(ts *testscript.TestScript, _ bool, args []string) {
	files := 0
	for _, root := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			files++
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(args[0])) {
				ts.Fatalf("%s holds %q", path, args[0])
			}
			return err
		}))
	}
	if files == 0 {
		ts.Fatalf("no files at %v", args[1:])
	}
}

// proxiedCommand is "proxied URL NAME flags...": the program stands in front of the URL's portal until the script ends; the URL of its own
// portal is put into the variable NAME. A proxy whose faults have not all fired, or that does not end in order, fails the script.
func proxiedCommand(ts *testscript.TestScript, _ bool, args []string) {
	program, err := lookUp(ts, "iscsispec")
	ts.Check(err)
	cmd := exec.Command(program, append([]string{"proxy", "--to", args[0]}, args[2:]...)...)
	cmd.Dir = ts.MkAbs(".")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			ts.Logf("proxy %v: %v", args, err)
			panic("the proxy did not end in order")
		}
	})
	ts.Check(err)
	ts.Setenv(args[1], strings.TrimSpace(line))
}
