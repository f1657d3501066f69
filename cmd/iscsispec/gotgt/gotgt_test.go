package gotgt

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/internal/leaks"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Verb {
		os.Exit(Main(os.Args[2:]))
	}
	// Tests that wait for gotgts wait together, however few cores there are; a -parallel on the command line counts all the same.
	if err := flag.Set("test.parallel", strconv.Itoa(2*parts)); err != nil {
		panic(err)
	}
	leaks.Main(m)
}

func executable(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestChildServesAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	child, err := Start(t.Context(), executable(t), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Stop)
	if want := "iscsi://" + child.Address + "/" + TargetName + "/0"; child.URL != want {
		t.Errorf("URL is %q, want %q", child.URL, want)
	}
	conn, err := net.Dial("tcp", child.Address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	child.Stop()
	child.Stop()
	select {
	case <-child.Ended():
	default:
		t.Error("Ended is open after Stop")
	}
	if conn, err := net.Dial("tcp", child.Address); err == nil {
		conn.Close()
		t.Error("the portal still accepts connections after Stop")
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestStartSaysWhatWentWrong(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cases := []struct {
		name, executable string
		size             int64
		want             string
	}{
		{"no such program", "/nonexistent/program", 8 << 20, "start /nonexistent/program"},
		{"a size that is no multiple of a block", executable(t), 1000, "multiple of 512"},
		{"a program that says something else", "/bin/echo", 8 << 20, "want an address and its reach"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			child, err := Start(t.Context(), c.executable, c.size)
			var bad *StartError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v, want a StartError that tells %q", child, err, c.want)
			}
		})
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestStartKeepsItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, executable(t), 8<<20)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
