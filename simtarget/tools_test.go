package simtarget

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/peers"
)

// These tests let tools that others wrote talk to the array over loopback TCP: a mistake that our own two sides share shows here. Each
// skips where its tool is not installed.

// tool finds a program, or skips the test; see peers.Need.
func tool(t *testing.T, name string) string {
	t.Helper()
	peers.Need(t, name)
	path, err := peers.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serveLoopback starts an array of a shipped profile on 127.0.0.1.
func serveLoopback(t *testing.T, profile string, change func(*Profile)) *Array {
	t.Helper()
	p, err := Builtin(profile)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(p)
	}
	a, err := New(p, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(ListenLoopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// toolTime bounds one run of a tool, which takes seconds; a busy machine needs more.
const toolTime = 10 * time.Minute

// run runs a tool with a limit of its own and gives back all it printed.
func run(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, out)
	}
	return string(out)
}

func want(t *testing.T, out string, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		if !strings.Contains(out, p) {
			t.Errorf("no %q in:\n%s", p, out)
		}
	}
}

func TestLibiscsiLists(t *testing.T) {
	path := tool(t, "iscsi-ls")
	a := serveLoopback(t, "multi-portal", nil)
	out := run(t, path, "-s", "iscsi://"+a.Address("A")+"/")
	want(t, out, "Target:iqn.2026-01.io.iscsispec:multi-portal Portal:"+a.Address("A")+",1", a.Address("D")+",2", "Lun:5", "multi-portal.second")
}

func TestLibiscsiInquires(t *testing.T) {
	path := tool(t, "iscsi-inq")
	a := serveLoopback(t, "plain", nil)
	url := a.URLs()[0].String()
	want(t, run(t, path, url), "Vendor:ISCSPEC", "Revision:0001")
	want(t, run(t, path, "-e", "1", "-c", "131", url), ",t,0x0001")
}

func TestLibiscsiReadsCapacity(t *testing.T) {
	path := tool(t, "iscsi-readcapacity16")
	a := serveLoopback(t, "plain", nil)
	want(t, run(t, path, a.URLs()[0].String()), "131071", "512")
}

func TestLibiscsiWithCHAPAndDigests(t *testing.T) {
	path := tool(t, "iscsi-inq")
	a := serveLoopback(t, "chap", func(p *Profile) { p.Data.HeaderDigest = DigestRequire })
	url := a.URLs()[0].String()
	with := func(credentials, arguments string) string {
		return strings.Replace(url, "iscsi://", "iscsi://"+credentials+"@", 1) + arguments
	}
	want(t, run(t, path, with("iscsispec%iscsispec-secret", "?header_digest=crc32c")), "Vendor:ISCSPEC")
	want(t, run(t, path, with("iscsispec%iscsispec-secret", "?header_digest=crc32c&target_user=array&target_password=iscsispec-array-secret")),
		"Vendor:ISCSPEC")
	out, err := exec.CommandContext(t.Context(), path, with("iscsispec%wrong-secret", "?header_digest=crc32c")).CombinedOutput()
	if err == nil {
		t.Errorf("a wrong secret is let in:\n%s", out)
	}
}

// libiscsi follows a temporary redirect to the port where the array keeps the session.
func TestLibiscsiFollowsRedirect(t *testing.T) {
	path := tool(t, "iscsi-inq")
	a := serveLoopback(t, "group-address-redirect", nil)
	want(t, run(t, path, a.URLs()[0].String()), "Vendor:ISCSPEC")
}

func TestLibiscsiLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("short run")
	}
	path := tool(t, "iscsi-perf")
	a := serveLoopback(t, "plain", nil)
	ctx, cancel := context.WithTimeout(t.Context(), toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-i", "iqn.2026-01.io.iscsispec:perf", "-m", "32", "-b", "8", "-t", "1", "-r",
		a.URLs()[0].String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if executed := a.Apply(Action{Ping: &Ping{}}); executed != nil {
		t.Error(executed)
	}
	t.Logf("%s", bytes.ReplaceAll(out, []byte("\r"), []byte("\n")))
}

// qemu-img writes an image over iSCSI, and what it reads back is the same.
func TestQEMUConvertsAndCompares(t *testing.T) {
	path := tool(t, "qemu-img")
	a := serveLoopback(t, "plain", func(p *Profile) { p.Targets[0].LUNs[0].Blank = true })
	url := a.URLs()[0].String()
	image := filepath.Join(t.TempDir(), "image.raw")
	data := make([]byte, 64<<20)
	for i := 0; i < len(data); i += 4096 {
		data[i], data[i+1], data[i+4095] = byte(i>>12), byte(i>>20), 0xa5
	}
	if err := os.WriteFile(image, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "convert", "-n", "-f", "raw", "-O", "raw", image, url).CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("Unknown protocol")) {
		if os.Getenv(peers.RequireVariable) == "1" {
			t.Fatal("this qemu-img has no iSCSI driver (Debian: qemu-block-extra)")
		}
		t.Skip("this qemu-img has no iSCSI driver")
	}
	if err != nil {
		t.Fatalf("convert: %v\n%s", err, out)
	}
	want(t, run(t, path, "compare", "-f", "raw", "-F", "raw", image, url), "identical")
}
