package fuzz

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// outside, in the environment, makes this program leave the testing package alone.
const outside = "ISCSISPEC_FUZZ_OUTSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(outside) == "" {
		os.Exit(m.Run())
	}
	if err := TargetBytes(nil, []byte("any input")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("lent and run")
	os.Exit(0)
}

// program runs this test's program as a fuzzing service does.
func program(t *testing.T, exe string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), exe, "-engine", "arguments")
	cmd.Env = append(os.Environ(), outside+"=1")
	return cmd.CombinedOutput()
}
